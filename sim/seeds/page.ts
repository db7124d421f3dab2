/** The report of a swarm as a page: one file, no script, nothing loaded from elsewhere. */
import type { SeedOutcome } from "./outcome.ts";
import { type Group, totalLines } from "./report.ts";

export interface PageParts {
  readonly outcomes: readonly SeedOutcome[];
  readonly groups: readonly Group[];
  /** One line for each seed that failed, with the command that repeats it. */
  readonly failures: readonly string[];
  readonly speed: string;
}

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}
table{border-collapse:collapse}td,th{padding:.15rem .7rem;text-align:right}
th{border-bottom:1px solid #888}td:first-child,th:first-child,.text{text-align:left}
.failed td{background:#fdd}code{font-size:13px}pre{white-space:pre-wrap}`;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function row(cells: readonly (string | number)[], failed: boolean): string {
  const inner = cells.map((cell) => `<td>${escaped(String(cell))}</td>`).join("");
  return `<tr${failed ? ' class="failed"' : ""}>${inner}</tr>`;
}

function seedRow(outcome: SeedOutcome): string {
  const { seed, violations, crash, events, virtualMs, cpuMs } = outcome;
  const { tasks, launched, faults, leaders, digest } = outcome;
  const ids = [...new Set(violations.map(({ id }) => id))].join(" ");
  const how = crash === undefined ? ids || "passed" : "crash";
  const times = (virtualMs / Math.max(1, cpuMs)).toFixed(0);
  const cells = [seed, how, tasks, launched, faults, leaders, events, times, digest.slice(0, 16)];
  return row(cells, how !== "passed");
}

/** A heading with a list; nothing when the list is empty. */
function section(title: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  return `<h2>${title}</h2><ul>${items.map((item) => `<li>${item}</li>`).join("")}</ul>`;
}

export function pageOf({ outcomes, groups, failures, speed }: PageParts): string {
  const heads = "seed,ended,tasks,launched,faults,leaders,events,× real time,digest".split(",");
  const grouped = groups.map(
    ({ id, frame, seeds, example }) =>
      `<b>${escaped(id)}</b> in <code>${escaped(frame || "the simulator")}</code>, ` +
      `seeds ${escaped(seeds.join(", "))}<pre>${escaped(example)}</pre>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Swarm</title><style>${STYLE}</style></head>
<body><h1>Swarm</h1>
<p>${[...totalLines(outcomes), speed].map(escaped).join("<br>")}</p>
${section("What failed, by statement and place", grouped)}
${section(
  "How to repeat it",
  failures.map((line) => `<code>${escaped(line)}</code>`),
)}
<h2>Seeds</h2>
<table><tr>${heads.map((head) => `<th>${head}</th>`).join("")}</tr>
${outcomes.map(seedRow).join("\n")}
</table></body></html>
`;
}
