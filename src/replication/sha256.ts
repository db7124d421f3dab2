/**
 * SHA-256 (FIPS 180-4) over bytes, for the chain of records. Pure: the core has no other way to
 * it. It need not be fast: records are small and few.
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

// Words are signed, as the operators give them: what is above 2^31 would be no small integer.
const CONSTANTS = new Int32Array(fractions(ROUNDS, Math.cbrt));
const START = new Int32Array(fractions(8, Math.sqrt));
/** The message schedule of the block in hand. */
const schedule = new Int32Array(ROUNDS);
const state = new Int32Array(START.length);
/** The last block or two: what is left of the message, a one bit, zeros, the length in bits. */
const tail = new Uint8Array(2 * BLOCK_BYTES);

/** The digest of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  state.set(START);
  const whole = bytes.length - (bytes.length % BLOCK_BYTES);
  for (let block = 0; block < whole; block += BLOCK_BYTES) compress(bytes, block);
  const left = bytes.length - whole;
  const length = left + 9 > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
  tail.fill(0);
  for (let i = 0; i < left; i += 1) tail[i] = bytes[whole + i] as number;
  tail[left] = 0x80;
  writeWord(tail, length - 8, Math.floor((bytes.length * 8) / 2 ** 32));
  writeWord(tail, length - 4, (bytes.length * 8) | 0);
  for (let block = 0; block < length; block += BLOCK_BYTES) compress(tail, block);
  const digest = new Uint8Array(DIGEST_BYTES);
  for (let i = 0; i < START.length; i += 1) writeWord(digest, i * 4, state[i] as number);
  return digest;
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

function writeWord(target: Uint8Array, at: number, word: number): void {
  target[at] = word >>> 24;
  target[at + 1] = word >>> 16;
  target[at + 2] = word >>> 8;
  target[at + 3] = word;
}

function expand(bytes: Uint8Array, block: number): void {
  const w = schedule;
  for (let i = 0; i < 16; i += 1) {
    const at = block + i * 4;
    const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
    w[i] = high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  }
  for (let i = 16; i < ROUNDS; i += 1) {
    const early = w[i - 15] as number;
    const late = w[i - 2] as number;
    const small = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const large = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    w[i] = ((w[i - 16] as number) + small + (w[i - 7] as number) + large) | 0;
  }
}

/** Takes one block of `bytes` into the state. */
function compress(bytes: Uint8Array, block: number): void {
  expand(bytes, block);
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let i = 0; i < ROUNDS; i += 1) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = (h + sum1 + choice + (CONSTANTS[i] as number) + (schedule[i] as number)) | 0;
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
  state[0] = ((state[0] as number) + a) | 0;
  state[1] = ((state[1] as number) + b) | 0;
  state[2] = ((state[2] as number) + c) | 0;
  state[3] = ((state[3] as number) + d) | 0;
  state[4] = ((state[4] as number) + e) | 0;
  state[5] = ((state[5] as number) + f) | 0;
  state[6] = ((state[6] as number) + g) | 0;
  state[7] = ((state[7] as number) + h) | 0;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Bytes as lower-case hexadecimal text. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte] as string;
  return text;
}
