/** What people may see of shares and weights: read off the orders, never kept. */
import type { FrameworkId } from "#protocol";
import type { Quantities } from "#resources";
import type { FrameworkShare, RoleShare, Shares } from "./contract.ts";
import type { Filters } from "./filters.ts";
import type { Client } from "./order.ts";
import type { Role, Roles, Subscription } from "./roles.ts";
import type { Totals } from "./shares.ts";

export function sharesOf(totals: Totals, roles: Roles): Shares {
  const active = roles.order.sort();
  const inactive = [...roles.order.clients()].filter((client) => !client.active);
  return {
    total: totals.names.quantitiesOf(totals.vector),
    roles: [...active, ...inactive].map((client) => roleShare(totals, roles, client)),
  };
}

/** Refusals in force by role; those for no time are none that anybody asked for. */
export function activeFiltersOf(filters: Filters<Subscription>): Map<string, number> {
  const active = new Map<string, number>();
  for (const [{ role }, count] of filters.counts()) {
    active.set(role.name, (active.get(role.name) ?? 0) + count);
  }
  return active;
}

function roleShare(totals: Totals, roles: Roles, client: Client<Role>): RoleShare {
  const { frameworks } = client.owner;
  const active = frameworks.sort();
  const inactive = [...frameworks.clients()].filter((each) => !each.active);
  return {
    role: client.name,
    weight: roles.weightOf(client.name),
    share: roles.order.shareOf(client),
    weightedShare: roles.order.weightedShareOf(client),
    allocated: quantitiesOf(totals, client),
    allocations: client.allocations,
    frameworks: [...active, ...inactive].map((each) => frameworkShare(totals, each)),
  };
}

function frameworkShare(totals: Totals, client: Client<Subscription>): FrameworkShare {
  const { framework, role, suppressed } = client.owner;
  const frameworkId: FrameworkId = framework.id;
  return {
    frameworkId,
    active: framework.active,
    suppressed,
    share: role.frameworks.shareOf(client),
    allocated: quantitiesOf(totals, client),
    allocations: client.allocations,
  };
}

function quantitiesOf<Owner>(totals: Totals, client: Client<Owner>): Quantities {
  return totals.names.quantitiesOf(client.holding.vector);
}
