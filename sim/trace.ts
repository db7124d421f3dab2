/**
 * What happened in a run, record by record, and the digest over all of it: two runs with the
 * same digest were the same run. Keeps the records only when asked; then what is known besides
 * (what frames carry, what a turn brought about, what actors became) is added to them, none of
 * which the digest depends on. Writes no file.
 */
import {
  canonicalRecord,
  TRACE_MARK_EVERY,
  type TraceFact,
  type TraceMark,
  type TraceRecord,
  type TraceState,
} from "#runtime";
import type { Facts } from "./facts.ts";
import { Digest } from "./kernel/digest.ts";
import type { Happening, Recorder } from "./kernel/world.ts";

/** Effects of one record that are kept; a last one says that there were more. */
export const TRACE_EFFECTS_MAX = 32;

type Writable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };

export class Trace implements Recorder {
  readonly keeps: boolean;
  readonly reads = true;
  readonly #digest = new Digest();
  readonly #records: Writable<TraceRecord>[] = [];
  readonly #states: TraceState[] = [];
  readonly #facts = new Map<string, Facts>();
  /** Digest after every thousandth record. */
  readonly marks: TraceMark[] = [];
  #count = 0;
  /** Records that wait for the one before them to be told. */
  #held: { readonly n: number; readonly later: Writable<TraceRecord>[] } | undefined;

  constructor(options: { readonly keepAll: boolean }) {
    this.keeps = options.keepAll;
  }

  get count(): number {
    return this.#count;
  }

  record(nowMs: number, happening: Happening, cause: number): number {
    this.#count += 1;
    const record = recordOf(this.#count, nowMs, happening, cause);
    if (this.#held === undefined) this.#add(record);
    else this.#held.later.push(record);
    return this.#count;
  }

  reserve(): number {
    if (this.#held !== undefined) throw new Error(`record ${this.#held.n} is not told yet`);
    this.#count += 1;
    this.#held = { n: this.#count, later: [] };
    return this.#count;
  }

  fill(nowMs: number, happening: Happening | undefined, cause: number): void {
    const held = this.#held;
    if (held === undefined) throw new Error("no record waits to be told");
    this.#held = undefined;
    if (happening !== undefined) this.#add(recordOf(held.n, nowMs, happening, cause));
    else if (held.later.length === 0) this.#count -= 1;
    else throw new Error(`of record ${held.n} came others, and nobody tells what it was`);
    for (const record of held.later) this.#add(record);
  }

  effect(n: number, text: string): void {
    const record = this.#kept(n);
    if (record === undefined) return;
    const effects = record.effects ?? [];
    if (effects.length > TRACE_EFFECTS_MAX) return;
    record.effects = [...effects, effects.length === TRACE_EFFECTS_MAX ? "and more" : text];
  }

  /** Says which frame record `n` is about and what it carries. */
  frame(n: number, msgId: string, messages: readonly string[]): void {
    const record = this.#kept(n);
    if (record === undefined) return;
    if (msgId !== "") record.msgId = msgId;
    if (messages.length > 0) record.messages = messages;
  }

  /** What can be seen of an actor now; kept where it differs from the last time. */
  state(nowMs: number, node: string, cause: number, facts: Facts): void {
    const before = this.#facts.get(node) ?? {};
    const changed: Record<string, TraceFact | null> = {};
    for (const [name, value] of Object.entries(facts)) {
      if (before[name] !== value) changed[name] = value;
    }
    for (const name of Object.keys(before)) if (!(name in facts)) changed[name] = null;
    if (Object.keys(changed).length === 0) return;
    this.#facts.set(node, facts);
    this.#states.push({ node, t: nowMs, after: this.#count, cause, facts: changed });
  }

  /** All records, when they are kept. */
  records(): readonly TraceRecord[] {
    return this.#records;
  }

  states(): readonly TraceState[] {
    return this.#states;
  }

  digest(): string {
    return this.#digest.value();
  }

  #kept(n: number): Writable<TraceRecord> | undefined {
    const held = this.#held;
    return held === undefined || n <= held.n ? this.#records[n - 1] : held.later[n - held.n - 1];
  }

  #add(record: TraceRecord): void {
    this.#digest.add(canonicalRecord(record));
    const { n } = record;
    if (n % TRACE_MARK_EVERY === 0) this.marks.push({ n, sha256: this.#digest.value() });
    if (this.keeps) this.#records.push(record);
  }
}

function recordOf(n: number, t: number, happening: Happening, cause: number) {
  const { node, kind, from = "", summary } = happening;
  const record: Writable<TraceRecord> = { n, t, node, kind, from, cause, summary };
  return record;
}

/** One record as a line for people. */
export function traceLine({ n, t, node, kind, summary, from, cause }: TraceRecord): string {
  const because = cause === 0 ? "" : ` ←${cause}`;
  const where = from === "" ? "" : ` (${from})`;
  return `${n} ${t.toFixed(3)} ${node} ${kind} ${summary}${where}${because}`;
}
