/**
 * Walks over CBOR bytes before anything decodes them, so that no decoder ever meets a tag, a
 * bignum, a depth or a length that could hold it up. Owns the limits of one item; builds no
 * value, allocates nothing, never throws. What passes is plain: integers that a number holds
 * exactly, texts, byte strings, arrays, maps with texts as keys, booleans, null, floats.
 */

/** Deepest nesting of arrays and maps. */
export const CBOR_DEPTH_MAX = 32;
/** Most items (keys and values each count) in one message. */
export const CBOR_ITEMS_MAX = 20_000;

export type ScanFault =
  | "truncated"
  | "trailing-bytes"
  | "too-deep"
  | "too-many-items"
  | "tag"
  | "indefinite-or-reserved-length"
  | "integer-too-large"
  | "key-not-text"
  | "simple-value";

/** Items still to come on each open level, and whether that level is a map. */
const left = new Int32Array(CBOR_DEPTH_MAX + 2);
const inMap = new Uint8Array(CBOR_DEPTH_MAX + 2);

const HIGH_WORD_MAX = 0x1f_ffff;

/**
 * Why the bytes from `start` up to `end` are not exactly one plain item; undefined when they are.
 * Takes time in proportion to the items, at most `CBOR_ITEMS_MAX`.
 */
export function scanCbor(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): ScanFault | undefined {
  let at = start;
  let items = 0;
  let level = 0;
  left[0] = 1;
  inMap[0] = 0;
  for (;;) {
    while (left[level] === 0) {
      if (level === 0) return at === end ? undefined : "trailing-bytes";
      level--;
    }
    const remaining = left[level] as number;
    const isKey = inMap[level] === 1 && (remaining & 1) === 0;
    left[level] = remaining - 1;
    if (++items > CBOR_ITEMS_MAX) return "too-many-items";
    if (at >= end) return "truncated";
    const head = bytes[at++] as number;
    const major = head >> 5;
    const info = head & 31;
    if (isKey && major !== 3) return "key-not-text";
    if (major === 6) return "tag";
    if (info > 27) return "indefinite-or-reserved-length";
    let value = info;
    if (info > 23) {
      const width = 1 << (info - 24);
      if (end - at < width) return "truncated";
      value = 0;
      if (width === 8 && major !== 7 && wordAt(bytes, at) > HIGH_WORD_MAX) {
        return major < 2 ? "integer-too-large" : "truncated";
      }
      for (const stop = at + width; at < stop; at++) value = value * 256 + (bytes[at] as number);
    }
    if (major === 2 || major === 3) {
      if (value > end - at) return "truncated";
      at += value;
    } else if (major === 4 || major === 5) {
      const count = major === 5 ? value * 2 : value;
      if (count > end - at) return "truncated";
      if (level >= CBOR_DEPTH_MAX) return "too-deep";
      left[++level] = count;
      inMap[level] = major === 5 ? 1 : 0;
    } else if (major === 7 && (info < 20 || info === 23 || info === 24)) {
      return "simple-value";
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return (a as number) * 0x100_0000 + ((b as number) << 16) + ((c as number) << 8) + (d as number);
}
