/** Named counts with bounded labels: refusals, drops, dead letters. Metrics read them. */

/** Most different labels of one name; further ones are counted under `other`. */
export const COUNTER_LABELS_MAX = 200;

export class Counters {
  readonly #counts = new Map<string, Map<string, number>>();

  /** Adds `by` to the count of `label` under `name`. */
  add(name: string, label: string, by = 1): void {
    let labels = this.#counts.get(name);
    if (labels === undefined) {
      labels = new Map();
      this.#counts.set(name, labels);
    }
    const known = labels.has(label) || labels.size < COUNTER_LABELS_MAX;
    const key = known ? label : "other";
    labels.set(key, (labels.get(key) ?? 0) + by);
  }

  get(name: string, label: string): number {
    return this.#counts.get(name)?.get(label) ?? 0;
  }

  /** All counts of one name. */
  under(name: string): ReadonlyMap<string, number> {
    return this.#counts.get(name) ?? new Map();
  }

  /** Every (name, label, count), in order of first use. */
  *[Symbol.iterator](): IterableIterator<readonly [name: string, label: string, count: number]> {
    for (const [name, labels] of this.#counts) {
      for (const [label, count] of labels) yield [name, label, count];
    }
  }
}
