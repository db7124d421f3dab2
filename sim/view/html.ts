/**
 * The page of a trace as one file: style, data and script inside, nothing fetched, nothing else
 * allowed by its own policy. The script is the compiled modules of `page/`, joined.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { PageData } from "./page/model.ts";
import { STYLE } from "./style.ts";

/** Each after what it imports. */
const MODULES = ["model", "axis", "draw", "panel", "list", "main"] as const;

/** One script of the modules: they share one scope, so imports and exports fall away. */
function scriptOf(): string {
  const parts = MODULES.map((name) => {
    const file = new URL(`./page/${name}.js`, import.meta.url);
    return readFileSync(file, "utf8")
      .replaceAll(/^import [^;]*;\n/gm, "")
      .replaceAll(/^export (?=(?:async )?(?:function|class|const|let) )/gm, "")
      .replaceAll(/^export \{[^}]*\};\n/gm, "")
      .replaceAll(/^\/\/# sourceMappingURL=.*$/gm, "");
  });
  return `"use strict";\n{\n${parts.join("\n")}}\n`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/** JSON that no reader of HTML takes for the end of its element. */
function embedded(data: PageData): string {
  return JSON.stringify(data).replaceAll("<", "\\u003c");
}

const BUTTONS = `
<span class="group">
<button id="lane-back" title="on this lane, back (shift ←)">⇤</button>
<button id="back" title="back (←)">←</button>
<button id="forth" title="forth (→)">→</button>
<button id="lane-forth" title="on this lane, forth (shift →)">⇥</button>
</span>
<span class="group">
<button id="cause" title="to its cause (↑)">↑ cause</button>
<button id="effect" title="to what came of it (↓)">↓ effect</button>
<button id="violation" title="to the next violation (v)">violation</button>
</span>
<span class="group">
<button id="zoom-out" title="zoom out (-)">−</button>
<button id="zoom-in" title="zoom in (+)">+</button>
<button id="story" title="what led to it (s)">story</button>
<button id="fit" title="the whole run (f)">all</button>
<button id="axis" title="by time, or one step each (o)">by time</button>
</span>
<label title="only what speaks of a task, an offer, an agent or any other word (/)">find
<input id="text" type="search"></label>
<label title="heartbeats, beacons, usage, questions for a leader">
<input id="routine" type="checkbox">routine</label>
<details><summary>kinds</summary><div id="kinds"></div></details>
<span id="count"></span>
<button id="theme" title="light or dark">◐</button>`;

export function pageOf(data: PageData): string {
  const script = scriptOf();
  const policy = `default-src 'none'; style-src ${hashOf(STYLE)}; script-src ${hashOf(script)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Meseta trace</title>
<style>${STYLE}</style>
</head>
<body>
<div class="bar"><h1 id="title"></h1><span id="about"></span><span class="break"></span>${BUTTONS}</div>
<main>
<canvas id="overview" aria-label="the whole run"></canvas>
<div id="scroller"><canvas id="lanes" aria-label="lanes of the nodes"></canvas></div>
<div id="hover"></div>
</main>
<aside id="panel"></aside>
<div id="list"></div>
<script type="application/json" id="data">${embedded(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}
