/**
 * Reads the file of a recording, block by block, and tells a tail that a kill has torn from
 * damage. Owns the sentences about both; holds one block in memory.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import {
  BLOCK_HEAD_BYTES,
  type BlockHead,
  blockHeadAt,
  DIGEST_BYTES,
  isBlockWhole,
  RECORDING_MAGIC,
  RECORDING_VERSION,
  type RecordingEnd,
  type RecordingHead,
} from "#recording";

/** The file is no recording, or a damaged one: the message names file, place and mend. */
export class RecordingFileError extends Error {
  override readonly name = "RecordingFileError";
}

export interface RecordedBlock {
  /** Turns before it. */
  readonly before: number;
  readonly entries: Uint8Array;
  /** Of all entries up to its end, in hexadecimal. */
  readonly digest: string;
}

/** How the file ends; `torn` where nothing says so. */
export type RecordingFileEnd =
  | RecordingEnd
  | { readonly kind: "torn"; readonly why: string; readonly offset: number };

/** Bytes that are looked through for a block behind a damaged one. */
const SEARCH_BYTES_MAX = 64 * 1024 * 1024;

/** Whether the file begins as recordings do; false for a file that cannot be read. */
export function isRecording(path: string): boolean {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const bytes = Buffer.alloc(RECORDING_MAGIC.length);
    readSync(file, bytes, 0, bytes.length, 0);
    return bytes.equals(RECORDING_MAGIC);
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

export class RecordingReader {
  readonly path: string;
  readonly head: RecordingHead;
  readonly #file: number;
  readonly #size: number;
  #at = RECORDING_MAGIC.length;
  #digest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  #end: RecordingFileEnd | undefined;

  /** @throws RecordingFileError when it is no recording of this version. */
  constructor(path: string) {
    this.path = path;
    this.#file = opened(path);
    this.#size = fstatSync(this.#file).size;
    try {
      if (!this.#bytesAt(0, RECORDING_MAGIC.length).equals(RECORDING_MAGIC)) {
        throw new RecordingFileError(`${path}: no recording: it does not begin as one`);
      }
      const first = this.#next();
      if (first === undefined || first.head.kind !== "head") {
        const why =
          "the recording was cut off before its head was written: nothing can be replayed";
        throw new RecordingFileError(`${path}: ${why}`);
      }
      this.head = headIn(path, first.content);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  /** How the file ends; known when all blocks were taken. */
  get end(): RecordingFileEnd | undefined {
    return this.#end;
  }

  /** The blocks of entries, in order. @throws RecordingFileError where the file is damaged. */
  *blocks(): Generator<RecordedBlock> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { head, content, offset } = next;
      if (head.kind === "end") {
        this.#end = JSON.parse(Buffer.from(content).toString("utf8")) as RecordingEnd;
        return;
      }
      this.#digest = createHash("sha256").update(this.#digest).update(content).digest();
      if (!Buffer.from(head.digest).equals(this.#digest)) {
        throw this.#damaged(offset, "its digest is not that of its entries");
      }
      const digest = Buffer.from(head.digest).toString("hex");
      yield { before: head.before, entries: content, digest };
    }
    const why = "the file has no end: its process was killed, or is still recording";
    this.#end ??= { kind: "torn", why, offset: this.#at };
  }

  #next(): { head: BlockHead; content: Uint8Array; offset: number } | undefined {
    const offset = this.#at;
    const head = blockHeadAt(this.#bytesAt(offset, BLOCK_HEAD_BYTES), 0);
    const length = BLOCK_HEAD_BYTES + (head?.length ?? 0);
    const bytes = this.#bytesAt(offset, length);
    if (head === undefined || bytes.length < length || !isBlockWhole(bytes)) {
      if (this.#isBlockAfter(offset)) {
        throw this.#damaged(offset, "its checksum is wrong, and whole blocks follow");
      }
      return undefined;
    }
    this.#at = offset + length;
    return { head, content: this.#inflated(head, bytes, offset), offset };
  }

  #inflated(head: BlockHead, bytes: Uint8Array, offset: number): Uint8Array {
    try {
      const content = inflateRawSync(bytes.subarray(BLOCK_HEAD_BYTES), {
        maxOutputLength: head.rawLength + 1,
      });
      if (content.length === head.rawLength) return content;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
    throw this.#damaged(offset, "its content cannot be unpacked");
  }

  #damaged(offset: number, why: string): RecordingFileError {
    return new RecordingFileError(
      `${this.path}: the block at byte ${offset} is damaged: ${why}; take the file anew from ` +
        "where it was recorded; what stands before that block can be replayed with --to-event",
    );
  }

  /** Whether any whole block begins behind `offset`: then it was no kill that cut the file. */
  #isBlockAfter(offset: number): boolean {
    const bytes = this.#bytesAt(offset + 1, Math.min(SEARCH_BYTES_MAX, this.#size - offset));
    const mark = Buffer.from([0x4d, 0x52, 0x42, 0x4b]);
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
      const head = blockHeadAt(bytes, at);
      const end = at + BLOCK_HEAD_BYTES + (head?.length ?? 0);
      if (head !== undefined && end <= bytes.length && isBlockWhole(bytes.subarray(at, end))) {
        return true;
      }
    }
    return false;
  }

  #bytesAt(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.#size - offset)));
    let read = 0;
    while (read < bytes.length) {
      const more = readSync(this.#file, bytes, read, bytes.length - read, offset + read);
      if (more === 0) break;
      read += more;
    }
    return bytes.subarray(0, read);
  }
}

function opened(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RecordingFileError(`${path}: cannot be read: ${why}`);
  }
}

function headIn(path: string, content: Uint8Array): RecordingHead {
  const head = JSON.parse(Buffer.from(content).toString("utf8")) as RecordingHead;
  const version: unknown = head.version;
  if (version === RECORDING_VERSION) return head;
  throw new RecordingFileError(
    `${path}: version ${String(version)} of recordings, this build replays ` +
      `${RECORDING_VERSION}: use the build that recorded it (${head.build})`,
  );
}
