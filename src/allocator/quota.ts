/**
 * What quota leaves of an offer (mesos.md §11.4): how much of the unreserved part is owed to a role,
 * how much more it may get. Only unreserved, non-revocable scalars are held to quota; reservations,
 * revocable resources, ranges and sets pass. Computes; remembers nothing.
 */
import {
  at,
  containsVector,
  DEFAULT_ROLE,
  formatScalar,
  isRevocable,
  type Kind,
  Limits,
  type ReadonlyVector,
  type Resource,
  type ResourceNames,
  reservationRole,
  type Resources,
  subtractFrom,
  type Vector,
} from "#resources";
import type { Quota, RoleNode, RoleTree } from "./role-tree.ts";

/** What quota counts of a bag: its unreserved, non-revocable scalars. */
export function isCounted(resource: Resource): boolean {
  return (
    resource.type === "SCALAR" &&
    reservationRole(resource.reservations) === DEFAULT_ROLE &&
    !isRevocable(resource)
  );
}

function isCountedKind({ type, reserved, revocable }: Kind): boolean {
  return type === "SCALAR" && !reserved && !revocable;
}

export function countedVector(names: ResourceNames, resources: Resources): ReadonlyVector {
  return resources.measureFor(names).open;
}

/** @throws RangeError where a guarantee is above its limit. */
export function checkQuota(role: string, { guarantee, limit }: Quota): void {
  for (const [name, milli] of guarantee) {
    if (milli <= limit.get(name)) continue;
    const [owed, most] = [formatScalar(milli), formatScalar(limit.get(name))];
    throw new RangeError(
      `quota of role ${role}: guarantee ${name} ${owed} is above its limit ${most}`,
    );
  }
}

/** Free beyond what guarantees need; undefined: they need nothing. */
function surplusOf(tree: RoleTree, headroom: ReadonlyVector): Vector | undefined {
  const required = tree.requiredHeadroom;
  if (!tree.hasGuarantees || required.every((milli) => milli <= 0)) return undefined;
  const surplus: Vector = [];
  for (let i = 0; i < tree.names.size; i++) {
    surplus.push(Math.max(0, at(headroom, i) - at(required, i)));
  }
  return surplus;
}

/** All that bounds an offer of the second stage; undefined: nothing does. */
export function boundsOf(
  tree: RoleTree,
  node: RoleNode,
  headroom: ReadonlyVector,
): ReadonlyVector | undefined {
  const surplus = surplusOf(tree, headroom);
  const room = tree.hasLimits ? tree.room(node) : undefined;
  if (surplus === undefined || room === undefined) return surplus ?? room;
  return surplus.map((milli, i) => Math.min(milli, room[i] ?? Number.POSITIVE_INFINITY));
}

/** The second stage: what is counted, cut down to the bounds, and all that is not counted. */
export function bounded(
  names: ResourceNames,
  open: Resources,
  bounds: ReadonlyVector | undefined,
): Resources {
  if (bounds === undefined) return open;
  if (fits(countedVector(names, open), bounds)) return open;
  const [counted, rest] = open.partition(isCountedKind);
  return rest.add(counted.shrink(limitsOf(names, bounds)));
}

/**
 * The first stage: of what is counted as much as is owed and then as much more as limits and
 * headroom let pass; with it all that is not counted, of reservations only those for the role
 * itself. Undefined where nothing of it is owed.
 */
export function owed(
  tree: RoleTree,
  open: Resources,
  to: {
    readonly node: RoleNode;
    readonly entitlement: ReadonlyVector;
    readonly headroom: ReadonlyVector;
  },
): Resources | undefined {
  const { names } = tree;
  const { node, entitlement } = to;
  const room = tree.hasLimits ? tree.room(node) : undefined;
  const ceiling = tree.hasLimits ? tree.ceiling(node) : undefined;
  const due = entitlement.map((milli, i) => Math.min(milli, ceiling?.[i] ?? milli));
  const amounts = countedVector(names, open);
  if (amounts.every((milli, i) => milli <= 0 || at(due, i) <= 0)) return undefined;
  // The usual case: all of it is owed.
  if (!open.traits.reserved && containsVector(due, amounts)) return open;
  const [counted, uncounted] = open.partition(isCountedKind);
  const given = counted.shrink(names.quantitiesOf(due));
  if (given.isEmpty) return undefined;
  const left = [...(room ?? [])];
  if (room !== undefined) subtractFrom(left, names.vectorOf(given.quantities()));
  let more = bounded(names, counted.subtract(given), room === undefined ? undefined : left);
  more = bounded(names, more, surplusOf(tree, to.headroom));
  const [rest] = uncounted.partition(({ role }) => role === DEFAULT_ROLE || role === node.path);
  const offered = rest.add(given).add(more);
  return offered.equals(open) ? open : offered;
}

/** Whether bounds leave nothing of any of the amounts. */
export function leavesNothing(amounts: ReadonlyVector, bounds: ReadonlyVector): boolean {
  for (let i = 0; i < amounts.length; i++) {
    if (at(amounts, i) > 0 && (bounds[i] ?? Number.POSITIVE_INFINITY) > 0) return false;
  }
  return true;
}

/** Amounts and bounds by name: whether all is within. */
function fits(amounts: ReadonlyVector, bounds: ReadonlyVector): boolean {
  for (let i = 0; i < amounts.length; i++) {
    if (at(amounts, i) > (bounds[i] ?? Number.POSITIVE_INFINITY)) return false;
  }
  return true;
}

function limitsOf(names: ResourceNames, bounds: ReadonlyVector): Limits {
  const pairs: [string, number][] = [];
  for (const [i, milli] of bounds.entries()) {
    if (milli !== Number.POSITIVE_INFINITY) pairs.push([names.nameOf(i), milli]);
  }
  return Limits.of(pairs);
}
