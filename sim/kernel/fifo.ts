/**
 * A queue that is cheap at both ends: first in, first out. Keeps nothing that has left it. A ring,
 * since most queues of a run are short and empty again thousands of times a second.
 */
export class Fifo<Item> {
  /** Its length is a power of two. */
  #ring: (Item | undefined)[] = [undefined, undefined, undefined, undefined];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: Item): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item;
    this.#length += 1;
  }

  shift(): Item | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length -= 1;
    return item;
  }

  clear(): void {
    this.#ring = [undefined, undefined, undefined, undefined];
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const ring = this.#ring;
    const inOrder = [...ring.slice(this.#head), ...ring.slice(0, this.#head)];
    this.#ring = [...inOrder, ...ring.map(() => undefined)];
    this.#head = 0;
  }
}
