/**
 * Who may be offered what at all: capabilities of framework and agent, regions, minimum sizes.
 * Pure judgements; nothing is remembered here.
 */
import type { PlacementReason } from "#protocol";
import {
  containsVector,
  isHierarchical,
  isRefined,
  isRevocable,
  isShared,
  type Measure,
  type Quantities,
  type Resources,
} from "#resources";
import type { Domain } from "./constraints.ts";
import type { FrameworkSpec } from "./contract.ts";

/** The capabilities of a framework that matter here, read once. */
export type Abilities = {
  readonly gpus: boolean;
  readonly shared: boolean;
  readonly revocable: boolean;
  readonly refined: boolean;
  readonly regions: boolean;
  readonly multiRole: boolean;
};

export function abilitiesOf({ capabilities, roles }: FrameworkSpec): Abilities {
  const has = new Set(capabilities);
  return {
    gpus: has.has("GPU_RESOURCES"),
    shared: has.has("SHARED_RESOURCES"),
    revocable: has.has("REVOCABLE_RESOURCES"),
    refined: has.has("RESERVATION_REFINEMENT"),
    regions: has.has("REGION_AWARE"),
    multiRole: has.has("MULTI_ROLE") || roles.length > 1,
  };
}

/** What of an agent matters here, read once per change of it. */
export type AgentTraits = {
  readonly multiRole: boolean;
  readonly hierarchical: boolean;
  readonly gpus: boolean;
  readonly region: string | undefined;
};

/** Those of agents without a region, one object for each combination. */
const TRAITS: readonly AgentTraits[] = Array.from({ length: 8 }, (_, bits) => ({
  multiRole: (bits & 1) !== 0,
  hierarchical: (bits & 2) !== 0,
  gpus: (bits & 4) !== 0,
  region: undefined,
}));

export function traitsOf(
  total: Resources,
  capabilities: Iterable<string>,
  domain: Domain | undefined,
): AgentTraits {
  let bits = total.get("gpus") > 0 ? 4 : 0;
  for (const capability of capabilities) {
    if (capability === "MULTI_ROLE") bits |= 1;
    if (capability === "HIERARCHICAL_ROLE") bits |= 2;
  }
  const traits = TRAITS[bits] as AgentTraits;
  return domain === undefined ? traits : { ...{}, ...traits, region: domain.region };
}

export type EligibilityRules = {
  readonly filterGpuResources: boolean;
  readonly region: string | undefined;
};

/** Why the agent is hidden from a framework in a role, or undefined. */
export function hiddenReason(
  rules: EligibilityRules,
  abilities: Abilities,
  role: string,
  agent: AgentTraits,
): PlacementReason | undefined {
  if (abilities.multiRole && !agent.multiRole) return "role";
  if (!agent.hierarchical && isHierarchical(role)) return "role";
  if (rules.filterGpuResources && !abilities.gpus && agent.gpus) return "scarce";
  const { region } = rules;
  const remote = region !== undefined && agent.region !== undefined && agent.region !== region;
  return remote && !abilities.regions ? "constraint" : undefined;
}

/** Without what the framework cannot handle; the same bag where it can handle all. */
export function stripped(abilities: Abilities, resources: Resources): Resources {
  const { shared, revocable, refined } = resources.traits;
  const handled =
    (abilities.shared || !shared) &&
    (abilities.revocable || !revocable) &&
    (abilities.refined || !refined);
  if (handled) return resources;
  return resources.filter(
    (resource) =>
      (abilities.shared || !isShared(resource)) &&
      (abilities.revocable || !isRevocable(resource)) &&
      (abilities.refined || !isRefined(resource.reservations)),
  );
}

/** Whether one of the minimum sets is contained; no set at all is no minimum. */
export function meetsMinimum(minimum: readonly Quantities[], { names, scalars }: Measure): boolean {
  if (minimum.length === 0) return true;
  return minimum.some((set) => containsVector(scalars, names.vectorOf(set)));
}

const NAMED = ["cpus", "mem", "disk", "gpus", "ports"] as const;

/** The reason for a lack of a resource; those without a word of their own are `scarce`. */
export function lackReason(name: string): PlacementReason {
  return NAMED.find((each) => each === name) ?? "scarce";
}
