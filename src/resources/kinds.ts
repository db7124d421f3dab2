/**
 * What is said of a resource object beside how much it is: name, type, allocation, reservations,
 * disk, revocable, shared, provider. Objects may be summed exactly when their kinds are the same.
 * Plain kinds exist once; the others are told apart by a key that is made when it is asked for.
 */
import type { Resource } from "#protocol";
import { equalStacks, isRefined, reservationRole } from "./reservations.ts";
import { isIndivisible, isRevocable, isShared, kindKey, without } from "./resource.ts";

/** Names whose plain kind is kept; of further names each bag has its own. */
const PLAIN_LENGTH_MAX = 1024;

/** The amount in its wire form; the field that fits the type is set. */
export type Value = Pick<Resource, "scalar" | "ranges" | "set">;

export class Kind {
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
  /** The kind that this one became when it was allocated last. */
  #allocated: Kind | undefined;

  constructor(sample: Resource) {
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
    return { ...this.#sample, ...value };
  }

  /** The same, allocated to a role. */
  allocatedTo(role: string): Kind {
    if (this.allocation === role) return this;
    if (this.#allocated?.allocation !== role) {
      this.#allocated = new Kind({ ...this.#sample, allocationInfo: { role } });
    }
    return this.#allocated ?? this;
  }

  unallocated(): Kind {
    return this.allocation === undefined ? this : kindOf(without(this.#sample, "allocationInfo"));
  }
}

type PlainKinds = Map<string, Kind>;
const PLAIN: Readonly<Record<Resource["type"], PlainKinds>> = {
  SCALAR: new Map(),
  RANGES: new Map(),
  SET: new Map(),
};

/** The kind of an object whose value is in canonical form. */
export function kindOf(resource: Resource): Kind {
  if (!isPlain(resource)) return new Kind(resource);
  const { name, type } = resource;
  const plain = PLAIN[type];
  const known = plain.get(name);
  if (known !== undefined) return known;
  const kind = new Kind({ name, type });
  if (plain.size < PLAIN_LENGTH_MAX) plain.set(name, kind);
  return kind;
}

function isPlain({
  allocationInfo,
  reservations,
  disk,
  revocable,
  shared,
  providerId,
}: Resource): boolean {
  return (
    allocationInfo === undefined &&
    reservations === undefined &&
    disk === undefined &&
    revocable === undefined &&
    shared === undefined &&
    providerId === undefined
  );
}
