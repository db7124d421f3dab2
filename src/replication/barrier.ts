/**
 * Reads that must not be answered by a master that was replaced: they wait until a record that
 * was proposed after them is committed. One proof serves all reads that waited (P-7.2).
 */

/** Most reads that wait at once; further ones are refused as busy. */
export const READS_WAITING_MAX = 1000;

export class Barrier<Read> {
  /** Waiting reads by the record of our own that comes after them. */
  #waiting: { readonly read: Read; readonly afterRecord: number }[] = [];
  #flushed = 0;
  #committed = 0;

  /** Lets the read wait for the next record; false when too many wait. */
  wait(read: Read): boolean {
    if (this.#waiting.length >= READS_WAITING_MAX) return false;
    this.#waiting.push({ read, afterRecord: this.#flushed + 1 });
    return true;
  }

  /** Whether a record is wanted that no proposal asks for. */
  get wantsProof(): boolean {
    return this.#waiting.some(({ afterRecord }) => afterRecord > this.#flushed);
  }

  /** A record was handed to the log. */
  flushed(): void {
    this.#flushed += 1;
  }

  /** Our next record in order was committed: these reads may be answered. */
  committed(): Read[] {
    this.#committed += 1;
    const served = this.#waiting.filter(({ afterRecord }) => afterRecord <= this.#committed);
    this.#waiting = this.#waiting.filter(({ afterRecord }) => afterRecord > this.#committed);
    return served.map(({ read }) => read);
  }
}
