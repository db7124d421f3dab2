/**
 * The roles in which frameworks stand: weights, the tree of roles in its order, the order of the
 * frameworks in each role, and what both are charged with.
 */
import type { FrameworkId } from "#protocol";
import type { Quantities } from "#resources";
import { type CompiledConstraints, compileConstraints } from "./constraints.ts";
import type { AllocatorOptions, FrameworkSpec } from "./contract.ts";
import { type Abilities, abilitiesOf } from "./eligibility.ts";
import type { Hoarding } from "./hoarding.ts";
import { type Client, FairOrder, type OrderOptions } from "./order.ts";
import type { RoleNode, RoleTree } from "./role-tree.ts";
import type { Charge, Totals } from "./shares.ts";

export type Framework = {
  readonly id: FrameworkId;
  spec: FrameworkSpec;
  abilities: Abilities;
  constraints: ReadonlyMap<string, CompiledConstraints>;
  active: boolean;
  /** While it gets one offer at a time. */
  hoarding: Hoarding | undefined;
  /** By role; a role that is no longer subscribed stays while something is held in it. */
  readonly subscriptions: Map<string, Subscription>;
};

/** A framework in a role. */
export class Subscription {
  readonly framework: Framework;
  readonly role: Role;
  readonly client: Client<Subscription>;
  subscribed: boolean;
  suppressed = false;
  /** The framework's own minimum of an offer in this role. */
  minimum: readonly Quantities[] | undefined;

  constructor(framework: Framework, role: Role, subscribed: boolean) {
    this.framework = framework;
    this.role = role;
    this.subscribed = subscribed;
    this.client = role.frameworks.add(framework.id, this);
  }
}

export class Role {
  readonly name: string;
  readonly client: Client<Role>;
  readonly node: RoleNode;
  readonly frameworks: FairOrder<Subscription>;
  /** How many of its frameworks have a minimum of their own. */
  minimums = 0;

  constructor(node: RoleNode, order: FairOrder<Role>, frameworks: FairOrder<Subscription>) {
    const name = node.path;
    this.name = name;
    this.node = node;
    this.frameworks = frameworks;
    this.client = order.add(name, this);
  }
}

/** How roles, and frameworks in a role, come into their order. */
export type Sorters = { readonly roles: OrderOptions; readonly frameworks: OrderOptions };

export class Roles {
  readonly #totals: Totals;
  readonly #sorters: Sorters;
  readonly tree: RoleTree;
  readonly order: FairOrder<Role>;

  constructor(totals: Totals, tree: RoleTree, sorters: Sorters) {
    this.#totals = totals;
    this.tree = tree;
    this.#sorters = sorters;
    const weightOf = (path: string): number => this.weightOf(path);
    this.order = new FairOrder(totals, { ...{}, ...sorters.roles, tree: true, weightOf });
  }

  find(name: string): Role | undefined {
    return this.order.get(name)?.owner;
  }

  weightOf(name: string): number {
    return this.tree.find(name)?.weight ?? 1;
  }

  setWeight(name: string, weight: number): void {
    if (!Number.isFinite(weight) || weight <= 0) {
      throw new RangeError(`weight of role ${name}: ${weight} is not a finite number above 0`);
    }
    this.tree.setWeight(name, weight);
    this.order.setWeight(name, weight);
  }

  subscribe(framework: Framework, name: string): Subscription {
    const subscription = framework.subscriptions.get(name) ?? this.#enter(framework, name, true);
    subscription.subscribed = true;
    setMinimum(subscription, framework.spec.minAllocatable?.get(name));
    return subscription;
  }

  /** Books a piece: the role always, the framework where it is known. */
  charge(name: string, framework: Framework | undefined, charge: Charge): void {
    const role = this.#ensure(name);
    this.order.allocated(role.client, charge);
    this.tree.use(role.node, charge.counted);
    if (framework !== undefined) this.chargeFramework(name, framework, charge);
  }

  /** The same where the subscription is at hand. */
  chargeOffer({ role, client }: Subscription, charge: Charge): void {
    this.order.allocated(role.client, charge);
    this.tree.use(role.node, charge.counted);
    role.frameworks.allocated(client, charge);
  }

  /** Books on the framework alone what its role was charged with before it was known. */
  chargeFramework(name: string, framework: Framework, charge: Charge): void {
    const subscription = framework.subscriptions.get(name) ?? this.#enter(framework, name, false);
    subscription.role.frameworks.allocated(subscription.client, charge);
  }

  release(name: string, framework: Framework | undefined, charge: Charge): void {
    const role = this.#ensure(name);
    this.order.unallocated(role.client, charge);
    this.tree.release(role.node, charge.counted);
    const subscription = framework?.subscriptions.get(name);
    if (subscription !== undefined) {
      role.frameworks.unallocated(subscription.client, charge);
      this.leaveIfIdle(subscription);
    }
    this.#dropIfIdle(role);
  }

  convert(
    name: string,
    framework: Framework | undefined,
    change: { readonly gone: Charge; readonly come: Charge },
  ): void {
    const role = this.#ensure(name);
    this.order.updated(role.client, change.gone, change.come);
    this.tree.release(role.node, change.gone.counted);
    this.tree.use(role.node, change.come.counted);
    const subscription = framework?.subscriptions.get(name);
    if (subscription === undefined) return;
    role.frameworks.updated(subscription.client, change.gone, change.come);
  }

  /** Takes over how often each role and framework was served elsewhere. */
  adoptCounts(other: Roles): void {
    this.order.adoptCounts(other.order);
    for (const { name, owner } of other.order.clients()) {
      this.find(name)?.frameworks.adoptCounts(owner.frameworks);
    }
  }

  /** Whether the subscription is served follows from what is known of it; tells whether it is. */
  refresh(subscription: Subscription): boolean {
    const { framework, role, client, subscribed, suppressed } = subscription;
    const serve = framework.active && subscribed && !suppressed;
    if (serve) role.frameworks.activate(client);
    else role.frameworks.deactivate(client);
    this.#refreshRole(role);
    return serve;
  }

  /** The same in all its roles; tells whether it is served in any. */
  refreshAll(framework: Framework): boolean {
    let served = false;
    for (const each of framework.subscriptions.values()) served = this.refresh(each) || served;
    return served;
  }

  /** Forgets a subscription that is neither wanted nor charged. */
  leaveIfIdle(subscription: Subscription): void {
    if (!subscription.subscribed && subscription.client.holding.isEmpty) this.leave(subscription);
  }

  leave(subscription: Subscription): void {
    const { framework, role, client } = subscription;
    setMinimum(subscription, undefined);
    role.frameworks.remove(client);
    framework.subscriptions.delete(role.name);
    this.#refreshRole(role);
    this.#dropIfIdle(role);
  }

  #enter(framework: Framework, name: string, subscribed: boolean): Subscription {
    const role = this.#ensure(name);
    const subscription = new Subscription(framework, role, subscribed);
    framework.subscriptions.set(name, subscription);
    return subscription;
  }

  #ensure(name: string): Role {
    const known = this.order.get(name);
    if (known !== undefined) return known.owner;
    const node = this.tree.ensure(name);
    node.pinned = true;
    return new Role(node, this.order, new FairOrder(this.#totals, this.#sorters.frameworks));
  }

  /** A role none of whose frameworks is served costs the runs nothing. */
  #refreshRole(role: Role): void {
    if (role.frameworks.isActive) this.order.activate(role.client);
    else this.order.deactivate(role.client);
  }

  #dropIfIdle(role: Role): void {
    if (this.order.get(role.name) !== role.client) return;
    if (role.frameworks.size > 0 || !role.client.holding.isEmpty) return;
    this.order.remove(role.client);
    role.node.pinned = false;
    this.tree.prune(role.node);
  }
}

/** A framework as it comes, with no subscription yet. */
export function newFramework(id: FrameworkId, spec: FrameworkSpec, active: boolean): Framework {
  const constraints = compileConstraints(spec.constraints);
  const abilities = abilitiesOf(spec);
  const hoarding = undefined;
  return { id, spec, abilities, constraints, active, hoarding, subscriptions: new Map() };
}

function setMinimum(subscription: Subscription, minimum: readonly Quantities[] | undefined): void {
  const { role } = subscription;
  role.minimums += (minimum === undefined ? 0 : 1) - (subscription.minimum === undefined ? 0 : 1);
  subscription.minimum = minimum;
}

/** The minimum that offers to this subscription must contain. */
export function minimumOf(
  { minimum }: Subscription,
  cluster: readonly Quantities[],
): readonly Quantities[] {
  return minimum ?? cluster;
}

/** As the options say. */
export function sortersOf({ roleSorter, frameworkSorter, random }: AllocatorOptions): Sorters {
  return {
    roles: roleSorter === "random" ? { random } : {},
    frameworks: frameworkSorter === "random" ? { random } : {},
  };
}
