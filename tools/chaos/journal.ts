/**
 * The journal of a framework of a run: each launch before it is asked for, each update before it
 * is acknowledged, synced. After a crash it is all that the framework knows; at the end it is the
 * framework's word on what it was told.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { isTerminal, type TaskState } from "#protocol";

export type JournalRow =
  | { readonly what: "id"; readonly atMs: number; readonly frameworkId: string }
  | {
      readonly what: "launch";
      readonly atMs: number;
      readonly taskId: string;
      readonly agentId: string;
      /** How long it runs by itself; null: until it is killed. */
      readonly lastsS: number | null;
    }
  | {
      readonly what: "told";
      readonly atMs: number;
      readonly taskId: string;
      readonly state: string;
      readonly uuid?: string;
    };

/** What cannot be written in whole is not there: a torn end is cut when it is opened again. */
export class Journal {
  readonly #file: number;
  #bytes: number;
  readonly rows: readonly JournalRow[];

  constructor(path: string) {
    this.rows = readJournal(path);
    this.#file = openSync(path, existsSync(path) ? "r+" : "w+", 0o600);
    this.#bytes = wholeBytes(path);
    ftruncateSync(this.#file, this.#bytes);
  }

  /** @throws Error when the disk does not take it: then nothing may be said that rests on it. */
  write(rows: readonly JournalRow[]): void {
    const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    let written = 0;
    while (written < bytes.length) {
      const at = this.#bytes + written;
      written += writeSync(this.#file, bytes, written, bytes.length - written, at);
    }
    fdatasyncSync(this.#file);
    this.#bytes += bytes.length;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** All whole rows; none where there is no journal yet. */
export function readJournal(path: string): JournalRow[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as JournalRow);
}

function wholeBytes(path: string): number {
  return readFileSync(path).lastIndexOf("\n") + 1;
}

/** Nothing more is expected of it: it has ended, or nobody has ever run it. */
export function isOver(state: string): boolean {
  return isTerminal(state as TaskState) || state === "TASK_UNKNOWN";
}
