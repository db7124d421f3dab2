/**
 * Roles as people are told of them: those in which frameworks stand and those that have a weight
 * or a quota. What a role uses is summed over it and all roles below it, as quota counts it.
 */
import type { Allocator } from "#allocator";
import type { QuotaView, Resource, RoleView, WireQuantities } from "#protocol";
import type { Registry } from "#replication";
import { ancestorsOf, compareText, type Quantities } from "#resources";
import type { OfferRecord } from "./records.ts";

export interface RoleSources {
  readonly allocator: Pick<Allocator, "shares" | "consumedBy">;
  readonly registry: Pick<Registry, "quotas" | "weights">;
  readonly offers: { values(): Iterable<Pick<OfferRecord, "role" | "resources">> };
}

interface Account {
  readonly frameworks: RoleView["frameworks"];
  readonly allocated: Map<string, number>;
  readonly offered: Map<string, number>;
}

export function roleViews(sources: RoleSources): RoleView[] {
  const { allocator, registry } = sources;
  const { total, roles } = allocator.shares();
  const accounts = new Map<string, Account>();
  for (const { role, frameworks } of roles) {
    accounts.set(role, newAccount(frameworks.map(({ frameworkId }) => frameworkId)));
  }
  for (const role of [...registry.quotas.keys(), ...registry.weights.keys()]) {
    if (!accounts.has(role)) accounts.set(role, newAccount([]));
  }
  for (const { role, allocated } of roles) {
    for (const account of upwards(accounts, role)) addTo(account.allocated, allocated);
  }
  for (const { role, resources } of sources.offers.values()) {
    const amounts = resources.quantities();
    for (const account of upwards(accounts, role)) addTo(account.offered, amounts);
  }
  return [...accounts].map(([role, account]) => view(sources, role, account, total));
}

function newAccount(frameworks: RoleView["frameworks"]): Account {
  return { frameworks, allocated: new Map(), offered: new Map() };
}

function* upwards(accounts: ReadonlyMap<string, Account>, role: string): Generator<Account> {
  for (const path of [role, ...ancestorsOf(role)]) {
    const account = accounts.get(path);
    if (account !== undefined) yield account;
  }
}

function addTo(sums: Map<string, number>, amounts: Quantities): void {
  for (const [name, milli] of amounts) sums.set(name, (sums.get(name) ?? 0) + milli);
}

function view(
  { allocator, registry }: RoleSources,
  role: string,
  { frameworks, allocated, offered }: Account,
  total: Quantities,
): RoleView {
  const weight = registry.weights.get(role) ?? 1;
  let share = 0;
  for (const [name, milli] of allocated) {
    if (total.get(name) > 0) share = Math.max(share, milli / total.get(name));
  }
  const used = [...allocated].map(([name, milli]): readonly [string, number] => {
    return [name, Math.max(0, milli - (offered.get(name) ?? 0))];
  });
  const quota = registry.quotas.get(role);
  return {
    role,
    weight,
    share,
    weightedShare: share / weight,
    frameworks,
    used: scalarsOf(used),
    offered: scalarsOf(offered),
    ...(quota === undefined ? {} : { quota: quotaView(quota) }),
    consumed: wireOf(allocator.consumedBy(role)),
  };
}

function quotaView({ guarantee, limit, lends }: QuotaView): QuotaView {
  return { guarantee, limit, lends };
}

/** Sorted by name, so that the same amounts are always the same text. */
export function wireOf(amounts: Iterable<readonly [name: string, milli: number]>): WireQuantities {
  return [...amounts]
    .map(([name, milli]) => ({ name, milli }))
    .sort((a, b) => compareText(a.name, b.name));
}

function scalarsOf(amounts: Iterable<readonly [name: string, milli: number]>): Resource[] {
  return wireOf(amounts)
    .filter(({ milli }) => milli > 0)
    .map(({ name, milli }) => ({ name, type: "SCALAR", scalar: { milli } }));
}
