/**
 * A reader of the log: takes entries as they come, judges each by the chain, keeps head and
 * registry. Used by standbys, by a candidate that catches up, and by tools. Never writes.
 */
import type { Position } from "#protocol";
import { EMPTY_HEAD, type Head, judge, type VoidReason } from "./chain.ts";
import type { LogRecord } from "./records.ts";
import { applyAll, EMPTY_REGISTRY, type Registry } from "./registry.ts";

export interface LogBytes {
  readonly position: Position;
  readonly record: Uint8Array;
}

export type Fed =
  /** Valid records that were new, in order; already applied. */
  | { readonly kind: "fed"; readonly records: readonly LogRecord[] }
  /** The log is not to be trusted from here on: the master must not act on it (P-7.5). */
  | { readonly kind: "stop"; readonly why: string };

export class Follower {
  head: Head = EMPTY_HEAD;
  registry: Registry = EMPTY_REGISTRY;
  /** How many positions were skipped, by reason. */
  readonly voids = new Map<VoidReason, number>();
  /** Hash of the record at the position that was asked for, once it has been read. */
  witnessed: string | undefined;
  readonly #witnessPosition: Position | undefined;

  /** @param witnessPosition whose hash is to be kept for `witnessFault`. */
  constructor(witnessPosition?: Position) {
    this.#witnessPosition = witnessPosition;
  }

  /** Entries already known are skipped; a missing position is a reason to stop. */
  feed(entries: readonly LogBytes[]): Fed {
    const records: LogRecord[] = [];
    for (const { position, record } of entries) {
      if (position <= this.head.position) continue;
      const judged = judge(this.head, position, record);
      if (judged.kind === "stop") {
        this.#apply(records);
        return judged;
      }
      this.head = judged.head;
      if (this.head.validPosition === this.#witnessPosition) this.witnessed = this.head.hash;
      if (judged.kind === "next") records.push(judged.record);
      else this.voids.set(judged.why, (this.voids.get(judged.why) ?? 0) + 1);
    }
    this.#apply(records);
    return { kind: "fed", records };
  }

  #apply(records: readonly LogRecord[]): void {
    if (records.length > 0) this.registry = applyAll(this.registry, records);
  }
}
