/**
 * The tree of roles as accounts see it: weight, quota, reservations and use of each role, those of
 * all roles below it included. A role stands here while any of these says something, or somebody is
 * in it, or something stands below. Knows neither order nor frameworks.
 */
import {
  addInto,
  at,
  type Limits,
  parentOf,
  type Quantities,
  type ReadonlyVector,
  type ResourceNames,
  subtractFrom,
  type Vector,
} from "#resources";

/** What a role is owed, and what it may use at most; both count all roles below it too. */
export type Quota = { readonly guarantee: Quantities; readonly limit: Limits };

export type RoleNode = {
  readonly path: string;
  readonly parent: RoleNode | undefined;
  readonly children: Map<string, RoleNode>;
  weight: number;
  quota: Quota | undefined;
  guarantee: ReadonlyVector;
  /** By name index; what is absent or infinite is not limited. Undefined: no limit at all. */
  limit: ReadonlyVector | undefined;
  /** Scalars reserved on agents for the role or one below it, held or not. */
  readonly reserved: Vector;
  /** Unreserved, non-revocable scalars that frameworks hold, offers included. */
  readonly used: Vector;
  /** What must stay free for the guarantees here and below. */
  need: ReadonlyVector;
  /** The sum of the needs directly below. */
  readonly childNeeds: Vector;
  /** Frameworks stand in it. */
  pinned: boolean;
  /** One for the topmost role and all below it: changes with anything that quota counts there. */
  readonly account: { version: number };
  known: Known | undefined;
};

/** What follows from the account as it was at that version. */
type Known = {
  readonly version: number;
  readonly entitlement: ReadonlyVector | undefined;
  readonly room: ReadonlyVector | undefined;
};

const NOTHING: ReadonlyVector = [];

export class RoleTree {
  readonly names: ResourceNames;
  readonly #nodes = new Map<string, RoleNode>();
  readonly #root = newNode("", undefined);
  /** Roles under a limit get nothing for now. */
  limitedHeld = false;
  #guarantees = 0;
  #limits = 0;
  /** Changes whenever a need does. */
  changes = 0;

  constructor(names: ResourceNames) {
    this.names = names;
  }

  find(path: string): RoleNode | undefined {
    return this.#nodes.get(path);
  }

  nodes(): Iterable<RoleNode> {
    return this.#nodes.values();
  }

  /** Those below no other. */
  top(): Iterable<RoleNode> {
    return this.#root.children.values();
  }

  get hasGuarantees(): boolean {
    return this.#guarantees > 0;
  }

  get hasLimits(): boolean {
    return this.#limits > 0;
  }

  /** Whether a guarantee is not met. */
  get owes(): boolean {
    return this.#guarantees > 0 && this.requiredHeadroom.some((milli) => milli > 0);
  }

  /** What must stay free on all agents together for the guarantees that are not met. */
  get requiredHeadroom(): ReadonlyVector {
    return this.#root.childNeeds;
  }

  ensure(path: string): RoleNode {
    const known = this.#nodes.get(path);
    if (known !== undefined) return known;
    const above = parentOf(path);
    const parent = above === undefined ? this.#root : this.ensure(above);
    const node = newNode(path, parent);
    this.#nodes.set(path, node);
    parent.children.set(path, node);
    return node;
  }

  /** Forgets a node, and those above it, of which nothing is to be said any more. */
  prune(node: RoleNode): void {
    for (let each: RoleNode | undefined = node; each !== undefined; ) {
      const parent: RoleNode | undefined = each.parent;
      if (parent === undefined || !isIdle(each)) return;
      this.#nodes.delete(each.path);
      parent.children.delete(each.path);
      each = parent;
    }
  }

  setWeight(path: string, weight: number): void {
    const node = this.ensure(path);
    node.weight = weight;
    this.prune(node);
  }

  setQuota(path: string, quota: Quota | undefined): void {
    const node = this.ensure(path);
    this.#guarantees -= node.guarantee.length > 0 ? 1 : 0;
    this.#limits -= node.limit === undefined ? 0 : 1;
    node.account.version += 1;
    node.quota = quota;
    node.guarantee = quota === undefined ? NOTHING : this.names.vectorOf(quota.guarantee);
    node.limit = quota === undefined || quota.limit.isEmpty ? undefined : this.#bounds(quota.limit);
    this.#guarantees += node.guarantee.length > 0 ? 1 : 0;
    this.#limits += node.limit === undefined ? 0 : 1;
    this.#refresh(node);
    this.prune(node);
  }

  /** Reservations for exactly this role come and go with the totals of agents. */
  reserve(path: string, amount: ReadonlyVector): void {
    this.#book(this.ensure(path), (node) => addInto(node.reserved, amount));
  }

  unreserve(path: string, amount: ReadonlyVector): void {
    const node = this.ensure(path);
    this.#book(node, (each) => subtractFrom(each.reserved, amount));
    this.prune(node);
  }

  use(node: RoleNode, amount: ReadonlyVector): void {
    for (let each: RoleNode = node; each.parent !== undefined; each = each.parent) {
      addInto(each.used, amount);
    }
    this.#changed(node);
  }

  release(node: RoleNode, amount: ReadonlyVector): void {
    for (let each: RoleNode = node; each.parent !== undefined; each = each.parent) {
      subtractFrom(each.used, amount);
    }
    this.#changed(node);
  }

  /** Reservations, held or not, and unreserved use: what quota is compared with. */
  consumed(node: RoleNode): Quantities {
    const sum: Vector = [...node.reserved];
    addInto(sum, node.used);
    return this.names.quantitiesOf(sum);
  }

  /**
   * What the frameworks of this very role are to be given before fairness counts: what its own
   * guarantee lacks, or that of a role above it, less what others below that one are owed.
   * Undefined where that is nothing.
   */
  entitlement(node: RoleNode): ReadonlyVector | undefined {
    return this.#known(node).entitlement;
  }

  /**
   * What the limits of this role and those above it leave for its own frameworks, less what roles
   * below the limited ones are owed; infinite where nothing limits. Undefined: no limit at all.
   */
  room(node: RoleNode): ReadonlyVector | undefined {
    const { room } = this.#known(node);
    return room === undefined || !this.limitedHeld
      ? room
      : new Array<number>(this.names.size).fill(0);
  }

  #known(node: RoleNode): Known {
    const { version } = node.account;
    if (node.known?.version !== version) {
      const room = isLimited(node) ? ownRoomOf(node, this.names.size) : undefined;
      node.known = { version, entitlement: entitlementOf(node), room };
    }
    return node.known as Known;
  }

  /**
   * What the limits leave for roles that are owed something: what others are owed is not kept from
   * them, or two guarantees that one limit does not cover would each wait for the other.
   */
  ceiling(node: RoleNode): Vector | undefined {
    if (!isLimited(node)) return undefined;
    const left = new Array<number>(this.names.size).fill(
      this.limitedHeld ? 0 : Number.POSITIVE_INFINITY,
    );
    for (let each: RoleNode = node; each.parent !== undefined; each = each.parent) {
      for (const [i, limit] of each.limit?.entries() ?? []) {
        left[i] = Math.max(
          0,
          Math.min(left[i] ?? 0, limit - at(each.reserved, i) - at(each.used, i)),
        );
      }
    }
    return left;
  }

  #bounds(limit: Limits): Vector {
    for (const [name] of limit) this.names.intern(name);
    return Array.from({ length: this.names.size }, (_, i) => limit.get(this.names.nameOf(i)));
  }

  #book(node: RoleNode, change: (each: RoleNode) => void): void {
    for (let each: RoleNode = node; each.parent !== undefined; each = each.parent) change(each);
    this.#changed(node);
  }

  #changed(node: RoleNode): void {
    node.account.version += 1;
    if (this.#guarantees > 0) this.#refresh(node);
  }

  /** Needs anew from this node upwards. Who guarantees nothing calls it where a guarantee goes. */
  #refresh(node: RoleNode): void {
    this.changes += 1;
    for (let each: RoleNode = node; each.parent !== undefined; each = each.parent) {
      const need = needOf(each);
      subtractFrom(each.parent.childNeeds, each.need);
      addInto(each.parent.childNeeds, need);
      each.need = need;
    }
  }
}

function newNode(path: string, parent: RoleNode | undefined): RoleNode {
  return {
    path,
    parent,
    children: new Map(),
    weight: 1,
    quota: undefined,
    guarantee: NOTHING,
    limit: undefined,
    reserved: [],
    used: [],
    need: NOTHING,
    childNeeds: [],
    pinned: false,
    account: parent?.parent === undefined ? { version: 0 } : parent.account,
    known: undefined,
  };
}

function isIdle({ children, pinned, weight, quota, reserved, used }: RoleNode): boolean {
  if (children.size > 0 || pinned || weight !== 1 || quota !== undefined) return false;
  return reserved.every((milli) => milli === 0) && used.every((milli) => milli === 0);
}

/**
 * The greater of what the own guarantee lacks and what is owed below, since what is given below
 * counts for both; never more than the own limit leaves, for more could not be given.
 */
function needOf(node: RoleNode): ReadonlyVector {
  const { guarantee, limit, reserved, used, childNeeds } = node;
  const length = Math.max(guarantee.length, childNeeds.length);
  if (length === 0) return NOTHING;
  const need: Vector = [];
  for (let i = 0; i < length; i++) {
    const consumed = at(reserved, i) + at(used, i);
    const owed = Math.max(0, at(guarantee, i) - consumed, at(childNeeds, i));
    const bound = limit?.[i] ?? Number.POSITIVE_INFINITY;
    need.push(Math.min(owed, Math.max(0, bound - consumed)));
  }
  return need;
}

function isOwed(node: RoleNode): boolean {
  for (let each: RoleNode | undefined = node; each !== undefined; each = each.parent) {
    if (each.parent !== undefined && each.need.some((milli) => milli > 0)) return true;
  }
  return false;
}

function entitlementOf(node: RoleNode): Vector | undefined {
  if (!isOwed(node)) return undefined;
  const owed = owedTo(node);
  let any = false;
  for (let i = 0; i < owed.length; i++) {
    owed[i] = Math.max(0, at(owed, i) - at(node.childNeeds, i));
    any ||= at(owed, i) > 0;
  }
  return any ? owed : undefined;
}

function ownRoomOf(node: RoleNode, length: number): Vector {
  const left = roomOf(node, length);
  for (let i = 0; i < left.length; i++) {
    left[i] = Math.max(0, at(left, i) - at(node.childNeeds, i));
  }
  return left;
}

function isLimited(node: RoleNode): boolean {
  for (let each: RoleNode | undefined = node; each !== undefined; each = each.parent) {
    if (each.limit !== undefined) return true;
  }
  return false;
}

/** What is owed to the role and those below it together. */
function owedTo(node: RoleNode): Vector {
  const { parent } = node;
  if (parent?.parent === undefined) return [...node.need];
  const owed = owedTo(parent);
  const length = Math.max(owed.length, node.need.length);
  for (let i = 0; i < length; i++) {
    const others = at(parent.childNeeds, i) - at(node.need, i);
    owed[i] = Math.max(at(node.need, i), at(owed, i) - others);
  }
  return owed;
}

function roomOf(node: RoleNode, length: number): Vector {
  const { parent } = node;
  const room =
    parent?.parent === undefined
      ? new Array<number>(length).fill(Number.POSITIVE_INFINITY)
      : roomOf(parent, length);
  for (let i = 0; i < length; i++) {
    const others = parent?.parent === undefined ? 0 : at(parent.childNeeds, i) - at(node.need, i);
    const limit = node.limit?.[i] ?? Number.POSITIVE_INFINITY;
    const own = limit - at(node.reserved, i) - at(node.used, i);
    room[i] = Math.min(own, at(room, i) - others);
  }
  return room;
}
