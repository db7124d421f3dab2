/**
 * The trace: what happened, record by record, each with the record that brought it about. The
 * simulator and the recorder of a daemon write the same lines, so one viewer reads both. Owns
 * the shape of a line and its canonical text; writes no file and judges nothing.
 *
 * A file is lines of JSON: one header, then records in the order of their numbers, between them
 * states and marks, at last an end. What a reader does not know it must refuse.
 */

/** Version of the lines below. A reader takes this one and no other. */
export const TRACE_VERSION = 1;
/** A mark stands after so many records, so that two traces are compared by bisection. */
export const TRACE_MARK_EVERY = 1_000;

/** One value that can be seen of an actor. */
export type TraceFact = string | number | boolean;

/** Somebody things happen to: one lane of the viewer. */
export interface TraceNode {
  readonly name: string;
  /** `master`, `agent`, `framework`, `executor`, `broker`, `faults`, `checkers`. */
  readonly role: string;
}

/** The first line. */
export interface TraceHeader {
  readonly trace: typeof TRACE_VERSION;
  /** `simulation`: times are virtual. `recording`: times are a process' monotonic clock. */
  readonly of: "simulation" | "recording";
  readonly version: string;
  readonly nodes: readonly TraceNode[];
  /** How to get it again: seed and settings of a run, identity of a recorded process. */
  readonly about: Readonly<Record<string, TraceFact>>;
}

/** One thing that happened. The first seven fields are what the digest is over. */
export interface TraceRecord {
  /** Number, from 1 and one more each time. In a recording that has lost its oldest, from any. */
  readonly n: number;
  /** Milliseconds since the beginning; never less than in the record before. */
  readonly t: number;
  /** Name of the one to whom it happened. */
  readonly node: string;
  /**
   * What it was: `send`, `mail`, `lost` (a message that arrives nowhere, with the reason);
   * `up`, `down`, `over`, `actor-ended`, `actor-died`, `uncaught`; `connect`, `disconnect`;
   * `append`, `log-leader`, `log`; `start`, `exit`, `reboot`; `fault`, `heal`, `violation`;
   * `timer`, `answer` of a port in recordings.
   */
  readonly kind: string;
  /** Name of the one from whom it came; empty where it began here. */
  readonly from: string;
  /** Number of the record that brought it about, always smaller than `n`; 0 for none. */
  readonly cause: number;
  /** In words, on one line. Begins with the name of what it is about. */
  readonly summary: string;
  /** `SESSION/NUMBER` of a frame; the same in the traces of its sender and its receiver. */
  readonly msgId?: string;
  /** What a frame carries, one text for each message: its kind, then the ids in it. */
  readonly messages?: readonly string[];
  /** What the node did because of it that is no record itself: writes, appends, launches. */
  readonly effects?: readonly string[];
  /** Recordings: what is needed to execute it again. Viewers leave it alone. */
  readonly input?: unknown;
}

/** Public facts of an actor that have changed since its last such line; null: gone. */
export interface TraceState {
  readonly node: string;
  readonly t: number;
  /** Number of the last record before it. */
  readonly after: number;
  /** Number of the record that the actor was at work on; 0 for none. */
  readonly cause: number;
  readonly facts: Readonly<Record<string, TraceFact | null>>;
}

/** SHA-256, in hexadecimal, over the canonical texts of all records up to `n`. */
export interface TraceMark {
  readonly n: number;
  readonly sha256: string;
}

export type TraceLine =
  | TraceHeader
  | TraceRecord
  | { readonly state: TraceState }
  | { readonly mark: TraceMark }
  /** The last line; without it the writer was cut off. */
  | { readonly end: TraceMark };

/** What of a record the digest is over; the rest explains and depends on what was kept. */
export type CanonicalRecord = Pick<
  TraceRecord,
  "n" | "t" | "node" | "kind" | "from" | "cause" | "summary"
>;

/** The canonical text of a record, without the line feed that follows it in the digest. */
export function canonicalRecord(record: CanonicalRecord): string {
  const { n, t, node, kind, from, cause, summary } = record;
  return `${n} ${t} ${node} ${kind} ${from} ${cause} ${summary}`;
}
