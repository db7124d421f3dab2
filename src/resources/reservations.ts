/**
 * Reservation stacks: who a resource is set aside for. The last entry of the stack is the one in
 * force; each entry's role is a strict sub-role of the one below it. Never changes a stack in place.
 */
import type { Label, Reservation } from "#protocol";
import { DEFAULT_ROLE, invalidRole, isStrictSubrole } from "./roles.ts";
import { compareText } from "./sets.ts";

export type ReservationStack = readonly Reservation[] | undefined;

/** The role in force, or `*` for unreserved. */
export function reservationRole(stack: ReservationStack): string {
  return stack?.[stack.length - 1]?.role ?? DEFAULT_ROLE;
}

/** A refined reservation is one of more than one step. */
export function isRefined(stack: ReservationStack): boolean {
  return (stack?.length ?? 0) > 1;
}

/** Unreserved, reserved for the role, or for one of its ancestors. */
export function isAllocatableTo(stack: ReservationStack, role: string): boolean {
  const reserved = reservationRole(stack);
  return reserved === DEFAULT_ROLE || reserved === role || isStrictSubrole(role, reserved);
}

/** Why a stack from outside is not valid, or undefined. */
export function invalidReservations(stack: readonly Reservation[]): string | undefined {
  for (const [i, { type, role }] of stack.entries()) {
    const wrong = invalidRole(role);
    if (wrong !== undefined) return `reservations[${i}]: ${wrong}`;
    if (role === DEFAULT_ROLE) return `reservations[${i}]: the role "*" cannot be reserved`;
    if (type === "STATIC" && i > 0) {
      return `reservations[${i}]: only the first reservation may be STATIC`;
    }
    const below = stack[i - 1];
    if (below !== undefined && !isStrictSubrole(role, below.role)) {
      return `reservations[${i}]: role "${role}" is no strict sub-role of "${below.role}"`;
    }
  }
  return undefined;
}

/** Whether two stacks say the same; undefined where only their keys can tell. */
export function equalStacks(left: ReservationStack, right: ReservationStack): boolean | undefined {
  if (left === right) return true;
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  let equal: boolean | undefined = true;
  for (const [i, mine] of left.entries()) {
    const theirs = right[i];
    if (mine.type !== theirs?.type || mine.role !== theirs.role) return false;
    if (mine.principal !== theirs.principal) return false;
    const labels = equalLabels(mine.labels, theirs.labels);
    if (labels === false) return false;
    equal = labels === undefined ? undefined : equal;
  }
  return equal;
}

/** Undefined where they are as many, but in another order if they are the same at all. */
function equalLabels(
  left: readonly Label[] | undefined,
  right: readonly Label[] | undefined,
): boolean | undefined {
  if (left === right) return true;
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  const inOrder = left.every(({ key, value }, i) => {
    return key === right[i]?.key && value === right[i]?.value;
  });
  return inOrder ? true : undefined;
}

/** Labels are a bag: their order does not tell two reservations apart (as in Mesos). */
export function labelsKey(labels: readonly Label[]): (string | null)[][] {
  return labels
    .map(({ key, value }) => [key, value ?? null])
    .sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b)));
}

/** What tells two stacks apart, as plain data for a key: type, role, principal, labels. */
export function reservationsKey(stack: readonly Reservation[]): unknown[] {
  return stack.map(({ type, role, principal, labels }) => [
    type,
    role,
    principal ?? null,
    labels === undefined ? null : labelsKey(labels),
  ]);
}

/** `(DYNAMIC,alice/refined,hdfs-p,{foo: bar, foo})` */
export function formatReservation({ type, role, principal, labels }: Reservation): string {
  const parts: string[] = [type, role];
  if (principal !== undefined) parts.push(principal);
  if (labels !== undefined) {
    const shown = labels.map(({ key, value }) => (value === undefined ? key : `${key}: ${value}`));
    parts.push(`{${shown.join(", ")}}`);
  }
  return `(${parts.join(",")})`;
}
