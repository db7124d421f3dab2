/**
 * Writes the leader's records: one append per batch, at predicted positions. It holds no port:
 * it says what to append and read, is told the answers, and says what became of each record.
 * A conflict is proven by the foreign record, not by an error code (P-7.1).
 */
import { encodePlain, type Epoch, type MasterId, type Position } from "#protocol";
import type { AppendOutcome, ReadOutcome } from "#runtime";
import { type Head, judge, open, seal } from "./chain.ts";
import {
  type LogRecord,
  OPERATION_BYTES_MAX,
  OPERATIONS_PER_RECORD_MAX,
  recordVersionOf,
  type RegistryOperation,
} from "./records.ts";

/**
 * Appends in flight at once. One: should a stray publish take the position of the first of
 * several, the second would be accepted behind it without its predecessor, and that stops every
 * master (P-7.5). With one, operations that come meanwhile are one record together.
 */
export const APPENDS_IN_FLIGHT_DEFAULT = 1;
export const APPENDS_IN_FLIGHT_MAX = 16;
/** Most operations that wait for their record; beyond it a proposal is refused as busy. */
export const OPERATIONS_PROPOSED_MAX = 20_000;
/** Pause before the log is read, or the same bytes are appended, once more. */
export const RESOLVE_RETRY_MS = 200;
/**
 * So often in turn a log that refuses what is to follow its end must lack that end, before it is
 * believed: a copy that has begun to serve may still lack the last of what it has.
 */
export const END_ABSENT_TIMES = 10;
/** Most bytes of the operations of one record, the largest single one beyond it included. */
const RECORD_OPERATIONS_BYTES_MAX = 384 * 1024;

export interface WriterOptions {
  readonly writer: MasterId;
  /** Tells this life's records from those of an earlier life of the same master. */
  readonly nonce: string;
  /** Epoch of its records; for an election the one that the election record makes. */
  readonly epoch: Epoch;
  /** Where the log ended when the writer began. */
  readonly head: Head;
  readonly inFlightMax?: number;
  /** Newest version of records that this master understands; absent: this build's. */
  readonly reads?: number;
}

/** Time as a record states it. */
export interface RecordTime {
  readonly nowMs: number;
  readonly clusterTimeMs: number;
  readonly wallMs: number;
}

export type WriterCommand =
  | {
      readonly kind: "append";
      readonly token: string;
      readonly expected: Position;
      readonly bytes: Uint8Array;
      /** These very bytes were handed over before, and what became of them is unknown. */
      readonly again: boolean;
    }
  | {
      readonly kind: "read";
      readonly token: string;
      readonly from: Position;
      readonly max: number;
    }
  /** Call `retry` after this time. */
  | { readonly kind: "retry"; readonly inMs: number }
  /** In the log, in order. `sentAtMs`: when its first append was sent (P-7.2). */
  | { readonly kind: "committed"; readonly record: LogRecord; readonly sentAtMs: number }
  /** Someone else wrote, or the log is not the one it was: nothing of ours holds any more. */
  | { readonly kind: "lost"; readonly why: string }
  /** The log ends at `end` or before, and more of it was committed: lost, and not by others. */
  | { readonly kind: "went-backwards"; readonly why: string; readonly end: Position };

interface Pending {
  readonly record: LogRecord;
  readonly bytes: Uint8Array;
  readonly hash: string;
  readonly sentAtMs: number;
  expected: Position;
  token: string;
  outcome: AppendOutcome | undefined;
}

/** A chunk of a snapshot is as large as a record is to be; nobody from outside writes one. */
function bytesMaxOf({ kind }: RegistryOperation): number {
  return kind === "SnapshotChunk" ? RECORD_OPERATIONS_BYTES_MAX : OPERATION_BYTES_MAX;
}

export class Writer {
  readonly epoch: Epoch;
  readonly #options: WriterOptions;
  readonly #inFlightMax: number;
  readonly #queue: { readonly operation: RegistryOperation; readonly bytes: number }[] = [];
  readonly #pending: Pending[] = [];
  #head: Head;
  #records = 0;
  #tokens = 0;
  #state: "open" | "resolving" | "lost" = "open";
  #next: "read" | "append" = "read";
  #reading: string | undefined;
  /** How often in turn the record that ours is to follow was not there. */
  #endAbsent = 0;
  /** First position that the log still holds, as far as it has said so. */
  #firstKept: Position = 1;

  constructor(options: WriterOptions) {
    this.epoch = options.epoch;
    this.#options = options;
    this.#head = options.head;
    const wanted = options.inFlightMax ?? APPENDS_IN_FLIGHT_DEFAULT;
    this.#inFlightMax = Math.min(Math.max(1, wanted), APPENDS_IN_FLIGHT_MAX);
  }

  /** End of the log as far as it is known to be committed. */
  get head(): Head {
    return this.#head;
  }

  /** Operations that are neither committed nor lost. */
  get proposed(): number {
    const inFlight = this.#pending.reduce((sum, { record }) => sum + record.operations.length, 0);
    return this.#queue.length + inFlight;
  }

  get isLost(): boolean {
    return this.#state === "lost";
  }

  /** Puts the operation into the next record; false when too many wait or it is too large. */
  propose(operation: RegistryOperation): boolean {
    if (this.#state === "lost" || this.#queue.length >= OPERATIONS_PROPOSED_MAX) return false;
    const bytes = encodePlain(operation).length;
    if (bytes > bytesMaxOf(operation)) return false;
    this.#queue.push({ operation, bytes });
    return true;
  }

  /** Appends what was proposed, as one record, if the window has room. Once per batch. */
  flush(time: RecordTime): WriterCommand[] {
    const room = this.#state === "open" && this.#pending.length < this.#inFlightMax;
    if (!room || this.#queue.length === 0) return [];
    const operations = this.#take();
    const last = this.#pending.at(-1);
    this.#records += 1;
    const record: LogRecord = {
      v: recordVersionOf(operations),
      epoch: this.epoch,
      writer: this.#options.writer,
      id: `${this.#options.nonce}.${this.#records}`,
      clusterTimeMs: time.clusterTimeMs,
      wallMs: time.wallMs,
      previous: last?.hash ?? this.#head.hash,
      operations,
    };
    const pending: Pending = {
      record,
      ...seal(record),
      sentAtMs: time.nowMs,
      expected: this.#head.position + this.#pending.length,
      token: "",
      outcome: undefined,
    };
    this.#pending.push(pending);
    return [this.#append(pending, false)];
  }

  #take(): RegistryOperation[] {
    let bytes = 0;
    let count = 0;
    for (const each of this.#queue) {
      if (count === OPERATIONS_PER_RECORD_MAX || bytes >= RECORD_OPERATIONS_BYTES_MAX) break;
      bytes += each.bytes;
      count += 1;
    }
    return this.#queue.splice(0, count).map(({ operation }) => operation);
  }

  #append(pending: Pending, again: boolean): WriterCommand {
    pending.token = this.#token();
    pending.outcome = undefined;
    const { token, expected, bytes } = pending;
    return { kind: "append", token, expected, bytes, again };
  }

  #token(): string {
    this.#tokens += 1;
    return `log-${this.#options.nonce}-${this.#tokens}`;
  }

  /** The log's answer to an append. */
  answered(token: string, outcome: AppendOutcome): WriterCommand[] {
    const pending = this.#pending.find((each) => each.token === token);
    if (pending === undefined || this.#state === "lost") return [];
    pending.outcome = outcome;
    const commands: WriterCommand[] = [];
    while (this.#pending[0]?.outcome?.kind === "committed") {
      const { position } = this.#pending[0].outcome;
      if (position !== this.#pending[0].expected + 1) {
        return [...commands, this.#lose(`the log put a record at ${position} on its own`)];
      }
      commands.push(this.#commit());
    }
    const unresolved = this.#pending[0]?.outcome !== undefined;
    const allAnswered = this.#pending.every((each) => each.outcome !== undefined);
    if (unresolved) this.#state = "resolving";
    if (unresolved && allAnswered) commands.push(...this.#read());
    return commands;
  }

  #commit(): WriterCommand {
    const pending = this.#pending.shift();
    if (pending === undefined) throw new Error("nothing is in flight");
    const position = pending.expected + 1;
    const judged = judge({ ...{}, ...this.#head, position: position - 1 }, position, pending.bytes);
    if (judged.kind !== "next") throw new Error(`own record is ${judged.kind}: ${judged.why}`);
    this.#head = judged.head;
    return { kind: "committed", record: pending.record, sentAtMs: pending.sentAtMs };
  }

  #lose(why: string): WriterCommand {
    this.#end();
    return { kind: "lost", why };
  }

  /** Nothing of ours holds any more, and nothing more is taken. */
  #end(): void {
    this.#state = "lost";
    this.#pending.length = 0;
    this.#queue.length = 0;
  }

  #read(): WriterCommand[] {
    const first = this.#pending[0];
    if (first === undefined) return [];
    this.#reading = this.#token();
    const max = this.#pending.length + 8;
    // From the record on that ours is to follow: without it the log is shorter than it was.
    const from = Math.max(first.expected, this.#firstKept);
    return [{ kind: "read", token: this.#reading, from, max }];
  }

  /** The pause of a `retry` command is over. */
  retry(): WriterCommand[] {
    if (this.#state !== "resolving" || this.#reading !== undefined) return [];
    if (this.#next === "read") return this.#read();
    this.#state = "open";
    return this.#pending.map((pending) => this.#append(pending, true));
  }

  /** The log's answer to a read. */
  wasRead(token: string, outcome: ReadOutcome): WriterCommand[] {
    if (token !== this.#reading || this.#state !== "resolving") return [];
    this.#reading = undefined;
    this.#next = "read";
    if (outcome.kind === "failed") return [{ kind: "retry", inMs: RESOLVE_RETRY_MS }];
    this.#firstKept = Math.max(this.#firstKept, outcome.first);
    const gone = this.#endGone(outcome.entries.length);
    if (gone !== undefined) return [gone];
    const commands: WriterCommand[] = [];
    for (const { position, record } of outcome.entries) {
      const first = this.#pending[0];
      if (first === undefined) break;
      if (position <= this.#head.position) continue;
      if (position !== first.expected + 1) break;
      const opened = open(record, this.#options.reads);
      if (opened.kind === "record" && opened.hash === first.hash) {
        commands.push(this.#commit());
        continue;
      }
      const fault = this.#skip(first, position, record);
      if (fault !== undefined) return [...commands, this.#lose(fault)];
    }
    return [...commands, ...this.#unresolved(outcome.first)];
  }

  /** A position that is not ours: void ones are stepped over, others prove the conflict. */
  #skip(first: Pending, position: Position, bytes: Uint8Array): string | undefined {
    const head = { ...{}, ...this.#head, position: position - 1 };
    const judged = judge(head, position, bytes, this.#options.reads);
    if (judged.kind === "next") {
      return `${judged.record.writer} wrote position ${position} in epoch ${judged.record.epoch}`;
    }
    if (judged.kind === "stop") return judged.why;
    const isElection = first.record.operations.some(({ kind }) => kind === "LeaderElected");
    if (isElection) return `position ${position} is void, and an election names its position`;
    if (this.#pending.length > 1) return `position ${position} is void amid several appends`;
    this.#head = judged.head;
    first.expected = position;
    return undefined;
  }

  /** The end that was refused as one, and is not there, again and again. */
  #endGone(entries: number): WriterCommand | undefined {
    const first = this.#pending[0];
    if (first === undefined || entries > 0) {
      this.#endAbsent = 0;
      return undefined;
    }
    const { expected, outcome } = first;
    if (outcome?.kind !== "conflict" || expected < this.#firstKept) return undefined;
    this.#endAbsent += 1;
    if (this.#endAbsent < END_ABSENT_TIMES) return undefined;
    this.#end();
    const why = `log went backwards: position ${expected}, which was committed, is not there`;
    return { kind: "went-backwards", why, end: expected - 1 };
  }

  #unresolved(firstKept: Position): WriterCommand[] {
    const first = this.#pending[0];
    if (first === undefined) {
      this.#state = "open";
      return [];
    }
    if (firstKept > first.expected + 1) {
      return [this.#lose(`the log begins at ${firstKept}, beyond ${first.expected + 1}`)];
    }
    this.#next = "append";
    return [{ kind: "retry", inMs: RESOLVE_RETRY_MS }];
  }
}
