/** What an experiment is, and what it hands back: tables, charts and the figures behind them. */
import type { Fields } from "./fields.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Outcome {
  readonly tables: readonly Table[];
  /** Text of an SVG by the name of its file, without the ending. */
  readonly charts: ReadonlyMap<string, string>;
  /** Everything that was measured; becomes JSON. Equal inputs and seed give equal data. */
  readonly data: unknown;
  /** What depends on this machine and hour, such as the time that a run took. */
  readonly machine: Readonly<Record<string, string | number>>;
}

export interface Experiment {
  /** As the field `experiment` of a document names it. */
  readonly name: string;
  /**
   * Reads its inputs; the run itself comes with the call of what is returned, after the whole
   * document was found to be right.
   */
  prepare(inputs: Fields, seed: string): (say: (line: string) => void) => Outcome;
}

/** A number for people: as many digits as say something. */
export function shown(value: number | undefined, digits = 2): string {
  return value === undefined || !Number.isFinite(value) ? "—" : value.toFixed(digits);
}

export function percent(part: number, digits = 0): string {
  return `${(part * 100).toFixed(digits)} %`;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The table in columns, for a terminal; also a Markdown table. */
export function tableText({ title, columns, rows }: Table): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, index) => (cells[index] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  return [title, "", line(columns), line(rule), ...rows.map(line), ""].join("\n");
}
