/**
 * The calendar of the simulated world: entries ordered by time, then by the order in which they
 * were put in. Owns no meaning; an entry that was cancelled stays until its time comes.
 */

export interface Entry {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  /** Number of the record because of which it was put in. */
  readonly cause: number;
}

function before(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence);
}

export class Heap {
  readonly #entries: Entry[] = [];

  get length(): number {
    return this.#entries.length;
  }

  peek(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let index = entries.length;
    entries.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex];
      if (parent === undefined || before(parent, entry)) break;
      entries[index] = parent;
      index = parentIndex;
    }
    entries[index] = entry;
  }

  pop(): Entry | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return first;
    this.#sink(last);
    return first;
  }

  /** Moves `entry` from the top to where neither child comes before it. */
  #sink(entry: Entry): void {
    const entries = this.#entries;
    let index = 0;
    for (;;) {
      const left = entries[2 * index + 1];
      if (left === undefined) break;
      const right = entries[2 * index + 2];
      const useRight = right !== undefined && before(right, left);
      const child = useRight ? right : left;
      if (before(entry, child)) break;
      entries[index] = child;
      index = 2 * index + (useRight ? 2 : 1);
    }
    entries[index] = entry;
  }
}
