/**
 * What is said of a resource object beside how much it is: name, type, allocation, reservations,
 * disk, revocable, shared, provider. Objects may be summed exactly when their kinds are the same.
 * Simple kinds exist once; the others are told apart by a key that is made when it is asked for.
 */
import type { Resource } from "#protocol";
import { equalStacks, isRefined, reservationRole } from "./reservations.ts";
import { isIndivisible, isRevocable, isShared, kindKey, without } from "./resource.ts";
import { DEFAULT_ROLE } from "./roles.ts";

/** Simple kinds that are kept; of further ones each bag has its own. */
const SIMPLE_LENGTH_MAX = 4096;
/** Roles to which a kind is kept allocated; for further ones each bag has its own. */
const ALLOCATED_LENGTH_MAX = 256;

/** The amount in its wire form; the field that fits the type is set. */
export type Value = Pick<Resource, "scalar" | "ranges" | "set">;

let kindsMade = 0;

export class Kind {
  /** Tells it from all other kinds of this process, for hashes. */
  readonly serial: number;
  readonly name: string;
  readonly type: Resource["type"];
  readonly allocation: string | undefined;
  /** The role that the reservation in force is for, `*` where there is none. */
  readonly role: string;
  readonly reserved: boolean;
  /** Reserved in more than one step. */
  readonly refined: boolean;
  readonly revocable: boolean;
  readonly shared: boolean;
  /** Taken whole or not at all. */
  readonly whole: boolean;
  /** As bits: shared, revocable, reserved, refined, allocated. */
  readonly traits: number;
  /** An object of this kind, for all that is said of it; its value does not matter. */
  readonly #sample: Resource;
  #key: string | undefined;
  /** The index of the name, under the names that asked last. */
  #names: { intern(name: string): number } | undefined;
  #index = 0;
  /** The kinds that this one became when it was allocated, by role; of those, this one. */
  #allocated: Map<string, Kind> | undefined;
  #bare: Kind | undefined;

  /**
   * No more is said than one static reservation, and perhaps an allocation: an object of it is made
   * in one form only.
   */
  readonly simple: boolean;

  constructor(sample: Resource, simple = false) {
    this.simple = simple;
    kindsMade += 1;
    this.serial = kindsMade;
    this.name = sample.name;
    this.type = sample.type;
    this.allocation = sample.allocationInfo?.role;
    this.role = reservationRole(sample.reservations);
    this.reserved = sample.reservations !== undefined;
    this.refined = isRefined(sample.reservations);
    this.revocable = isRevocable(sample);
    this.shared = isShared(sample);
    this.whole = isIndivisible(sample);
    this.traits =
      (this.shared ? 1 : 0) |
      (this.revocable ? 2 : 0) |
      (this.reserved ? 4 : 0) |
      (this.refined ? 8 : 0) |
      (this.allocation === undefined ? 0 : 16);
    this.#sample = sample;
  }

  get key(): string {
    this.#key ??= kindKey(this.#sample);
    return this.#key;
  }

  indexUnder(names: { intern(name: string): number }): number {
    if (this.#names !== names) {
      this.#index = names.intern(this.name);
      this.#names = names;
    }
    return this.#index;
  }

  /** Compares field by field as long as that is decisive: keys are dear to make. */
  same(other: Kind): boolean {
    if (this === other) return true;
    const alike =
      this.name === other.name &&
      this.type === other.type &&
      this.role === other.role &&
      this.allocation === other.allocation &&
      this.traits === other.traits &&
      this.whole === other.whole;
    if (!alike) return false;
    const mine = this.#sample;
    const theirs = other.#sample;
    const bare = mine.disk === undefined && theirs.disk === undefined;
    if (bare && mine.providerId === theirs.providerId && !this.shared) {
      const equal = equalStacks(mine.reservations, theirs.reservations);
      if (equal !== undefined) return equal;
    }
    return this.key === other.key;
  }

  /** An object of this kind with a value of its type. */
  object(value: Value): Resource {
    return { ...{}, ...this.#sample, ...value };
  }

  /** The same, allocated to a role. */
  allocatedTo(role: string): Kind {
    if (this.allocation !== undefined) {
      return this.allocation === role ? this : this.unallocated().allocatedTo(role);
    }
    const known = this.#allocated?.get(role);
    if (known !== undefined) return known;
    const allocated = new Kind({ ...{}, ...this.#sample, allocationInfo: { role } }, this.simple);
    allocated.#bare = this;
    this.#allocated ??= new Map();
    if (this.#allocated.size < ALLOCATED_LENGTH_MAX) this.#allocated.set(role, allocated);
    return allocated;
  }

  unallocated(): Kind {
    if (this.allocation === undefined) return this;
    this.#bare ??= kindOf(without(this.#sample, "allocationInfo"));
    return this.#bare;
  }
}

/** By role that it is reserved for (`*`: none), then by name. */
type Simple = Map<string, Map<string, Kind>>;
const SIMPLE: Readonly<Record<Resource["type"], Simple>> = {
  SCALAR: new Map(),
  RANGES: new Map(),
  SET: new Map(),
};
let simpleLength = 0;

/** The kind of an object whose value is in canonical form. */
export function kindOf(resource: Resource): Kind {
  const role = simpleRole(resource);
  if (role === undefined) return new Kind(resource);
  const kind = simpleKind(resource, role);
  const { allocationInfo } = resource;
  return allocationInfo === undefined ? kind : kind.allocatedTo(allocationInfo.role);
}

/** The kind without its allocation. */
function simpleKind({ name, type }: Resource, role: string): Kind {
  const byRole = SIMPLE[type];
  const known = byRole.get(role)?.get(name);
  if (known !== undefined) return known;
  // Of equal bags one stands for all: what it says must not hang on who said it first, and how.
  const stack = role === DEFAULT_ROLE ? {} : { reservations: [{ type: "STATIC", role } as const] };
  const kind = new Kind({ name, type, ...stack }, true);
  if (simpleLength >= SIMPLE_LENGTH_MAX) return kind;
  simpleLength += 1;
  const byName = byRole.get(role) ?? new Map<string, Kind>();
  byRole.set(role, byName.set(name, kind));
  return kind;
}

/**
 * The role of an object of which no more is said, beside its allocation, than one static
 * reservation, or not even that.
 */
function simpleRole(resource: Resource): string | undefined {
  const { reservations, disk, revocable, shared, providerId } = resource;
  const more =
    disk !== undefined ||
    revocable !== undefined ||
    shared !== undefined ||
    providerId !== undefined;
  if (more) return undefined;
  if (reservations === undefined) return DEFAULT_ROLE;
  const [first] = reservations;
  if (first === undefined || reservations.length > 1 || first.type !== "STATIC") return undefined;
  return first.principal === undefined && first.labels === undefined ? first.role : undefined;
}
