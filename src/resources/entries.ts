/**
 * The objects inside a bag of resources, and how they merge: the machinery behind `resources.ts`,
 * not part of the door. An entry is a kind and an amount; the plain object of the wire is made when
 * somebody asks for it. A builder changes its own list only, never an entry.
 */
import type { Resource } from "#protocol";
import { type Kind, kindOf, type Value } from "./kinds.ts";
import { Limits, Quantities } from "./quantities.ts";
import {
  addRanges,
  containsRanges,
  countRanges,
  equalRanges,
  type RangeList,
  subtractRanges,
} from "./ranges.ts";
import { canonical, formatValue } from "./resource.ts";
import { DEFAULT_ROLE } from "./roles.ts";
import { addAt, type Measure, type ResourceNames, type Vector } from "./vector.ts";
import { addItems, containsItems, equalItems, type Items, subtractItems } from "./sets.ts";

const NO_RANGES: RangeList = [];
const NO_ITEMS: Items = [];

/** One object of the bag. */
export class Entry {
  readonly kind: Kind;
  /** Thousandths of a scalar; 1000 for each integer of ranges and item of a set. */
  readonly milli: number;
  /** 1 unless the object is shared. */
  readonly copies: number;
  readonly ranges: RangeList;
  readonly items: Items;
  #resource: Resource | undefined;

  constructor(
    kind: Kind,
    milli: number,
    copies: number,
    value: { readonly ranges?: RangeList; readonly items?: Items; readonly resource?: Resource },
  ) {
    this.kind = kind;
    this.milli = milli;
    this.copies = copies;
    this.ranges = value.ranges ?? NO_RANGES;
    this.items = value.items ?? NO_ITEMS;
    this.#resource = value.resource;
  }

  /** The object of the wire; always the same one. */
  get resource(): Resource {
    this.#resource ??= this.kind.object(this.#value());
    return this.#resource;
  }

  #value(): Value {
    const { milli, ranges, items } = this;
    switch (this.kind.type) {
      case "SCALAR":
        return { scalar: { milli } };
      case "RANGES":
        return { ranges: { range: [...ranges] } };
      case "SET":
        return { set: { item: [...items] } };
    }
  }
}

const PLAIN = {};

const scalarEntry = (kind: Kind, milli: number): Entry => new Entry(kind, milli, 1, PLAIN);
const rangesEntry = (kind: Kind, ranges: RangeList): Entry =>
  new Entry(kind, countRanges(ranges) * 1000, 1, { ranges });
const setEntry = (kind: Kind, items: Items): Entry =>
  new Entry(kind, items.length * 1000, 1, { items });

export function withKind({ milli, copies, ranges, items }: Entry, kind: Kind): Entry {
  return new Entry(kind, milli, copies, { ranges, items });
}

export function withCopies(entry: Entry, copies: number): Entry {
  const { kind, milli, ranges, items, resource } = entry;
  return new Entry(kind, milli, copies, { ranges, items, resource });
}

/** The object in canonical form. */
export function entryOf(given: Resource, copies = 1): Entry {
  const resource = canonical(given);
  const kind = kindOf(resource);
  const own = kind.simple ? PLAIN : { resource };
  switch (resource.type) {
    case "SCALAR":
      return new Entry(kind, resource.scalar?.milli ?? 0, copies, own);
    case "RANGES": {
      const ranges = resource.ranges?.range ?? NO_RANGES;
      return new Entry(kind, countRanges(ranges) * 1000, copies, { ranges, ...own });
    }
    case "SET": {
      const items = resource.set?.item ?? NO_ITEMS;
      return new Entry(kind, items.length * 1000, copies, { items, ...own });
    }
  }
}

/** The sum of two entries of one kind, with what is said of the left one. */
function plus(left: Entry, right: Entry): Entry {
  const { kind } = left;
  switch (kind.type) {
    case "SCALAR":
      return scalarEntry(kind, left.milli + right.milli);
    case "RANGES":
      return rangesEntry(kind, addRanges(left.ranges, right.ranges));
    case "SET":
      return setEntry(kind, addItems(left.items, right.items));
  }
}

/** What the left has more than the right; undefined: nothing. */
function minus(left: Entry, right: Entry): Entry | undefined {
  const { kind } = left;
  switch (kind.type) {
    case "SCALAR":
      return left.milli > right.milli ? scalarEntry(kind, left.milli - right.milli) : undefined;
    case "RANGES": {
      if (left.ranges === right.ranges) return undefined;
      const rest = subtractRanges(left.ranges, right.ranges);
      return rest.length === 0 ? undefined : rangesEntry(kind, rest);
    }
    case "SET": {
      const rest = subtractItems(left.items, right.items);
      return rest.length === 0 ? undefined : setEntry(kind, rest);
    }
  }
}

/** Whether the left value covers the right one. */
function covers(left: Entry, right: Entry): boolean {
  switch (left.kind.type) {
    case "SCALAR":
      return left.milli >= right.milli;
    case "RANGES":
      return left.ranges === right.ranges || containsRanges(left.ranges, right.ranges);
    case "SET":
      return containsItems(left.items, right.items);
  }
}

export function equalValue(left: Entry, right: Entry): boolean {
  return (
    left.milli === right.milli &&
    equalRanges(left.ranges, right.ranges) &&
    equalItems(left.items, right.items)
  );
}

/** A random integer from 0 to n - 1; where order is to be drawn. */
export type Pick = (n: number) => number;

/** From this many objects on, and after this many searches, kinds are looked up in a map. */
const INDEXED_LENGTH_MIN = 16;
const SEARCHES_MAX = 24;

/** A bag under construction: the only place where entries are merged. */
export class Builder {
  /** Removed entries leave a hole, so that indexes stay true. */
  readonly #entries: (Entry | undefined)[];
  #holes = 0;
  #searches = 0;
  #index: Map<string, number> | undefined;

  constructor(entries: readonly Entry[]) {
    this.#entries = entries.slice();
  }

  /** What stands there now, in order; the builder is used up. */
  entries(): Entry[] {
    const all = this.#entries;
    return this.#holes === 0 ? (all as Entry[]) : all.filter((entry) => entry !== undefined);
  }

  /** The entry that this one would be taken from: of its kind, and equal where indivisible. */
  find(entry: Entry): Entry | undefined {
    return this.#entries[this.#indexOf(entry, 0)];
  }

  /** `near`: where an entry of its kind is likely to stand. */
  add(entry: Entry, near = 0): void {
    const { shared, whole } = entry.kind;
    const at = whole && !shared ? -1 : this.#indexOf(entry, near);
    const there = this.#entries[at];
    if (there === undefined) {
      this.#index?.set(entry.kind.key, this.#entries.length);
      this.#entries.push(entry);
    } else if (shared) {
      this.#entries[at] = withCopies(there, there.copies + entry.copies);
    } else {
      this.#entries[at] = plus(there, entry);
    }
  }

  subtract(entry: Entry, near = 0): void {
    const at = this.#indexOf(entry, near);
    const there = this.#entries[at];
    if (there === undefined) return;
    const { shared, whole } = there.kind;
    let rest: Entry | undefined;
    if (shared) {
      const copies = there.copies - entry.copies;
      if (copies > 0) rest = withCopies(there, copies);
    } else if (!whole) rest = minus(there, entry);
    this.#entries[at] = rest;
    if (rest === undefined) this.#holes += 1;
  }

  #indexOf(entry: Entry, near: number): number {
    const { kind } = entry;
    const entries = this.#entries;
    if (kind.whole && !kind.shared) {
      return entries.findIndex((each) => each?.kind.same(kind) && equalValue(each, entry));
    }
    if (entries[near]?.kind === kind) return near;
    if (entries.length >= INDEXED_LENGTH_MIN && ++this.#searches > SEARCHES_MAX) {
      this.#index ??= new Map(entries.map((each, i) => [each?.kind.key ?? "", i]));
      return this.#index.get(kind.key) ?? -1;
    }
    for (let i = 0; i < entries.length; i++) if (entries[i]?.kind.same(kind)) return i;
    return -1;
  }
}

/** Both lists as one, those of one kind merged. */
export function addEntries(entries: readonly Entry[], added: readonly Entry[]): Entry[] {
  const builder = new Builder(entries);
  for (let i = 0; i < added.length; i++) builder.add(added[i] as Entry, i);
  return builder.entries();
}

/** What is left without the others. */
export function subtractEntries(entries: readonly Entry[], gone: readonly Entry[]): Entry[] {
  const builder = new Builder(entries);
  for (let i = 0; i < gone.length; i++) builder.subtract(gone[i] as Entry, i);
  return builder.entries();
}

/**
 * Whether each of the others is covered by one of its kind. Indivisible ones are used up while
 * checking.
 */
export function containsEntries(entries: readonly Entry[], others: readonly Entry[]): boolean {
  const indivisible = others.some(({ kind }) => kind.whole && !kind.shared);
  const large = entries.length >= INDEXED_LENGTH_MIN && others.length >= SEARCHES_MAX;
  if (indivisible || large) return usesUp(new Builder(entries), others);
  for (let i = 0; i < others.length; i++) {
    const other = others[i] as Entry;
    let there = entries[i];
    if (there?.kind !== other.kind) there = entries.find(({ kind }) => kind.same(other.kind));
    if (there === undefined) return false;
    if (other.kind.shared ? there.copies < other.copies : !covers(there, other)) return false;
  }
  return true;
}

function usesUp(builder: Builder, others: readonly Entry[]): boolean {
  for (const other of others) {
    const there = builder.find(other);
    if (there === undefined) return false;
    if (other.kind.shared) {
      if (there.copies < other.copies) return false;
    } else if (other.kind.whole) builder.subtract(other);
    else if (!covers(there, other)) return false;
  }
  return true;
}

/** What is left of the entries when they are cut down to a target, in the order drawn. */
export function shrinkEntries(
  entries: readonly Entry[],
  target: Quantities | Limits,
  pick: Pick | undefined,
): Entry[] {
  const left = new Map(target);
  const unnamed = target instanceof Limits ? Number.POSITIVE_INFINITY : 0;
  const builder = new Builder([]);
  for (const entry of pick === undefined ? entries : shuffled(entries, pick)) {
    const { name, type, whole } = entry.kind;
    const room = left.get(name) ?? unnamed;
    const wanted = entry.milli;
    const divisible = type === "SCALAR" && !whole;
    if (room <= 0 || (wanted > room && !divisible)) continue;
    const milli = Math.min(wanted, room);
    left.set(name, room - milli);
    builder.add(milli === wanted ? entry : scalarEntry(entry.kind, milli));
  }
  return builder.entries();
}

/** What is said of at least one object of a bag. */
export type Traits = {
  readonly shared: boolean;
  readonly revocable: boolean;
  readonly reserved: boolean;
  /** Reserved in more than one step. */
  readonly refined: boolean;
  readonly allocated: boolean;
};

/** All there are, one object for each combination. */
const TRAITS: readonly Traits[] = Array.from({ length: 32 }, (_, bits) => ({
  shared: (bits & 1) !== 0,
  revocable: (bits & 2) !== 0,
  reserved: (bits & 4) !== 0,
  refined: (bits & 8) !== 0,
  allocated: (bits & 16) !== 0,
}));

export function traitsOf(entries: readonly Entry[]): Traits {
  let bits = 0;
  for (const { kind } of entries) bits |= kind.traits;
  return TRAITS[bits] as Traits;
}

/** The same, and allocated. */
export function allocatedTraits({ shared, revocable, reserved, refined }: Traits): Traits {
  const bits = (shared ? 1 : 0) | (revocable ? 2 : 0) | (reserved ? 4 : 0) | (refined ? 8 : 0);
  return TRAITS[bits | 16] as Traits;
}

/** `name(role):value` of the short grammar. */
function formatSimple({ kind: { name, role }, resource }: Entry): string {
  return `${role === DEFAULT_ROLE ? name : `${name}(${role})`}:${formatValue(resource)}`;
}

/** Whether the short grammar says everything: at most one plain static reservation. */
function isSimple({ kind, resource }: Entry): boolean {
  const { reservations, disk, providerId } = resource;
  if (disk !== undefined || kind.allocation !== undefined || providerId !== undefined) return false;
  if (kind.revocable || kind.shared) return false;
  const [first, ...more] = reservations ?? [];
  if (first === undefined) return true;
  return (
    more.length === 0 &&
    first.type === "STATIC" &&
    first.principal === undefined &&
    first.labels === undefined
  );
}

/** The short grammar, where it can say everything. */
export function textOf(entries: readonly Entry[]): string | undefined {
  if (!entries.every(isSimple) || mixesTypes(entries)) return undefined;
  return entries.map(formatSimple).join("; ");
}

/** Every object, shared ones once per copy. */
export function objectsOf(entries: readonly Entry[]): Resource[] {
  const objects: Resource[] = [];
  for (const { resource, copies } of entries) {
    for (let i = 0; i < copies; i++) objects.push(resource);
  }
  return objects;
}

/** The same entries, of which none is allocated, allocated to a role. */
export function allocatedEntries(entries: readonly Entry[], role: string | undefined): Entry[] {
  if (role === undefined) return [...entries];
  return entries.map((entry) => withKind(entry, entry.kind.allocatedTo(role)));
}

/** Amounts by name of the entries that count; shared ones once. */
export function sumOf(entries: readonly Entry[], counts: (kind: Kind) => boolean): Quantities {
  const pairs: [string, number][] = [];
  for (const { kind, milli } of entries) if (counts(kind)) pairs.push([kind.name, milli]);
  return Quantities.of(pairs);
}

/** What the entries come to under an owner's names. */
export function measureOf(entries: readonly Entry[], names: ResourceNames): Measure {
  const length = lengthUnder(entries, names);
  const plain = names.zeros(length);
  let scalarsOnly = true;
  let openOnly = true;
  for (const { kind, milli } of entries) {
    if (kind.type !== "SCALAR" || kind.shared) scalarsOnly = false;
    if (kind.reserved || kind.revocable) openOnly = false;
    if (!kind.shared) addAt(plain, kind.indexUnder(names), milli);
  }
  const sum = (open: boolean): Vector => scalarsOf(entries, names, names.zeros(length), open);
  const scalars = scalarsOnly ? plain : sum(false);
  return { names, plain, scalars, open: openOnly ? scalars : sum(true) };
}

/** How long a vector must be to say all of these. */
function lengthUnder(entries: readonly Entry[], names: ResourceNames): number {
  let length = 0;
  for (const { kind } of entries) length = Math.max(length, kind.indexUnder(names) + 1);
  return length;
}

function scalarsOf(
  entries: readonly Entry[],
  names: ResourceNames,
  vector: Vector,
  openOnly: boolean,
): Vector {
  for (const { kind, milli } of entries) {
    const passed = openOnly && (kind.reserved || kind.revocable);
    if (kind.type === "SCALAR" && !passed) addAt(vector, kind.indexUnder(names), milli);
  }
  return vector;
}

/** Whether one name stands for values of several types. */
function mixesTypes(entries: readonly Entry[]): boolean {
  const types = new Map(entries.map(({ kind }) => [kind.name, kind.type]));
  return entries.some(({ kind }) => types.get(kind.name) !== kind.type);
}

/** Entries by group, in order; those without a group are left out. */
export function groupEntries(
  entries: readonly Entry[],
  groupOf: (kind: Kind) => string | undefined,
): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groupOf(entry.kind);
    if (group === undefined) continue;
    const there = groups.get(group);
    if (there === undefined) groups.set(group, [entry]);
    else there.push(entry);
  }
  return groups;
}

/** All ranges of a name together. */
export function rangesOf(entries: readonly Entry[], name: string): RangeList {
  let all = NO_RANGES;
  for (const { kind, ranges } of entries) if (kind.name === name) all = addRanges(all, ranges);
  return all;
}

/** All items of a set together, sorted. */
export function itemsOf(entries: readonly Entry[], name: string): Items {
  let all = NO_ITEMS;
  for (const { kind, items } of entries) if (kind.name === name) all = addItems(all, items);
  return all;
}

function shuffled<T>(list: readonly T[], pick: Pick): T[] {
  const order = [...list];
  for (let i = order.length - 1; i > 0; i--) {
    const j = pick(i + 1);
    const a = order[i];
    const b = order[j];
    if (a !== undefined && b !== undefined) {
      order[i] = b;
      order[j] = a;
    }
  }
  return order;
}
