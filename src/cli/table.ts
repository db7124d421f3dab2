/** Columns for people: upper-case heads, two spaces between, text left, numbers right. */

export interface Column<Row> {
  readonly head: string;
  readonly value: (row: Row) => string | number | undefined;
  /** Only in wide output. */
  readonly wide?: true;
}

export interface TableOptions {
  readonly wide: boolean;
  readonly heads: boolean;
}

export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { wide, heads }: TableOptions,
): string {
  const shown = columns.filter((column) => wide || column.wide !== true);
  const cells = rows.map((row) => shown.map((column) => column.value(row)));
  const texts = cells.map((row) => row.map((cell) => (cell === undefined ? "-" : clean(cell))));
  const widths = shown.map((column, index) =>
    Math.max(heads ? column.head.length : 0, ...texts.map((row) => (row[index] ?? "").length)),
  );
  const numeric = shown.map(
    (_, index) => cells.length > 0 && cells.every((row) => typeof row[index] !== "string"),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, index) => {
        const width = widths[index] ?? 0;
        return numeric[index] === true ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const head = heads ? [line(shown.map((column) => column.head))] : [];
  return [...head, ...texts.map(line)].map((text) => `${text}\n`).join("");
}

/** What comes from tasks must not steer the reader's terminal. */
export function clean(cell: string | number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return String(cell).replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

/** `5s`, `3m`, `2h`, `4d` since a moment. */
export function age(atMs: number | undefined, nowMs: number): string | undefined {
  if (atMs === undefined) return undefined;
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}
