/**
 * The clients of a role that are known to have refused all that is free of an agent, so that runs
 * pass them over without a look at their filters. Clients are known by their number in their order;
 * knows no filter itself.
 */
import type { Resources } from "#resources";

/** In an order a number may come to stand for another client: which ones did lately. */
export interface Arrivals {
  /** How many clients have come so far. */
  readonly arrivals: number;
  /** The number that the n-th of them got (from 1 on); undefined: too long ago to be known. */
  arrivedAt(n: number): number | undefined;
}

export class Marks {
  /** All that was free when the marks were made, and how many clients had come to the role. */
  #bag: Resources | undefined;
  #arrivals = -1;
  /** Every active client is marked: how many there were. */
  all: number | undefined;
  #bits: Uint32Array | undefined;
  #count = 0;

  /** How many are marked, those who are not served any more included. */
  get count(): number {
    return this.#count;
  }

  /** What is noted under anything else than this does not hold. */
  begin(bag: Resources, order: Arrivals): void {
    const { arrivals } = order;
    const same = this.#bag === bag || this.#bag?.equals(bag) === true;
    const known = same && (arrivals === this.#arrivals || this.#unmarkArrived(order));
    if (!known) {
      this.all = undefined;
      this.#bits = undefined;
      this.#count = 0;
    }
    this.#bag = bag;
    this.#arrivals = arrivals;
  }

  /** Whether all who came meanwhile are known. */
  #unmarkArrived(order: Arrivals): boolean {
    this.all = undefined;
    for (let n = order.arrivals; n > this.#arrivals; n--) {
      const slot = order.arrivedAt(n);
      if (slot === undefined) return false;
      this.delete(slot);
    }
    return true;
  }

  has(slot: number): boolean {
    return (this.word(slot >>> 5) & (1 << (slot & 31))) !== 0;
  }

  /** The marks of 32 numbers, those from `32 * index` on. */
  word(index: number): number {
    return this.#bits?.[index] ?? 0;
  }

  add(slot: number): void {
    if (this.has(slot)) return;
    const index = slot >>> 5;
    let bits = this.#bits ?? new Uint32Array(index + 1);
    if (index >= bits.length) {
      const longer = new Uint32Array(Math.max(index + 1, 2 * bits.length));
      longer.set(bits);
      bits = longer;
    }
    bits[index] = (bits[index] ?? 0) | (1 << (slot & 31));
    this.#bits = bits;
    this.#count += 1;
  }

  /** -1, the number of who stands in no order, is no fault. */
  delete(slot: number): void {
    if (this.#bits === undefined || slot < 0 || !this.has(slot)) return;
    const index = slot >>> 5;
    this.#bits[index] = (this.#bits[index] ?? 0) & ~(1 << (slot & 31));
    this.#count -= 1;
    this.all = undefined;
  }
}
