/** Schedulers that misbehave, come twice, or leave for good. */
import type { Manner } from "../workloads/scheduler.ts";
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";

function misbehaves(manner: Manner, statement: string, group: Fault["group"] = "framework"): Fault {
  return {
    name: manner,
    group,
    statement,
    weight: 1,
    lastsMs: [2_000, 25_000],
    on: "anyFramework",
    apply: (target, { on }) => {
      const schedulers = on
        .map((name) => target.scheduler(name))
        .filter((scheduler) => scheduler !== undefined);
      if (schedulers.length === 0) return undefined;
      for (const { manners } of schedulers) manners.add(manner);
      return {
        heal: () => {
          for (const scheduler of schedulers) {
            scheduler.manners.delete(manner);
            scheduler.letGo();
          }
        },
      };
    },
  };
}

/** So long a framework of which no process is left is down. */
const RETURN_MS = 500;

/** A second process takes the framework over while the first one still runs (P-4.4). */
function failover(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const member = firstUp(target, args);
  const successor = member === undefined ? undefined : target.successor(member.name);
  if (member === undefined || successor === undefined || successor.node.up) return undefined;
  // Without an id there is nothing to take over: a second process would be a second framework.
  if (target.scheduler(member.name)?.frameworkId === undefined) return undefined;
  successor.restart();
  const { world } = target.network;
  return {
    heal: () => {
      successor.crash("framework-failover is over");
      if (!member.node.up) return member.restart();
      // It may not have heard yet that it was displaced, and leaves when it does.
      member.node.onDown(() => world.after(RETURN_MS, () => member.restart()));
    },
  };
}

export const FRAMEWORK_FAULTS: readonly Fault[] = [
  misbehaves("decline-all", "a scheduler declines whatever it is offered"),
  misbehaves("hoard-offers", "a scheduler answers no offer, until they expire"),
  misbehaves("accept-expired", "a scheduler takes offers when they may have ended"),
  misbehaves("double-accept", "a scheduler takes each offer twice"),
  misbehaves("never-ack", "a scheduler acknowledges no update"),
  misbehaves("reserve-resources", "a scheduler reserves a part of each offer for its role"),
  misbehaves("launch-same-task-id", "a scheduler launches a task under the id of a live one"),
  misbehaves("status-flood", "executors say the same update a hundred times", "executor"),
  misbehaves("fork-bomb", "tasks fork hundreds of processes that outlive them", "executor"),
  {
    name: "framework-failover",
    group: "framework",
    statement: "another process takes a framework over while the first one still runs",
    weight: 1,
    lastsMs: [5_000, 40_000],
    on: "anyFramework",
    milder: "crash-framework",
    apply: failover,
  },
  {
    name: "teardown",
    group: "framework",
    statement: "a scheduler ends its framework and begins another with the work that is left",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyFramework",
    milder: "crash-framework",
    apply: (target, args) => {
      const name = firstUp(target, args)?.name;
      const scheduler = name === undefined ? undefined : target.scheduler(name);
      if (scheduler === undefined) return undefined;
      scheduler.teardown();
      return {};
    },
  },
  {
    name: "reconcile-storm",
    group: "framework",
    statement: "a scheduler asks after all its tasks, again and again",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyFramework",
    by: { low: 5, high: 100, unit: "times" },
    apply: (target, args) => {
      const name = firstUp(target, args)?.name;
      const scheduler = name === undefined ? undefined : target.scheduler(name);
      if (scheduler === undefined) return undefined;
      scheduler.reconcile(args.by ?? 10);
      return {};
    },
  },
];
