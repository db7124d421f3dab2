/**
 * What a command prints: data on stdout, everything else on stderr. The same object as a table,
 * JSON, JSON lines, YAML, or names alone.
 */
import { stringify } from "yaml";
import { type Column, table } from "./table.ts";

export const OUTPUTS = ["table", "wide", "json", "jsonl", "yaml", "name"] as const;
export type Output = (typeof OUTPUTS)[number];

export interface OutputOptions {
  readonly output: Output;
  readonly headers: boolean;
  readonly sortBy?: string;
}

export function data(text: string): void {
  process.stdout.write(text);
}

export function note(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}

interface Named {
  readonly id?: string;
  readonly name?: string;
}

/** Prints a list; `whole` is what JSON and YAML show. */
export function printList<Row extends Named>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: OutputOptions,
): void {
  const sorted = sortRows(rows, columns, options.sortBy);
  switch (options.output) {
    case "json":
      return data(`${JSON.stringify({ items: sorted }, undefined, 2)}\n`);
    case "jsonl":
      return data(sorted.map((row) => `${JSON.stringify(row)}\n`).join(""));
    case "yaml":
      return data(stringify({ items: sorted }));
    case "name":
      return data(sorted.map((row) => `${row.id ?? row.name ?? ""}\n`).join(""));
    default: {
      const wide = options.output === "wide";
      return data(table(sorted, columns, { wide, heads: options.headers }));
    }
  }
}

function sortRows<Row extends Named>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sortBy: string | undefined,
): Row[] {
  const column = columns.find((one) => one.head.toLowerCase() === sortBy?.toLowerCase());
  const keyOf = (row: Row): string | number => column?.value(row) ?? row.name ?? row.id ?? "";
  return [...rows].sort((a, b) => {
    const [x, y] = [keyOf(a), keyOf(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

/** Prints one object; as a table: a line per field. */
export function printObject(
  object: object,
  lines: readonly (readonly [string, string | number | undefined])[],
  { output }: OutputOptions,
): void {
  switch (output) {
    case "json":
      return data(`${JSON.stringify(object, undefined, 2)}\n`);
    case "jsonl":
      return data(`${JSON.stringify(object)}\n`);
    case "yaml":
      return data(stringify(object));
    case "name":
      return data(`${(object as Named).id ?? (object as Named).name ?? ""}\n`);
    default: {
      const shown = lines.filter(([, value]) => value !== undefined);
      const width = Math.max(...shown.map(([key]) => key.length));
      return data(shown.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join(""));
    }
  }
}
