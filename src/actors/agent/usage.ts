/**
 * What the containers use, sampled by the isolator and told to the leader for people. Best
 * effort: a sample that is lost is followed by another; nothing is decided on it.
 */
import { type AgentUsage, asId, type ContainerId, MASTER_PEER } from "#protocol";
import type { ContainerUsage, Effect, Env } from "#runtime";
import type { AgentState } from "./state.ts";
import { ask } from "./state.ts";

export function sampleUsage(state: AgentState, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "running") return;
  ask(state, { kind: "SampleUsage" }, out);
  out.push({ kind: "timer", name: "usage", inMs: state.config.usageIntervalMs });
}

export function tellUsage(
  state: AgentState,
  usages: readonly ContainerUsage[],
  env: Env,
  out: Effect[],
): void {
  if (env.lifecycle !== "running") return;
  const containers = usages.flatMap((usage) => entryOf(state, usage));
  if (containers.length === 0) return;
  const message = { kind: "AgentUsage", body: { containers } } as const;
  out.push({ kind: "send", to: MASTER_PEER, message });
}

/** A custom executor's container counts for the first of its tasks. */
function entryOf(state: AgentState, usage: ContainerUsage): AgentUsage["containers"] {
  const containerId = asId<ContainerId>(usage.containerId);
  const [task] = state.model.tasksIn(containerId);
  if (task === undefined) return [];
  const { cpuUsageUs, memoryBytes, memoryPeakBytes, pids } = usage;
  return [
    {
      containerId,
      taskId: task.info.taskId,
      frameworkId: task.frameworkId,
      cpuUsageMs: (cpuUsageUs ?? 0) / 1_000,
      memBytes: memoryBytes ?? 0,
      ...(memoryPeakBytes === null ? {} : { memPeakBytes: memoryPeakBytes }),
      ...(pids === null ? {} : { pids }),
    },
  ];
}
