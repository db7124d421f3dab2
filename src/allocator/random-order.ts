/**
 * Orders drawn by weight (the `random` sorter of Mesos, mesos.md §11.2). Knows nothing of shares.
 */
import type { Marks } from "./marks.ts";

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
export class ListWalk<T extends { readonly slot: number }> {
  readonly #list: readonly T[];
  readonly #marks: Marks | undefined;
  #at = 0;
  passed = 0;

  constructor(list: readonly T[], marks: Marks | undefined) {
    this.#list = list;
    this.#marks = marks;
  }

  next(): T | undefined {
    for (;;) {
      const item = this.#list[this.#at++];
      if (item === undefined || this.#marks?.has(item.slot) !== true) return item;
      this.passed += 1;
    }
  }
}
