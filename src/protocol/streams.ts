/**
 * Byte streams of logs and files, outside sessions: `out` carries chunks, `in` carries credits.
 * Owns the bytes of both and the arithmetic of credits; reads no file. A chunk is
 * `[offset, end, flags, bytes]`, a credit is `[count]`: whoever reads grants as many chunks as it
 * can take, the sender never has more than `STREAM_CREDITS_MAX` unanswered (a receiver with too
 * much pending is cut off by the broker, and everything on its way is lost). A credit of 0 asks
 * where the sender is; it answers with a chunk without bytes, so a loss on the way and the end of
 * the sender are noticed though the log is silent.
 */
import { decodeValue, encodePlain } from "./codec.ts";

/** Most bytes of content in one chunk. */
export const STREAM_CONTENT_BYTES_MAX = 256 * 1024;
/** Most chunks that may be under way to one reader. */
export const STREAM_CREDITS_MAX = 8;
/** Room for the head of a chunk. */
const CHUNK_HEAD_BYTES_MAX = 64;

export interface StreamChunk {
  /** Where `bytes` begin, counted from the first byte ever written. */
  readonly offset: number;
  /** Where the file ended when this was read. */
  readonly end: number;
  /** true: nothing follows; the writer has ended or the file is gone. */
  readonly eof: boolean;
  /** Why there is nothing to read, where that is so. */
  readonly fault?: string;
  readonly bytes: Uint8Array;
}

/** @throws Error when the chunk holds more than `STREAM_CONTENT_BYTES_MAX`: our own fault. */
export function encodeChunk(chunk: StreamChunk): Uint8Array {
  if (chunk.bytes.length > STREAM_CONTENT_BYTES_MAX) {
    throw new Error(
      `a chunk has at most ${STREAM_CONTENT_BYTES_MAX} bytes, this one ${chunk.bytes.length}`,
    );
  }
  return encodePlain([chunk.offset, chunk.end, chunk.eof, chunk.fault ?? null, chunk.bytes]);
}

/** The chunk that the bytes are; undefined when they are none. */
export function decodeChunk(data: Uint8Array): StreamChunk | undefined {
  if (data.length > STREAM_CONTENT_BYTES_MAX + CHUNK_HEAD_BYTES_MAX + 4096) return undefined;
  const list = listOf(data, 5);
  if (list === undefined) return undefined;
  const [offset, end, eof, fault, bytes] = list;
  if (!isCount(offset) || !isCount(end) || typeof eof !== "boolean") return undefined;
  if (!(bytes instanceof Uint8Array) || bytes.length > STREAM_CONTENT_BYTES_MAX) return undefined;
  if (fault === null) return { offset, end, eof, bytes };
  return typeof fault === "string" ? { offset, end, eof, fault, bytes } : undefined;
}

/** Grants `count` more chunks; 0 asks how far the sender is. */
export function encodeCredit(count: number): Uint8Array {
  return encodePlain([count]);
}

/** How many chunks are granted; undefined when the bytes are no credit. */
export function decodeCredit(data: Uint8Array): number | undefined {
  if (data.length > CHUNK_HEAD_BYTES_MAX) return undefined;
  const count = listOf(data, 1)?.[0];
  return isCount(count) && count <= STREAM_CREDITS_MAX ? count : undefined;
}

function listOf(data: Uint8Array, length: number): readonly unknown[] | undefined {
  const decoded = decodeValue(data);
  if (decoded.fault !== undefined) return undefined;
  return Array.isArray(decoded.value) && decoded.value.length === length
    ? (decoded.value as readonly unknown[])
    : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** How many chunks may still be sent; granted credits add up, never beyond the maximum. */
export class StreamCredits {
  #left = 0;

  get left(): number {
    return this.#left;
  }

  grant(count: number): void {
    this.#left = Math.min(STREAM_CREDITS_MAX, this.#left + count);
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}
