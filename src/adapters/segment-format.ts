/**
 * How an entry of the segment log stands in a file, and how a file is read back. Pure. An entry
 * carries the position up to which everything was synced when it was written: that tells a torn
 * tail, which may be cut, from a damaged entry, which must not be.
 */

/** magic, length, checksum (4 bytes each), position, synced (8 each). */
export const ENTRY_HEAD_BYTES = 28;
const MAGIC = 0x4d534c31;

export interface EntryHead {
  readonly position: number;
  /** Everything up to here was durable before this entry was written. */
  readonly synced: number;
}

export function entryBytes(head: EntryHead, record: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ENTRY_HEAD_BYTES + record.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, record.length);
  view.setBigUint64(12, BigInt(head.position));
  view.setBigUint64(20, BigInt(head.synced));
  bytes.set(record, ENTRY_HEAD_BYTES);
  view.setUint32(8, crc32(bytes.subarray(12)));
  return bytes;
}

export interface EntryAt extends EntryHead {
  readonly record: Uint8Array;
  /** Bytes of the whole entry. */
  readonly length: number;
}

/**
 * The entry that begins at `offset`; undefined when none does. `bytes` may end within one.
 * The record is a view into `bytes`.
 */
export function entryAt(bytes: Uint8Array, offset: number): EntryAt | undefined {
  if (bytes.length - offset < ENTRY_HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  if (view.getUint32(0) !== MAGIC) return undefined;
  const length = ENTRY_HEAD_BYTES + view.getUint32(4);
  if (bytes.length - offset < length) return undefined;
  if (crc32(bytes.subarray(offset + 12, offset + length)) !== view.getUint32(8)) return undefined;
  return {
    position: Number(view.getBigUint64(12)),
    synced: Number(view.getBigUint64(20)),
    record: bytes.subarray(offset + ENTRY_HEAD_BYTES, offset + length),
    length,
  };
}

export interface Scan {
  /** Where each entry begins, in order of positions. */
  readonly offsets: readonly number[];
  /** Where the good entries end. */
  readonly end: number;
  /** Why what follows `end` must not be cut away; undefined when it may. */
  readonly damage: string | undefined;
}

/** Reads a whole segment whose first position is `first`. */
export function scanSegment(bytes: Uint8Array, first: number): Scan {
  const offsets: number[] = [];
  let offset = 0;
  for (;;) {
    const entry = entryAt(bytes, offset);
    if (entry === undefined || entry.position !== first + offsets.length) break;
    offsets.push(offset);
    offset += entry.length;
  }
  const missing = first + offsets.length;
  return { offsets, end: offset, damage: damageAfter(bytes, offset, missing) };
}

/** A later entry that knew the missing one as synced proves that it was there. */
function damageAfter(bytes: Uint8Array, from: number, missing: number): string | undefined {
  for (let offset = from; offset <= bytes.length - ENTRY_HEAD_BYTES; offset++) {
    if (bytes[offset] !== 0x4d) continue;
    const entry = entryAt(bytes, offset);
    if (entry === undefined) continue;
    if (entry.synced >= missing) {
      return `position ${missing} was durable and is damaged; position ${entry.position} proves it`;
    }
    offset += entry.length - 1;
  }
  return undefined;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32 as in Ethernet and zip files. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[at] ?? 0)) & 255] ?? 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
