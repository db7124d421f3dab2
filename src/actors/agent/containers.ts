/**
 * What the isolator reports, as events of tasks and executors: a container runs, was refused, or
 * has ended. The isolator may repeat itself after a restart; a task that has ended stays ended.
 */
import { type ContainerId, isTerminal, type StatusReason } from "#protocol";
import type { Effect, Env } from "#runtime";
import type { ContainerRefusal, IsolatorReport } from "#isolation";
import type { Task } from "./checkpoint.ts";
import { endGroup, startCompletionTimer, verdict } from "./command-executor.ts";
import { executorEnded, executorLaunched } from "./executors.ts";
import { keepSandbox } from "./sandbox.ts";
import { type AgentState, ask, count } from "./state.ts";
import { finishIfDone, type StatusFields, update } from "./updates.ts";

type Report<K extends IsolatorReport["kind"]> = Extract<IsolatorReport, { readonly kind: K }>;

export function containerLaunched(
  state: AgentState,
  { containerId }: Report<"ContainerLaunched">,
  env: Env,
  out: Effect[],
): void {
  if (state.model.executors.has(containerId)) return executorLaunched(state, containerId, env, out);
  const [task] = state.model.tasksIn(containerId);
  if (task === undefined) return nobodys(state, containerId, out);
  runs(state, task, env, out);
}

/** First news that it runs, by the launcher or by recovery. */
export function runs(state: AgentState, task: Task, env: Env, out: Effect[]): void {
  if (task.state === "TASK_STAGING" || task.state === "TASK_STARTING") {
    update(state, task, { state: "TASK_RUNNING", source: "SOURCE_EXECUTOR" }, env, out);
  }
  startCompletionTimer(task, env, out);
}

export function containerRefused(
  state: AgentState,
  { containerId, reason, message }: Report<"ContainerRefused">,
  env: Env,
  out: Effect[],
): void {
  if (state.model.executors.has(containerId)) {
    return executorEnded(state, containerId, { exit: null, message }, env, out);
  }
  const [task] = state.model.tasksIn(containerId);
  if (task === undefined) return nobodys(state, containerId, out);
  ended(state, task, refusalStatus(task, reason, message), env, out);
}

function refusalStatus(task: Task, reason: ContainerRefusal, message: string): StatusFields {
  const source = "SOURCE_AGENT" as const;
  if (reason === "killed") {
    const why: StatusReason = "REASON_TASK_KILLED_DURING_LAUNCH";
    return { state: "TASK_KILLED", source, reason: why, message };
  }
  if (reason === "unknown" && task.kill !== null) {
    return { state: "TASK_KILLED", source, message: `Its container is gone: ${message}` };
  }
  const failed: StatusReason = "REASON_CONTAINER_LAUNCH_FAILED";
  return { state: "TASK_FAILED", source, reason: failed, message };
}

export function containerExited(
  state: AgentState,
  { containerId, exit, limitation }: Report<"ContainerExited">,
  env: Env,
  out: Effect[],
): void {
  if (state.model.executors.has(containerId)) {
    return executorEnded(state, containerId, { exit, limitation }, env, out);
  }
  const [task] = state.model.tasksIn(containerId);
  if (task === undefined) return nobodys(state, containerId, out);
  // It began and ended while this agent was away: a framework hears the same story as ever.
  const unseen = task.state === "TASK_STAGING" && task.kill === null && exit.outcome !== "lost";
  if (unseen) update(state, task, { state: "TASK_RUNNING", source: "SOURCE_EXECUTOR" }, env, out);
  ended(state, task, verdict(exit, task.kill, limitation), env, out);
}

/** The one end of a command or group task. */
export function ended(
  state: AgentState,
  task: Task,
  fields: StatusFields,
  env: Env,
  out: Effect[],
): void {
  // The journal had it before the restart: what waits is the acknowledgement alone.
  if (isTerminal(task.state)) return finishIfDone(state, task, out);
  const { containerId, key } = task;
  out.push({ kind: "cancel-timer", name: `completion/${containerId}` });
  keepSandbox(state, containerId, [task], env);
  if (!state.model.tasks.has(key) || !update(state, task, fields, env, out)) return;
  endGroup(state, task, env, out);
}

/** A container whose task is gone: its end is on disk already. */
function nobodys(state: AgentState, containerId: ContainerId, out: Effect[]): void {
  count(out, "container-without-task", "report");
  ask(state, { kind: "ForgetContainer", containerId }, out);
}
