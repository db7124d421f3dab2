/**
 * Amounts by name alone, in thousandths: `Quantities` (absent means 0) and `Limits` (absent means
 * infinite). Metadata of resources is gone here. Both are immutable values.
 */
import { readScalar, formatScalar } from "./scalar.ts";
import { compareText } from "./sets.ts";

/** Amounts by name; absent = 0, and a 0 is never kept. */
export class Quantities implements Iterable<readonly [name: string, milli: number]> {
  static readonly EMPTY = new Quantities(new Map());
  readonly #milli: ReadonlyMap<string, number>;
  #names: object | undefined;
  #vector: readonly number[] = [];

  private constructor(milli: ReadonlyMap<string, number>) {
    this.#milli = milli;
  }

  /** These amounts by the index of their names, kept for the owner of names that asked last. */
  vectorFor(names: { intern(name: string): number }): readonly number[] {
    if (this.#names !== names) {
      const vector: number[] = [];
      for (const [name, milli] of this.#milli) {
        const index = names.intern(name);
        while (vector.length <= index) vector.push(0);
        vector[index] = milli;
      }
      this.#names = names;
      this.#vector = vector;
    }
    return this.#vector;
  }

  /** From (name, thousandths) pairs; equal names are summed, what is ≤ 0 is dropped. */
  static of(pairs: Iterable<readonly [string, number]>): Quantities {
    const sums = new Map<string, number>();
    for (const [name, milli] of pairs) sums.set(name, (sums.get(name) ?? 0) + milli);
    for (const [name, milli] of sums) if (milli <= 0) sums.delete(name);
    return sums.size === 0 ? Quantities.EMPTY : new Quantities(sums);
  }

  /**
   * From text such as `cpus:0.01;mem:32`.
   * @throws RangeError naming the part that is no `name:number`; meant for literals and settings
   * that were checked before.
   */
  static parse(text: string): Quantities {
    return Quantities.of(parsePairs(text));
  }

  get(name: string): number {
    return this.#milli.get(name) ?? 0;
  }

  get isEmpty(): boolean {
    return this.#milli.size === 0;
  }

  names(): string[] {
    return [...this.#milli.keys()];
  }

  add(other: Quantities): Quantities {
    return Quantities.of([...this, ...other]);
  }

  /** Entries that would be ≤ 0 are dropped. */
  subtract(other: Quantities): Quantities {
    return Quantities.of([...this].map(([name, milli]) => [name, milli - other.get(name)]));
  }

  contains(other: Quantities): boolean {
    for (const [name, milli] of other) if (this.get(name) < milli) return false;
    return true;
  }

  equals(other: Quantities): boolean {
    return this.#milli.size === other.#milli.size && this.contains(other);
  }

  [Symbol.iterator](): Iterator<readonly [string, number]> {
    return this.#milli.entries();
  }

  /** `cpus:1.5; mem:32`, sorted by name. */
  toString(): string {
    return formatPairs(this);
  }
}

/** Upper bounds by name; absent = infinite, 0 is a bound like any other. */
export class Limits implements Iterable<readonly [name: string, milli: number]> {
  static readonly NONE = new Limits(new Map());
  readonly #milli: ReadonlyMap<string, number>;

  private constructor(milli: ReadonlyMap<string, number>) {
    this.#milli = milli;
  }

  /** From (name, thousandths) pairs; of equal names the lower counts. */
  static of(pairs: Iterable<readonly [string, number]>): Limits {
    const bounds = new Map<string, number>();
    for (const [name, milli] of pairs) {
      bounds.set(name, Math.max(0, Math.min(bounds.get(name) ?? Number.POSITIVE_INFINITY, milli)));
    }
    return bounds.size === 0 ? Limits.NONE : new Limits(bounds);
  }

  /** As `Quantities.parse`. */
  static parse(text: string): Limits {
    return Limits.of(parsePairs(text));
  }

  /** The bound in thousandths, or `Infinity`. */
  get(name: string): number {
    return this.#milli.get(name) ?? Number.POSITIVE_INFINITY;
  }

  get isEmpty(): boolean {
    return this.#milli.size === 0;
  }

  /** Whether amounts stay within the bounds. */
  contains(quantities: Quantities): boolean {
    for (const [name, milli] of quantities) if (milli > this.get(name)) return false;
    return true;
  }

  /** What is left of the bounds: floors at 0, which stays a bound; infinity stays infinite. */
  subtract(quantities: Quantities): Limits {
    return Limits.of([...this].map(([name, milli]) => [name, milli - quantities.get(name)]));
  }

  equals(other: Limits): boolean {
    if (this.#milli.size !== other.#milli.size) return false;
    for (const [name, milli] of this.#milli) if (other.#milli.get(name) !== milli) return false;
    return true;
  }

  [Symbol.iterator](): Iterator<readonly [string, number]> {
    return this.#milli.entries();
  }

  toString(): string {
    return formatPairs(this);
  }
}

function parsePairs(text: string): [string, number][] {
  const pairs: [string, number][] = [];
  for (const part of text.split(";").map((each) => each.replaceAll(" ", ""))) {
    if (part === "") continue;
    const [name, value, ...more] = part.split(":");
    const reading = value === undefined ? undefined : readScalar(value);
    if (!name || more.length > 0 || reading?.kind !== "milli") {
      throw new RangeError(`${JSON.stringify(part)} is not of the form name:number`);
    }
    pairs.push([name, reading.milli]);
  }
  return pairs;
}

function formatPairs(pairs: Iterable<readonly [string, number]>): string {
  return [...pairs]
    .sort(([a], [b]) => compareText(a, b))
    .map(([name, milli]) => `${name}:${formatScalar(milli)}`)
    .join("; ");
}
