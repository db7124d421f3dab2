/**
 * What happened in a run, record by record, and the digest over all of it. Keeps the last
 * records, or all when asked; two runs with the same digest were the same run.
 */
import { Digest } from "./kernel/digest.ts";
import type { Happening, Recorder } from "./kernel/world.ts";

/** Records kept when not all are wanted: enough to see what led to a violation. */
export const TRACE_TAIL_MAX = 2_000;
const MARK_EVERY = 1_000;

export interface TraceRecord extends Happening {
  readonly n: number;
  readonly t: number;
}

export class Trace implements Recorder {
  readonly #digest = new Digest();
  readonly #keepAll: boolean;
  /** All records, or the last ones. */
  #records: TraceRecord[] = [];
  /** Digest after every thousandth record: two traces are compared by bisection. */
  readonly marks: string[] = [];
  #count = 0;

  constructor(options: { readonly keepAll: boolean }) {
    this.#keepAll = options.keepAll;
  }

  get count(): number {
    return this.#count;
  }

  record(nowMs: number, happening: Happening): number {
    this.#count += 1;
    const n = this.#count;
    const { node, kind, summary, from = "", cause = 0 } = happening;
    this.#digest.add(`${n} ${nowMs} ${node} ${kind} ${from} ${cause} ${summary}`);
    this.#records.push({ n, t: nowMs, ...happening });
    if (!this.#keepAll && this.#records.length > 2 * TRACE_TAIL_MAX) {
      this.#records = this.#records.slice(-TRACE_TAIL_MAX);
    }
    if (n % MARK_EVERY === 0 && this.#keepAll) this.marks.push(this.#digest.value());
    return n;
  }

  records(): readonly TraceRecord[] {
    return this.#keepAll ? this.#records : this.#records.slice(-TRACE_TAIL_MAX);
  }

  digest(): string {
    return this.#digest.value();
  }
}

/** One record as a line for people. */
export function traceLine({ n, t, node, kind, summary, from, cause }: TraceRecord): string {
  const because = cause === undefined || cause === 0 ? "" : ` ←${cause}`;
  const where = from === undefined || from === "" ? "" : ` (${from})`;
  return `${n} ${t.toFixed(3)} ${node} ${kind} ${summary}${where}${because}`;
}
