/**
 * What an operation on resources must be to be done: tables of rules in the order of mesos.md §3.4,
 * of which the first failure is the message. Pure.
 */
import type { AgentInfo, FrameworkInfo, Principal, Resource, ResourceOperation } from "#protocol";
import {
  checkpointedFault,
  conversionFault,
  conversionOf,
  isRefined,
  type Resources,
} from "#resources";

/** Most operations of one agent whose end the leader does not know, or has not passed on. */
export const OPERATIONS_PER_AGENT_MAX = 128;

interface OperationWorld {
  readonly agent: AgentInfo;
  /** What the operation may take from. */
  readonly free: Resources;
  /** What the agent has, with all that is under way. */
  readonly total: Resources;
  /** Operations that are under way there. */
  readonly open: number;
}

/** What the rules look at besides the operation. */
export interface OfferedContext extends OperationWorld {
  readonly role: string;
  readonly framework: FrameworkInfo;
  readonly principal: Principal | undefined;
}

type Rule<Context> = (operation: ResourceOperation, context: Context) => string | undefined;

const COMMON: readonly Rule<OperationWorld>[] = [
  (_, { agent }) => {
    if (agent.capabilities.includes("AGENT_OPERATION_FEEDBACK")) return undefined;
    return `agent ${agent.agentId} does not know AGENT_OPERATION_FEEDBACK; upgrade it first`;
  },
  (_, { agent, open }) => {
    if (open < OPERATIONS_PER_AGENT_MAX) return undefined;
    return `agent ${agent.agentId} has ${open} operations under way, its most; again later`;
  },
  (operation) => conversionFault(operation),
];

const EFFECTS: readonly Rule<OperationWorld>[] = [
  (operation, { total }) =>
    operation.type === "CREATE" ? thereFault(operation, total) : undefined,
  (operation, { free }) => {
    const { consumed } = conversionOf(operation);
    if (free.contains(consumed)) return undefined;
    return `resources: needs ${consumed}, free for it is ${free.toString() || "nothing"}`;
  },
  (operation, { total }) => {
    const { consumed, converted } = conversionOf(operation);
    return checkpointedFault(total.subtract(consumed).add(converted));
  },
];

const OFFERED: readonly Rule<OfferedContext>[] = [
  ({ resources }, { role }) => {
    for (const { name, reservations } of resources) {
      const top = reservations?.at(-1)?.role;
      if (top !== role)
        return `resources: ${name} is reserved for ${top}, the offers are to ${role}`;
    }
    return undefined;
  },
  ({ resources }, { framework }) => {
    if (framework.capabilities.includes("RESERVATION_REFINEMENT")) return undefined;
    const refined = resources.find(({ reservations }) => isRefined(reservations));
    if (refined === undefined) return undefined;
    return `resources: ${refined.name} is refined; the framework lacks RESERVATION_REFINEMENT`;
  },
  ({ type, resources }, { principal }) => {
    const said = SAID_BY[type];
    if (said === undefined || principal === undefined) return undefined;
    const other = resources.find((resource) => said(resource) !== principal);
    if (other === undefined) return undefined;
    const named = said(other) ?? "nobody";
    return `resources: ${other.name} names ${named} as its principal, the framework's is ${principal}`;
  },
];

/** Whose word makes it, where that must be the framework's. */
const SAID_BY: Readonly<
  Partial<Record<ResourceOperation["type"], (resource: Resource) => string | undefined>>
> = {
  RESERVE: ({ reservations }) => reservations?.at(-1)?.principal,
  CREATE: ({ disk }) => disk?.persistence?.principal,
};

/** A persistence id is given once for each role of an agent. */
function thereFault({ resources }: ResourceOperation, total: Resources): string | undefined {
  const nameOf = ({ disk, reservations }: Resource): string =>
    `${disk?.persistence?.id} of ${reservations?.at(-1)?.role}`;
  const there = new Set([...total].filter(({ disk }) => disk?.persistence).map(nameOf));
  const twice = resources.find((volume) => there.has(nameOf(volume)));
  return twice === undefined ? undefined : `resources: volume ${nameOf(twice)} is there already`;
}

function firstFault<Context>(
  rules: readonly Rule<Context>[],
  operation: ResourceOperation,
  context: Context,
): string | undefined {
  for (const rule of rules) {
    const fault = rule(operation, context);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Why a framework's operation on its offers cannot be done; undefined where it can. */
export function offeredFault(
  operation: ResourceOperation,
  context: OfferedContext,
): string | undefined {
  return (
    firstFault(COMMON, operation, context) ??
    firstFault(OFFERED, operation, context) ??
    firstFault(EFFECTS, operation, context)
  );
}

/** The same of an operator's. */
export function operatorFault(
  operation: ResourceOperation,
  context: OperationWorld,
): string | undefined {
  const allocated = operation.resources.find(({ allocationInfo }) => allocationInfo !== undefined);
  if (allocated !== undefined) {
    return `resources: ${allocated.name} is allocated; an operator's operation names no allocation`;
  }
  return firstFault(COMMON, operation, context) ?? firstFault(EFFECTS, operation, context);
}
