/**
 * The objects inside a bag of resources, and how they merge: the machinery behind `resources.ts`,
 * not part of the door. A builder changes its own list only, never an entry.
 */
import type { Resource } from "#protocol";
import { Limits, Quantities } from "./quantities.ts";
import { addRanges, type RangeList } from "./ranges.ts";
import { isRefined, reservationRole } from "./reservations.ts";
import {
  addValues,
  canonical,
  equalValues,
  formatValue,
  isEmptyValue,
  isIndivisible,
  isRevocable,
  isShared,
  kindKey,
  quantityMilli,
  subtractValues,
  withMilli,
} from "./resource.ts";
import { DEFAULT_ROLE } from "./roles.ts";
import { addItems } from "./sets.ts";

/** One object of the bag; `copies` is 1 unless the object is shared. */
export type Entry = {
  readonly resource: Resource;
  readonly key: string;
  readonly whole: boolean;
  readonly copies: number;
};

/** A random integer from 0 to n - 1; where order is to be drawn. */
export type Pick = (n: number) => number;

/** From this many objects on, sums and differences look kinds up in a map. */
const INDEXED_LENGTH_MIN = 16;

export function entryOf(given: Resource): Entry {
  const resource = canonical(given);
  return { resource, key: kindKey(resource), whole: isIndivisible(resource), copies: 1 };
}

/** A bag under construction: the only place where entries are merged. */
export class Builder {
  /** Removed entries leave a hole, so that indexes stay true. */
  readonly #entries: (Entry | undefined)[];
  #index: Map<string, number> | undefined;

  constructor(entries: readonly Entry[]) {
    this.#entries = [...entries];
  }

  /** What stands there now, in order. */
  entries(): Entry[] {
    return this.#entries.filter((entry) => entry !== undefined);
  }

  /** The entry that this one would be taken from: of its kind, and equal where indivisible. */
  find(entry: Entry): Entry | undefined {
    return this.#entries[this.#indexOf(entry)];
  }

  add(entry: Entry): void {
    const shared = isShared(entry.resource);
    const at = entry.whole && !shared ? -1 : this.#indexOf(entry);
    const there = this.#entries[at];
    if (there === undefined) {
      this.#index?.set(entry.key, this.#entries.length);
      this.#entries.push(entry);
    } else if (shared) {
      this.#entries[at] = { ...there, copies: there.copies + entry.copies };
    } else {
      this.#entries[at] = { ...there, resource: addValues(there.resource, entry.resource) };
    }
  }

  subtract(entry: Entry): void {
    const at = this.#indexOf(entry);
    const there = this.#entries[at];
    if (there === undefined) return;
    if (isShared(entry.resource) && there.copies > entry.copies) {
      this.#entries[at] = { ...there, copies: there.copies - entry.copies };
      return;
    }
    const rest = there.whole ? undefined : subtractValues(there.resource, entry.resource);
    if (rest !== undefined && !isEmptyValue(rest)) {
      this.#entries[at] = { ...there, resource: rest };
      return;
    }
    this.#entries[at] = undefined;
  }

  #indexOf(entry: Entry): number {
    const { key } = entry;
    if (entry.whole && !isShared(entry.resource)) {
      return this.#entries.findIndex(
        (each) => each?.key === key && equalValues(each.resource, entry.resource),
      );
    }
    if (this.#entries.length < INDEXED_LENGTH_MIN) {
      return this.#entries.findIndex((each) => each?.key === key);
    }
    this.#index ??= new Map(this.#entries.map((each, i) => [each?.key ?? "", i]));
    return this.#index.get(key) ?? -1;
  }
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
    const { name } = entry.resource;
    const room = left.get(name) ?? unnamed;
    const wanted = quantityMilli(entry.resource);
    const divisible = entry.resource.type === "SCALAR" && !entry.whole;
    if (room <= 0 || (wanted > room && !divisible)) continue;
    const milli = Math.min(wanted, room);
    const resource = milli === wanted ? entry.resource : withMilli(entry.resource, milli);
    left.set(name, room - milli);
    builder.add({ ...entry, resource });
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

export function traitsOf(entries: readonly Entry[]): Traits {
  return {
    shared: entries.some(({ resource }) => isShared(resource)),
    revocable: entries.some(({ resource }) => isRevocable(resource)),
    reserved: entries.some(({ resource }) => resource.reservations !== undefined),
    refined: entries.some(({ resource }) => isRefined(resource.reservations)),
    allocated: entries.some(({ resource }) => resource.allocationInfo !== undefined),
  };
}

/** `name(role):value` of the short grammar. */
export function formatSimple(resource: Resource): string {
  const role = reservationRole(resource.reservations);
  const name = role === DEFAULT_ROLE ? resource.name : `${resource.name}(${role})`;
  return `${name}:${formatValue(resource)}`;
}

/** Whether the short grammar says everything: at most one plain static reservation. */
export function isSimple(resource: Resource): boolean {
  const { reservations, disk, allocationInfo, providerId } = resource;
  if (disk !== undefined || allocationInfo !== undefined || providerId !== undefined) return false;
  if (isRevocable(resource) || isShared(resource)) return false;
  const [first, ...more] = reservations ?? [];
  if (first === undefined) return true;
  return (
    more.length === 0 &&
    first.type === "STATIC" &&
    first.principal === undefined &&
    first.labels === undefined
  );
}

/** The same entries, of which none is allocated, allocated to a role. */
export function allocatedEntries(entries: readonly Entry[], role: string | undefined): Entry[] {
  if (role === undefined) return [...entries];
  const allocationInfo = { role };
  return entries.map((entry) => {
    const resource = { ...entry.resource, allocationInfo };
    return { resource, key: kindKey(resource), whole: entry.whole, copies: entry.copies };
  });
}

/** Amounts by name of the entries that count; shared ones once. */
export function sumOf(
  entries: readonly Entry[],
  counts: (resource: Resource) => boolean,
): Quantities {
  const pairs: [string, number][] = [];
  for (const { resource } of entries) {
    if (counts(resource)) pairs.push([resource.name, quantityMilli(resource)]);
  }
  return Quantities.of(pairs);
}

/** Whether one name stands for values of several types. */
export function mixesTypes(entries: readonly Entry[]): boolean {
  const types = new Map(entries.map(({ resource }) => [resource.name, resource.type]));
  return entries.some(({ resource }) => types.get(resource.name) !== resource.type);
}

/** Entries by group, in order; those without a group are left out. */
export function groupEntries(
  entries: readonly Entry[],
  groupOf: (resource: Resource) => string | undefined,
): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groupOf(entry.resource);
    if (group === undefined) continue;
    const there = groups.get(group);
    if (there === undefined) groups.set(group, [entry]);
    else there.push(entry);
  }
  return groups;
}

/** All ranges of a name together. */
export function rangesOf(entries: readonly Entry[], name: string): RangeList {
  let all: RangeList = [];
  for (const { resource } of entries) {
    if (resource.name === name) all = addRanges(all, resource.ranges?.range ?? []);
  }
  return all;
}

/** All items of a set together, sorted. */
export function itemsOf(entries: readonly Entry[], name: string): readonly string[] {
  let all: readonly string[] = [];
  for (const { resource } of entries) {
    if (resource.name === name) all = addItems(all, resource.set?.item ?? []);
  }
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
