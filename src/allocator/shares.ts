/**
 * What clients hold as vectors, kept incrementally, and the totals of the cluster that shares are
 * parts of. Shared resources count once per client and agent, however many copies it holds.
 */
import { type AgentId, asId } from "#protocol";
import {
  addInto,
  DEFAULT_ROLE,
  type ReadonlyVector,
  type ResourceNames,
  Resources,
  subtractFrom,
  type Vector,
} from "#resources";

/** The scalars of all agents together, reserved and revocable ones included. */
export class Totals {
  readonly names: ResourceNames;
  readonly vector: Vector = [];
  /** Indexes of names that do not count towards shares. */
  readonly excluded: ReadonlySet<number>;
  /** Changes whenever the totals do, so that orders know that their shares are stale. */
  version = 0;

  constructor(names: ResourceNames, fairnessExcluded: readonly string[]) {
    this.names = names;
    this.excluded = new Set(fairnessExcluded.map((name) => names.intern(name)));
  }

  change(gone: ReadonlyVector, come: ReadonlyVector): void {
    subtractFrom(this.vector, gone);
    addInto(this.vector, come);
    this.version += 1;
  }
}

/** A piece of an agent as shares see it: computed once, charged to a role and to a framework. */
export type Charge = {
  readonly agentId: AgentId;
  /**
   * What is not shared; ranges and sets by their number. These never count towards a share, since
   * the totals have none of them, but who holds only ports holds something.
   */
  readonly plain: ReadonlyVector;
  readonly shared: Resources;
  /** What of it is held to quota. */
  readonly counted: ReadonlyVector;
};

/** Where no agent matters: a piece without shared resources. */
const NOWHERE = asId<AgentId>("nowhere");

export function chargeOf(names: ResourceNames, agentId: AgentId, resources: Resources): Charge {
  const { plain, open } = resources.measureFor(names);
  const shared = resources.traits.shared ? resources.shared().unallocate() : Resources.EMPTY;
  return { agentId, plain, shared, counted: open };
}

/** What one client holds. */
export class Holding {
  readonly vector: Vector = [];
  readonly #names: ResourceNames;
  #shared: Map<AgentId, Resources> | undefined;

  constructor(names: ResourceNames) {
    this.#names = names;
  }

  take({ agentId, plain, shared }: Charge): void {
    addInto(this.vector, plain);
    if (!shared.isEmpty) this.#change(agentId, (before) => before.add(shared));
  }

  give({ agentId, plain, shared }: Charge): void {
    subtractFrom(this.vector, plain);
    if (!shared.isEmpty) this.#change(agentId, (before) => before.subtract(shared));
  }

  /** All that another client holds. */
  takeAll(other: Holding): void {
    for (const charge of other.#charges()) this.take(charge);
  }

  giveAll(other: Holding): void {
    for (const charge of other.#charges()) this.give(charge);
  }

  /** As pieces: what is not shared in one, and what is shared per agent. */
  #charges(): Charge[] {
    const plain = [...this.vector];
    const charges: Charge[] = [];
    for (const [agentId, shared] of this.#shared ?? []) {
      subtractFrom(plain, this.#names.vectorOf(shared.quantities()));
      charges.push({ agentId, plain: [], shared, counted: [] });
    }
    charges.push({ agentId: NOWHERE, plain, shared: Resources.EMPTY, counted: [] });
    return charges;
  }

  get isEmpty(): boolean {
    return this.#shared === undefined && this.vector.every((milli) => milli === 0);
  }

  #change(agentId: AgentId, change: (before: Resources) => Resources): void {
    this.#shared ??= new Map();
    const before = this.#shared.get(agentId) ?? Resources.EMPTY;
    const after = change(before);
    subtractFrom(this.vector, this.#names.vectorOf(before.quantities()));
    addInto(this.vector, this.#names.vectorOf(after.quantities()));
    if (after.isEmpty) this.#shared.delete(agentId);
    else this.#shared.set(agentId, after);
    if (this.#shared.size === 0) this.#shared = undefined;
  }
}

/** Resources by allocation role; what names none counts to the default role. */
export function partsByRole(resources: Resources): [role: string, part: Resources][] {
  const { allocationRole } = resources;
  if (allocationRole !== undefined) return [[allocationRole, resources]];
  const parts: [string, Resources][] = [];
  for (const [role = DEFAULT_ROLE, part] of resources.allocations()) {
    // Of the bare bag, so that nobody after this has to take the role off each object again.
    parts.push([role, part.unallocate().allocate(role)]);
  }
  return parts;
}
