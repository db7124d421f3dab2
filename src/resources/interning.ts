/**
 * Equal bags made one, and what two of them came to remembered. A cluster has thousands of equal
 * agents, offers and tasks: their sums, differences and measures are then computed once. Tables
 * are of fixed size and the newer replaces the older, so that forgetting costs time, never an
 * answer; nothing here can be seen from outside but by identity.
 */
import { type Entry, equalValue } from "./entries.ts";

/** Bags, and of sums and differences as many each, that are remembered; a power of two. */
const INTERNED_MAX = 4096;
/** Objects in a bag that is interned: larger ones are rarely equal, and dear to compare. */
const INTERNED_LENGTH_MAX = 16;
/** The multiplier of Fowler, Noll and Vo's hash. */
const FNV_PRIME = 16_777_619;

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, FNV_PRIME);

/** Equal for equal lists of entries; 0: too long to be interned. */
export function hashOf(entries: readonly Entry[]): number {
  const { length } = entries;
  if (length > INTERNED_LENGTH_MAX) return 0;
  let hash = length;
  for (let i = 0; i < length; i++) {
    const { kind, milli, copies, ranges, items } = entries[i] as Entry;
    hash = mix(mix(hash, kind.serial), milli + copies);
    for (let j = 0; j < ranges.length; j++) {
      hash = mix(mix(hash, ranges[j]?.begin ?? 0), ranges[j]?.end ?? 0);
    }
    hash = mix(hash, items.length);
  }
  // The low bits alone choose a place: let the high ones count there.
  hash ^= hash >>> 15;
  return hash === 0 ? 1 : hash;
}

/** Kinds by identity, values by their amounts, in the same order. */
function equalEntries(left: readonly Entry[], right: readonly Entry[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    const [a, b] = [left[i] as Entry, right[i] as Entry];
    if (a.kind !== b.kind || a.copies !== b.copies || !equalValue(a, b)) return false;
  }
  return true;
}

/** The bags that stand for all that are equal to them. */
export class InternedBags<Bag> {
  readonly #bags: (Bag | undefined)[] = new Array(INTERNED_MAX).fill(undefined);
  /** Compared first, since that touches no bag that has left the cache. */
  readonly #hashes = new Int32Array(INTERNED_MAX);
  readonly #entries: (readonly Entry[])[] = new Array(INTERNED_MAX).fill([]);

  /** The bag of these entries, made by `make` where none is known. */
  bagOf(entries: readonly Entry[], make: (entries: readonly Entry[], hash: number) => Bag): Bag {
    const hash = hashOf(entries);
    if (hash === 0) return make(entries, hash);
    const at = hash & (INTERNED_MAX - 1);
    const known = this.#hashes[at] === hash ? this.#bags[at] : undefined;
    if (known !== undefined && equalEntries(this.#entries[at] ?? [], entries)) return known;
    const bag = make(entries, hash);
    this.#bags[at] = bag;
    this.#hashes[at] = hash;
    this.#entries[at] = entries;
    return bag;
  }
}

/** What an operation on two interned bags came to. */
export class Results<Bag> {
  readonly #lefts: (Bag | undefined)[] = new Array(INTERNED_MAX).fill(undefined);
  readonly #rights: (Bag | undefined)[] = new Array(INTERNED_MAX).fill(undefined);
  readonly #results: (Bag | undefined)[] = new Array(INTERNED_MAX).fill(undefined);

  /** `key` is that of both, see `keyOf`; without one nothing is kept. */
  of(key: number, left: Bag, right: Bag, compute: (left: Bag, right: Bag) => Bag): Bag {
    if (key < 0) return compute(left, right);
    if (this.#lefts[key] === left && this.#rights[key] === right) return this.#results[key] as Bag;
    const result = compute(left, right);
    this.#lefts[key] = left;
    this.#rights[key] = right;
    this.#results[key] = result;
    return result;
  }
}

/** The place of an operation on bags of these hashes; -1 where one of them is not interned. */
export function keyOf(left: number, right: number): number {
  if (left === 0 || right === 0) return -1;
  return (Math.imul(left, 31) + right) & (INTERNED_MAX - 1);
}
