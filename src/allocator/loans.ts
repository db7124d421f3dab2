/**
 * The last stage of a run, where roles lend, and the way back: who may borrow what of which agent,
 * and what must come back because a role asks for its guarantee again. Books through `lend`.
 */
import {
  at,
  compareText,
  isZero,
  type ReadonlyVector,
  Resources,
  subtractFrom,
  type Vector,
} from "#resources";
import type { Slot } from "./agents.ts";
import type { OfferCandidate, Reclaim } from "./contract.ts";
import { acceptable, excludedBy, openTo, type Surroundings } from "./cycle.ts";
import { asPlain, asRevocable, type Lot } from "./lending.ts";
import { arranged } from "./placement.ts";
import { bounded, boundsOf, countedVector, isCounted } from "./quota.ts";
import { minimumOf, type Role, type Subscription } from "./roles.ts";
import type { RoleNode } from "./role-tree.ts";
import { isUsable, proportioned } from "./shapes.ts";

/** Books a piece of which `lent` is on loan. */
export type Lend = (
  slot: Slot,
  subscription: Subscription,
  piece: { readonly resources: Resources; readonly lent: Resources },
) => OfferCandidate;

/** After both other stages: what guarantees of lending roles keep free goes out as revocable. */
export function lendOut(around: Surroundings, slots: Slot[], lend: Lend): OfferCandidate[] {
  const offers: OfferCandidate[] = [];
  const { roles } = around;
  if (!mayLend(around)) return offers;
  for (const slot of arranged(slots, around.agents, around.arrangement)) {
    const roleWalk = roles.order.walk();
    for (let at = roleWalk.next(); at !== undefined; at = roleWalk.next()) {
      if (isOwed(around, at.owner)) continue;
      const walk = at.owner.frameworks.walk();
      for (let client = walk.next(); client !== undefined; client = walk.next()) {
        const piece = borrowable(around, slot, client.owner);
        if (piece !== undefined) offers.push(lend(slot, client.owner, piece));
      }
    }
  }
  return offers;
}

function mayLend({ lending, roles }: Surroundings): boolean {
  return lending.isOn && roles.tree.hasGuarantees;
}

/** Who is owed something is no borrower. */
function isOwed({ roles }: Surroundings, { node }: Role): boolean {
  return roles.tree.entitlement(node) !== undefined;
}

/** What fairness would give, and with it on loan what the headroom of lenders held back of that. */
export function borrowable(
  around: Surroundings,
  slot: Slot,
  subscription: Subscription,
): { resources: Resources; lent: Resources } | undefined {
  const { tree } = around.roles;
  if (!subscription.framework.abilities.revocable || !mayLend(around)) return undefined;
  if (isOwed(around, subscription.role)) return undefined;
  const all = openTo(around, slot, subscription, Resources.EMPTY);
  if (typeof all === "string") return undefined;
  const open = all.unreserved().nonShared();
  const own = bounded(tree.names, open, boundsOf(tree, subscription.role.node, around.headroom()));
  const held = open.filter(isCounted).subtract(own.filter(isCounted));
  const lent = asRevocable(held.shrink(tree.names.quantitiesOf(leftToLend(around))));
  if (lent.isEmpty) return undefined;
  const resources = proportioned(open, own.add(lent));
  const minimum = minimumOf(subscription, around.minAllocatable);
  if (!isUsable(minimum, open.quantities(), resources.quantities())) return undefined;
  const judged = acceptable(around, slot, subscription, resources);
  return typeof judged === "string" ? undefined : { resources, lent };
}

/** Never more than lenders are owed, and never what others are owed. */
function leftToLend({ agents, lending, roles }: Surroundings): Vector {
  const { tree } = roles;
  const kept = lending.kept(tree);
  return lending.lendable(tree).map((milli, i) => {
    const spare = at(agents.headroom, i) - at(kept, i);
    return Math.max(0, Math.min(milli - at(lending.out, i), spare));
  });
}

/** The free part for guarantees, with what of it is on loan: that comes back when it is asked for. */
export function headroomOf({
  agents,
  lending,
  roles,
}: Pick<Surroundings, "agents" | "lending" | "roles">): ReadonlyVector {
  if (!lending.isOut) return agents.headroom;
  const lendable = lending.lendable(roles.tree);
  const length = Math.max(agents.headroom.length, lendable.length);
  return Array.from(
    { length },
    (_, i) => at(agents.headroom, i) + Math.min(at(lending.out, i), at(lendable, i)),
  );
}

/** What must come back, the youngest loan first: what is owed and cannot be had of what is free. */
export function reclaimsOf(around: Surroundings): Reclaim[] {
  const { lending, roles, agents } = around;
  if (!lending.isOut) return [];
  const lots = [...lending.lots()].reverse().sort((a, b) => b.sinceMs - a.sinceMs);
  const left = new Map<Lot, Resources>(lots.map((lot) => [lot, lot.resources]));
  const free = new Map<Slot, Resources>();
  const unmet = new Map<RoleNode, Vector>();
  const reclaims: Reclaim[] = [];
  for (const role of askersOf(roles.order.clients())) {
    const entitled = roles.tree.entitlement(role.node);
    if (entitled === undefined) continue;
    const top = topOf(role.node);
    const needed = unmet.get(top) ?? [...top.need];
    unmet.set(top, needed);
    const due = entitled.map((milli, i) => Math.max(0, Math.min(milli, at(needed, i))));
    subtractFrom(needed, due);
    const take = (from: Resources): Resources => {
      const taken = from.shrink(roles.tree.names.quantitiesOf(due));
      subtractFrom(due, countedVector(roles.tree.names, taken));
      return taken;
    };
    for (const slot of agents.slots()) {
      if (isZero(due)) break;
      const open = (free.get(slot) ?? agents.free(slot)).filter(isCounted);
      if (open.isEmpty || !wants(around, slot, role, open)) continue;
      free.set(slot, open.subtract(take(open)));
    }
    for (const lot of lots) {
      const there = asPlain(left.get(lot) ?? Resources.EMPTY);
      const slot = agents.find(lot.agentId);
      if (isZero(due) || slot === undefined) break;
      if (there.isEmpty || !wants(around, slot, role, there)) continue;
      const taken = take(there);
      if (taken.isEmpty) continue;
      left.set(lot, asRevocable(there.subtract(taken)));
      reclaims.push(reclaim(lot, guarantorOf(role.node), asRevocable(taken)));
    }
  }
  return reclaims.sort((a, b) => b.heldSinceMs - a.heldSinceMs);
}

function* askersOf(clients: Iterable<{ readonly owner: Role; readonly active: boolean }>) {
  const asking = [...clients].filter(({ active }) => active).map(({ owner }) => owner);
  yield* asking.sort((a, b) => compareText(a.name, b.name));
}

/** Whether a framework of the role would be offered this piece if it were free. */
function wants(around: Surroundings, slot: Slot, role: Role, piece: Resources): boolean {
  const { agents, filters } = around;
  if (agents.absence(slot) !== undefined) return false;
  for (const { active, owner } of role.frameworks.clients()) {
    if (!active || excludedBy(around, slot, owner) !== undefined) continue;
    if (filters.match(owner, slot, piece) === undefined) return true;
  }
  return false;
}

function topOf(node: RoleNode): RoleNode {
  let top = node;
  for (let each = node.parent; each?.parent !== undefined; each = each.parent) top = each;
  return top;
}

/** Whose guarantee it is that is not met: the nearest from the role upwards. */
function guarantorOf(node: RoleNode): string {
  for (let each: RoleNode | undefined = node; each?.parent !== undefined; each = each.parent) {
    const { guarantee, reserved, used } = each;
    if (guarantee.some((milli, i) => milli > at(reserved, i) + at(used, i))) return each.path;
  }
  return node.path;
}

function reclaim(lot: Lot, lender: string, resources: Resources): Reclaim {
  const { frameworkId, agentId, role, sinceMs } = lot;
  return {
    frameworkId,
    agentId,
    role,
    lender,
    resources: resources.allocate(role),
    heldSinceMs: sinceMs,
  };
}
