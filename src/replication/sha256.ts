/**
 * SHA-256 (FIPS 180-4) over bytes, for the chain of records. Pure: the core has no other way to
 * it. It is not fast (some 60 MB/s) and need not be: records are small and few.
 */

const ROUNDS = 64;
const BLOCK_BYTES = 64;
/** Length of a digest in bytes. */
export const DIGEST_BYTES = 32;

/** Fractional parts of the cube roots (constants) and square roots (start) of the first primes. */
function fractions(count: number, root: (x: number) => number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  let found = 0;
  for (let candidate = 2; found < count; candidate += 1) {
    if (!isPrime(candidate)) continue;
    const value = root(candidate);
    words[found] = Math.floor((value - Math.floor(value)) * 2 ** 32);
    found += 1;
  }
  return words;
}

function isPrime(candidate: number): boolean {
  for (let by = 2; by * by <= candidate; by += 1) if (candidate % by === 0) return false;
  return true;
}

const CONSTANTS = fractions(ROUNDS, Math.cbrt);
const START = fractions(8, Math.sqrt);

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

/** The message with its padding: a one bit, zeros, and its length in bits. */
function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.ceil((bytes.length + 9) / BLOCK_BYTES);
  const padding = new Uint8Array(blocks * BLOCK_BYTES);
  padding.set(bytes);
  padding[bytes.length] = 0x80;
  const view = new DataView(padding.buffer);
  view.setUint32(padding.length - 8, Math.floor((bytes.length * 8) / 2 ** 32));
  view.setUint32(padding.length - 4, (bytes.length * 8) >>> 0);
  return padding;
}

function at(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}

/** The digest of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = padded(bytes);
  const view = new DataView(message.buffer);
  const hash = START.slice();
  const words = new Uint32Array(ROUNDS);
  for (let block = 0; block < message.length; block += BLOCK_BYTES) {
    expand(view, block, words);
    compress(hash, words);
  }
  const digest = new Uint8Array(DIGEST_BYTES);
  const out = new DataView(digest.buffer);
  for (const [index, word] of hash.entries()) out.setUint32(index * 4, word);
  return digest;
}

function expand(view: DataView, block: number, words: Uint32Array): void {
  for (let i = 0; i < 16; i += 1) words[i] = view.getUint32(block + i * 4);
  for (let i = 16; i < ROUNDS; i += 1) {
    const early = at(words, i - 15);
    const late = at(words, i - 2);
    const small = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const large = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    words[i] = at(words, i - 16) + small + at(words, i - 7) + large;
  }
}

function compress(hash: Uint32Array, words: Uint32Array): void {
  let a = at(hash, 0);
  let b = at(hash, 1);
  let c = at(hash, 2);
  let d = at(hash, 3);
  let e = at(hash, 4);
  let f = at(hash, 5);
  let g = at(hash, 6);
  let h = at(hash, 7);
  for (let i = 0; i < ROUNDS; i += 1) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = (h + sum1 + choice + at(CONSTANTS, i) + at(words, i)) | 0;
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const second = (sum0 + majority) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries()) {
    hash[index] = at(hash, index) + word;
  }
}

/** Bytes as lower-case hexadecimal text. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
