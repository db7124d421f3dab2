/**
 * The leader empties this agent: every task is killed within the grace that the drain leaves it,
 * and what still comes is not run. Held in memory: the leader says it again to each session
 * (mesos.md §18).
 */
import { type DrainAgent, isTerminal } from "#protocol";
import type { Effect, Env } from "#runtime";
import type { Task } from "./checkpoint.ts";
import { killContainer } from "./command-executor.ts";
import { killOnExecutor } from "./executors.ts";
import { type AgentState, count } from "./state.ts";

export function drainAgent(state: AgentState, body: DrainAgent, env: Env, out: Effect[]): void {
  state.draining = body;
  count(out, "drain", body.markGone ? "mark-gone" : "plain");
  for (const task of [...state.model.tasks.values()]) {
    if (isTerminal(task.state)) continue;
    const graceMs = drainGraceMs(state, task, body);
    const why = body.markGone ? "gone" : "draining";
    if (task.manner === "custom") killOnExecutor(state, task, graceMs, env, out);
    else if (task.manner !== "refused") killContainer(state, task, { why, graceMs }, env, out);
  }
}

/** The lesser of the task's own grace and the drain's; of a task without one the drain's. */
export function drainGraceMs(
  { config }: Pick<AgentState, "config">,
  { info }: Pick<Task, "info">,
  { maxGracePeriodMs: most }: DrainAgent,
): number {
  const own = info.killPolicy?.gracePeriodMs;
  if (most === undefined) return own ?? config.killGraceMs;
  return own === undefined ? most : Math.min(own, most);
}
