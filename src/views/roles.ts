/** Roles as people see them, and the quotas and weights among them. */
import type { ByName, QuotaObject, RoleObject, WeightObject } from "#api";
import type { RoleView, WireQuantities } from "#protocol";
import { amountsOf } from "./amounts.ts";

const MILLI = 1000;

export function roleObject(view: RoleView, version: string): RoleObject {
  const { role, weight, share, quota } = view;
  return {
    name: role,
    weight,
    share,
    weightedShare: view.weightedShare ?? share / weight,
    frameworks: view.frameworks,
    used: amountsOf(view.used),
    offered: amountsOf(view.offered),
    ...(quota === undefined
      ? {}
      : {
          quota: {
            guarantee: byName(quota.guarantee),
            limit: byName(quota.limit),
            lends: quota.lends,
          },
        }),
    consumed: byName(view.consumed ?? []),
    version,
  };
}

function byName(amounts: WireQuantities): ByName {
  return Object.fromEntries(amounts.map(({ name, milli }) => [name, milli / MILLI]));
}

export function quotasOf(roles: Iterable<RoleObject>): QuotaObject[] {
  return [...roles].flatMap(({ name, quota, consumed, version }) =>
    quota === undefined ? [] : [{ name, ...quota, consumed, version }],
  );
}

export function weightsOf(roles: Iterable<RoleObject>): WeightObject[] {
  return [...roles]
    .filter(({ weight }) => weight !== 1)
    .map(({ name, weight, version }) => ({ name, weight, version }));
}
