/** How the demo looks: progress while it works, a table and a chart of shares at its end. */
import type { Batch } from "./batch.ts";
import type { Check, TaskRow } from "./checks.ts";

const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const CHART_WIDTH = 60;

export interface Sample {
  readonly atMs: number;
  /** Dominant share by role, 0 to 1. */
  readonly shares: Readonly<Record<string, number>>;
}

export function progressLine(batches: readonly Batch[], running: number, sample?: Sample): string {
  const done = batches.map((batch) => {
    const ended = [...batch.states.values()].filter((state) => state === "TASK_FINISHED").length;
    return `${batch.kind} ${ended}/${batch.chunks}`;
  });
  const shares = Object.entries(sample?.shares ?? {})
    .map(([role, share]) => `${role} ${Math.round(share * 100)}%`)
    .join(", ");
  return `${done.join(", ")}, ${running} running${shares === "" ? "" : `, shares: ${shares}`}`;
}

export function tasksTable(batches: readonly Batch[], tasks: readonly TaskRow[]): string {
  const rows = [["FRAMEWORK", "ROLE", "TASKS", "FINISHED", "OTHER", "WALL", "MEAN TASK", "AGENTS"]];
  for (const batch of batches) {
    const own = tasks.filter(({ id }) => batch.launched.has(id));
    const finished = own.filter(({ state }) => state === "TASK_FINISHED");
    const meanMs =
      finished.reduce((sum, one) => sum + (one.endedAtMs ?? 0) - (one.startedAtMs ?? 0), 0) /
      Math.max(1, finished.length);
    rows.push([
      `demo ${batch.kind}`,
      batch.role,
      String(own.length),
      String(finished.length),
      String(own.length - finished.length),
      seconds((batch.endedMs ?? Date.now()) - batch.startedMs),
      seconds(meanMs),
      String(new Set(own.map(({ agentId }) => agentId)).size),
    ]);
  }
  return columns(rows);
}

export function checksTable(checks: readonly Check[]): string {
  return columns(checks.map(({ name, result, detail }) => [result, name, detail]));
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, index) =>
    Math.max(...rows.map((row) => (row[index] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** One line of bars per role: its share of the cluster over the time of the batch. */
export function sharesChart(samples: readonly Sample[]): string {
  const roles = [...new Set(samples.flatMap(({ shares }) => Object.keys(shares)))].sort();
  const width = Math.max(...roles.map((role) => role.length), 0);
  const most = Math.max(0.01, ...samples.flatMap(({ shares }) => Object.values(shares)));
  const lines = roles.map((role) => {
    const shares = samples.map((sample) => sample.shares[role] ?? 0);
    const bars = squeeze(shares).map((share) => barOf(share / most));
    const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
    return `${role.padEnd(width)}  ${bars.join("")}  mean ${Math.round(mean * 100)}%`;
  });
  const begin = samples[0]?.atMs ?? 0;
  const end = samples.at(-1)?.atMs ?? begin;
  return [...lines, `${" ".repeat(width)}  share of the cluster over ${seconds(end - begin)}`].join(
    "\n",
  );
}

/** At most so many values as the chart is wide, each the mean of its part. */
function squeeze(values: readonly number[]): number[] {
  if (values.length <= CHART_WIDTH) return [...values];
  return Array.from({ length: CHART_WIDTH }, (_, index) => {
    const from = Math.floor((index * values.length) / CHART_WIDTH);
    const to = Math.max(from + 1, Math.floor(((index + 1) * values.length) / CHART_WIDTH));
    const part = values.slice(from, to);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

function barOf(part: number): string {
  if (part <= 0) return " ";
  return BARS[Math.min(BARS.length - 1, Math.floor(part * BARS.length))] ?? "";
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
