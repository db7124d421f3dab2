/**
 * Recordings in a directory: one file per life of an actor, the newest ones kept within a bound.
 * Blocks are compressed, digested and written one after the other, off the event loop; what waits
 * is bounded. A fault of the disk ends the recording and nothing else.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import {
  BLOCK_HEAD_BYTES,
  type BlockKind,
  blockBytes,
  DIGEST_BYTES,
  RECORDING_MAGIC,
  type RecordingEnd,
  type RecordingHead,
  type RecordingSink,
  type Secrecy,
} from "#recording";

/** Most bytes of entries that wait to be written; beyond it the recording has a gap. */
export const RECORDING_QUEUE_BYTES_MAX = 16 * 1024 * 1024;
/** Ending of the files of recordings. */
export const RECORDING_SUFFIX = ".rec";

const deflated = promisify(deflateRaw);
const COMPRESSION_LEVEL = 1;
/** So much waits, and blocks are stored as they are: packing takes longer than writing. */
const COMPRESSED_QUEUE_BYTES_MAX = RECORDING_QUEUE_BYTES_MAX / 4;

/** A key of this process that nobody keeps, and the fast search of buffers. */
export function processSecrecy(): Secrecy {
  const key = randomBytes(32);
  return {
    mac: (secret) => createHmac("sha256", key).update(secret).digest(),
    find: (bytes, part) =>
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(part),
  };
}

export interface RecordingPlace {
  /** Directory of this actor's recordings alone. */
  readonly dir: string;
  /** Largest file of one life. */
  readonly lifeBytes: number;
  /** All files together. */
  readonly totalBytes: number;
}

/** Makes the directory. @throws Error in one sentence when it cannot be written. */
export async function openRecordingPlace({ dir }: RecordingPlace): Promise<void> {
  try {
    await makeFolder(dir);
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `--record: ${dir} cannot be written (${why}); name another directory with --record-dir, ` +
        "or give this user the right to write there",
    );
  }
}

/** Node's own recursive way never ends where a folder cannot be made though its parent is there. */
async function makeFolder(dir: string): Promise<void> {
  const make = (): Promise<void> =>
    mkdir(dir, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  try {
    await make();
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isAbsent || dirname(dir) === dir) throw error;
    await makeFolder(dirname(dir));
    await make();
  }
}

interface Waiting {
  readonly kind: BlockKind;
  readonly before: number;
  readonly content: Uint8Array;
}

/** One life's file. Nothing is opened within the constructor. */
export class RecordingFile implements RecordingSink {
  readonly path: string;
  readonly #place: RecordingPlace;
  readonly #queue: Waiting[] = [];
  #queued = 0;
  #written = 0;
  #digest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  #fault: RecordingEnd | undefined;
  #file: FileHandle | undefined;
  #pumping: Promise<void> | undefined;
  #isOver = false;

  constructor(place: RecordingPlace, head: RecordingHead) {
    this.#place = place;
    const { startedAtMs, life } = head;
    const name = `${Math.floor(startedAtMs)}-${process.pid}-${life}${RECORDING_SUFFIX}`;
    this.path = join(place.dir, name);
    this.#add({ kind: "head", before: 0, content: textBytes(head) });
  }

  block(before: number, entries: Uint8Array): RecordingEnd | undefined {
    if (this.#fault !== undefined) return this.#fault;
    const { lifeBytes } = this.#place;
    if (this.#queued + entries.length > RECORDING_QUEUE_BYTES_MAX) {
      const why = `the disk is slower than the actor: ${this.#queued} bytes wait to be written`;
      return { kind: "gap", why };
    }
    if (this.#written >= lifeBytes) {
      const why = `the recording of this life has ${this.#written} bytes, at most ${lifeBytes}`;
      return { kind: "full", why };
    }
    this.#add({ kind: "entries", before, content: entries });
    return undefined;
  }

  end(turns: number, end: RecordingEnd): void {
    if (this.#fault === undefined) {
      this.#add({ kind: "end", before: turns, content: textBytes(end) });
    }
    this.#isOver = true;
    this.#pump();
  }

  /** Resolves when nothing waits any more. Never rejects: faults end the recording. */
  async drained(): Promise<void> {
    while (this.#pumping !== undefined) await this.#pumping;
  }

  #add(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#queued += waiting.content.length;
    this.#pump();
  }

  #pump(): void {
    this.#pumping ??= this.#writeAll()
      .catch((error: Error) => {
        this.#fault = { kind: "gap", why: `${this.path}: ${error.message}` };
        this.#queue.length = 0;
        this.#queued = 0;
      })
      .then(() => {
        this.#pumping = undefined;
        if (this.#queue.length > 0) this.#pump();
      });
  }

  async #writeAll(): Promise<void> {
    if (this.#file === undefined && this.#queue.length > 0) {
      await removeOldest(this.#place);
      this.#file = await open(this.path, "wx", 0o600);
      await this.#file.appendFile(RECORDING_MAGIC);
      this.#written = RECORDING_MAGIC.length;
    }
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { kind, before, content } = next;
      const level = this.#queued > COMPRESSED_QUEUE_BYTES_MAX ? 0 : COMPRESSION_LEVEL;
      const payload = await deflated(content, { level });
      if (kind === "entries") {
        this.#digest = createHash("sha256").update(this.#digest).update(content).digest();
      }
      const head = { kind, before, rawLength: content.length, digest: this.#digest };
      await this.#file?.appendFile(blockBytes(head, payload));
      this.#written += BLOCK_HEAD_BYTES + payload.length;
      this.#queue.shift();
      this.#queued -= content.length;
    }
    if (!this.#isOver) return;
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

function textBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value), "utf8");
}

/** Makes room for a new life: the oldest files go first. */
async function removeOldest({ dir, lifeBytes, totalBytes }: RecordingPlace): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(RECORDING_SUFFIX)).sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name, bytes: (await stat(join(dir, name))).size })),
  );
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes } of files) {
    if (total + lifeBytes <= totalBytes) break;
    await unlink(join(dir, name));
    total -= bytes;
  }
}
