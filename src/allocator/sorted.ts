/**
 * A sorted list that is repaired cheaply: positions are integers in a typed array, which move as
 * one block of memory where references would move one by one.
 */
import { compareText } from "#resources";

/** What a place is sorted by; only the list that it stands in may change the `placed` keys. */
export type Sortable = {
  readonly component: string;
  placedShare: number;
  placedAllocations: number;
  /** Its number in the list, or -1 while it stands in none. */
  slot: number;
};

export class SortedList<Item extends Sortable> {
  readonly #items: (Item | undefined)[] = [];
  readonly #vacant: number[] = [];
  /** Numbers of items, first served first. */
  #order = new Int32Array(4);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): Item | undefined {
    return index < this.#length ? this.#items[this.#order[index] ?? -1] : undefined;
  }

  /** Expects that the item's keys are set. */
  insert(item: Item): void {
    item.slot = this.#vacant.pop() ?? this.#items.length;
    this.#items[item.slot] = item;
    if (this.#length === this.#order.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#order);
      this.#order = larger;
    }
    this.#enter(item);
  }

  /** Expects that the item's keys are those that it was placed under. */
  remove(item: Item): void {
    this.#leave(item);
    this.#items[item.slot] = undefined;
    this.#vacant.push(item.slot);
    item.slot = -1;
  }

  /** Takes it out, lets the keys be set anew, and puts it where it belongs then. */
  move(item: Item, setKeys: (item: Item) => void): void {
    this.#leave(item);
    setKeys(item);
    this.#enter(item);
  }

  /** All keys anew: what is nearly sorted costs little more than one look at each. */
  resort(setKeys: (item: Item) => void): void {
    const all: Item[] = [];
    for (let i = 0; i < this.#length; i++) {
      const item = this.at(i);
      if (item === undefined) continue;
      setKeys(item);
      all.push(item);
    }
    all.sort(comparePlaces);
    for (const [i, { slot }] of all.entries()) this.#order[i] = slot;
  }

  #enter(item: Item): void {
    const index = this.#search(item);
    this.#order.copyWithin(index + 1, index, this.#length);
    this.#order[index] = item.slot;
    this.#length += 1;
  }

  #leave(item: Item): void {
    const index = this.#search(item);
    if (this.#order[index] !== item.slot) throw new Error(`${item.component} is out of order`);
    this.#order.copyWithin(index, index + 1, this.#length);
    this.#length -= 1;
  }

  /** The first index whose item does not stand before this one, by the keys both are under. */
  #search(item: Item): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#items[this.#order[middle] ?? -1];
      if (other !== undefined && comparePlaces(other, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** By code units of the component, which for the characters of roles and ids is byte order. */
function comparePlaces(left: Sortable, right: Sortable): number {
  return (
    left.placedShare - right.placedShare ||
    left.placedAllocations - right.placedAllocations ||
    compareText(left.component, right.component)
  );
}
