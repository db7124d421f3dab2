/**
 * Chance from one root seed, split into named streams, so that a draw more in one stream does
 * not move any other. Integer methods only: the same seed gives the same numbers everywhere.
 */
import { createHash } from "node:crypto";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const LETTERS = 26;
const TWO_TO_32 = 4294967296;

/** Told of every draw; used to find where two runs part. */
export type DrawListener = (stream: string, value: number) => void;

/** One stream of chance: sfc32, seeded by a hash of root seed and name. */
export class Chance {
  readonly name: string;
  readonly #heard: DrawListener;
  #a: number;
  #b: number;
  #c: number;
  #count: number;

  constructor(seed: string, name: string, heard: DrawListener) {
    const hash = createHash("sha256").update(`${seed}\n${name}`).digest();
    this.name = name;
    this.#heard = heard;
    this.#a = hash.readInt32LE(0);
    this.#b = hash.readInt32LE(4);
    this.#c = hash.readInt32LE(8);
    this.#count = hash.readInt32LE(12);
  }

  /** Uniform integer of 32 bits. */
  bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    const value = sum >>> 0;
    this.#heard(this.name, value);
    return value;
  }

  /** Uniform integer from 0 up to but not including `bound`, at most 2^32. */
  below(bound: number): number {
    if (bound <= 1) return 0;
    const limit = TWO_TO_32 - (TWO_TO_32 % bound);
    for (;;) {
      const value = this.bits();
      if (value < limit) return value % bound;
    }
  }

  /** Uniform integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** true with `perMillion` in a million. Draws nothing when the answer is certain. */
  chance(perMillion: number): boolean {
    if (perMillion <= 0) return false;
    if (perMillion >= 1_000_000) return true;
    return this.below(1_000_000) < perMillion;
  }

  /** One of a non-empty list; undefined of an empty one. */
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : items[this.below(items.length)];
  }

  /**
   * Roughly exponential with `mean`, never above 20 × mean. The logarithm is taken piecewise
   * linear from the count of leading zeros, so no floating point library decides a result.
   */
  exponential(mean: number): number {
    const value = this.bits();
    const zeros = Math.clz32(value);
    const mantissa = zeros >= 32 ? 0 : (value << (zeros + 1)) >>> 0;
    const log2 = zeros + 1 - mantissa / TWO_TO_32;
    return Math.min(20 * mean, (mean * 710 * log2) / 1024);
  }

  /** The items in a drawn order. */
  shuffled<Item>(items: readonly Item[]): Item[] {
    const result = [...items];
    for (let index = result.length - 1; index > 0; index--) {
      const other = this.below(index + 1);
      const one = result[index];
      const two = result[other];
      if (one === undefined || two === undefined) continue;
      result[index] = two;
      result[other] = one;
    }
    return result;
  }

  /** Text of a version 4 UUID. */
  uuid(): string {
    const hex = (bits: number, digits: number) => bits.toString(16).padStart(digits, "0");
    const [one, two, three, four] = [this.bits(), this.bits(), this.bits(), this.bits()];
    const version = 0x4000 | (two & 0x0fff);
    const variant = 0x8000 | (three & 0x3fff);
    return [
      hex(one, 8),
      hex(two >>> 16, 4),
      hex(version, 4),
      hex(variant, 4),
      hex(three >>> 16, 4) + hex(four, 8),
    ].join("-");
  }

  /** `length` characters of a-z and 0-9, beginning with a letter. */
  token(length: number): string {
    let text = "";
    for (let index = 0; index < length; index++) {
      text += ALPHABET[this.below(index === 0 ? LETTERS : ALPHABET.length)] ?? "a";
    }
    return text;
  }
}

/** The streams of one run, made when first asked for. */
export class Seed {
  readonly text: string;
  readonly #streams = new Map<string, Chance>();
  readonly #heard: DrawListener;

  constructor(text: string, heard: DrawListener) {
    this.text = text;
    this.#heard = heard;
  }

  /** A stream that begins anew each time: the same question, the same answer. */
  once(name: string): Chance {
    return new Chance(this.text, name, this.#heard);
  }

  stream(name: string): Chance {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new Chance(this.text, name, this.#heard);
      this.#streams.set(name, stream);
    }
    return stream;
  }
}
