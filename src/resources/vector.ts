/**
 * Amounts as vectors of integer thousandths over interned names: what the allocator counts with.
 * One `ResourceNames` belongs to one owner; vectors of different owners never meet. A vector may be
 * shorter than the list of names: what is missing is 0.
 */
import { Quantities } from "./quantities.ts";

/** What a bag comes to, by name index; see `Resources.measureFor`. */
export type Measure = {
  /** Whose indexes they are. */
  readonly names: ResourceNames;
  /** All that is not shared; ranges and sets by their number. */
  readonly plain: ReadonlyVector;
  /** Scalars; shared ones once. */
  readonly scalars: ReadonlyVector;
  /** Those of the scalars that are neither reserved nor revocable. */
  readonly open: ReadonlyVector;
};

/** The index of a resource name in vectors of thousandths. */
export class ResourceNames {
  readonly #indexes = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #zeros: Vector = [];

  get size(): number {
    return this.#names.length;
  }

  /** The index of a name; a new name gets the next one. */
  intern(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const index = this.#names.length;
    this.#indexes.set(name, index);
    this.#names.push(name);
    return index;
  }

  /** The index of a known name, or -1. */
  indexOf(name: string): number {
    return this.#indexes.get(name) ?? -1;
  }

  nameOf(index: number): string {
    const name = this.#names[index];
    if (name === undefined) throw new RangeError(`no resource name has the index ${index}`);
    return name;
  }

  /** A vector of so many zeros with room for no more: one that is grown by pushes has room for 17. */
  zeros(length: number): Vector {
    while (this.#zeros.length < length) this.#zeros.push(0);
    return this.#zeros.slice(0, length);
  }

  vectorOf(quantities: Quantities): ReadonlyVector {
    return quantities.vectorFor(this);
  }

  quantitiesOf(vector: ReadonlyVector): Quantities {
    return Quantities.of(vector.map((milli, index) => [this.nameOf(index), milli]));
  }
}

/** Thousandths by name index; dense, so that engines keep it as unboxed numbers. */
export type Vector = number[];
export type ReadonlyVector = readonly number[];

export function at(vector: ReadonlyVector, index: number): number {
  return vector[index] ?? 0;
}

export function addAt(vector: Vector, index: number, milli: number): void {
  while (vector.length <= index) vector.push(0);
  vector[index] = (vector[index] ?? 0) + milli;
}

/** Adds `delta` to `vector` in place. */
export function addInto(vector: Vector, delta: ReadonlyVector): void {
  const { length } = delta;
  while (vector.length < length) vector.push(0);
  for (let i = 0; i < length; i++) vector[i] = (vector[i] ?? 0) + (delta[i] ?? 0);
}

/** Takes `delta` from `vector` in place; the result is not floored. */
export function subtractFrom(vector: Vector, delta: ReadonlyVector): void {
  const { length } = delta;
  while (vector.length < length) vector.push(0);
  for (let i = 0; i < length; i++) vector[i] = (vector[i] ?? 0) - (delta[i] ?? 0);
}

export function containsVector(left: ReadonlyVector, right: ReadonlyVector): boolean {
  for (let i = 0; i < right.length; i++) if (at(left, i) < at(right, i)) return false;
  return true;
}

export function isZero(vector: ReadonlyVector): boolean {
  return vector.every((milli) => milli === 0);
}

/**
 * The greatest part of any total that `allocated` takes; 0 where nothing is. Names whose total is
 * not above 0, or whose index is in `excluded`, do not count. The same IEEE operations in the same
 * order as Mesos' sorter, thousandths over thousandths (mesos.md §12.1, ChangeWeightOnSubtree).
 */
export function dominantShare(
  allocated: ReadonlyVector,
  totals: ReadonlyVector,
  excluded: ReadonlySet<number>,
): number {
  let share = 0;
  for (let i = 0; i < allocated.length; i++) {
    const total = totals[i] ?? 0;
    if (total <= 0) continue;
    const part = (allocated[i] ?? 0) / total;
    if (part > share && !excluded.has(i)) share = part;
  }
  return share;
}
