/**
 * One run over some agents (mesos.md §11.4, stage 2 without quota): agents in random order, for
 * each the roles by fairness, in each role the frameworks by fairness; who is eligible first gets
 * all that is free. Reads orders and agents, books through `Booking`, counts what it passes over.
 */
import type { PlacementReason } from "#protocol";
import { ancestorsOf, type Quantities, Resources } from "#resources";
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
import { minimumOf, type Role, type Roles, type Subscription } from "./roles.ts";

export type Surroundings = {
  readonly agents: Agents;
  readonly roles: Roles;
  readonly filters: Filters<Subscription>;
  readonly rules: EligibilityRules;
  readonly minAllocatable: readonly Quantities[];
  readonly random: () => number;
  /** Books a piece as held by the subscription. */
  readonly book: (slot: Slot, subscription: Subscription, resources: Resources) => OfferCandidate;
  readonly count: (reason: PlacementReason) => void;
};

/** Fisher and Yates, from the end. */
export function shuffle<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const a = list[i];
    const b = list[j];
    if (a === undefined || b === undefined) continue;
    list[i] = b;
    list[j] = a;
  }
  return list;
}

export function runCycle(around: Surroundings, candidates: Slot[]): OfferCandidate[] {
  const offers: OfferCandidate[] = [];
  for (const slot of shuffle(candidates, around.random)) serveAgent(around, slot, offers);
  return offers;
}

function serveAgent(around: Surroundings, slot: Slot, offers: OfferCandidate[]): void {
  const { agents, roles } = around;
  // Shared resources stay free when they are offered, but not twice in one run.
  let sharedOut = Resources.EMPTY;
  const roleWalk = roles.order.walk();
  for (let at = roleWalk.next(); at !== undefined; at = roleWalk.next()) {
    const role = at.owner;
    if (agents.free(slot).isEmpty) return;
    if (!mayServe(agents, slot, role)) {
      around.count("reservation");
      continue;
    }
    const walk = role.frameworks.walk();
    for (let client = walk.next(); client !== undefined; client = walk.next()) {
      const subscription = client.owner;
      const offered = offerable(around, slot, subscription, sharedOut);
      if (typeof offered === "string") {
        if (offered === "reservation") break;
        around.count(offered);
        continue;
      }
      if (offered.traits.shared) sharedOut = sharedOut.add(offered.shared());
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

/** What the subscription would be offered of the agent now, or the reason why nothing. */
export function offerable(
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
  sharedOut: Resources,
): Resources | PlacementReason {
  const { agents, filters } = around;
  const { framework, role } = subscription;
  const open = allocatable(agents, slot, role.name).subtract(sharedOut);
  if (open.isEmpty) return "reservation";
  const hidden = hiddenReason(around.rules, framework.abilities, role.name, {
    total: agents.total(slot),
    capabilities: agents.capabilities(slot),
    domain: agents.domain(slot),
  });
  if (hidden !== undefined) return hidden;
  const offered = stripped(framework.abilities, open);
  const minimum = minimumOf(subscription, around.minAllocatable);
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
