/**
 * What ends at a time, found without sorting: a hierarchical timing wheel (Varghese and Lauck).
 * Adding and removing cost the same however much there is; what is far off moves to a finer level
 * when its time comes near. Reads no clock.
 */

export type Timed = { readonly expiryMs: number };

/** Buckets of a level; each level's bucket spans all buckets of the finer one. */
const BUCKETS = 64;
/** 64⁶ ms are two years: longer than anything that is put in here lasts. */
const LEVELS = 6;
const SPANS_MS = Array.from({ length: LEVELS }, (_, level) => BUCKETS ** level);

type Bucket<Item> = {
  readonly items: Set<Item>;
  /** Of its items; undefined: to be looked up. */
  earliestMs: number | undefined;
};

export class TimingWheel<Item extends Timed> {
  readonly #levels: (Bucket<Item> | undefined)[][] = SPANS_MS.map(() => []);
  readonly #places = new Map<Item, Bucket<Item>>();
  /** Up to here all that ended was taken out. */
  #nowMs = 0;

  add(item: Item, nowMs: number): void {
    if (this.#places.size === 0) this.#nowMs = nowMs;
    this.#place(item);
  }

  /** Up to when it was advanced. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Removing what is not here is no fault. */
  remove(item: Item): void {
    const bucket = this.#places.get(item);
    if (bucket === undefined) return;
    this.#places.delete(item);
    bucket.items.delete(item);
    if (bucket.earliestMs === item.expiryMs) bucket.earliestMs = undefined;
  }

  /** Takes out what ends at that time or before, the earliest first. */
  advance(nowMs: number): Item[] {
    const due: Item[] = [];
    if (nowMs < this.#nowMs) return due;
    const fromMs = this.#nowMs;
    this.#nowMs = nowMs;
    if (this.#places.size === 0) return due;
    for (let level = 0; level < LEVELS; level++) {
      const buckets = this.#levels[level] ?? [];
      const spanMs = SPANS_MS[level] ?? 1;
      const from = Math.floor(fromMs / spanMs);
      const steps = Math.min(Math.floor(nowMs / spanMs) - from, BUCKETS - 1);
      for (let step = 0; step <= steps; step++) this.#empty(buckets[(from + step) % BUCKETS], due);
      // No coarser bucket was left.
      if (steps === 0 && level > 0) break;
    }
    return due.sort((left, right) => left.expiryMs - right.expiryMs);
  }

  /** When the next item ends. */
  nextMs(): number | undefined {
    let nextMs: number | undefined;
    for (const [level, buckets] of this.#levels.entries()) {
      const from = Math.floor(this.#nowMs / (SPANS_MS[level] ?? 1));
      for (let step = 0; step < BUCKETS; step++) {
        const bucket = buckets[(from + step) % BUCKETS];
        if (bucket === undefined || bucket.items.size === 0) continue;
        nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, earliestOf(bucket));
        break;
      }
    }
    return nextMs;
  }

  #place(item: Item): void {
    // What should have ended before ends with the next advance.
    const expiryMs = Math.max(item.expiryMs, this.#nowMs);
    const spanned = (level: number): number => {
      const spanMs = SPANS_MS[level] ?? 1;
      return Math.floor(expiryMs / spanMs) - Math.floor(this.#nowMs / spanMs);
    };
    let level = 0;
    while (level < LEVELS - 1 && spanned(level) >= BUCKETS) level += 1;
    const index = Math.floor(expiryMs / (SPANS_MS[level] ?? 1)) % BUCKETS;
    const buckets = this.#levels[level] ?? [];
    const bucket = buckets[index] ?? { items: new Set(), earliestMs: Number.POSITIVE_INFINITY };
    buckets[index] = bucket;
    bucket.items.add(item);
    if (bucket.earliestMs !== undefined && expiryMs < bucket.earliestMs) {
      bucket.earliestMs = expiryMs;
    }
    this.#places.set(item, bucket);
  }

  /** What of it is due goes out, the rest to where it belongs now. */
  #empty(bucket: Bucket<Item> | undefined, due: Item[]): void {
    if (bucket === undefined || bucket.items.size === 0) return;
    const items = [...bucket.items];
    bucket.items.clear();
    bucket.earliestMs = Number.POSITIVE_INFINITY;
    for (const item of items) {
      this.#places.delete(item);
      if (item.expiryMs <= this.#nowMs) due.push(item);
      else this.#place(item);
    }
  }
}

function earliestOf(bucket: Bucket<Timed>): number {
  if (bucket.earliestMs === undefined) {
    bucket.earliestMs = Number.POSITIVE_INFINITY;
    for (const { expiryMs } of bucket.items) {
      bucket.earliestMs = Math.min(bucket.earliestMs, expiryMs);
    }
  }
  return bucket.earliestMs;
}
