/**
 * The way to the replicated log: records at numbered positions, appended only at the expected
 * end (P-7). The adapter answers each append once, in the order of appends, and never within the
 * call. `unknown` means that the record may or may not be there, or may yet come; whoever appends
 * resolves it by reading (P-7.1: `replication/writer.ts`).
 */
import type { Position } from "#protocol";

/** Largest record in bytes. */
export const LOG_RECORD_BYTES_MAX = 512 * 1024;

export interface LogEntry {
  readonly position: Position;
  readonly record: Uint8Array;
}

export type AppendOutcome =
  | { readonly kind: "committed"; readonly position: Position }
  /** The end is elsewhere by the adapter's word: read to know whose record stands there. */
  | { readonly kind: "conflict" }
  | { readonly kind: "unknown"; readonly why: string };

export type ReadOutcome =
  | {
      readonly kind: "read";
      /** In order, without gaps, from the position asked for; empty at the end. */
      readonly entries: readonly LogEntry[];
      /** First position that still exists; higher than asked for after a truncation. */
      readonly first: Position;
    }
  | { readonly kind: "failed"; readonly why: string };

export type HintOutcome =
  | { readonly kind: "hint"; readonly first: Position; readonly last: Position }
  | { readonly kind: "failed"; readonly why: string };

export type TruncateOutcome =
  | { readonly kind: "done" }
  /** Perhaps it was done all the same: ask again, it does no harm. */
  | { readonly kind: "failed"; readonly why: string };

export type StepDownOutcome =
  /** Who served it was asked to leave that to another, or it has grown beyond `end` meanwhile. */
  { readonly kind: "done" } | { readonly kind: "failed"; readonly why: string };

export interface Log {
  /** Puts `record` at `expected + 1` or not at all. Several may be in flight, in order. */
  append(expected: Position, record: Uint8Array, done: (outcome: AppendOutcome) => void): void;
  /** At most `max` entries from `from` on. May lag behind; never invents. */
  read(from: Position, max: number, done: (outcome: ReadOutcome) => void): void;
  /** Calls back with entries from `from` on, in order, as they come, until stopped. */
  follow(from: Position, onEntries: (entries: readonly LogEntry[]) => void): { stop(): void };
  /** Bounds as somebody last knew them; may be stale, nothing is decided on it. */
  hint(done: (outcome: HintOutcome) => void): void;
  /**
   * Forgets positions before `before`, now or, where only whole files can go, with the next ones.
   * Only behind a snapshot (P-7.7). The end stays where it is, whatever is forgotten.
   */
  truncate(before: Position, done: (outcome: TruncateOutcome) => void): void;
  /**
   * Asks that another copy serve the log: the one that does ends at `end` or before, and more than
   * that was committed (P-7.4). Where there is one copy alone it fails and says so.
   */
  stepDown(end: Position, done: (outcome: StepDownOutcome) => void): void;
  /** true: a lock held elsewhere proves the lead, no proofs are needed (segment file). */
  readonly exclusive: boolean;
  close(done: () => void): void;
}
