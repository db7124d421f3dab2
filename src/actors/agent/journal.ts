/**
 * The agent's journal as bytes: records, each with its length and checksum, one after the other.
 * A torn tail, as a crash leaves it, ends the reading; a fault anywhere before is told apart.
 * Also the order of its writes: one at a time, everything of a batch in one append (P-1.5).
 * Never touches the disk itself.
 */
import type { Effect, Token } from "#runtime";

/** Bytes before each record: length and CRC-32, both big-endian. */
const HEADER_BYTES = 8;
/** Largest record; a longer length in the file is no record of ours. */
export const JOURNAL_RECORD_BYTES_MAX = 4 * 1024 * 1024;
/** A journal below this size is not rewritten, however little of it still counts. */
export const JOURNAL_COMPACT_BYTES_MIN = 1024 * 1024;
/** The journal is rewritten when it is this many times as long as when it was last. */
export const JOURNAL_GROWTH_MAX = 4;
/** How often a write is tried again on a full disk, and the pause between. */
export const DISK_FULL_RETRIES_MAX = 600;
export const DISK_FULL_RETRY_MS = 1_000;

/** What a byte does to the checksum, and what it does with one, two and three bytes behind it. */
const TABLE = crcTable();
const TABLE_1 = behind(TABLE);
const TABLE_2 = behind(TABLE_1);
const TABLE_3 = behind(TABLE_2);

function crcTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    }
    table[byte] = value;
  }
  return table;
}

function behind(table: Int32Array): Int32Array {
  return table.map((value) => (value >>> 8) ^ (TABLE[value & 0xff] as number));
}

/** CRC-32 as in zlib: four bytes at a time, since every record of every task goes through it. */
export function crc32(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = bytes.length - (bytes.length % 4);
  let crc = -1;
  for (let at = 0; at < words; at += 4) {
    const word = crc ^ view.getInt32(at, true);
    const early = (TABLE_3[word & 0xff] as number) ^ (TABLE_2[(word >>> 8) & 0xff] as number);
    crc = early ^ (TABLE_1[(word >>> 16) & 0xff] as number) ^ (TABLE[word >>> 24] as number);
  }
  for (let at = words; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

/** One after the other, as they stand in the file. */
export function frameRecords(payloads: readonly Uint8Array[]): Uint8Array {
  const size = payloads.reduce((sum, { length }) => sum + HEADER_BYTES + length, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const payload of payloads) {
    view.setUint32(at, payload.length);
    view.setUint32(at + 4, crc32(payload));
    bytes.set(payload, at + HEADER_BYTES);
    at += HEADER_BYTES + payload.length;
  }
  return bytes;
}

export interface JournalText {
  readonly payloads: readonly Uint8Array[];
  /** `torn`: the end was cut short, as a crash does. `corrupt`: valid bytes follow the fault. */
  readonly end: "whole" | "torn" | "corrupt";
  /** Where the reading ended. */
  readonly at: number;
}

export function readRecords(bytes: Uint8Array): JournalText {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const payloads: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    if (at === bytes.length) return { payloads, end: "whole", at };
    const end = recordEnd(bytes, view, at);
    if (end === undefined) {
      return { payloads, end: anyRecordAfter(bytes, view, at) ? "corrupt" : "torn", at };
    }
    payloads.push(bytes.subarray(at + HEADER_BYTES, end));
    at = end;
  }
}

/** End of the record at `at`; undefined where none is. */
function recordEnd(bytes: Uint8Array, view: DataView, at: number): number | undefined {
  if (at + HEADER_BYTES > bytes.length) return undefined;
  const length = view.getUint32(at);
  const end = at + HEADER_BYTES + length;
  // An empty record is none: a stretch of zeros, as some crashes leave, would be full of them.
  if (length === 0 || length > JOURNAL_RECORD_BYTES_MAX || end > bytes.length) return undefined;
  const payload = bytes.subarray(at + HEADER_BYTES, end);
  return crc32(payload) === view.getUint32(at + 4) ? end : undefined;
}

/** Whether the record behind a damaged one is whole: then it was no crash that cut the end. */
function anyRecordAfter(bytes: Uint8Array, view: DataView, at: number): boolean {
  if (at + HEADER_BYTES > bytes.length) return false;
  const next = at + HEADER_BYTES + view.getUint32(at);
  return next < bytes.length && recordEnd(bytes, view, next) !== undefined;
}

/** A write that is under way. */
interface Flight {
  readonly token: Token;
  readonly mode: "append" | "replace";
  readonly bytes: Uint8Array;
  failures: number;
}

/**
 * The order of writes to one file. Records come in; a batch's end starts the next write when
 * none is under way, so records that come meanwhile share the one after it.
 */
export class JournalWriter {
  readonly path: string;
  #pending: Uint8Array[] = [];
  #flight: Flight | null = null;
  #writes = 0;
  /** Size of the file, and what it was when it was last rewritten. */
  #bytes = 0;
  #bytesCompacted = 0;

  constructor(path: string) {
    this.path = path;
  }

  add(payload: Uint8Array): void {
    this.#pending.push(payload);
  }

  /** The write that makes durable all that was added so far; undefined when it is already. */
  get after(): Token | undefined {
    return this.#pending.length > 0 ? this.#token(this.#writes + 1) : this.#flight?.token;
  }

  #token(write: number): Token {
    return `${this.path}/${write}`;
  }

  /** True when the file is worth rewriting; then `rewrite` takes the place of the next append. */
  get isOvergrown(): boolean {
    const floor = Math.max(JOURNAL_COMPACT_BYTES_MIN, this.#bytesCompacted * JOURNAL_GROWTH_MAX);
    return this.#flight === null && this.#bytes > floor;
  }

  /** The whole content anew: what was added and not written is part of `payloads` already. */
  rewrite(payloads: readonly Uint8Array[], out: Effect[]): void {
    const bytes = frameRecords(payloads);
    this.#pending = [];
    this.#bytes = 0;
    this.#bytesCompacted = bytes.length;
    this.#start("replace", bytes, out);
  }

  flush(out: Effect[]): void {
    if (this.#flight !== null || this.#pending.length === 0) return;
    const bytes = frameRecords(this.#pending);
    this.#pending = [];
    this.#start("append", bytes, out);
  }

  #start(mode: "append" | "replace", bytes: Uint8Array, out: Effect[]): void {
    this.#writes += 1;
    const token = this.#token(this.#writes);
    this.#flight = { token, mode, bytes, failures: 0 };
    out.push({ kind: "write", token, mode, path: this.path, bytes });
  }

  /** The write is durable. False: it was not this writer's. */
  written(token: Token): boolean {
    if (this.#flight?.token !== token) return false;
    this.#bytes += this.#flight.bytes.length;
    this.#flight = null;
    return true;
  }

  /** The disk was full: pause before the next try in ms; undefined when that was the last. */
  full(): number | undefined {
    const flight = this.#flight;
    if (flight === null || flight.failures >= DISK_FULL_RETRIES_MAX) return undefined;
    flight.failures += 1;
    return DISK_FULL_RETRY_MS;
  }

  /** The same bytes once more, under the same token: what waits for it waits on. */
  again(out: Effect[]): void {
    if (this.#flight === null) return;
    const { token, mode, bytes } = this.#flight;
    out.push({ kind: "write", token, mode, path: this.path, bytes });
  }
}
