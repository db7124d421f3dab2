/**
 * Other resources for a task that runs: written down, then asked of the isolator, which never
 * kills by shrinking. The leader has judged whether they are free.
 */
import { isTerminal, type UpdateTask } from "#protocol";
import type { Effect } from "#runtime";
import { type Task, taskKey } from "./checkpoint.ts";
import { limitsOf, wholeCostOf } from "./placement.ts";
import { type AgentState, ask, commit, count, release, reserve } from "./state.ts";

export function resizeTask(
  state: AgentState,
  { frameworkId, taskId, resources }: UpdateTask,
  out: Effect[],
): void {
  const task = state.model.tasks.get(taskKey(frameworkId, taskId));
  // What has ended meanwhile is told by its update; the leader counts it no more.
  if (task === undefined || isTerminal(task.state)) return count(out, "resize-late", "ended");
  release(state, task.info.resources);
  commit(state, { k: "resized", key: task.key, resources });
  reserve(state, resources);
  askLimits(state, task, out);
}

/** The limits that follow from what the task has now. */
export function askLimits(state: AgentState, { containerId, info }: Task, out: Effect[]): void {
  const resources = wholeCostOf(state, info.resources);
  ask(state, { kind: "UpdateContainer", containerId, resources, limits: limitsOf(info) }, out);
}
