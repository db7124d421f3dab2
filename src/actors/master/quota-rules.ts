/**
 * What a quota must be to be set (Mesos' UPDATE_QUOTA, mesos.md §11, on every level of the tree):
 * a table of rules, of which the first failure is the answer. Judges; changes nothing.
 */
import type { BodyOf, CallReason, WireQuantities } from "#protocol";
import type { RegisteredQuota } from "#replication";
import {
  ancestorsOf,
  formatScalar,
  invalidRole,
  isStrictSubrole,
  Limits,
  Quantities,
} from "#resources";

/** Most roles with a quota, and most with a weight of their own. */
export const QUOTAS_MAX = 10_000;
export const WEIGHTS_MAX = 10_000;
/** Mesos' bounds of one amount: 10^12, of memory and disk an exabyte (in MiB). */
const AMOUNT_MAX = 1e12;
const BYTES_MIB_MAX = 2 ** 40;
const MILLI = 1000;

export type Request = BodyOf<"OPERATOR_UPDATE_QUOTA">;

/** What a request is judged against. */
export interface QuotaWorld {
  /** As they are applied and proposed, without the change. */
  readonly quotas: ReadonlyMap<string, RegisteredQuota>;
  /** What the registered agents have, without what is revocable. */
  readonly total: Quantities;
  readonly agents: { readonly registered: number; readonly missing: number };
  /** Reservations and tasks; offers are taken back where they are too many. */
  consumedBy(role: string): Quantities;
}

export interface QuotaFault {
  readonly reason: Extract<CallReason, "invalid" | "overcommitted">;
  /** Field, value, limit and mend. */
  readonly message: string;
}

type Rule = (request: Request, world: QuotaWorld) => string | undefined;

/** Rules that no force passes over. */
const RULES: readonly Rule[] = [
  ({ role }) => invalidRole(role),
  ({ guarantee }) => amountsFault("guarantee", guarantee),
  ({ limit }) => amountsFault("limit", limit),
  ({ role, guarantee, limit }) =>
    guarantee.length + limit.length > 0
      ? undefined
      : `quota of ${role}: neither a guarantee nor a limit is named; remove the quota instead`,
  ({ guarantee, lends }) =>
    lends && quantitiesOf(guarantee).isEmpty
      ? "lends: there is no guarantee to lend of; name one"
      : undefined,
  ({ role }, { quotas }) =>
    quotas.size < QUOTAS_MAX || quotas.has(role)
      ? undefined
      : `quotas: ${quotas.size} roles have one, which is the most; remove others first`,
  guaranteeWithinLimit,
  belowWithinGuarantee,
  withinGuaranteeAbove,
  withinLimitsAbove,
];

/** Rules about the cluster as it is now. */
const CLUSTER_RULES: readonly Rule[] = [consumptionWithinLimit, guaranteesWithinCluster];

export function quotaFault(request: Request, world: QuotaWorld): QuotaFault | undefined {
  for (const rule of RULES) {
    const message = rule(request, world);
    if (message !== undefined) return { reason: "invalid", message };
  }
  if (request.force) return undefined;
  for (const rule of CLUSTER_RULES) {
    const message = rule(request, world);
    if (message !== undefined) return { reason: "overcommitted", message };
  }
  return undefined;
}

export function quantitiesOf(wire: WireQuantities): Quantities {
  return Quantities.of(wire.map(({ name, milli }) => [name, milli]));
}

export function limitsOf(wire: WireQuantities): Limits {
  return Limits.of(wire.map(({ name, milli }) => [name, milli]));
}

function amountsFault(field: "guarantee" | "limit", wire: WireQuantities): string | undefined {
  const names = new Set<string>();
  for (const { name, milli } of wire) {
    if (names.has(name)) return `${field}: ${name} is named twice`;
    names.add(name);
    if (name === "ports")
      return `${field}: ports are no amount; quota is of scalars such as cpus:2`;
    const max = name === "mem" || name === "disk" ? BYTES_MIB_MAX : AMOUNT_MAX;
    if (milli > max * MILLI) return `${field}: ${name} ${formatScalar(milli)} is above ${max}`;
  }
  return undefined;
}

function guaranteeWithinLimit({ guarantee, limit }: Request): string | undefined {
  const limits = limitsOf(limit);
  const over = guarantee.find(({ name, milli }) => milli > limits.get(name));
  if (over === undefined) return undefined;
  const { name, milli } = over;
  const most = formatScalar(limits.get(name));
  return (
    `guarantee: ${name} ${formatScalar(milli)} is above the limit ${most}; ` +
    "lower the guarantee or raise the limit"
  );
}

/**
 * Guarantees of the roles below `role` (of all roles where it is undefined), each counted on the
 * highest level that has one: what is guaranteed below a guarantee is part of it.
 */
export function guaranteedBelow(
  quotas: ReadonlyMap<string, RegisteredQuota>,
  role: string | undefined,
): Quantities {
  const below = (path: string): boolean => role === undefined || isStrictSubrole(path, role);
  const isGuaranteed = (path: string): boolean => (quotas.get(path)?.guarantee.length ?? 0) > 0;
  const pairs: [string, number][] = [];
  for (const { role: path, guarantee } of quotas.values()) {
    if (!below(path) || ancestorsOf(path).some((each) => below(each) && isGuaranteed(each)))
      continue;
    for (const { name, milli } of guarantee) pairs.push([name, milli]);
  }
  return Quantities.of(pairs);
}

/** The quotas with the change made. */
function changed({ quotas }: QuotaWorld, request: Request): Map<string, RegisteredQuota> {
  const { role, guarantee, limit, lends } = request;
  return new Map(quotas).set(role, { role, guarantee, limit, lends });
}

function firstOver(sum: Quantities, bounds: Limits): readonly [string, string, string] | undefined {
  for (const [name, milli] of sum) {
    const most = bounds.get(name);
    if (milli > most) return [name, formatScalar(milli), formatScalar(most)];
  }
  return undefined;
}

/** As bounds: what is not guaranteed is bounded by 0. */
function boundsOf(guarantee: Quantities, sum: Quantities): Limits {
  return Limits.of(sum.names().map((name) => [name, guarantee.get(name)]));
}

function belowWithinGuarantee(request: Request, { quotas }: QuotaWorld): string | undefined {
  const { role, guarantee } = request;
  if (guarantee.length === 0) return undefined;
  const sum = guaranteedBelow(quotas, role);
  const over = firstOver(sum, boundsOf(quantitiesOf(guarantee), sum));
  if (over === undefined) return undefined;
  const [name, milli, most] = over;
  return (
    `guarantee: ${name} ${most} is less than the ${milli} that roles below ${role} are ` +
    "guaranteed; raise it or lower theirs"
  );
}

function withinGuaranteeAbove(request: Request, world: QuotaWorld): string | undefined {
  const { role } = request;
  const above = ancestorsOf(role).find(
    (each) => (world.quotas.get(each)?.guarantee.length ?? 0) > 0,
  );
  if (above === undefined || request.guarantee.length === 0) return undefined;
  const sum = guaranteedBelow(changed(world, request), above);
  const own = quantitiesOf(world.quotas.get(above)?.guarantee ?? []);
  const over = firstOver(sum, boundsOf(own, sum));
  if (over === undefined) return undefined;
  const [name, milli, most] = over;
  return (
    `guarantee: with it roles below ${above} are guaranteed ${name} ${milli}, and ${above} itself ` +
    `${most}; lower it, or raise the guarantee of ${above} first`
  );
}

function withinLimitsAbove(request: Request, world: QuotaWorld): string | undefined {
  if (request.guarantee.length === 0) return undefined;
  const after = changed(world, request);
  for (const above of [request.role, ...ancestorsOf(request.role)]) {
    const limit = after.get(above)?.limit ?? [];
    const over = firstOver(guaranteedBelow(after, above), limitsOf(limit));
    if (over === undefined) continue;
    const [name, milli, most] = over;
    return (
      `guarantee: with it roles below ${above} are guaranteed ${name} ${milli}, above the limit ` +
      `${most} of ${above}; lower it, or raise that limit first`
    );
  }
  return undefined;
}

function consumptionWithinLimit(request: Request, world: QuotaWorld): string | undefined {
  const { role, limit } = request;
  const over = firstOver(world.consumedBy(role), limitsOf(limit));
  if (over === undefined) return undefined;
  const [name, milli, most] = over;
  return (
    `limit: ${name} ${most} is below the ${milli} that ${role} has already; raise it, end tasks ` +
    "of the role, or force it: then the role gets nothing more until it is below the limit"
  );
}

function guaranteesWithinCluster(request: Request, world: QuotaWorld): string | undefined {
  if (request.guarantee.length === 0) return undefined;
  const { total, agents } = world;
  const sum = guaranteedBelow(changed(world, request), undefined);
  const over = firstOver(sum, boundsOf(total, sum));
  if (over === undefined) return undefined;
  const [name, milli, most] = over;
  const missing = agents.missing > 0 ? `, ${agents.missing} more are not back yet` : "";
  return (
    `guarantee: with it ${name} ${milli} are guaranteed, and the ${agents.registered} registered ` +
    `agents have ${most}${missing}; lower it, add agents, or force it`
  );
}
