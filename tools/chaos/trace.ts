/**
 * What was recorded of a run, in one file: a row for each message that crossed a wire, for each
 * start of a process, for each fault and for each turn of the story. Written as it happens, read
 * when all is over. It judges nothing.
 */
import { createReadStream, createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";

/** Times are of the wall clock in ms; all processes of a run share it. */
export type Row =
  | {
      readonly what: "said" | "heard";
      readonly atMs: number;
      readonly node: string;
      readonly subject: string;
      readonly reply?: string;
      /** The connection that it passed on. */
      readonly link?: number;
      /** In base 64. */
      readonly data: string;
    }
  | { readonly what: "start"; readonly atMs: number; readonly node: string; readonly life: number }
  /** A process opens a connection; later ones have higher numbers. */
  | { readonly what: "dial"; readonly atMs: number; readonly node: string; readonly link: number }
  | {
      readonly what: "end";
      readonly atMs: number;
      readonly node: string;
      readonly why: string;
      /** false: a fault or the run itself ended it. */
      readonly byItself: boolean;
    }
  | {
      readonly what: "fault" | "healed";
      readonly atMs: number;
      readonly node: string;
      readonly fault: string;
    }
  | { readonly what: "turn"; readonly atMs: number; readonly to: string };

/** The turn at which what is there was looked at; what came behind it is not judged. */
export const COLLECTED = "what is there is collected";

export class TraceFile {
  readonly path: string;
  readonly #out: WriteStream;
  #failure: Error | undefined;

  constructor(path: string) {
    this.path = path;
    this.#out = createWriteStream(path, { mode: 0o600 });
    this.#out.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  write(row: Row): void {
    this.#out.write(`${JSON.stringify(row)}\n`);
  }

  /** @throws Error when a row could not be written: then nothing can be said of the run. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#out.end(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }
}

export async function* readTrace(path: string): AsyncIterableIterator<Row> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of lines) yield JSON.parse(line) as Row;
}
