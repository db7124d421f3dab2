/** For the slow model: who may see which agent at all, and what of it, said once more in words. */
import type { AgentSpec, FrameworkSpec } from "#allocator";
import { Resources } from "#resources";

/** The region of the master. */
export const REGION = "here";

export type AgentKind = Pick<AgentSpec, "capabilities" | "attributes" | "domain">;
export type FrameworkKind = Pick<FrameworkSpec, "capabilities"> & {
  /** It wants agents of this rack only. */
  readonly rack?: string;
  /** Any offer will do. */
  readonly anySize?: boolean;
};

/** Rules by capability, region, gpus and rack. */
export function isHidden(
  framework: { readonly kind: FrameworkKind; readonly roles: readonly string[] },
  role: string,
  agent: { readonly kind: AgentKind; readonly total: Resources },
): boolean {
  const can = (capability: string): boolean => framework.kind.capabilities.includes(capability);
  const has = (capability: string): boolean => agent.kind.capabilities.includes(capability);
  const manyRoles = can("MULTI_ROLE") || framework.roles.length > 1;
  if (manyRoles && !has("MULTI_ROLE")) return true;
  if (role.includes("/") && !has("HIERARCHICAL_ROLE")) return true;
  if (agent.total.get("gpus") > 0 && !can("GPU_RESOURCES")) return true;
  const region = agent.kind.domain?.region ?? REGION;
  if (region !== REGION && !can("REGION_AWARE")) return true;
  const { rack } = framework.kind;
  if (rack === undefined) return false;
  return !agent.kind.attributes.some(({ name, text }) => name === "rack" && text === rack);
}

/** What the framework can handle. */
export function handled({ capabilities }: FrameworkKind, resources: Resources): Resources {
  return resources.filter(({ revocable, shared }) => {
    if (revocable !== undefined && !capabilities.includes("REVOCABLE_RESOURCES")) return false;
    return shared === undefined || capabilities.includes("SHARED_RESOURCES");
  });
}

/** Of a usual offer: at least so much of one of these. */
const ENOUGH: ReadonlyMap<string, number> = new Map([
  ["cpus", 10],
  ["mem", 32_000],
]);

export function isEnough({ anySize }: FrameworkKind, offered: Resources): boolean {
  if (offered.isEmpty) return false;
  return anySize === true || [...ENOUGH].some(([name, milli]) => offered.get(name) >= milli);
}

/** Whether quota cut off so much that too little is left of something of which there was enough. */
export function hasLost({ anySize }: FrameworkKind, open: Resources, offered: Resources): boolean {
  if (anySize === true) return false;
  return [...ENOUGH].some(([name, milli]) => open.get(name) >= milli && offered.get(name) < milli);
}

/** Of ports as much as of the scalar of which there is most, the lowest ones, rounded up. */
export function portsInProportion(open: Resources, piece: Resources): Resources {
  const ports = piece.filter(({ type }) => type === "RANGES");
  const numbers: number[] = [];
  for (const { begin, end } of ports.ports()) for (let i = begin; i <= end; i++) numbers.push(i);
  const counts = [...open.quantities()].map(([name, milli]) =>
    Math.ceil((numbers.length * piece.quantities().get(name)) / milli),
  );
  const kept = numbers.slice(0, Math.max(0, ...counts));
  const text = kept.map((port) => `${port}-${port}`).join(", ");
  return piece.subtract(ports).add(text === "" ? Resources.EMPTY : Resources.of(`ports:[${text}]`));
}
