/**
 * A bag of resource objects and its algebra (mesos.md §10). An immutable value: every operation
 * gives a new one. Objects of one kind are merged, indivisible ones stand side by side, shared
 * ones carry a number of copies. Never knows who owns the bag or where it came from.
 */
import type { Reservation, Resource } from "#protocol";
import {
  addEntries,
  allocatedEntries,
  allocatedTraits,
  Builder,
  containsEntries,
  type Entry,
  entryOf,
  groupEntries,
  itemsOf,
  measureOf,
  objectsOf,
  type Pick,
  rangesOf,
  shrinkEntries,
  subtractEntries,
  sumOf,
  textOf,
  type Traits,
  traitsOf,
  withCopies,
  withKind,
} from "./entries.ts";
import { findOne } from "./find.ts";
import { readForeign } from "./foreign.ts";
import { flawed, type Parsed, parsed, parseResourceList } from "./grammar.ts";
import { InternedBags, keyOf, Results } from "./interning.ts";
import type { Kind } from "./kinds.ts";
import { Limits, type Quantities } from "./quantities.ts";
import type { RangeList } from "./ranges.ts";
import { invalidReservations } from "./reservations.ts";
import { formatResource, invalidResource, isEmptyValue, without } from "./resource.ts";
import { DEFAULT_ROLE, isStrictSubrole } from "./roles.ts";
import type { Measure, ResourceNames } from "./vector.ts";

const INTERNED = new InternedBags<Resources>();
const SUMS = new Results<Resources>();
const DIFFERENCES = new Results<Resources>();

export class Resources implements Iterable<Resource> {
  // Methods are `private`, not `#`: beside a `#method` the compiler (7.0.2) replaces the class's
  // own name by an alias that has no value yet when `EMPTY` is made.
  static readonly EMPTY = new Resources([], 0);
  #entries: readonly Entry[] | undefined;
  readonly #hash: number;
  // Computed at most once each, since the bag never changes.
  #sums: { quantities?: Quantities; amounts?: Quantities } | undefined;
  #measure: Measure | undefined;
  #traits: Traits | undefined;
  /**
   * This bag allocated to a role, and of that bag: the role, and this one. Its objects are made
   * when somebody looks at them; sums and differences under one role are those of the bare bags.
   */
  #allocated: Resources | undefined;
  #role: string | undefined;
  #bare: Resources | undefined;
  #unallocated: Resources | undefined;

  private constructor(entries: readonly Entry[] | undefined, hash: number) {
    this.#entries = entries;
    this.#hash = hash;
  }

  private get entries(): readonly Entry[] {
    this.#entries ??= allocatedEntries(this.#bare?.entries ?? [], this.#role);
    return this.#entries;
  }

  private static make(entries: readonly Entry[], hash: number): Resources {
    return new Resources(entries, hash);
  }

  private static plus(left: Resources, right: Resources): Resources {
    return Resources.bag(addEntries(left.entries, right.entries));
  }

  private static minus(left: Resources, right: Resources): Resources {
    return Resources.bag(subtractEntries(left.entries, right.entries));
  }

  private static bag(entries: readonly Entry[]): Resources {
    return entries.length === 0 ? Resources.EMPTY : INTERNED.bagOf(entries, Resources.make);
  }

  // ---- in and out

  /**
   * Reads `cpus:2;mem(role):64;ports:[1-9]`, or a JSON array of resource objects. A role in
   * parentheses is a static reservation, without one the default role counts. An error says what
   * is wrong and where: the character, in JSON the index of the object.
   */
  static parse(text: string, defaultRole: string = DEFAULT_ROLE): Parsed<Resources> {
    if (text.trimStart().startsWith("[")) {
      const objects = readForeign(text);
      return objects.ok ? Resources.check(objects.value) : objects;
    }
    const objects = parseResourceList(text, defaultRole);
    return objects.ok ? parsed(Resources.fromWire(objects.value)) : objects;
  }

  /**
   * The same for text that our own code wrote.
   * @throws RangeError with the message and position of what is wrong.
   */
  static of(text: string): Resources {
    const result = Resources.parse(text);
    if (result.ok) return result.value;
    const { message, position } = result.error;
    throw new RangeError(`${JSON.stringify(text)} at ${position}: ${message}`);
  }

  /** Objects from outside, judged; an error's position is the index of the object. */
  static check(list: readonly Resource[]): Parsed<Resources> {
    for (const [index, resource] of list.entries()) {
      const wrong = invalidResource(resource);
      if (wrong !== undefined) return flawed(`resources[${index}]: ${wrong}`, index);
    }
    return parsed(Resources.fromWire(list));
  }

  /** Objects that were judged before (our own records, checked messages); empty ones vanish. */
  static fromWire(list: Iterable<Resource>): Resources {
    const builder = new Builder([]);
    for (const resource of list) if (!isEmptyValue(resource)) builder.add(entryOf(resource));
    return Resources.bag(builder.entries());
  }

  /** Plain objects for wire and disk; a shared object occurs once per copy. */
  toWire(): Resource[] {
    return objectsOf(this.entries);
  }

  /** Every object, shared ones once per copy. */
  [Symbol.iterator](): Iterator<Resource> {
    return this.toWire()[Symbol.iterator]();
  }

  /** The extended form of Mesos, for people: `cpus:2; disk(reservations: [(STATIC,a)]):1`. */
  toString(): string {
    return this.entries.map(({ resource, copies }) => formatResource(resource, copies)).join("; ");
  }

  /** What `parse` reads back: the short grammar where it can say everything, else JSON. */
  toText(): string {
    return textOf(this.entries) ?? JSON.stringify(this.toWire());
  }

  // ---- arithmetic

  get isEmpty(): boolean {
    return this.#entries !== undefined && this.#entries.length === 0;
  }

  /** The bare bags of this one and another that are allocated to the same role. */
  private bareBeside(other: Resources): [Resources, Resources, role: string] | undefined {
    const [mine, theirs, role] = [this.#bare, other.#bare, this.#role];
    if (mine === undefined || theirs === undefined || role === undefined) return undefined;
    return role === other.#role ? [mine, theirs, role] : undefined;
  }

  /** Number of different objects. */
  get length(): number {
    return (this.#bare ?? this).entries.length;
  }

  add(other: Resources): Resources {
    if (other.isEmpty) return this;
    if (this.isEmpty) return other;
    const bare = this.bareBeside(other);
    if (bare !== undefined) return bare[0].add(bare[1]).allocate(bare[2]);
    return SUMS.of(keyOf(this.#hash, other.#hash), this, other, Resources.plus);
  }

  /** Never below zero: what the left has not is no debt. */
  subtract(other: Resources): Resources {
    if (other.isEmpty || this.isEmpty) return this;
    if (other === this) return Resources.EMPTY;
    const bare = this.bareBeside(other);
    if (bare !== undefined) return bare[0].subtract(bare[1]).allocate(bare[2]);
    return DIFFERENCES.of(keyOf(this.#hash, other.#hash), this, other, Resources.minus);
  }

  /**
   * Whether each object of the other is covered by one of the same kind. Indivisible objects are
   * used up while checking; Mesos does so for persistent volumes only, so that there one MOUNT
   * disk contains two: not copied, since containment would then be no order.
   */
  contains(other: Resources): boolean {
    if (other === this || other.isEmpty) return true;
    const bare = this.bareBeside(other);
    if (bare !== undefined) return bare[0].contains(bare[1]);
    return containsEntries(this.entries, other.entries);
  }

  equals(other: Resources): boolean {
    if (this === other) return true;
    return this.length === other.length && this.contains(other) && other.contains(this);
  }

  /** Whether the amounts are there, by name alone; ranges and sets count by their number. */
  containsQuantities(quantities: Quantities): boolean {
    return this.amounts().contains(quantities);
  }

  // ---- parts

  filter(keep: (resource: Resource) => boolean): Resources {
    return this.keep(({ resource }) => keep(resource));
  }

  /** The same bag where all is kept. */
  private keep(keeps: (entry: Entry) => boolean): Resources {
    const kept = this.entries.filter(keeps);
    return kept.length === this.entries.length ? this : Resources.bag(kept);
  }

  /** What is of these kinds, and the rest. */
  partition(among: (kind: Kind) => boolean): [Resources, Resources] {
    const those = this.keep(({ kind }) => among(kind));
    if (those === this) return [this, Resources.EMPTY];
    return [those, this.keep(({ kind }) => !among(kind))];
  }

  unreserved(): Resources {
    return this.traits.reserved ? this.keep(({ kind }) => !kind.reserved) : this;
  }

  /** Reserved for exactly this role, or for any; never includes `*`. */
  reserved(role?: string): Resources {
    if (!this.traits.reserved) return Resources.EMPTY;
    return this.keep(({ kind }) => kind.reserved && (role === undefined || kind.role === role));
  }

  /** The reserved parts by role. */
  reservations(): Map<string, Resources> {
    if (!this.traits.reserved) return new Map();
    return this.groupBy(({ reserved, role }) => (reserved ? role : undefined));
  }

  /** Roles that something is reserved for. */
  reservedRoles(): string[] {
    if (!this.traits.reserved) return [];
    const roles = new Set<string>();
    for (const { kind } of this.entries) if (kind.reserved) roles.add(kind.role);
    return [...roles];
  }

  /** What the role may be given: unreserved, reserved for it, or for one of its ancestors. */
  allocatableTo(role: string): Resources {
    if (!this.traits.reserved) return this;
    return this.keep(({ kind }) => {
      return !kind.reserved || kind.role === role || isStrictSubrole(role, kind.role);
    });
  }

  revocable(): Resources {
    return this.traits.revocable ? this.keep(({ kind }) => kind.revocable) : Resources.EMPTY;
  }

  nonRevocable(): Resources {
    return this.traits.revocable ? this.keep(({ kind }) => !kind.revocable) : this;
  }

  shared(): Resources {
    return this.traits.shared ? this.keep(({ kind }) => kind.shared) : Resources.EMPTY;
  }

  nonShared(): Resources {
    return this.traits.shared ? this.keep(({ kind }) => !kind.shared) : this;
  }

  /** What is said of any of the objects. */
  get traits(): Traits {
    const bare = this.#bare;
    this.#traits ??= bare ? allocatedTraits(bare.traits) : traitsOf(this.entries);
    return this.#traits;
  }

  /** Shared objects with one copy each. */
  singleCopies(): Resources {
    if (!this.traits.shared || this.entries.every(({ copies }) => copies === 1)) return this;
    return Resources.bag(this.entries.map((entry) => withCopies(entry, 1)));
  }

  // ---- allocation and reservation

  /** The role that all of it is allocated to, where that is known without a look at each object. */
  get allocationRole(): string | undefined {
    return this.#role;
  }

  /** The same resources, all allocated to a role. */
  allocate(role: string): Resources {
    if (this.isEmpty || this.#role === role) return this;
    const before = this.#allocated;
    if (before !== undefined && before.#role === role) return before;
    if (this.traits.allocated) return this.rekind((kind) => kind.allocatedTo(role));
    // What is offered whole, declined and offered again need not be rewritten each time.
    const allocated = new Resources(undefined, 0);
    allocated.#role = role;
    allocated.#bare = this;
    this.#allocated = allocated;
    return allocated;
  }

  unallocate(): Resources {
    if (!this.traits.allocated) return this;
    this.#unallocated ??= this.#bare ?? this.rekind((kind) => kind.unallocated());
    return this.#unallocated;
  }

  /** The parts by allocation role; what is not allocated stands under undefined. */
  allocations(): Map<string | undefined, Resources> {
    const parts = new Map<string | undefined, Resources>();
    if (this.#role !== undefined) return parts.set(this.#role, this);
    const free = this.keep(({ kind }) => kind.allocation === undefined);
    if (!free.isEmpty) parts.set(undefined, free);
    const byRole = this.groupBy(({ allocation }) => allocation);
    for (const [role, part] of byRole) parts.set(role, part);
    return parts;
  }

  /** All reservations gone. */
  toUnreserved(): Resources {
    return this.map((resource) => without(resource, "reservations"));
  }

  /**
   * RESERVE: one more reservation on top of each stack.
   * @throws RangeError when a stack would not be valid; check with `reservable` first.
   */
  pushReservation(reservation: Reservation): Resources {
    const wrong = this.reservable(reservation);
    if (wrong !== undefined) throw new RangeError(wrong);
    return this.map((resource) => {
      const reservations = [...(resource.reservations ?? []), reservation];
      return { ...{}, ...resource, reservations };
    });
  }

  /** Why `pushReservation` would be refused, or undefined. */
  reservable(reservation: Reservation): string | undefined {
    for (const { resource } of this.entries) {
      const wrong = invalidReservations([...(resource.reservations ?? []), reservation]);
      if (wrong !== undefined) return `${resource.name}: ${wrong}`;
    }
    return undefined;
  }

  /**
   * UNRESERVE: the top reservation of each stack goes.
   * @throws RangeError when something is unreserved.
   */
  popReservation(): Resources {
    return this.map((resource) => {
      const { reservations } = resource;
      if (reservations === undefined) throw new RangeError(`${resource.name} is not reserved`);
      const rest = reservations.slice(0, -1);
      const bare = without(resource, "reservations");
      return rest.length === 0 ? bare : { ...{}, ...bare, reservations: rest };
    });
  }

  // ---- amounts

  /** Scalars by name without metadata; a shared object counts once. */
  quantities(): Quantities {
    if (this.#bare !== undefined) return this.#bare.quantities();
    this.#sums ??= {};
    this.#sums.quantities ??= sumOf(this.entries, ({ type }) => type === "SCALAR");
    return this.#sums.quantities;
  }

  /** As `quantities`, with ranges and sets by their number. */
  amounts(): Quantities {
    if (this.#bare !== undefined) return this.#bare.amounts();
    this.#sums ??= {};
    this.#sums.amounts ??= sumOf(this.entries, () => true);
    return this.#sums.amounts;
  }

  /** The amounts as vectors, kept for the owner of names that asked last. */
  measureFor(names: ResourceNames): Measure {
    if (this.#bare !== undefined) return this.#bare.measureFor(names);
    if (this.#measure?.names !== names) this.#measure = measureOf(this.entries, names);
    return this.#measure as Measure;
  }

  /** The sum of a scalar over all objects of that name, in thousandths; shared ones once. */
  get(name: string): number {
    let milli = 0;
    for (const { kind, milli: each } of this.entries) {
      if (kind.name === name && kind.type === "SCALAR") milli += each;
    }
    return milli;
  }

  get cpusMilli(): number {
    return this.get("cpus");
  }

  /** Thousandths of a MiB. */
  get memMilli(): number {
    return this.get("mem");
  }

  /** Thousandths of a MiB. */
  get diskMilli(): number {
    return this.get("disk");
  }

  get gpusMilli(): number {
    return this.get("gpus");
  }

  /** All ranges of a name together. */
  ranges(name: string): RangeList {
    return rangesOf(this.entries, name);
  }

  ports(): RangeList {
    return this.ranges("ports");
  }

  /** All items of a set together, sorted. */
  items(name: string): readonly string[] {
    return itemsOf(this.entries, name);
  }

  names(): string[] {
    return [...new Set(this.entries.map(({ kind }) => kind.name))];
  }

  // ---- choosing

  /**
   * Looks for the amounts of `targets` whatever their reservations: for each the same role first,
   * then unreserved, then any other, taking at most one object that lies wholly inside the rest
   * per step. Undefined when one target cannot be met.
   */
  find(targets: Resources): Resources | undefined {
    let rest: Resources = this;
    let found = Resources.EMPTY;
    for (const entry of targets.entries) {
      const part = findOne(rest.entries, entry);
      if (part === undefined) return undefined;
      rest = rest.subtract(Resources.bag(part));
      found = found.add(Resources.bag(part));
    }
    return found;
  }

  /**
   * Cuts down to amounts: with `Quantities` what is not named vanishes, with `Limits` it stays.
   * Indivisible objects, ranges and sets are kept whole or dropped. `pick` draws the order in
   * which objects use the target up; without it the order of the bag counts.
   */
  shrink(target: Quantities | Limits, pick?: Pick): Resources {
    if (target instanceof Limits && target.isEmpty) return this;
    return Resources.bag(shrinkEntries(this.entries, target, pick));
  }

  private groupBy(groupOf: (kind: Kind) => string | undefined): Map<string, Resources> {
    const groups = groupEntries(this.entries, groupOf);
    const bagOf = (part: Entry[]): Resources =>
      part.length === this.entries.length ? this : Resources.bag(part);
    return new Map([...groups].map(([group, part]) => [group, bagOf(part)]));
  }

  /** Each object of another kind; those that thereby become of one kind merge. */
  private rekind(change: (kind: Kind) => Kind): Resources {
    const builder = new Builder([]);
    for (const entry of this.entries) {
      const kind = change(entry.kind);
      builder.add(kind === entry.kind ? entry : withKind(entry, kind));
    }
    return Resources.bag(builder.entries());
  }

  /** Each object changed in what is said of it; those that thereby become of one kind merge. */
  private map(change: (resource: Resource) => Resource): Resources {
    const builder = new Builder([]);
    let changed = false;
    for (const entry of this.entries) {
      const resource = change(entry.resource);
      if (resource === entry.resource) builder.add(entry);
      else {
        changed = true;
        builder.add(entryOf(resource, entry.copies));
      }
    }
    return changed ? Resources.bag(builder.entries()) : this;
  }
}
