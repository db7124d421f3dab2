/**
 * The agents as columns: one array per fact, one slot per agent. Owns what each agent has, what is
 * free of it and who holds the rest, and keeps free + held = total. Knows no order and no role.
 */
import type { AgentId, FrameworkId } from "#protocol";
import { addInto, type ReadonlyVector, Resources, subtractFrom, type Vector } from "#resources";
import type { ConstraintSubject } from "./constraints.ts";
import type { AgentSpec } from "./contract.ts";
import { type AgentTraits, traitsOf } from "./eligibility.ts";
import { countedVector } from "./quota.ts";
import type { RoleTree } from "./role-tree.ts";
import type { Totals } from "./shares.ts";

export type Slot = number;
export type Absence = "draining" | "agent-inactive";

type ReservedParts = { readonly roles: ReadonlySet<string>; readonly unreserved: boolean };

const NOTHING: ReadonlyVector = [];
const NO_ROLES: ReadonlySet<string> = new Set();
const NOBODY: Map<FrameworkId, Resources> = new Map();

export class Agents {
  readonly #totals: Totals;
  readonly #tree: RoleTree;
  readonly #slots = new Map<AgentId, Slot>();
  readonly #vacant: Slot[] = [];
  readonly #ids: AgentId[] = [];
  readonly #total: Resources[] = [];
  readonly #totalVector: ReadonlyVector[] = [];
  readonly #free: Resources[] = [];
  /** How the free part is reserved; undefined: not looked at since the last change. */
  readonly #reserved: (ReservedParts | undefined)[] = [];
  /** One empty map stands for all agents of which nobody ever held anything. */
  readonly #held: Map<FrameworkId, Resources>[] = [];
  /** The total shrank below what is held: free cannot be kept by sums until that is over. */
  readonly #over: boolean[] = [];
  readonly #absent: (Absence | undefined)[] = [];
  readonly #subject: ConstraintSubject[] = [];
  /** Undefined: not looked at since the last change. */
  readonly #traits: (AgentTraits | undefined)[] = [];
  readonly #capabilities: Iterable<string>[] = [];
  #whitelist: ReadonlySet<string> | undefined;

  /** What is counted for quota of all that is free; kept only while guarantees ask for it. */
  readonly #headroom: Vector = [];
  readonly #counted: ReadonlyVector[] = [];
  #countsHeadroom = false;

  constructor(totals: Totals, tree: RoleTree) {
    this.#totals = totals;
    this.#tree = tree;
  }

  /** Free, unreserved, non-revocable scalars of all agents together, offered or not. */
  get headroom(): ReadonlyVector {
    return this.#headroom;
  }

  /** Begins or ends to keep the headroom. */
  countHeadroom(wanted: boolean): void {
    if (wanted === this.#countsHeadroom) return;
    this.#countsHeadroom = wanted;
    this.#headroom.fill(0);
    for (const slot of this.slots()) {
      this.#counted[slot] = NOTHING;
      if (wanted) this.#recountHeadroom(slot);
    }
  }

  #recountHeadroom(slot: Slot): void {
    const before = this.#counted[slot];
    const counted = countedVector(this.#totals.names, this.free(slot));
    if (counted === before) return;
    if (before !== undefined) subtractFrom(this.#headroom, before);
    addInto(this.#headroom, counted);
    this.#counted[slot] = counted;
  }

  get size(): number {
    return this.#slots.size;
  }

  slots(): Iterable<Slot> {
    return this.#slots.values();
  }

  ids(): Iterable<AgentId> {
    return this.#slots.keys();
  }

  find(agentId: AgentId): Slot | undefined {
    return this.#slots.get(agentId);
  }

  /** @throws Error where the agent is not known. */
  slotOf(agentId: AgentId): Slot {
    const slot = this.#slots.get(agentId);
    if (slot === undefined) throw new Error(`agent ${agentId} is not known to the allocator`);
    return slot;
  }

  add(agentId: AgentId, spec: AgentSpec): Slot {
    if (this.#slots.has(agentId)) throw new Error(`agent ${agentId} is there already`);
    const slot = this.#vacant.pop() ?? this.#ids.length;
    this.#slots.set(agentId, slot);
    this.#ids[slot] = agentId;
    this.#total[slot] = Resources.EMPTY;
    this.#totalVector[slot] = NOTHING;
    this.#free[slot] = Resources.EMPTY;
    this.#reserved[slot] = undefined;
    this.#held[slot] = NOBODY;
    this.#counted[slot] = NOTHING;
    this.#over[slot] = false;
    this.#absent[slot] = undefined;
    const { hostname, attributes, domain } = spec;
    this.#subject[slot] = { hostname, attributes, domain };
    this.#capabilities[slot] = spec.capabilities;
    this.setTotal(slot, spec.total);
    return slot;
  }

  /** Expects that nothing is held there any more. */
  remove(agentId: AgentId): void {
    const slot = this.slotOf(agentId);
    this.setTotal(slot, Resources.EMPTY);
    this.#slots.delete(agentId);
    this.#vacant.push(slot);
  }

  idOf(slot: Slot): AgentId {
    return this.#at(this.#ids, slot);
  }

  total(slot: Slot): Resources {
    return this.#at(this.#total, slot);
  }

  /** What nobody holds; shared resources are always in it. */
  free(slot: Slot): Resources {
    return this.#at(this.#free, slot);
  }

  absence(slot: Slot): Absence | undefined {
    if (this.#whitelist === undefined) return this.#absent[slot];
    const listed = this.#whitelist.has(this.subject(slot).hostname ?? "");
    return this.#absent[slot] ?? (listed ? undefined : "agent-inactive");
  }

  setWhitelist(hostnames: Iterable<string> | undefined): void {
    this.#whitelist = hostnames === undefined ? undefined : new Set(hostnames);
  }

  /** Takes over which agents are absent, the whitelist, and free parts in the order they have. */
  adoptStates(other: Agents): void {
    this.#whitelist = other.#whitelist;
    for (const [agentId, theirs] of other.#slots) {
      const slot = this.slotOf(agentId);
      this.#absent[slot] = other.#absent[theirs];
      this.#setFree(slot, other.free(theirs));
    }
  }

  setAbsence(slot: Slot, absence: Absence | undefined): void {
    this.#absent[slot] = absence;
  }

  /** Host, attributes and domain; another object after each change of them. */
  subject(slot: Slot): ConstraintSubject {
    return this.#at(this.#subject, slot);
  }

  change(slot: Slot, change: Partial<ConstraintSubject>): void {
    this.#subject[slot] = { ...{}, ...this.subject(slot), ...change };
    this.#traits[slot] = undefined;
  }

  traits(slot: Slot): AgentTraits {
    const known = this.#traits[slot];
    if (known !== undefined) return known;
    const capabilities = this.#at(this.#capabilities, slot);
    const traits = traitsOf(this.total(slot), capabilities, this.subject(slot).domain);
    this.#traits[slot] = traits;
    return traits;
  }

  capabilities(slot: Slot): Iterable<string> {
    return this.#at(this.#capabilities, slot);
  }

  setCapabilities(slot: Slot, capabilities: Iterable<string>): void {
    this.#capabilities[slot] = [...capabilities];
    this.#traits[slot] = undefined;
  }

  /** What the frameworks hold there, with allocation roles. */
  holders(slot: Slot): ReadonlyMap<FrameworkId, Resources> {
    return this.#at(this.#held, slot);
  }

  held(slot: Slot, frameworkId: FrameworkId): Resources {
    return this.#at(this.#held, slot).get(frameworkId) ?? Resources.EMPTY;
  }

  /** Roles that free resources are reserved for. */
  reservedRoles(slot: Slot): ReadonlySet<string> {
    return this.free(slot).traits.reserved ? this.#parts(slot).roles : NO_ROLES;
  }

  /** Whether something free is reserved for nobody. */
  hasUnreserved(slot: Slot): boolean {
    const free = this.free(slot);
    return free.traits.reserved ? this.#parts(slot).unreserved : !free.isEmpty;
  }

  #parts(slot: Slot): ReservedParts {
    const known = this.#reserved[slot];
    if (known !== undefined) return known;
    const free = this.free(slot);
    const roles = new Set(free.reservedRoles());
    const parts = { roles, unreserved: !free.unreserved().isEmpty };
    this.#reserved[slot] = parts;
    return parts;
  }

  /** Books `resources` (with allocation roles) as held; the free part shrinks by them. */
  take(slot: Slot, frameworkId: FrameworkId, resources: Resources): void {
    const bare = resources.unallocate().nonShared();
    const free = this.free(slot);
    if (!free.contains(bare)) this.#over[slot] = true;
    this.#setHeld(slot, frameworkId, this.held(slot, frameworkId).add(resources));
    this.#setFree(slot, free.subtract(bare));
  }

  /** @throws Error where the framework does not hold all of it: a programmer's fault. */
  give(slot: Slot, frameworkId: FrameworkId, resources: Resources, bare: Resources): void {
    const held = this.held(slot, frameworkId);
    if (!held.contains(resources)) {
      throw new Error(
        `framework ${frameworkId} holds ${held} on agent ${this.idOf(slot)}, not ${resources}`,
      );
    }
    this.#setHeld(slot, frameworkId, held.subtract(resources));
    if (this.#over[slot]) this.#recount(slot);
    else this.#setFree(slot, this.free(slot).add(bare.nonShared()));
  }

  /** Replaces `gone` by `come` in what a framework holds; the caller sets the total too. */
  convertHeld(slot: Slot, frameworkId: FrameworkId, gone: Resources, come: Resources): void {
    const held = this.held(slot, frameworkId);
    if (!held.contains(gone)) {
      throw new Error(
        `framework ${frameworkId} holds ${held} on agent ${this.idOf(slot)}, not ${gone}`,
      );
    }
    this.#setHeld(slot, frameworkId, held.subtract(gone).add(come));
  }

  setTotal(slot: Slot, total: Resources): void {
    const { names } = this.#totals;
    const vector = total.measureFor(names).scalars;
    this.#totals.change(this.#totalVector[slot] ?? NOTHING, vector);
    const before = this.#total[slot] ?? Resources.EMPTY;
    for (const [role, part] of total.reservations()) {
      this.#tree.reserve(role, part.measureFor(names).scalars);
    }
    for (const [role, part] of before.reservations()) {
      this.#tree.unreserve(role, part.measureFor(names).scalars);
    }
    this.#total[slot] = total;
    this.#traits[slot] = undefined;
    this.#totalVector[slot] = vector;
    this.#recount(slot);
  }

  #setHeld(slot: Slot, frameworkId: FrameworkId, resources: Resources): void {
    const held = this.#at(this.#held, slot);
    if (resources.isEmpty) held.delete(frameworkId);
    else if (held === NOBODY) this.#held[slot] = new Map([[frameworkId, resources]]);
    else held.set(frameworkId, resources);
  }

  #setFree(slot: Slot, free: Resources): void {
    this.#free[slot] = free;
    this.#reserved[slot] = undefined;
    if (this.#countsHeadroom) this.#recountHeadroom(slot);
  }

  /** Free from scratch: total − held, never below zero, and one copy of each shared resource. */
  #recount(slot: Slot): void {
    const total = this.total(slot);
    let free = total.nonShared();
    let over = false;
    for (const held of this.holders(slot).values()) {
      const taken = held.nonShared().unallocate();
      over ||= !free.contains(taken);
      free = free.subtract(taken);
    }
    this.#over[slot] = over;
    this.#setFree(slot, free.add(total.shared().singleCopies()));
  }

  #at<T>(column: readonly T[], slot: Slot): T {
    const value = column[slot];
    if (value === undefined) throw new Error(`no agent stands at slot ${slot}`);
    return value;
  }
}
