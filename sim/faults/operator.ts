/**
 * What operators change while the cluster lives: quotas and weights of the roles in which the
 * frameworks stand, and who leads. No fault of anybody, but everything must hold through it.
 */
import { type AgentId, asId, type ResourceOperation } from "#protocol";
import { MACHINE } from "../machine-size.ts";
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";

const MILLI = 1000;
/** Grace of tasks whose agent is drained before it is gone. */
const DRAIN_GRACE_MS = 1_000;

/** A guarantee of `by` percent of all machines, and a limit of twice as much. */
function changeQuota(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const role = firstUp(target, args)?.name;
  const { by = 20 } = args;
  if (role === undefined) return undefined;
  const agents = target.members("agent").length;
  const part = (whole: number, times: number): number =>
    Math.floor((whole * agents * by * times) / 100);
  const amounts = (times: number) => [
    { name: "cpus", milli: part(MACHINE.cpusMilli, times) },
    { name: "mem", milli: part(MACHINE.memMib * MILLI, times) },
  ];
  const body = {
    role,
    guarantee: amounts(1),
    limit: amounts(2),
    lends: false,
    force: false,
    dryRun: false,
  };
  target.operator.ask({ kind: "OPERATOR_UPDATE_QUOTA", body });
  return {
    heal: () => target.operator.ask({ kind: "OPERATOR_REMOVE_QUOTA", body: { role } }),
  };
}

function changeWeight(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const role = firstUp(target, args)?.name;
  if (role === undefined) return undefined;
  const set = (weight: number): void =>
    target.operator.ask({ kind: "OPERATOR_UPDATE_WEIGHT", body: { role, weight } });
  set(args.by ?? 2);
  return { heal: () => set(1) };
}

/** The agent that a member is now. */
function agentIdOf(target: FaultTarget, args: FaultArgs): AgentId | undefined {
  const member = firstUp(target, args);
  if (member?.role !== "agent") return undefined;
  return asId<AgentId>(`${member.name}-S${member.replacements + 1}`);
}

/** Emptied within a grace of `by` ms, and offered again afterwards, whether it was empty or not. */
function drainAgent(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const agentId = agentIdOf(target, args);
  if (agentId === undefined) return undefined;
  const body = { agentId, maxGracePeriodMs: args.by ?? 1000, markGone: false };
  target.operator.ask({ kind: "OPERATOR_DRAIN_AGENT", body });
  return {
    heal: () => target.operator.ask({ kind: "OPERATOR_REACTIVATE_AGENT", body: { agentId } }),
  };
}

/**
 * Counted as gone for good, at once or when it is empty. Whoever is told that its work directory
 * is worth nothing any more gives the machine a new one: it comes back as another agent.
 */
function markGone(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const agentId = agentIdOf(target, args);
  const member = firstUp(target, args);
  if (agentId === undefined || member === undefined) return undefined;
  const { replacements } = member;
  const drains = (args.by ?? 0) > 50;
  if (drains) {
    const body = { agentId, maxGracePeriodMs: DRAIN_GRACE_MS, markGone: true };
    target.operator.ask({ kind: "OPERATOR_DRAIN_AGENT", body });
  } else target.operator.ask({ kind: "OPERATOR_MARK_AGENT_GONE", body: { agentId } });
  return {
    heal: () => {
      // Another fault may have installed it anew meanwhile.
      if (member.replacements === replacements) member.replace();
      member.restart();
    },
  };
}

function deactivateAgent(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const agentId = agentIdOf(target, args);
  if (agentId === undefined) return undefined;
  const body = { agentId };
  target.operator.ask({ kind: "OPERATOR_DEACTIVATE_AGENT", body });
  return {
    heal: () => target.operator.ask({ kind: "OPERATOR_REACTIVATE_AGENT", body }),
  };
}

/** A part of an agent set aside for a role, and given back. */
function reserve(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const agentId = agentIdOf(target, args);
  const [roleOf] = target.members("framework");
  if (agentId === undefined || roleOf === undefined) return undefined;
  const milli = Math.floor((MACHINE.cpusMilli * (args.by ?? 10)) / 100);
  const apply = (type: ResourceOperation["type"]): void => {
    const reservations = [{ type: "DYNAMIC" as const, role: roleOf.name }];
    const cpus = { name: "cpus", type: "SCALAR" as const, scalar: { milli }, reservations };
    const body = { agentId, type, resources: [cpus] };
    target.operator.ask({ kind: "OPERATOR_APPLY_OPERATION", body });
  };
  apply("RESERVE");
  return { heal: () => apply("UNRESERVE") };
}

/** A window for a machine; half of the times the machine goes down, and comes up at its end. */
function maintain(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const member = firstUp(target, args);
  if (member?.role !== "agent") return undefined;
  const hostnames = [member.name];
  const { operator } = target;
  const windows = [{ hostnames, unavailability: { startMs: 0, durationMs: 60_000 } }];
  operator.ask({ kind: "OPERATOR_SCHEDULE_MAINTENANCE", body: { windows } });
  const goesDown = (args.by ?? 0) > 50;
  if (goesDown) operator.ask({ kind: "OPERATOR_START_MAINTENANCE", body: { hostnames } });
  return {
    heal: () => {
      operator.ask({ kind: "OPERATOR_STOP_MAINTENANCE", body: { hostnames } });
      operator.ask({ kind: "OPERATOR_SCHEDULE_MAINTENANCE", body: { windows: [] } });
    },
  };
}

/** The lead goes on to another master; whoever leads is asked. */
function transferLead(target: FaultTarget): Applied {
  target.operator.ask({ kind: "OPERATOR_TRANSFER", body: {} });
  return { heal: () => undefined };
}

export const OPERATOR_FAULTS: readonly Fault[] = [
  {
    name: "quota-change",
    group: "operator",
    statement: "an operator guarantees a role a part of the machines and limits it, for a while",
    weight: 2,
    lastsMs: [5_000, 60_000],
    on: "anyFramework",
    by: { low: 1, high: 60, unit: "percent" },
    milder: "weight-change",
    apply: changeQuota,
  },
  {
    name: "weight-change",
    group: "operator",
    statement: "an operator gives a role another weight, for a while",
    weight: 1,
    lastsMs: [5_000, 60_000],
    on: "anyFramework",
    by: { low: 2, high: 20, unit: "times" },
    apply: changeWeight,
  },
  {
    name: "agent-drain",
    group: "operator",
    statement: "an operator has an agent emptied, and offered again later",
    weight: 2,
    lastsMs: [5_000, 40_000],
    on: "anyAgent",
    by: { low: 0, high: 5_000, unit: "ms" },
    milder: "agent-deactivate",
    apply: drainAgent,
  },
  {
    name: "agent-deactivate",
    group: "operator",
    statement: "an operator has nothing of an agent offered, for a while",
    weight: 1,
    lastsMs: [5_000, 40_000],
    on: "anyAgent",
    apply: deactivateAgent,
  },
  {
    name: "agent-gone",
    group: "operator",
    statement: "an operator counts an agent as gone, perhaps when it is empty; it comes as another",
    weight: 1,
    lastsMs: [5_000, 40_000],
    on: "anyAgent",
    by: { low: 1, high: 100, unit: "percent" },
    milder: "agent-replaced",
    apply: markGone,
  },
  {
    name: "reserve",
    group: "operator",
    statement: "an operator reserves a part of an agent for a role, for a while",
    weight: 2,
    lastsMs: [5_000, 60_000],
    on: "anyAgent",
    by: { low: 1, high: 60, unit: "percent" },
    apply: reserve,
  },
  {
    name: "maintenance",
    group: "operator",
    statement: "an operator plans maintenance of a machine, and may take it down for it",
    weight: 1,
    lastsMs: [5_000, 40_000],
    on: "anyAgent",
    by: { low: 1, high: 100, unit: "percent" },
    apply: maintain,
  },
  {
    name: "lead-transfer",
    group: "operator",
    statement: "an operator has the leader give the lead away",
    weight: 1,
    lastsMs: [0, 0],
    on: "leader",
    apply: transferLead,
  },
];
