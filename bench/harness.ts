/**
 * What every benchmark shares: quantiles, a table and a line of JSON with machine and workload.
 * Measures nothing by itself.
 */
import { cpus } from "node:os";

/** The value below which the share `q` of the samples lies; 0 where there are none. */
export function quantile(samples: readonly number[], q: number): number {
  if (samples.length === 0) return 0;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

/** Whoever reads has read enough, as in `npm run bench -- allocator --list | head`: no failure. */
export function endWhenUnread(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it must reach: at least, or below. */
  readonly atLeast?: number;
  readonly below?: number;
}

export interface Report {
  readonly benchmark: string;
  readonly workload: string;
  readonly rows: readonly Row[];
}

export function meets(row: Row): boolean {
  if (row.atLeast !== undefined && row.value < row.atLeast) return false;
  return row.below === undefined || row.value < row.below;
}

/** Prints a table for people and one line of JSON for machines; false when a target is missed. */
export function print(report: Report): boolean {
  const lines = [`${report.benchmark}: ${report.workload}`, ""];
  const width = Math.max(...report.rows.map(({ name }) => name.length));
  for (const row of report.rows) {
    const target =
      row.atLeast !== undefined
        ? `at least ${row.atLeast}`
        : row.below !== undefined
          ? `below ${row.below}`
          : "";
    const mark = target === "" ? "" : meets(row) ? "  met" : "  MISSED";
    const value = row.value >= 1_000 ? Math.round(row.value).toString() : row.value.toFixed(3);
    lines.push(
      `  ${row.name.padEnd(width)}  ${value.padStart(10)} ${row.unit.padEnd(12)} ${target}${mark}`,
    );
  }
  const [cpu] = cpus();
  const machine = { node: process.version, cpus: cpus().length, model: cpu?.model ?? "unknown" };
  process.stdout.write(`${lines.join("\n")}\n\n${JSON.stringify({ ...report, machine })}\n`);
  return report.rows.every(meets);
}
