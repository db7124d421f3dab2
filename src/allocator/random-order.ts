/**
 * Orders drawn by weight (the `random` sorter of Mesos, mesos.md §11.2). Knows nothing of shares.
 */

/**
 * A weighted shuffle: each item gets the key u^(1/w), the greatest comes first. Kept as log(u)/w,
 * which has the same order and does not underflow for small weights.
 */
export function weightedShuffle<T>(
  items: readonly T[],
  weights: readonly number[],
  random: () => number,
): T[] {
  const keyed = items.map((item, i) => ({ item, key: Math.log(random()) / (weights[i] ?? 1) }));
  keyed.sort((a, b) => b.key - a.key || 0);
  return keyed.map(({ item }) => item);
}

/** One item after the other. */
export class ListWalk<T> {
  readonly #list: readonly T[];
  #at = 0;

  constructor(list: readonly T[]) {
    this.#list = list;
  }

  next(): T | undefined {
    return this.#list[this.#at++];
  }
}
