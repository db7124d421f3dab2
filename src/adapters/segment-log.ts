/**
 * The log in files of one machine. An exclusive lock on its directory proves the lead, so there
 * are no proofs of lead here (P-7.3). Appends that wait together share one write and one sync;
 * after a failed sync the log says nothing more but `unknown`.
 */
import { mkdir, open, readdir, readFile, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Position } from "#protocol";
import {
  type AppendOutcome,
  type Clock,
  type HintOutcome,
  type Log,
  LOG_RECORD_BYTES_MAX,
  type LogEntry,
  type ReadOutcome,
  type StepDownOutcome,
  type TruncateOutcome,
} from "#runtime";
import { syncFolder } from "./durable-files.ts";
import { type ExclusiveLock, takeLock } from "./exclusive-lock.ts";
import { claimLog, type LogOwner } from "./log-owner.ts";
import { entryAt, entryBytes, scanSegment } from "./segment-format.ts";

/** A segment that has reached this is closed and another begun. */
export const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
/** What one write and one sync take together. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Appends that wait; further ones are answered `unknown` at once. */
export const APPENDS_WAITING_MAX = 65_536;
const READ_BYTES_MAX = 4 * 1024 * 1024;
const NAME = /^(\d{16})\.segment$/;

export interface SegmentLogOptions {
  /** Directory of this log alone. */
  readonly dir: string;
  readonly owner: Omit<LogOwner, "adapter">;
  readonly clock: Clock;
  /** Told what was found and cut at opening. */
  warn(sentence: string): void;
  readonly segmentBytesMax?: number;
}

interface Segment {
  readonly first: Position;
  readonly path: string;
  /** Where each entry begins. */
  readonly offsets: number[];
  end: number;
}

interface Waiting {
  readonly position: Position;
  readonly record: Uint8Array;
  readonly done: (outcome: AppendOutcome) => void;
}

interface Follower {
  next: Position;
  reading: boolean;
  stopped: boolean;
  readonly onEntries: (entries: readonly LogEntry[]) => void;
}

/**
 * @throws LockHeld when another process has it open, LogOwnedElsewhere when it is another's,
 * Error when a durable record is damaged.
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<Log> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const lock = await takeLock(options.dir, "log.lock");
  try {
    await claimLog(options.dir, { adapter: "segment", ...options.owner });
    const segments = await loadSegments(options);
    return new SegmentLog(options, lock, segments, await openLast(segments));
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function loadSegments(options: SegmentLogOptions): Promise<Segment[]> {
  const names = (await readdir(options.dir)).filter((name) => NAME.test(name)).sort();
  const segments: Segment[] = [];
  for (const [index, name] of names.entries()) {
    const first = Number(NAME.exec(name)?.[1]);
    const path = join(options.dir, name);
    const before = segments.at(-1);
    if (before !== undefined && first !== before.first + before.offsets.length) {
      throw new Error(`${path}: does not follow position ${endOf(segments)}; restore a backup`);
    }
    const bytes = await readFile(path);
    const { offsets, end, damage } = scanSegment(bytes, first);
    if (damage !== undefined) throw new Error(`${path}: ${damage}; restore a backup`);
    if (end < bytes.length) {
      if (index < names.length - 1) {
        throw new Error(`${path}: damaged at byte ${end} before its end; restore a backup`);
      }
      options.warn(`${path}: a torn tail of ${bytes.length - end} bytes was cut off`);
      await cut(path, end);
    }
    segments.push({ first, path, offsets: [...offsets], end });
  }
  if (segments.length === 0) segments.push(await makeSegment(options.dir, 1));
  return segments;
}

async function cut(path: string, end: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.truncate(end);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function makeSegment(dir: string, first: Position): Promise<Segment> {
  const path = join(dir, `${String(first).padStart(16, "0")}.segment`);
  // A file of that name can only be one that was made and never written to: we hold the lock.
  const file = await open(path, "w", 0o600);
  await file.close();
  await syncFolder(dir);
  return { first, path, offsets: [], end: 0 };
}

function openLast(segments: readonly Segment[]): Promise<FileHandle> {
  const last = segments.at(-1);
  if (last === undefined) throw new Error("a segment log has at least one segment");
  return open(last.path, "r+");
}

function endOf(segments: readonly Segment[]): Position {
  const last = segments.at(-1);
  return last === undefined ? 0 : last.first + last.offsets.length - 1;
}

class SegmentLog implements Log {
  readonly exclusive = true;
  readonly #options: SegmentLogOptions;
  readonly #clock: Clock;
  readonly #lock: ExclusiveLock;
  readonly #segments: Segment[];
  #file: FileHandle;
  #queue: Waiting[] = [];
  /** Last position that is durable. */
  #end: Position;
  /** Last position that was given to an append. */
  #proposed: Position;
  #writing = false;
  #failed: string | undefined;
  readonly #followers = new Set<Follower>();
  #closing: (() => void) | undefined;
  #readers = 0;

  constructor(
    options: SegmentLogOptions,
    lock: ExclusiveLock,
    segments: Segment[],
    file: FileHandle,
  ) {
    this.#options = options;
    this.#clock = options.clock;
    this.#lock = lock;
    this.#segments = segments;
    this.#file = file;
    this.#end = endOf(segments);
    this.#proposed = this.#end;
  }

  append(expected: Position, record: Uint8Array, done: (outcome: AppendOutcome) => void): void {
    if (record.length > LOG_RECORD_BYTES_MAX) {
      const size = `${record.length} of at most ${LOG_RECORD_BYTES_MAX} bytes`;
      throw new Error(`a record of the log is too large: ${size}; split it`);
    }
    const refusal = this.#refusal();
    if (refusal !== undefined) return this.#answer(done, { kind: "unknown", why: refusal });
    if (expected !== this.#proposed) return this.#answer(done, { kind: "conflict" });
    this.#proposed += 1;
    this.#queue.push({ position: this.#proposed, record, done });
    this.#write();
  }

  #refusal(): string | undefined {
    if (this.#closing !== undefined) return "the log is closed";
    if (this.#queue.length >= APPENDS_WAITING_MAX) return "too many appends wait";
    return this.#failed;
  }

  /** Behind the answers of what was appended before: in order, and never within the call. */
  #answer(done: (outcome: AppendOutcome) => void, outcome: AppendOutcome): void {
    if (this.#queue.length > 0 || this.#writing) {
      this.#queue.push(answerOnly(() => done(outcome)));
      return;
    }
    this.#clock.soon(() => done(outcome));
  }

  #write(): void {
    if (this.#writing) return;
    this.#writing = true;
    // The turn in hand may append more: it goes into the same write.
    this.#clock.soon(() => void this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      const outcome = await this.#writeBatch(batch.filter(({ position }) => position > 0));
      for (const { position, done } of batch) {
        done(outcome === undefined ? { kind: "committed", position } : outcome);
      }
      this.#nudge();
    }
    this.#writing = false;
    if (this.#closing !== undefined) await this.#finish();
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#queue) {
      if (count > 0 && bytes + record.length > BATCH_BYTES_MAX) break;
      bytes += record.length;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  /** Undefined when everything is durable, else what all of the batch is answered. */
  async #writeBatch(batch: readonly Waiting[]): Promise<AppendOutcome | undefined> {
    if (batch.length === 0) return undefined;
    if (this.#failed !== undefined) return { kind: "unknown", why: this.#failed };
    const synced = this.#end;
    const entries = batch.map(({ position, record }) => entryBytes({ position, synced }, record));
    let segment = this.#last();
    try {
      if (segment.end >= (this.#options.segmentBytesMax ?? SEGMENT_BYTES_MAX)) {
        segment = await this.#begin();
      }
      await writeAll(this.#file, Buffer.concat(entries), segment.end);
    } catch (error) {
      return this.#notWritten(segment, error);
    }
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#failed = `sync failed, the disk's state is not known: ${messageOf(error)}`;
      return { kind: "unknown", why: this.#failed };
    }
    for (const entry of entries) {
      segment.offsets.push(segment.end);
      segment.end += entry.length;
    }
    this.#end += batch.length;
    return undefined;
  }

  /**
   * The file is put back to what it was; if that fails, nobody knows what it is. What waits
   * behind was meant to stand after what is not there: it is answered like it.
   */
  async #notWritten(segment: Segment, error: unknown): Promise<AppendOutcome> {
    const outcome: AppendOutcome = {
      kind: "unknown",
      why: `the record could not be written: ${messageOf(error)}`,
    };
    try {
      await this.#file.truncate(segment.end);
    } catch (second) {
      this.#failed = `${outcome.why}; nor could the file be put back: ${messageOf(second)}`;
    }
    this.#queue = this.#queue.map((waiting) =>
      waiting.position === 0 ? waiting : answerOnly(() => waiting.done(outcome)),
    );
    this.#proposed = this.#end;
    return outcome;
  }

  #last(): Segment {
    const last = this.#segments.at(-1);
    if (last === undefined) throw new Error("a segment log has at least one segment");
    return last;
  }

  async #begin(): Promise<Segment> {
    const next = await makeSegment(this.#options.dir, this.#end + 1);
    const before = this.#file;
    this.#file = await open(next.path, "r+");
    this.#segments.push(next);
    await before.close();
    return next;
  }

  read(from: Position, max: number, done: (outcome: ReadOutcome) => void): void {
    this.#readers += 1;
    this.#readEntries(from, max).then(
      (entries) => {
        const first = this.#segments[0]?.first ?? 1;
        this.#answered(() => done({ kind: "read", entries, first }));
      },
      (error) => this.#answered(() => done({ kind: "failed", why: messageOf(error) })),
    );
  }

  #answered(tell: () => void): void {
    this.#clock.soon(() => {
      tell();
      this.#readers -= 1;
      if (this.#closing !== undefined && !this.#writing) void this.#finish();
    });
  }

  async #readEntries(from: Position, max: number): Promise<LogEntry[]> {
    const segment = this.#segments.findLast(({ first }) => first <= from);
    if (segment === undefined || from > this.#end || max < 1) return [];
    const index = from - segment.first;
    const start = segment.offsets[index] ?? segment.end;
    let stop = start;
    for (let at = index; at < segment.offsets.length && at < index + max; at++) {
      const next = segment.offsets[at + 1] ?? segment.end;
      if (stop > start && next - start > READ_BYTES_MAX) break;
      stop = next;
    }
    const bytes = new Uint8Array(stop - start);
    const file = await open(segment.path, "r");
    try {
      await file.read(bytes, 0, bytes.length, start);
    } finally {
      await file.close();
    }
    const entries: LogEntry[] = [];
    for (let offset = 0; offset < bytes.length; ) {
      const entry = entryAt(bytes, offset);
      if (entry === undefined) throw new Error(`${segment.path}: damaged at ${start + offset}`);
      entries.push({ position: entry.position, record: entry.record });
      offset += entry.length;
    }
    return entries;
  }

  follow(from: Position, onEntries: (entries: readonly LogEntry[]) => void): { stop(): void } {
    const follower: Follower = { next: from, reading: false, stopped: false, onEntries };
    this.#followers.add(follower);
    this.#feed(follower);
    return {
      stop: () => {
        follower.stopped = true;
        this.#followers.delete(follower);
      },
    };
  }

  #nudge(): void {
    for (const follower of this.#followers) this.#feed(follower);
  }

  #feed(follower: Follower): void {
    if (follower.reading || follower.stopped || this.#closing !== undefined) return;
    if (follower.next > this.#end) return;
    follower.next = Math.max(follower.next, this.#segments[0]?.first ?? 1);
    follower.reading = true;
    this.read(follower.next, FOLLOW_ENTRIES_MAX, (outcome) => {
      follower.reading = false;
      if (follower.stopped || outcome.kind === "failed") return;
      const last = outcome.entries.at(-1);
      if (last === undefined) return;
      follower.next = last.position + 1;
      follower.onEntries(outcome.entries);
      this.#feed(follower);
    });
  }

  hint(done: (outcome: HintOutcome) => void): void {
    const first = this.#segments[0]?.first ?? 1;
    const last = this.#end;
    this.#clock.soon(() => done({ kind: "hint", first, last }));
  }

  /** Whole segments go; what of the last one is too old goes with the next. */
  truncate(before: Position, done: (outcome: TruncateOutcome) => void): void {
    this.#readers += 1;
    this.#removeBefore(before).then(
      () => this.#answered(() => done({ kind: "done" })),
      (error) => this.#answered(() => done({ kind: "failed", why: messageOf(error) })),
    );
  }

  /** The oldest first, so that what is left has no hole wherever a crash ends this. */
  async #removeBefore(before: Position): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.first > before) return;
      this.#segments.shift();
      await rm(oldest.path);
      await syncFolder(this.#options.dir);
    }
  }

  stepDown(_end: Position, done: (outcome: StepDownOutcome) => void): void {
    const why = "a log in files of one machine has no other copy";
    this.#clock.soon(() => done({ kind: "failed", why }));
  }

  close(done: () => void): void {
    const before = this.#closing;
    this.#closing = () => {
      before?.();
      done();
    };
    if (!this.#writing && this.#readers === 0) this.#clock.soon(() => void this.#finish());
  }

  async #finish(): Promise<void> {
    if (this.#readers > 0 || this.#writing) return;
    this.#writing = true;
    await this.#file.close();
    await this.#lock.release();
    this.#closing?.();
  }
}

const FOLLOW_ENTRIES_MAX = 1_024;

/** Holds a place in the order of answers without writing anything. */
function answerOnly(done: () => void): Waiting {
  return { position: 0, record: new Uint8Array(0), done };
}

/** One write may take less than it was given. */
async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
