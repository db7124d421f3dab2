/**
 * The calendar of the simulated world: entries ordered by time, then by the order in which they
 * were put in. Owns no meaning; an entry that was cancelled stays until its time comes.
 */

/** Whoever is often put in is an entry itself: a simulation does little else than make them. */
export interface Entry {
  /** When it happens; stays as it is while it stands in the calendar. */
  readonly atMs: number;
  /** Which of equal times comes first; said when it is put in. */
  sequence: number;
  /** Number of the record because of which it was put in. */
  cause: number;
  happen(): void;
}

/** Children of one entry: so many times stand side by side in memory. */
const WIDTH = 4;
const ROOM_BEGIN = 1_024;

/**
 * What entries are compared by stands apart from them: of some hundred thousand entries of a large
 * cluster hardly one is in the processor's caches, and each step down compares several.
 */
export class Heap {
  readonly #entries: Entry[] = [];
  #times = new Float64Array(ROOM_BEGIN);
  #sequences = new Float64Array(ROOM_BEGIN);

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
    if (index === this.#times.length) this.#grow();
    const times = this.#times;
    const { atMs, sequence } = entry;
    while (index > 0) {
      const parent = (index - 1) >> 2;
      const parentMs = times[parent] as number;
      if (parentMs < atMs) break;
      if (parentMs === atMs && (this.#sequences[parent] as number) < sequence) break;
      this.#put(index, entries[parent] as Entry);
      index = parent;
    }
    this.#put(index, entry);
  }

  pop(): Entry | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return first;
    this.#sink(last);
    return first;
  }

  /** Moves `entry` from the top to where no child comes before it. */
  #sink(entry: Entry): void {
    const entries = this.#entries;
    const times = this.#times;
    const { atMs, sequence } = entry;
    let index = 0;
    for (;;) {
      const child = this.#firstBelow(index);
      if (child < 0) break;
      const childMs = times[child] as number;
      if (atMs < childMs) break;
      if (atMs === childMs && sequence < (this.#sequences[child] as number)) break;
      this.#put(index, entries[child] as Entry);
      index = child;
    }
    this.#put(index, entry);
  }

  /** Which child of `index` comes before its siblings; -1: it has none. */
  #firstBelow(index: number): number {
    const begin = WIDTH * index + 1;
    const end = Math.min(begin + WIDTH, this.#entries.length);
    if (begin >= end) return -1;
    const times = this.#times;
    let first = begin;
    let firstMs = times[begin] as number;
    for (let child = begin + 1; child < end; child++) {
      const childMs = times[child] as number;
      if (childMs > firstMs) continue;
      const isLater =
        childMs === firstMs &&
        (this.#sequences[child] as number) > (this.#sequences[first] as number);
      if (isLater) continue;
      first = child;
      firstMs = childMs;
    }
    return first;
  }

  #put(index: number, entry: Entry): void {
    this.#entries[index] = entry;
    this.#times[index] = entry.atMs;
    this.#sequences[index] = entry.sequence;
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length);
    times.set(this.#times);
    this.#times = times;
    const sequences = new Float64Array(times.length);
    sequences.set(this.#sequences);
    this.#sequences = sequences;
  }
}
