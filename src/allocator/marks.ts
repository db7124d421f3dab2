/**
 * The clients of a role that are known to have refused all that is free of an agent, so that runs
 * pass them over without a look at their filters. Clients are known by their number in their order;
 * knows no filter itself.
 */
import type { Resources } from "#resources";

export class Marks {
  /** All that was free when the marks were made, and how many clients had come to the role. */
  bag: Resources | undefined;
  arrivals = -1;
  /** Every active client is marked: how many there were. */
  all: number | undefined;
  #bits: Uint32Array | undefined;

  /** What is noted under anything else than this does not hold. */
  begin(bag: Resources, arrivals: number): void {
    if (this.bag === bag && this.arrivals === arrivals) return;
    this.bag = bag;
    this.arrivals = arrivals;
    this.all = undefined;
    this.#bits = undefined;
  }

  has(slot: number): boolean {
    const word = this.#bits?.[slot >>> 5];
    return word !== undefined && (word & (1 << (slot & 31))) !== 0;
  }

  add(slot: number): void {
    const index = slot >>> 5;
    let bits = this.#bits ?? new Uint32Array(index + 1);
    if (index >= bits.length) {
      const longer = new Uint32Array(Math.max(index + 1, 2 * bits.length));
      longer.set(bits);
      bits = longer;
    }
    bits[index] = (bits[index] ?? 0) | (1 << (slot & 31));
    this.#bits = bits;
  }
}
