/** The style sheet of the page; its variables are also the colours of the lanes. */

const LIGHT = `
--paper:#fff;--ground:#f7f8fa;--side:#fff;--focus:#eaf1fd;--grid:#e9ebef;--line:#d5d9e0;
--ink:#14181f;--quiet:#5c6675;--message:#4b7bd1;--lost:#d9480f;--wrong:#d3142c;--fault:#e8850c;
--band:#ffb84d40;--well:#2f9e62;--lead:#7a3ff2;--idle:#9aa4b2;--down:#b0483a;--work:#0c8599;
--log:#8d6bc7;--cause:#d6128a;--effect:#0b8f8f;--window:#d6128a1a;--hover:#eef2f8;
--role-master:#7a3ff2;--role-agent:#2f9e62;--role-framework:#0c8599;--role-broker:#9aa4b2;
--role-faults:#e8850c;--role-checkers:#d3142c;--role-executor:#5b8a3c`;
const DARK = `
--paper:#12151b;--ground:#161a21;--side:#12151b;--focus:#1c2738;--grid:#20252e;--line:#2c333e;
--ink:#e8ebf0;--quiet:#98a3b3;--message:#6c9bf0;--lost:#ff8c5a;--wrong:#ff5468;--fault:#ffab3d;
--band:#ffab3d2e;--well:#4cc38a;--lead:#a685ff;--idle:#67717f;--down:#e0705f;--work:#3fb8cc;
--log:#b197e0;--cause:#ff5cb8;--effect:#2fc4c4;--window:#ff5cb822;--hover:#1d232d;
--role-master:#a685ff;--role-agent:#4cc38a;--role-framework:#3fb8cc;--role-broker:#67717f;
--role-faults:#ffab3d;--role-checkers:#ff5468;--role-executor:#8fbf6a`;

export const STYLE = `
:root{color-scheme:light;${LIGHT}}
@media (prefers-color-scheme:dark){:root{color-scheme:dark;${DARK}}}
:root[data-theme=light]{color-scheme:light;${LIGHT}}
:root[data-theme=dark]{color-scheme:dark;${DARK}}
*{box-sizing:border-box}
html,body{height:100%;margin:0}
body{display:grid;grid-template:auto 1fr 30% / 1fr 390px;background:var(--paper);
color:var(--ink);font:13px/1.45 system-ui,sans-serif;overflow:hidden}
.bar{grid-column:1/-1;display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center;
padding:7px 12px;border-bottom:1px solid var(--line);background:var(--side)}
h1{font-size:14px;margin:0;font-weight:650}
#about{flex:1 1 60%;min-width:0;overflow:hidden;white-space:nowrap;text-overflow:ellipsis}
.break{flex-basis:100%;height:0}
#count{margin-left:auto}
.quiet,#about,#count,#hover{color:var(--quiet)}
.group{display:inline-flex}
.group button{border-radius:0;margin-left:-1px}
.group button:first-child{border-radius:5px 0 0 5px;margin-left:0}
.group button:last-child{border-radius:0 5px 5px 0}
.bar button,summary{font:inherit;color:var(--ink);background:var(--paper);padding:2px 9px;
border:1px solid var(--line);border-radius:5px;cursor:pointer;list-style:none}
.bar button:hover,summary:hover{background:var(--hover)}
button:focus-visible,input:focus-visible,summary:focus-visible{outline:2px solid var(--cause)}
input[type=search]{font:inherit;color:inherit;background:var(--ground);width:200px;
border:1px solid var(--line);border-radius:5px;padding:3px 8px}
label{display:inline-flex;gap:5px;align-items:center;cursor:pointer}
details{position:relative}
#kinds{position:absolute;z-index:2;right:0;top:30px;background:var(--paper);padding:8px 12px;
border:1px solid var(--line);border-radius:6px;display:grid;gap:3px;box-shadow:0 6px 24px #0003}
main{min-width:0;min-height:0;display:flex;flex-direction:column}
canvas{display:block;width:100%;touch-action:none}
#overview{height:62px;border-bottom:1px solid var(--line);cursor:crosshair;flex:none}
#scroller{flex:1;min-height:0;overflow-y:auto;overflow-x:hidden}
#hover{border-top:1px solid var(--line);padding:2px 12px;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis;min-height:24px;font-size:12px;flex:none}
#panel{grid-row:2/4;grid-column:2;border-left:1px solid var(--line);overflow:auto;
padding:12px 14px;background:var(--side)}
#list{grid-column:1;border-top:1px solid var(--line);overflow:auto;position:relative;
font:12px/20px ui-monospace,monospace}
.space{position:relative;width:100%}
.row{position:absolute;left:0;right:0;height:20px;display:flex;gap:10px;padding:0 12px;
white-space:nowrap;cursor:pointer;overflow:hidden}
.row:hover{background:var(--hover)}
.row.story{box-shadow:inset 3px 0 var(--cause)}
.row.selected{background:var(--focus);box-shadow:inset 3px 0 var(--ink)}
.row.wrong{color:var(--wrong);font-weight:600}
.row .n{flex:none;width:58px;text-align:right;color:var(--quiet)}
.row .t{flex:none;width:80px;text-align:right;color:var(--quiet)}
.row .who{width:120px;overflow:hidden;text-overflow:ellipsis;flex:none}
.row .kind{width:92px;flex:none}
.what{overflow:hidden;text-overflow:ellipsis}
.kind{color:var(--message)}
.kind-lost{color:var(--lost)}.kind-fault{color:var(--fault)}.kind-down{color:var(--down)}
.kind-up,.kind-heal{color:var(--well)}.kind-violation,.kind-actor-died,.kind-uncaught{
color:var(--wrong)}.kind-log{color:var(--quiet)}.kind-append,.kind-log-leader{color:var(--log)}
.kind-start,.kind-exit{color:var(--work)}
#panel h2{font-size:11px;text-transform:uppercase;letter-spacing:.06em;color:var(--quiet);
margin:14px 0 5px;font-weight:600}
.head{display:flex;gap:9px;flex-wrap:wrap;align-items:baseline;font-size:14px}
.summary,.id{overflow-wrap:anywhere;margin:6px 0;font:12px/1.5 ui-monospace,monospace}
.texts,.links{list-style:none;margin:0;padding:0}
.texts li{overflow-wrap:anywhere;padding:2px 0;font-size:12px}
.link{display:flex;gap:8px;width:100%;border:0;background:none;color:inherit;padding:2px 0;
font:12px/1.5 system-ui,sans-serif;text-align:left;cursor:pointer;white-space:nowrap}
.link:hover{background:var(--hover)}
.link .n{color:var(--quiet);min-width:44px;text-align:right;font-variant-numeric:tabular-nums}
.link .kind{min-width:44px}
.facts{border-collapse:collapse;width:100%;font-size:12px}
.facts th{text-align:left;font-weight:400;color:var(--quiet);padding:2px 8px 2px 0;
vertical-align:top;overflow-wrap:anywhere}
.facts td{padding:2px 0;overflow-wrap:anywhere}
.facts tr{border-top:1px solid var(--grid)}
.changed th{color:var(--ink);font-weight:600;box-shadow:inset 3px 0 var(--cause);
padding-left:8px}
del{color:var(--quiet)}
ins{text-decoration:none;font-weight:600;color:var(--well)}
.none,.more{color:var(--quiet)}
@media (max-width:900px){body{grid-template:auto 1fr 26% 26% / 1fr}
#panel{grid-row:4;grid-column:1;border-left:0;border-top:1px solid var(--line)}}
`;
