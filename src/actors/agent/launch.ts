/**
 * From RunTask to a container that is asked for: judged, written down, then started. A task id
 * that is known is answered with its state and never started again (P-5.2).
 */
import type {
  ExecutorInfo,
  FrameworkId,
  FrameworkInfo,
  Resource,
  RunTask,
  RunTaskGroup,
  TaskInfo,
} from "#protocol";
import { Resources } from "#resources";
import type { Effect, Env } from "#runtime";
import { taskKey } from "./checkpoint.ts";
import { launchOnExecutor } from "./executors.ts";
import { type Flaw, place, refuse, start, userOf } from "./placement.ts";
import { diskFault } from "./sandbox.ts";
import { type AgentState, commit, say } from "./state.ts";
import { answerWithState } from "./updates.ts";

/** Most tasks that an agent has at a time, those that wait for acknowledgement included. */
export const TASKS_MAX = 20_000;

export function runTask(
  state: AgentState,
  { frameworkId, framework, task, launchExecutor }: RunTask,
  env: Env,
  out: Effect[],
): void {
  if (state.model.tasks.has(taskKey(frameworkId, task.taskId))) {
    return answerWithState(state, frameworkId, task.taskId, env, out);
  }
  noteFramework(state, frameworkId, framework);
  const custom = task.executor !== undefined && task.executor.type !== "DEFAULT";
  const executor = task.executor;
  const flaw =
    flawOf(state, frameworkId, task, custom) ??
    executorFlaw(state, frameworkId, executor, launchExecutor) ??
    unfit(state, [...task.resources, ...executorCost(state, frameworkId, executor)]);
  if (flaw !== undefined) refuse(state, { frameworkId, task, groupId: null }, flaw, env, out);
  if (custom && executor !== undefined) {
    if (flaw === undefined) launchOnExecutor(state, { frameworkId, task, executor }, env, out);
    return notBegun(state, frameworkId, executor, launchExecutor, out);
  }
  if (flaw !== undefined) return;
  const placed = place(state, { frameworkId, task, manner: "command", groupId: null }, env);
  start(state, placed, env, out);
}

/** All tasks of the group or none (mesos.md §14): each in a container of its own. */
export function runTaskGroup(
  state: AgentState,
  { frameworkId, framework, executor, taskGroup, launchExecutor }: RunTaskGroup,
  env: Env,
  out: Effect[],
): void {
  const { tasks } = taskGroup;
  const fresh = tasks.filter(({ taskId }) => !state.model.tasks.has(taskKey(frameworkId, taskId)));
  if (fresh.length < tasks.length) {
    // A repetition; a group of which only a part is known was never sent by one call.
    for (const { taskId } of tasks) answerWithState(state, frameworkId, taskId, env, out);
    return;
  }
  noteFramework(state, frameworkId, framework);
  const whole = tasks.map((task) => ({ ...{}, ...task, executor }));
  const custom = executor.type === "CUSTOM";
  const resources = whole.flatMap((task) => task.resources);
  const cost = executorCost(state, frameworkId, executor);
  let flaw = executorFlaw(state, frameworkId, executor, launchExecutor);
  flaw ??= unfit(state, [...resources, ...cost]);
  for (const task of whole) flaw ??= flawOf(state, frameworkId, task, custom);
  const groupId = env.random.uuid();
  if (flaw !== undefined) {
    const why = flaw.state === "TASK_ERROR" ? "REASON_TASK_GROUP_INVALID" : flaw.reason;
    const groupFlaw: Flaw = { ...{}, ...flaw, reason: why };
    for (const task of whole) {
      refuse(state, { frameworkId, task, groupId: null }, groupFlaw, env, out);
    }
    if (custom) notBegun(state, frameworkId, executor, launchExecutor, out);
    return;
  }
  if (custom) {
    for (const task of whole) launchOnExecutor(state, { frameworkId, task, executor }, env, out);
    return notBegun(state, frameworkId, executor, launchExecutor, out);
  }
  // All are on disk before the first is asked for: a crash leaves the whole group or nothing.
  const placed = whole.map((task) =>
    place(state, { frameworkId, task, manner: "group", groupId }, env),
  );
  for (const task of placed) start(state, task, env, out);
}

/** One that the leader counts on has ended meanwhile: its resources are free there by now. */
function executorFlaw(
  state: AgentState,
  frameworkId: FrameworkId,
  executor: ExecutorInfo | undefined,
  launchExecutor: boolean | undefined,
): Flaw | undefined {
  if (executor?.type !== "CUSTOM" || launchExecutor !== false) return undefined;
  if (state.model.executor(frameworkId, executor.executorId) !== undefined) return undefined;
  const message = `the executor ${executor.executorId} has ended`;
  return { state: "TASK_DROPPED", reason: "REASON_EXECUTOR_TERMINATED", message };
}

/** An executor that the leader counted with the launch does not come to be: it is free again. */
function notBegun(
  state: AgentState,
  frameworkId: FrameworkId,
  { executorId }: ExecutorInfo,
  launchExecutor: boolean | undefined,
  out: Effect[],
): void {
  if (launchExecutor !== true || state.model.executor(frameworkId, executorId) !== undefined)
    return;
  say(state, { kind: "ExitedExecutor", body: { frameworkId, executorId, status: -1 } }, out);
}

/** The framework's info as the leader sent it last; kept for as long as anything of it is here. */
function noteFramework(state: AgentState, frameworkId: FrameworkId, info: FrameworkInfo): void {
  const known = state.model.frameworks.get(frameworkId);
  if (known !== undefined && JSON.stringify(known.info) === JSON.stringify(info)) return;
  commit(state, { k: "framework", frameworkId, info });
}

function flawOf(
  state: AgentState,
  frameworkId: FrameworkId,
  task: TaskInfo,
  custom: boolean,
): Flaw | undefined {
  const { agentId } = state.config;
  const invalid = (message: string): Flaw => ({
    state: "TASK_ERROR",
    reason: "REASON_TASK_INVALID",
    message,
  });
  if (task.agentId !== agentId) {
    return invalid(`agentId: the task is for ${task.agentId}, this agent is ${agentId}`);
  }
  if (state.model.tasks.size >= TASKS_MAX) {
    const message = `this agent has ${TASKS_MAX} tasks, its most`;
    return { state: "TASK_DROPPED", reason: "REASON_RESOURCES_UNKNOWN", message };
  }
  if (state.draining !== undefined) {
    const message = "this agent is drained; nothing is run on it";
    return { state: "TASK_DROPPED", reason: "REASON_AGENT_DRAINING", message };
  }
  if (state.model.frameworks.get(frameworkId)?.shutdown === true) {
    const message = "the framework is being shut down on this agent";
    return { state: "TASK_DROPPED", reason: "REASON_INVALID_FRAMEWORKID", message };
  }
  const command = custom ? task.executor?.command : task.command;
  if (command === undefined) {
    return invalid(custom ? "executor.command: there is none" : "command: there is none");
  }
  if (custom && state.config.executorAccess === null) {
    return invalid("executor: this agent runs no custom executors");
  }
  const user = userOf(state, frameworkId, command);
  return typeof user === "string" ? invalid(user) : undefined;
}

/** What is lent is the agent's own, only that the leader may call it back. */
function plain(resources: Resources): Resources {
  if (!resources.traits.revocable) return resources;
  return Resources.fromWire([...resources].map(({ revocable, ...rest }) => rest));
}

function unfit(state: AgentState, wanted: readonly Resource[]): Flaw | undefined {
  const full = diskFault(state);
  if (full !== undefined) {
    return { state: "TASK_DROPPED", reason: "REASON_CONTAINER_LAUNCH_FAILED", message: full };
  }
  const wish = plain(Resources.fromWire(wanted)).unallocate();
  const free = state.total.subtract(plain(state.used));
  if (free.contains(wish)) return undefined;
  const message = `resources: ${wish} is asked for, ${free} is free on this agent`;
  return { state: "TASK_DROPPED", reason: "REASON_RESOURCES_UNKNOWN", message };
}

/** What an executor costs that does not run yet. */
function executorCost(
  state: AgentState,
  frameworkId: FrameworkId,
  executor: ExecutorInfo | undefined,
): readonly Resource[] {
  if (executor === undefined) return [];
  const there = state.model.executor(frameworkId, executor.executorId);
  return there === undefined ? executor.resources : [];
}
