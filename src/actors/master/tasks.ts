/**
 * Task records and what they hold: made at launch or by a registration, freed at the first
 * terminal state or when unreachable, gone with the acknowledgement of the terminal update.
 */
import {
  type ExecutorId,
  type ExecutorInfo,
  type FrameworkId,
  holdsResources,
  isTerminal,
  type KillPolicy,
  type TaskInfo,
  taskMove,
  type TaskState,
  type TaskStatus,
} from "#protocol";
import { Resources } from "#resources";
import {
  type AgentRecord,
  executorKey,
  type ExecutorRecord,
  type FrameworkRecord,
  type TaskRecord,
} from "./records.ts";
import { refuse, say, STATUSES_PER_TASK_MAX, type Turn, UNREACHABLE_TASKS_MAX } from "./state.ts";

/** Executor of a task without one: the agent's command executor bears the task's own id. */
export function executorOf(info: TaskInfo): ExecutorId {
  return info.executor?.executorId ?? (info.taskId as string as ExecutorId);
}

/**
 * A record of a task that runs, or will, on `agent`; not yet counted by the allocator. Its
 * resources are those of its info, allocated to the role.
 */
export function addTask(
  turn: Turn,
  framework: FrameworkRecord,
  agent: AgentRecord,
  info: TaskInfo,
  { role, state, resources }: Pick<TaskRecord, "role" | "state" | "resources">,
): TaskRecord {
  const task: TaskRecord = {
    taskId: info.taskId,
    frameworkId: framework.frameworkId,
    agentId: agent.agentId,
    executorId: executorOf(info),
    info,
    role,
    resources,
    state,
    statusUpdateState: undefined,
    holds: false,
    unacknowledged: undefined,
    kill: undefined,
    statuses: [],
    containerId: undefined,
    launchedAtMs: turn.env.wallMs,
    unreachableAtMs: undefined,
  };
  framework.tasks.set(task.taskId, task);
  agent.tasks.add(task);
  setHolds(turn, task, holdsResources(state));
  return task;
}

/** Whether the task counts; keeps its framework's sum. What the allocator counts is its own. */
export function setHolds({ state }: Turn, task: TaskRecord, holds: boolean): void {
  if (task.holds === holds) return;
  task.holds = holds;
  const framework = state.frameworks.get(task.frameworkId);
  if (framework === undefined) return;
  if (holds) framework.used.add(task.resources);
  else framework.used.subtract(task.resources);
}

/** The executor that a task brings, counted once per agent until it exits. */
export function addExecutor(agent: AgentRecord, task: TaskRecord): ExecutorRecord | undefined {
  const { frameworkId, role } = task;
  const { executor } = task.info;
  return executor === undefined ? undefined : putExecutor(agent, frameworkId, role, executor);
}

/** Undefined where it is counted already. */
export function putExecutor(
  agent: AgentRecord,
  frameworkId: FrameworkId,
  role: string,
  info: ExecutorInfo,
): ExecutorRecord | undefined {
  const { executorId } = info;
  const key = executorKey(frameworkId, executorId);
  if (agent.executors.has(key)) return undefined;
  const resources = Resources.fromWire(info.resources).unallocate().allocate(role);
  const record: ExecutorRecord = { executorId, frameworkId, info, role, resources };
  agent.executors.set(key, record);
  return record;
}

/** An executor has exited: what it held itself is free. */
export function removeExecutor(turn: Turn, agent: AgentRecord, executor: ExecutorRecord): void {
  const { frameworkId, executorId, resources } = executor;
  agent.executors.delete(executorKey(frameworkId, executorId));
  recover(turn, executor.frameworkId, agent, resources);
}

function recover(
  { state, env }: Turn,
  frameworkId: TaskRecord["frameworkId"],
  agent: AgentRecord,
  resources: Resources,
): void {
  state.allocationWanted = true;
  if (!state.allocator.hasAgent(agent.agentId)) return;
  state.allocator.recoverResources(frameworkId, agent.agentId, resources, undefined, env.nowMs);
}

/**
 * Moves a task to the state it is really in. Terminal states stay; odd moves are counted and not
 * made. Frees the resources at the first state that holds none.
 */
export function moveTask(turn: Turn, task: TaskRecord, to: TaskState): void {
  const { state } = turn;
  if (task.state !== to && !taskMove(task.state, to)) {
    if (!isTerminal(task.state)) refuse(turn, "invalid", "task-moves");
    return;
  }
  task.state = to;
  if (!task.holds || holdsResources(to)) return;
  setHolds(turn, task, false);
  const agent = state.agents.get(task.agentId);
  if (agent === undefined) return;
  recover(turn, task.frameworkId, agent, task.resources);
  releaseIdleExecutor(turn, agent, task);
}

/** The command executor of a task holds nothing of its own; a group's ends with its last task. */
function releaseIdleExecutor(turn: Turn, agent: AgentRecord, task: TaskRecord): void {
  const executor = agent.executors.get(executorKey(task.frameworkId, task.executorId));
  if (executor?.info.type !== "DEFAULT") return;
  for (const other of agent.tasks) {
    const same = other.frameworkId === task.frameworkId && other.executorId === task.executorId;
    if (same && !isTerminal(other.state)) return;
  }
  removeExecutor(turn, agent, executor);
}

/** Keeps one entry per run of equal states, the last of each, without its data. */
export function keepStatus(task: TaskRecord, status: TaskStatus): void {
  const kept = status.data === undefined ? status : withoutData(status);
  if (task.statuses.at(-1)?.state === status.state) task.statuses.pop();
  task.statuses.push(kept);
  if (task.statuses.length > STATUSES_PER_TASK_MAX) task.statuses.splice(1, 1);
}

function withoutData({ data: _, ...kept }: TaskStatus): TaskStatus {
  return kept;
}

/** Nothing of the task is kept any more. */
export function forgetTask(turn: Turn, task: TaskRecord): void {
  const { state } = turn;
  const framework = state.frameworks.get(task.frameworkId);
  const agent = state.agents.get(task.agentId);
  framework?.tasks.delete(task.taskId);
  agent?.tasks.delete(task);
  state.publisher.taskRemoved(task);
  if (framework?.ended === true && framework.tasks.size === 0) dropFramework(turn, framework);
  if (agent?.condition !== "unreachable" || agent.tasks.size > 0) return;
  state.agents.delete(agent.agentId);
  state.publisher.agentRemoved(agent);
}

/** A completed framework whose tasks are all gone is nothing but a line in the registry. */
export function dropFramework({ state }: Turn, framework: FrameworkRecord): void {
  state.frameworks.delete(framework.frameworkId);
  state.publisher.frameworkRemoved(framework);
}

/** Beyond the limit the oldest unreachable tasks of a framework are forgotten. */
export function forgetUnreachable(turn: Turn, framework: FrameworkRecord): void {
  const unreachable = [...framework.tasks.values()].filter(
    ({ state }) => state === "TASK_UNREACHABLE",
  );
  const surplus = unreachable.length - UNREACHABLE_TASKS_MAX;
  for (const task of unreachable.slice(0, Math.max(0, surplus))) forgetTask(turn, task);
}

/** Wants the task killed; said now where its agent can hear, and again when it registers. */
export function killTask(
  turn: Turn,
  task: TaskRecord,
  killPolicy: KillPolicy | undefined,
  preemptedFor?: string,
): void {
  task.kill = { killPolicy, preemptedFor };
  const agent = turn.state.agents.get(task.agentId);
  if (agent?.condition === "registered" && !isTerminal(task.state)) sayKill(turn, agent, task);
}

export function sayKill(turn: Turn, agent: AgentRecord, task: TaskRecord): void {
  const { frameworkId, taskId, kill } = task;
  const { killPolicy, preemptedFor } = kill ?? {};
  const body = {
    frameworkId,
    taskId,
    ...(killPolicy === undefined ? {} : { killPolicy }),
    ...(preemptedFor === undefined ? {} : { preemptedFor }),
  };
  say(turn, agent.peer, { kind: "KillTask", body });
}
