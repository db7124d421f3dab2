/**
 * A reader of the log: takes entries as they come, judges each by the chain, keeps head and
 * registry. Where the log was truncated it begins at the first snapshot that is whole. Used by
 * standbys, by a candidate that catches up, and by tools. Never writes.
 */
import type { Position } from "#protocol";
import { EMPTY_HEAD, type Head, judgeOpened, type Opened, open, type VoidReason } from "./chain.ts";
import { type LogRecord, RECORD_VERSION } from "./records.ts";
import { applyAll, EMPTY_REGISTRY, type Registry } from "./registry.ts";
import { type Restored, SnapshotReader } from "./snapshot.ts";

export interface LogBytes {
  readonly position: Position;
  readonly record: Uint8Array;
}

export type Fed =
  /** Valid records that were new, in order; already applied. */
  | { readonly kind: "fed"; readonly records: readonly LogRecord[] }
  /** The log is not to be trusted from here on: the master must not act on it (P-7.5). */
  | { readonly kind: "stop"; readonly why: string };

/** Records between a truncated log's beginning and its first snapshot that are kept at most. */
export const UNANCHORED_MAX = 100_000;

interface OpenedAt {
  readonly position: Position;
  readonly opened: Opened;
}

/** Entries of a log whose beginning is gone, until a snapshot says what it had held. */
interface Unanchored {
  readonly entries: OpenedAt[];
  readonly reader: SnapshotReader;
  next: Position;
}

export class Follower {
  head: Head = EMPTY_HEAD;
  registry: Registry = EMPTY_REGISTRY;
  /** How many positions were skipped, by reason. */
  readonly voids = new Map<VoidReason, number>();
  /** Hash of the record at the position that was asked for, once it has been read. */
  witnessed: string | undefined;
  /** Position whose hash is to be kept for `witnessFault`. */
  witnessPosition: Position | undefined;
  #unanchored: Unanchored | undefined;

  readonly #reads: number;

  /** @param reads newest version of records that it understands. */
  constructor(witnessPosition?: Position, reads = RECORD_VERSION) {
    this.witnessPosition = witnessPosition;
    this.#reads = reads;
  }

  /** What to read next. */
  get next(): Position {
    return this.#unanchored?.next ?? this.head.position + 1;
  }

  /** Why what was read so far cannot be acted on: the beginning is gone, and no snapshot came. */
  get fault(): string | undefined {
    const first = this.#unanchored?.entries[0]?.position;
    if (first === undefined) return undefined;
    return `the log begins at ${first} and holds no whole snapshot to begin from; restore one`;
  }

  /** The log begins at `first` now, beyond what was read: what is known is too old to go on from. */
  restart(first: Position): void {
    this.head = EMPTY_HEAD;
    this.registry = EMPTY_REGISTRY;
    this.#unanchored = { entries: [], reader: new SnapshotReader(), next: first };
  }

  /** Entries already known are skipped; a missing position is a reason to stop. */
  feed(entries: readonly LogBytes[]): Fed {
    const first = entries[0]?.position ?? 1;
    if (this.head.position === 0 && first > 1 && this.#unanchored === undefined) {
      this.restart(first);
    }
    return this.#unanchored === undefined ? this.#follow(entries) : this.#seek(entries);
  }

  #follow(entries: readonly (LogBytes | OpenedAt)[]): Fed {
    const records: LogRecord[] = [];
    for (const entry of entries) {
      const { position } = entry;
      if (position <= this.head.position) continue;
      const opened = "opened" in entry ? entry.opened : open(entry.record, this.#reads);
      const judged = judgeOpened(this.head, position, opened);
      if (judged.kind === "stop") {
        this.#apply(records);
        return judged;
      }
      this.head = judged.head;
      if (this.head.validPosition === this.witnessPosition) this.witnessed = this.head.hash;
      if (judged.kind === "next") records.push(judged.record);
      else this.voids.set(judged.why, (this.voids.get(judged.why) ?? 0) + 1);
    }
    this.#apply(records);
    return { kind: "fed", records };
  }

  #seek(entries: readonly LogBytes[]): Fed {
    const seeking = this.#unanchored;
    if (seeking === undefined) return this.#follow(entries);
    for (const [index, { position, record }] of entries.entries()) {
      if (position < seeking.next) continue;
      if (position > seeking.next) {
        return { kind: "stop", why: `position ${seeking.next} is missing before ${position}` };
      }
      if (seeking.entries.length >= UNANCHORED_MAX) {
        return { kind: "stop", why: `no snapshot within ${UNANCHORED_MAX} records; restore one` };
      }
      seeking.next += 1;
      const opened = open(record, this.#reads);
      seeking.entries.push({ position, opened });
      if (opened.kind === "stop")
        return { kind: "stop", why: `position ${position}: ${opened.why}` };
      const restored = opened.kind === "record" ? seeking.reader.take(opened.record) : undefined;
      if (restored === undefined) continue;
      const fed = this.#anchor(restored, seeking, position);
      if (fed !== undefined) return this.#join(fed, entries.slice(index + 1));
    }
    return { kind: "fed", records: [] };
  }

  /**
   * Goes on from the snapshot; undefined where its announcement turns out to be void, written by
   * a leader that was deposed already, or where the records behind it do not follow it.
   */
  #anchor(restored: Restored, seeking: Unanchored, announced: Position): Fed | undefined {
    const first = seeking.entries[0]?.position ?? 1;
    if (restored.head.position < first - 1) return undefined;
    this.#unanchored = undefined;
    this.head = restored.head;
    this.registry = restored.registry;
    const fed = this.#follow(seeking.entries);
    if (fed.kind === "fed" && this.head.validPosition === announced) return fed;
    this.head = EMPTY_HEAD;
    this.registry = EMPTY_REGISTRY;
    this.#unanchored = seeking;
    return undefined;
  }

  #join(fed: Fed, rest: readonly LogBytes[]): Fed {
    const more = this.#follow(rest);
    if (fed.kind === "stop" || more.kind === "stop") return more;
    return { kind: "fed", records: [...fed.records, ...more.records] };
  }

  #apply(records: readonly LogRecord[]): void {
    if (records.length > 0) this.registry = applyAll(this.registry, records);
  }
}
