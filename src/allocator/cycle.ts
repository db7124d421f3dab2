/**
 * One run over some agents (mesos.md §11.4): agents in random order, for each the roles by
 * fairness, in each role the frameworks by fairness; who is eligible first gets all that is free
 * and that quota lets pass. Guarantees come in a stage of their own before. Reads orders and agents, books through `Booking`, counts what it passes over.
 */
import type { PlacementReason } from "#protocol";
import {
  ancestorsOf,
  at,
  type Measure,
  type Quantities,
  type ReadonlyVector,
  Resources,
} from "#resources";
import type { Agents, Slot } from "./agents.ts";
import type { OfferCandidate } from "./contract.ts";
import {
  type EligibilityRules,
  hiddenReason,
  lackReason,
  meetsMinimum,
  stripped,
} from "./eligibility.ts";
import type { Filters } from "./filters.ts";
import { hasOpenOffer } from "./hoarding.ts";
import type { Lending } from "./lending.ts";
import { type Arrangement, arranged } from "./placement.ts";
import { bounded, boundsOf, leavesNothing, owed } from "./quota.ts";
import { minimumOf, type Role, type Roles, type Subscription } from "./roles.ts";
import { isUsable, proportioned } from "./shapes.ts";

export type Surroundings = {
  readonly agents: Agents;
  readonly roles: Roles;
  readonly filters: Filters<Subscription>;
  readonly rules: EligibilityRules;
  readonly minAllocatable: readonly Quantities[];
  readonly arrangement: Arrangement;
  readonly lending: Lending;
  /** What guarantees may count on: free on all agents together, loans included. */
  readonly headroom: () => ReadonlyVector;
  /** Books a piece as held by the subscription. */
  readonly book: (slot: Slot, subscription: Subscription, resources: Resources) => OfferCandidate;
  readonly count: (reason: PlacementReason, times?: number) => void;
};

/**
 * Both stages, each over all candidates in an order of its own: first what roles are owed, then
 * what fairness says. Without guarantees that are not met there is no first stage.
 */
export function runCycle(around: Surroundings, candidates: Slot[]): OfferCandidate[] {
  const run: Run = { around, offers: [], sharedOut: new Map(), full: undefined };
  const { agents } = around;
  const { tree } = around.roles;
  if (tree.owes) {
    for (const slot of arranged(candidates, agents, around.arrangement)) {
      // The draw is made for all, whoever is left.
      if (tree.owes) serveAgent(run, slot, owedOf);
    }
  }
  for (const slot of arranged(candidates, agents, around.arrangement)) {
    serveAgent(run, slot, offerable);
  }
  return run.offers;
}

type Run = {
  readonly around: Surroundings;
  readonly offers: OfferCandidate[];
  /** Shared resources stay free when they are offered, but are not offered twice in one run. */
  readonly sharedOut: Map<Slot, Resources>;
  /** All roles were found full for an agent that has this, after so many offers. */
  full:
    | { readonly open: ReadonlyVector; readonly offers: number; readonly times: number }
    | undefined;
};

/** What a subscription would be offered now of an agent, or the reason why nothing. */
type Judge = (
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
  sharedOut: Resources,
) => Resources | PlacementReason;

function serveAgent(run: Run, slot: Slot, judge: Judge): void {
  const { around } = run;
  const { agents, roles } = around;
  if (agents.free(slot).isEmpty || allKnownFull(run, slot)) return;
  const before = run.offers.length;
  let full = 0;
  let others = 0;
  const walk = roles.order.walk();
  for (let client = walk.next(); client !== undefined; client = walk.next()) {
    const role = client.owner;
    if (agents.free(slot).isEmpty) return;
    if (judge === owedOf) {
      if (roles.tree.entitlement(role.node) === undefined) continue;
    } else if (isFull(around, slot, role)) {
      full += role.frameworks.activeLength;
      continue;
    }
    others += 1;
    if (!mayServe(agents, slot, role)) around.count("reservation");
    else serveRole(run, slot, role, judge);
  }
  if (full === 0) return;
  around.count("quota", full);
  if (others > 0) return;
  const { open } = agents.free(slot).measureFor(roles.tree.names);
  run.full = { open, offers: before, times: full };
}

/** Whether an agent with as much or more was found too full before, and nothing changed since. */
function allKnownFull({ around, full, offers }: Run, slot: Slot): boolean {
  if (full === undefined || full.offers !== offers.length) return false;
  const { open, scalars } = around.agents.free(slot).measureFor(around.roles.tree.names);
  if (open !== scalars || open.some((milli, i) => milli > 0 && at(full.open, i) <= 0)) return false;
  around.count("quota", full.times);
  return true;
}

/** Those who are known to have refused all that is free there are passed over unseen. */
function serveRole(run: Run, slot: Slot, role: Role, judge: Judge): void {
  const { around, offers, sharedOut } = run;
  const { agents, filters } = around;
  const free = agents.free(slot);
  const marks = filters.marks(slot, role);
  marks?.begin(free, role.frameworks);
  if (marks?.all !== undefined) return around.count("filtered", marks.all);
  let marked = 0;
  let unmarked = 0;
  const walk = role.frameworks.walk(marks);
  for (let client = walk.next(); client !== undefined; client = walk.next()) {
    const shared = sharedOut.get(slot) ?? Resources.EMPTY;
    const offered = judge(around, slot, client.owner, shared);
    if (typeof offered !== "string") {
      unmarked += 1;
      if (offered.traits.shared) sharedOut.set(slot, shared.add(offered.shared()));
      offers.push(around.book(slot, client.owner, offered));
    } else if (offered === "reservation") {
      unmarked += 1;
      break;
    } else {
      around.count(offered);
      if (offered === "filtered" && filters.match(client.owner, slot, free) !== undefined) {
        marks?.add(client.slot);
        marked += 1;
      } else unmarked += 1;
    }
  }
  if (walk.passed > 0) around.count("filtered", walk.passed);
  if (marks !== undefined && unmarked === 0) marks.all = walk.passed + marked;
}

/**
 * Whether quota leaves the role no scalar of the agent, so that no offer would meet a minimum: asked
 * before its frameworks are, since in a cluster with quota most roles are full.
 */
function isFull({ agents, roles, minAllocatable }: Surroundings, slot: Slot, role: Role): boolean {
  const { tree } = roles;
  const room = tree.hasLimits ? tree.room(role.node) : undefined;
  if (room === undefined || role.minimums > 0) return false;
  const { open, scalars } = agents.free(slot).measureFor(tree.names);
  if (open !== scalars || !leavesNothing(open, room)) return false;
  return minAllocatable.length > 0 && minAllocatable.every((set) => !set.isEmpty);
}

/** Whether anything free there may go to the role: a quick look that needs no part computed. */
function mayServe(agents: Agents, slot: Slot, role: Role): boolean {
  if (agents.hasUnreserved(slot)) return true;
  const reserved = agents.reservedRoles(slot);
  return reserved.has(role.name) || ancestorsOf(role.name).some((each) => reserved.has(each));
}

/** The second stage: all that the role may have, within limits and above the headroom. */
export function offerable(
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
  sharedOut: Resources,
): Resources | PlacementReason {
  const open = openTo(around, slot, subscription, sharedOut);
  if (typeof open === "string") return open;
  const { tree } = around.roles;
  if (!tree.hasGuarantees && !tree.hasLimits) return acceptable(around, slot, subscription, open);
  const bounds = boundsOf(tree, subscription.role.node, around.headroom());
  const offered = proportioned(open, bounded(tree.names, open, bounds));
  const judged = acceptable(around, slot, subscription, offered);
  if (offered === open || judged === "filtered" || judged === "backoff") return judged;
  const minimum = minimumOf(subscription, around.minAllocatable);
  if (typeof judged !== "string") {
    return isUsable(minimum, open.quantities(), offered.quantities()) ? offered : "quota";
  }
  // Too little only because quota took the rest away.
  const quantities = open.measureFor(tree.names);
  return meetsMinimum(minimum, quantities) ? "quota" : tooSmall(minimum, quantities);
}

/** What quota leaves of the free part, where it takes something away; undefined: it does not. */
export function cutByBounds(
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
): { readonly within: Resources; readonly usable: boolean } | undefined {
  const { tree } = around.roles;
  const open = openTo(around, slot, subscription, Resources.EMPTY);
  if (typeof open === "string" || (!tree.hasGuarantees && !tree.hasLimits)) return undefined;
  const bounds = boundsOf(tree, subscription.role.node, around.headroom());
  const most = bounded(tree.names, open, bounds);
  const within = proportioned(open, most);
  if (within === open) return undefined;
  const minimum = minimumOf(subscription, around.minAllocatable);
  return { within, usable: isUsable(minimum, open.quantities(), within.quantities()) };
}

/** The first stage: what the role is owed, and what may go with it. */
export function owedOf(
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
  sharedOut: Resources,
): Resources | PlacementReason {
  const { tree } = around.roles;
  const { node } = subscription.role;
  const entitlement = tree.entitlement(node);
  if (entitlement === undefined) return "reservation";
  const open = openTo(around, slot, subscription, sharedOut);
  if (typeof open === "string") return open;
  const minimum = minimumOf(subscription, around.minAllocatable);
  const quantities = open.measureFor(tree.names);
  if (!meetsMinimum(minimum, quantities)) return tooSmall(minimum, quantities);
  const offered = owed(tree, open, { node, entitlement, headroom: around.headroom() });
  if (offered === undefined) return "quota";
  return acceptable(around, slot, subscription, proportioned(open, offered));
}

/** Why nothing of the agent is for the subscription, whatever is free there. */
export function excludedBy(
  { agents, rules }: Surroundings,
  slot: Slot,
  { framework, role }: Subscription,
): PlacementReason | undefined {
  const hidden = hiddenReason(rules, framework.abilities, role.name, agents.traits(slot));
  if (hidden !== undefined) return hidden;
  const { constraints, hoarding } = framework;
  if (constraints.get(role.name)?.admits(agents.subject(slot)) === false) return "constraint";
  return hoarding !== undefined && hasOpenOffer(agents, framework.id, hoarding)
    ? "hoarding"
    : undefined;
}

/** What the subscription may see of the free part: reservations, capabilities, regions. */
export function openTo(
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
  sharedOut: Resources,
): Resources | PlacementReason {
  const excluded = excludedBy(around, slot, subscription);
  if (excluded !== undefined) return excluded;
  const { framework, role } = subscription;
  const open = allocatable(around.agents, slot, role.name).subtract(sharedOut);
  return open.isEmpty ? "reservation" : stripped(framework.abilities, open);
}

/** The offer, unless it is too small or was refused. */
export function acceptable(
  { filters, minAllocatable, roles }: Surroundings,
  slot: Slot,
  subscription: Subscription,
  offered: Resources,
): Resources | PlacementReason {
  const minimum = minimumOf(subscription, minAllocatable);
  const quantities = offered.measureFor(roles.tree.names);
  if (offered.isEmpty || !meetsMinimum(minimum, quantities)) return tooSmall(minimum, quantities);
  const filter = filters.match(subscription, slot, offered);
  if (filter !== undefined) return filter.backoff ? "backoff" : "filtered";
  return offered;
}

/** The free part that the role may be given; the same bag where that is all. */
export function allocatable(agents: Agents, slot: Slot, role: string): Resources {
  const free = agents.free(slot);
  return agents.reservedRoles(slot).size === 0 ? free : free.allocatableTo(role);
}

/** What the first of the minimum sets lacks. */
function tooSmall(minimum: readonly Quantities[], { names, scalars }: Measure): PlacementReason {
  for (const [name, milli] of minimum[0] ?? []) {
    if (at(scalars, names.intern(name)) < milli) return lackReason(name);
  }
  return "scarce";
}
