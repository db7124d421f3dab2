/**
 * One run over some agents (mesos.md §11.4): agents in random order, for each the roles by
 * fairness, in each role the frameworks by fairness; who is eligible first gets all that is free
 * and that quota lets pass. Guarantees come in a stage of their own before. Reads orders and agents, books through `Booking`, counts what it passes over.
 */
import type { PlacementReason } from "#protocol";
import { ancestorsOf, type Quantities, type ReadonlyVector, Resources } from "#resources";
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
import { bounded, boundsOf, owed } from "./quota.ts";
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
  readonly count: (reason: PlacementReason) => void;
};

/**
 * Both stages, each over all candidates in an order of its own: first what roles are owed, then
 * what fairness says. Without guarantees that are not met there is no first stage.
 */
export function runCycle(around: Surroundings, candidates: Slot[]): OfferCandidate[] {
  const run: Run = { around, offers: [], sharedOut: new Map() };
  const { agents } = around;
  const { tree } = around.roles;
  if (tree.hasGuarantees && tree.requiredHeadroom.some((milli) => milli > 0)) {
    for (const slot of arranged(candidates, agents, around.arrangement)) {
      serveAgent(run, slot, owedOf);
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
};

/** What a subscription would be offered now of an agent, or the reason why nothing. */
type Judge = (
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
  sharedOut: Resources,
) => Resources | PlacementReason;

function serveAgent(run: Run, slot: Slot, judge: Judge): void {
  const { around, offers, sharedOut } = run;
  const { agents, roles } = around;
  const roleWalk = roles.order.walk();
  for (let at = roleWalk.next(); at !== undefined; at = roleWalk.next()) {
    const role = at.owner;
    if (agents.free(slot).isEmpty) return;
    if (judge === owedOf && roles.tree.entitlement(role.node) === undefined) continue;
    if (!mayServe(agents, slot, role)) {
      around.count("reservation");
      continue;
    }
    const walk = role.frameworks.walk();
    for (let client = walk.next(); client !== undefined; client = walk.next()) {
      const subscription = client.owner;
      const shared = sharedOut.get(slot) ?? Resources.EMPTY;
      const offered = judge(around, slot, subscription, shared);
      if (typeof offered === "string") {
        if (offered === "reservation") break;
        around.count(offered);
        continue;
      }
      if (offered.traits.shared) sharedOut.set(slot, shared.add(offered.shared()));
      offers.push(around.book(slot, subscription, offered));
    }
  }
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
  const quantities = open.quantities();
  return meetsMinimum(minimum, quantities) ? "quota" : tooSmall(minimum, quantities);
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
  if (!meetsMinimum(minimum, open.quantities())) return tooSmall(minimum, open.quantities());
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
  { agents, filters, minAllocatable }: Surroundings,
  slot: Slot,
  subscription: Subscription,
  offered: Resources,
): Resources | PlacementReason {
  const minimum = minimumOf(subscription, minAllocatable);
  const quantities = offered.quantities();
  if (offered.isEmpty || !meetsMinimum(minimum, quantities)) return tooSmall(minimum, quantities);
  const filter = filters.match(subscription, agents.idOf(slot), offered);
  if (filter !== undefined) return filter.backoff ? "backoff" : "filtered";
  return offered;
}

/** The free part that the role may be given; the same bag where that is all. */
export function allocatable(agents: Agents, slot: Slot, role: string): Resources {
  const free = agents.free(slot);
  return agents.reservedRoles(slot).size === 0 ? free : free.allocatableTo(role);
}

/** What the first of the minimum sets lacks. */
function tooSmall(minimum: readonly Quantities[], quantities: Quantities): PlacementReason {
  for (const [name, milli] of minimum[0] ?? []) {
    if (quantities.get(name) < milli) return lackReason(name);
  }
  return "scarce";
}
