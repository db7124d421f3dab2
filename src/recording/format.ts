/**
 * A recording as a file: a head that says whose it is and how to make that actor again, then
 * blocks of entries, each with its checksum and the digest of everything up to its end. Owns the
 * bytes of both; compresses and reads nothing itself. A block ends where a turn of the actor
 * ends, so a tail that a kill has torn costs whole turns only.
 */
import { hash32 } from "./hash.ts";

export const RECORDING_VERSION = 1;
/** Every recording begins so. */
export const RECORDING_MAGIC = Uint8Array.from([0x4d, 0x53, 0x54, 0x52, 0x45, 0x43, 0x0d, 0x0a]);
/** Bytes before the payload of a block. */
export const BLOCK_HEAD_BYTES = 60;
/** Entries that are collected before they become a block. */
export const BLOCK_BYTES = 256 * 1024;
/** Largest payload and largest content of a block; a longer length is none of ours. */
export const BLOCK_BYTES_MAX = 256 * 1024 * 1024;
export const DIGEST_BYTES = 32;
const MAGIC = 0x4d52424b;

export const BLOCK_KINDS = ["head", "entries", "end"] as const;
export type BlockKind = (typeof BLOCK_KINDS)[number];

export interface BlockHead {
  readonly kind: BlockKind;
  /** Bytes of the payload in the file, and of the content it is made of. */
  readonly length: number;
  readonly rawLength: number;
  /** Turns of the actor before this block. */
  readonly before: number;
  /** Of all entries up to the end of this block. */
  readonly digest: Uint8Array;
}

/** Why nothing follows in a recording. */
export type RecordingEnd =
  /** The actor has ended, by itself or by a fault. */
  | { readonly kind: "over"; readonly why: string }
  /** The process leaves in order. */
  | { readonly kind: "stopped"; readonly why: string }
  /** More came than could be written: what follows is missing. */
  | { readonly kind: "gap"; readonly why: string }
  /** The bound of one recording was reached. */
  | { readonly kind: "full"; readonly why: string };

export function blockBytes(head: Omit<BlockHead, "length">, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BLOCK_HEAD_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(8, BLOCK_KINDS.indexOf(head.kind));
  view.setUint32(12, payload.length);
  view.setUint32(16, head.rawLength);
  view.setFloat64(20, head.before);
  bytes.set(head.digest, 28);
  bytes.set(payload, BLOCK_HEAD_BYTES);
  view.setUint32(4, hash32(bytes.subarray(8)));
  return bytes;
}

/** The head that stands at `at`; undefined where none does. */
export function blockHeadAt(bytes: Uint8Array, at: number): BlockHead | undefined {
  if (bytes.length - at < BLOCK_HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const kind = BLOCK_KINDS[view.getUint32(8)];
  const length = view.getUint32(12);
  const rawLength = view.getUint32(16);
  if (view.getUint32(0) !== MAGIC || kind === undefined) return undefined;
  if (length > BLOCK_BYTES_MAX || rawLength > BLOCK_BYTES_MAX) return undefined;
  const digest = new Uint8Array(bytes.subarray(at + 28, at + 28 + DIGEST_BYTES));
  return { kind, length, rawLength, before: view.getFloat64(20), digest };
}

/** Whether the checksum of the whole block that begins `bytes` is right. */
export function isBlockWhole(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return hash32(bytes.subarray(8)) === view.getUint32(4);
}
