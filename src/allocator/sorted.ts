/**
 * A list of items in order of share, then of allocations so far, then of name, that is repaired
 * cheaply: items are numbers and keys are columns of typed arrays, so that a search touches no
 * object and a repair moves one block of memory. Knows nothing of where shares come from.
 */
import { compareText } from "#resources";
import type { Marks } from "./marks.ts";

export type Sortable = {
  readonly component: string;
  /** Its number in the list, or -1 while it stands in none; set by the list alone. */
  slot: number;
};

/** What an item stands under until it is moved. */
export type Keys = { readonly share: number; readonly allocations: number };

/** Items that came last whose numbers are remembered. */
const ARRIVALS_KEPT_MAX = 128;

/** Marked items in a row that are looked at one by one before whole words of marks are. */
const MARKED_ROW_MAX = 16;

/** Blocks up to this length are moved item by item: a call for a whole block costs more. */
const SMALL_BLOCK_MAX = 48;

export class SortedList<Item extends Sortable> {
  readonly #items: (Item | undefined)[] = [];
  readonly #vacant: number[] = [];
  /** A bit for each number that an item has. */
  #present = new Int32Array(1);
  #length = 0;
  /** How many items have come so far: a number may since stand for another item. */
  arrivals = 0;
  /** The numbers that the last ones got, the n-th at n modulo the length. */
  readonly #arrived = new Int32Array(ARRIVALS_KEPT_MAX);
  /** Numbers of items, first served first. */
  #order = new Int32Array(4);
  /** Numbers of items by name. */
  #byName = new Int32Array(4);
  // By number of the item.
  #shares = new Float64Array(4);
  #allocations = new Float64Array(4);
  /** Grows with the name; there is room between neighbours for names that come later. */
  #ranks = new Float64Array(4);

  get length(): number {
    return this.#length;
  }

  at(index: number): Item | undefined {
    return index < this.#length ? this.#items[this.#order[index] ?? -1] : undefined;
  }

  /** The number that the n-th item got, counted from 1; undefined: forgotten. */
  arrivedAt(n: number): number | undefined {
    if (n <= this.arrivals - ARRIVALS_KEPT_MAX || n > this.arrivals) return undefined;
    return this.#arrived[n % ARRIVALS_KEPT_MAX];
  }

  /**
   * The first index from `from` on whose item is not marked. Where many are marked in a row it is
   * found among the few that are not, so that it costs next to nothing how many are.
   */
  firstUnmarked(from: number, marks: Marks): number {
    const length = this.#length;
    const row = MARKED_ROW_MAX + (Math.max(0, length - marks.count) >>> 3);
    const until = Math.min(length, from + row);
    let index = from;
    while (index < until && marks.has(this.#order[index] ?? -1)) index += 1;
    if (index < until || index === length) return index;
    const slot = this.#leastUnmarked(marks, from === 0 ? -1 : (this.#order[from] ?? -1));
    return slot < 0 ? length : this.#firstNotBefore(slot, index, length);
  }

  /** Of those that do not stand before `floor`, if it is one; -1: all of them are marked. */
  #leastUnmarked(marks: Marks, floor: number): number {
    const present = this.#present;
    const shares = this.#shares;
    let least = -1;
    let leastShare = Number.POSITIVE_INFINITY;
    for (let index = 0; index < present.length; index++) {
      let open = (present[index] ?? 0) & ~marks.word(index);
      while (open !== 0) {
        const slot = 32 * index + 31 - Math.clz32(open & -open);
        open &= open - 1;
        const share = shares[slot] ?? 0;
        if (share > leastShare || (floor >= 0 && this.#compare(slot, floor) < 0)) continue;
        if (share === leastShare && least >= 0 && this.#compare(slot, least) > 0) continue;
        least = slot;
        leastShare = share;
      }
    }
    return least;
  }

  #setPresent(slot: number, present: boolean): void {
    const bit = 1 << (slot & 31);
    const word = this.#present[slot >>> 5] ?? 0;
    this.#present[slot >>> 5] = present ? word | bit : word & ~bit;
  }

  insert(item: Item, keys: Keys): void {
    const slot = this.#vacant.pop() ?? this.#items.length;
    item.slot = slot;
    this.#items[slot] = item;
    this.#setPresent(slot, true);
    this.arrivals += 1;
    this.#arrived[this.arrivals % ARRIVALS_KEPT_MAX] = slot;
    if (this.#length === this.#order.length) this.#grow();
    this.#shares[slot] = keys.share;
    this.#allocations[slot] = keys.allocations;
    this.#insertName(item);
    const index = this.#firstNotBefore(slot, 0, this.#length);
    shift(this.#order, index, this.#length, 1);
    this.#order[index] = slot;
    this.#length += 1;
  }

  remove(item: Item): void {
    const { slot } = item;
    const index = this.#indexOf(item);
    shift(this.#order, index + 1, this.#length, -1);
    shift(this.#byName, this.#nameIndexOf(slot) + 1, this.#length, -1);
    this.#length -= 1;
    this.#items[slot] = undefined;
    this.#setPresent(slot, false);
    this.#vacant.push(slot);
    item.slot = -1;
  }

  /** Puts it where it belongs under new keys. */
  move(item: Item, keys: Keys): void {
    const { slot } = item;
    const order = this.#order;
    const index = this.#indexOf(item);
    this.#shares[slot] = keys.share;
    this.#allocations[slot] = keys.allocations;
    if (index + 1 < this.#length && this.#compare(order[index + 1] ?? -1, slot) < 0) {
      const to = this.#firstNotBefore(slot, index + 1, this.#length);
      shift(order, index + 1, to, -1);
      order[to - 1] = slot;
    } else if (index > 0 && this.#compare(order[index - 1] ?? -1, slot) > 0) {
      const to = this.#firstNotBefore(slot, 0, index);
      shift(order, to, index, 1);
      order[to] = slot;
    }
  }

  /** All keys anew. */
  resort(keysOf: (item: Item) => Keys): void {
    const order = this.#order.subarray(0, this.#length);
    let sorted = true;
    let before = -1;
    for (const slot of order) {
      const item = this.#items[slot];
      if (item === undefined) continue;
      const { share, allocations } = keysOf(item);
      this.#shares[slot] = share;
      this.#allocations[slot] = allocations;
      if (before >= 0 && this.#compare(before, slot) > 0) sorted = false;
      before = slot;
    }
    if (!sorted) order.sort((left, right) => this.#compare(left, right));
  }

  #compare(left: number, right: number): number {
    const shares = this.#shares;
    const share = (shares[left] ?? 0) - (shares[right] ?? 0);
    if (share !== 0) return share;
    const allocations = this.#allocations;
    const count = (allocations[left] ?? 0) - (allocations[right] ?? 0);
    if (count !== 0) return count;
    return (this.#ranks[left] ?? 0) - (this.#ranks[right] ?? 0);
  }

  #indexOf(item: Item): number {
    const index = this.#firstNotBefore(item.slot, 0, this.#length);
    if (this.#order[index] !== item.slot) throw new Error(`${item.component} is out of order`);
    return index;
  }

  /** The first index of those from `low` to before `high` that does not stand before the item. */
  #firstNotBefore(slot: number, low: number, high: number): number {
    let from = low;
    let to = high;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#compare(this.#order[middle] ?? -1, slot) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  // ---- names: compared as text once, when an item comes

  #insertName({ component, slot }: Item): void {
    const byName = this.#byName;
    const nameAt = (index: number): string => this.#items[byName[index] ?? -1]?.component ?? "";
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      // By code units, which for the characters of roles and ids is byte order.
      if (compareText(nameAt(middle), component) < 0) low = middle + 1;
      else high = middle;
    }
    shift(byName, low, this.#length, 1);
    byName[low] = slot;
    this.#rank(low);
  }

  /** Between its neighbours; where no number is left there, all get new ones. */
  #rank(index: number): void {
    const ranks = this.#ranks;
    const byName = this.#byName;
    const slot = byName[index] ?? -1;
    const below = index === 0 ? undefined : (ranks[byName[index - 1] ?? -1] ?? 0);
    const above = index === this.#length ? undefined : (ranks[byName[index + 1] ?? -1] ?? 0);
    if (below === undefined) ranks[slot] = (above ?? 1) - 1;
    else if (above === undefined) ranks[slot] = below + 1;
    else {
      const middle = below + (above - below) / 2;
      ranks[slot] = middle;
      if (middle > below && middle < above) return;
      for (let i = 0; i <= this.#length; i++) ranks[byName[i] ?? -1] = i;
    }
  }

  #nameIndexOf(slot: number): number {
    const rank = this.#ranks[slot] ?? 0;
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranks[this.#byName[middle] ?? -1] ?? 0) < rank) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    const length = 2 * this.#order.length;
    this.#order = enlarged(new Int32Array(length), this.#order);
    this.#byName = enlarged(new Int32Array(length), this.#byName);
    this.#present = enlarged(new Int32Array((length >>> 5) + 1), this.#present);
    this.#shares = enlarged(new Float64Array(length), this.#shares);
    this.#allocations = enlarged(new Float64Array(length), this.#allocations);
    this.#ranks = enlarged(new Float64Array(length), this.#ranks);
  }
}

function enlarged<Column extends Int32Array | Float64Array>(to: Column, from: Column): Column {
  to.set(from);
  return to;
}

/** Moves the block from `from` to before `to` by one place. */
function shift(column: Int32Array, from: number, to: number, by: 1 | -1): void {
  if (to - from > SMALL_BLOCK_MAX) column.copyWithin(from + by, from, to);
  else if (by < 0) for (let i = from; i < to; i++) column[i - 1] = column[i] ?? 0;
  else for (let i = to; i > from; i--) column[i] = column[i - 1] ?? 0;
}
