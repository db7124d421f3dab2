/**
 * Copies of bytes that cross from one process to another and are gone soon: cut one after the other
 * from blocks of shared memory. Memory of their own would be an allocation for each message, and the
 * engine looks through its whole heap when such memory has grown by 64 MiB, garbage or not; shared
 * memory it leaves out of that account.
 */

/** What is kept holds its whole block: what lives long is copied elsewhere. */
const BLOCK_BYTES = 64 * 1024;
/** What is larger has memory of its own. */
const COPIED_BYTES_MAX = BLOCK_BYTES / 8;

let block = new SharedArrayBuffer(BLOCK_BYTES);
let taken = 0;

/** The same bytes elsewhere, where nobody who has `bytes` can change them. */
export function copied(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length > COPIED_BYTES_MAX) return kept(bytes);
  if (taken + length > BLOCK_BYTES) {
    block = new SharedArrayBuffer(BLOCK_BYTES);
    taken = 0;
  }
  const copy = new Uint8Array(block, taken, length);
  copy.set(bytes);
  taken += length;
  return copy;
}

/** As `copied`, of what lives long. */
export function kept(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
