/**
 * What operators change while the cluster lives: quotas and weights of the roles in which the
 * frameworks stand, and who leads. No fault of anybody, but everything must hold through it.
 */
import { MACHINE } from "../machine-size.ts";
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";

const MILLI = 1000;

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
    name: "lead-transfer",
    group: "operator",
    statement: "an operator has the leader give the lead away",
    weight: 1,
    lastsMs: [0, 0],
    on: "leader",
    apply: transferLead,
  },
];
