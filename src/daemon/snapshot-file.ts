/**
 * A snapshot in a file: what the registry was, at which position of which log, with a hash over
 * all of it. It is written whole or not at all, and refused when a bit of it has changed.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { writeFileDurably } from "#adapters";
import { decodeValue, encodePlain } from "#protocol";
import { chunksOf, type Head, operationsIn, type Registry, type Restored } from "#replication";
import { restoredFrom, takenOf } from "#replication";

const MARK = "MSS1";
const DIGEST_BYTES = 32;
const LENGTH_BYTES = 4;

/** What a file holds besides the registry. */
export interface SnapshotFile extends Restored {
  /** Wall clock of the last record in it: deadlines count on from there. */
  readonly wallMs: number;
  /** Wall clock when it was saved. */
  readonly savedMs: number;
  readonly operations: number;
}

/** @throws Error when the file cannot be written. */
export async function writeSnapshotFile(
  path: string,
  { head, registry }: { readonly head: Head; readonly registry: Registry },
  times: { readonly wallMs: number; readonly savedMs: number },
): Promise<void> {
  const parts: Uint8Array[] = [];
  for (const chunk of chunksOf(registry, head.validPosition)) parts.push(...chunk.parts);
  const { kind: _kind, ...taken } = takenOf(registry, head, 0);
  const blocks = [encodePlain({ v: 1, ...times, taken }), ...parts];
  const body = Buffer.concat([Buffer.from(MARK), ...blocks.flatMap(prefixed)]);
  const digest = createHash("sha256").update(body).digest();
  await writeFileDurably(path, Buffer.concat([body, digest]), { mode: 0o600 });
}

function prefixed(block: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(block.length);
  return [length, block];
}

/** @throws Error in one sentence: not there, not a snapshot, damaged, of a newer version. */
export async function readSnapshotFile(path: string): Promise<SnapshotFile> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read: ${error.code ?? error.message}`);
  });
  if (bytes.subarray(0, MARK.length).toString("latin1") !== MARK) {
    throw new Error(`${path} is no snapshot: meseta snapshot save makes one`);
  }
  const body = bytes.subarray(0, -DIGEST_BYTES);
  const digest = createHash("sha256").update(body).digest();
  if (!digest.equals(bytes.subarray(-DIGEST_BYTES))) {
    throw new Error(`${path} is damaged: its bytes do not match their hash; use another snapshot`);
  }
  const blocks = [...blocksIn(body)];
  const decoded = decodeValue(blocks[0] ?? new Uint8Array(0));
  const head = decoded.fault === undefined ? (decoded.value as Partial<FileHead>) : {};
  const operations = operationsIn(blocks.slice(1));
  if (head.v !== 1 || head.taken === undefined || operations === undefined) {
    throw new Error(`${path} is of a version that this build does not know; update meseta`);
  }
  const { wallMs = 0, savedMs = 0, taken } = head;
  const restored = restoredFrom({ ...taken, kind: "SnapshotTaken" }, operations);
  return { ...restored, wallMs, savedMs, operations: operations.length };
}

interface FileHead {
  readonly v: number;
  readonly wallMs: number;
  readonly savedMs: number;
  readonly taken: Parameters<typeof restoredFrom>[0];
}

function* blocksIn(body: Buffer): Generator<Uint8Array> {
  for (let at = MARK.length; at + LENGTH_BYTES <= body.length; ) {
    const end = at + LENGTH_BYTES + body.readUInt32BE(at);
    yield body.subarray(at + LENGTH_BYTES, end);
    at = end;
  }
}
