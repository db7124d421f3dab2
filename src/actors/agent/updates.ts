/**
 * Status updates of the agent: one queue per task, kept on disk, the head sent until it is
 * acknowledged (P-5.4). A uuid is drawn once, with the update, and written down before it is
 * said; so no update is lost and none is told under a second name.
 */
import {
  type FrameworkId,
  isTerminal,
  MASTER_PEER,
  type StatusUpdateAcknowledgement,
  stateFor,
  type TaskId,
  type TaskStatus,
  taskMove,
  type Uuid,
} from "#protocol";
import type { Effect, Env } from "#runtime";
import { isDone, type Task, type TaskKey, taskKey } from "./checkpoint.ts";
import { type AgentState, ask, commit, count, release, say } from "./state.ts";

/** Most updates of one task that wait; further ones that end nothing are not taken. */
export const UPDATES_PER_TASK_MAX = 1_000;
/** Most heads sent in one drain; the others follow after a moment (P-5.3: paced). */
export const HEADS_PER_DRAIN_MAX = 256;
const PUMP_AGAIN_MS = 20;

/** What one status says beyond who says it about which task. */
export type StatusFields = Pick<TaskStatus, "state" | "source"> &
  Partial<Omit<TaskStatus, "taskId" | "state" | "source" | "agentId" | "timestampMs">>;

/** A status of the agent about a task that it has, without uuid. */
export function statusOf(
  state: AgentState,
  task: Pick<Task, "frameworkId" | "info" | "executorId" | "containerId" | "manner">,
  fields: StatusFields,
  env: Env,
): TaskStatus {
  const aware = isAware(state, task.frameworkId);
  return {
    taskId: task.info.taskId,
    agentId: state.config.agentId,
    executorId: task.executorId,
    timestampMs: env.wallMs,
    ...(task.manner === "refused" ? {} : { containerStatus: containerStatus(state, task) }),
    ...fields,
    state: stateFor(fields.state, aware),
  };
}

function containerStatus(state: AgentState, { containerId }: Pick<Task, "containerId">) {
  const { cgroup } = state.config;
  return cgroup === undefined
    ? { containerId }
    : { containerId, cgroup: `${cgroup}/${containerId}` };
}

export function isCapable(state: AgentState, frameworkId: FrameworkId, word: string): boolean {
  const framework = state.model.frameworks.get(frameworkId);
  return framework?.info.capabilities.includes(word) === true;
}

function isAware(state: AgentState, frameworkId: FrameworkId): boolean {
  return isCapable(state, frameworkId, "PARTITION_AWARE");
}

/**
 * Makes an update: new state, new uuid, on disk, then sent. False where the table of states
 * forbids the move: the first terminal update wins.
 * @param uuid of an executor that made the update itself; else one is drawn.
 */
export function update(
  state: AgentState,
  task: Task,
  fields: StatusFields,
  env: Env,
  out: Effect[],
  uuid?: Uuid,
): boolean {
  const status = statusOf(state, task, drainedStatus(state, task, fields), env);
  if (!taskMove(task.state, status.state)) {
    count(out, "update-not-a-move", `${task.state} to ${status.state}`);
    return false;
  }
  if (task.updates.length >= UPDATES_PER_TASK_MAX && !isTerminal(status.state)) {
    count(out, "update-queue-full", status.state);
    return false;
  }
  const ends = isTerminal(status.state);
  if (ends && task.manner !== "refused") release(state, task.info.resources);
  if (state.model.frameworks.get(task.frameworkId)?.shutdown === true) {
    // Nobody will acknowledge it; the leader is told once, so that it can count what is free.
    commit(state, { k: "update", key: task.key, status });
    tellOnce(state, task.frameworkId, status, out);
    finishIfDone(state, task, out);
    return true;
  }
  status.uuid = uuid ?? env.random.uuid();
  commit(state, { k: "update", key: task.key, status });
  if (task.updates.length === 1) state.unsent.add(task.key);
  return true;
}

/**
 * What is said of a task that is killed while its agent is drained: the drain is the reason, and
 * where the agent is to be gone the end is that. A kill that is under way is no end yet, whatever
 * Mesos says of it.
 */
function drainedStatus(state: AgentState, task: Task, fields: StatusFields): StatusFields {
  const why = task.kill?.why;
  const draining = state.draining !== undefined || why === "draining" || why === "gone";
  const killed = fields.state === "TASK_KILLED";
  if (!draining || (!killed && fields.state !== "TASK_KILLING")) return fields;
  const reason = "REASON_AGENT_DRAINING" as const;
  const gone = state.draining?.markGone === true || why === "gone";
  if (!gone || !killed || !isCapable(state, task.frameworkId, "PARTITION_AWARE")) {
    return { ...{}, ...fields, reason };
  }
  return { ...{}, ...fields, reason, state: "TASK_GONE_BY_OPERATOR" };
}

/** A status without uuid: an answer, not an update; nobody acknowledges it. */
export function tellOnce(
  state: AgentState,
  frameworkId: FrameworkId,
  status: TaskStatus,
  out: Effect[],
): void {
  const { uuid: _, ...told } = status;
  const body = { frameworkId, status: told, latestState: told.state };
  say(state, { kind: "StatusUpdate", body }, out);
}

/** What the agent knows of a task, as an answer to a question. */
export function answerWithState(
  state: AgentState,
  frameworkId: FrameworkId,
  taskId: TaskId,
  env: Env,
  out: Effect[],
): void {
  const task = state.model.tasks.get(taskKey(frameworkId, taskId));
  const reason = "REASON_RECONCILIATION" as const;
  const source = "SOURCE_AGENT" as const;
  if (task === undefined) {
    const status: TaskStatus = {
      taskId,
      state: stateFor("TASK_DROPPED", isAware(state, frameworkId)),
      source,
      reason,
      message: "This agent does not know the task",
      agentId: state.config.agentId,
      timestampMs: env.wallMs,
    };
    return tellOnce(state, frameworkId, status, out);
  }
  const latest = task.status ?? statusOf(state, task, { state: task.state, source }, env);
  tellOnce(state, frameworkId, { ...{}, ...latest, source, reason, timestampMs: env.wallMs }, out);
}

/** Sends what waits to be sent, as far as there is a leader and room; once per drain. */
export function pump(state: AgentState, env: Env, out: Effect[]): void {
  if (state.unsent.size === 0 || env.lifecycle !== "running") return;
  let room = Math.min(env.room(MASTER_PEER), HEADS_PER_DRAIN_MAX);
  for (const key of state.unsent) {
    if (room === 0) {
      out.push({ kind: "timer", name: "pump", inMs: PUMP_AGAIN_MS });
      return;
    }
    state.unsent.delete(key);
    if (sendHead(state, key, out)) room -= 1;
  }
}

function sendHead(state: AgentState, key: TaskKey, out: Effect[]): boolean {
  const task = state.model.tasks.get(key);
  const head = task?.updates[0];
  if (task === undefined || head === undefined) return false;
  const { updateRetryMs, updateRetryMsMax } = state.config;
  const inMs = state.retryMs.get(key) ?? updateRetryMs;
  state.retryMs.set(key, Math.min(inMs * 2, updateRetryMsMax));
  const body = { frameworkId: task.frameworkId, status: head, latestState: task.state };
  say(state, { kind: "StatusUpdate", body }, out);
  out.push({ kind: "timer", name: `update/${key}`, inMs });
  return true;
}

/** Nobody acknowledged it in time. Without a leader it is sent when there is one again. */
export function resend(state: AgentState, key: TaskKey, out: Effect[]): void {
  if (!state.model.tasks.has(key)) return;
  count(out, "update-resent", "not-acknowledged");
  state.unsent.add(key);
}

/** A new leader has never been sent anything: all heads at once, from the shortest pause. */
export function resendAll(state: AgentState): void {
  state.retryMs.clear();
  for (const task of state.model.tasks.values()) {
    if (task.updates.length > 0) state.unsent.add(task.key);
  }
}

export function acknowledged(
  state: AgentState,
  { frameworkId, taskId, uuid }: StatusUpdateAcknowledgement,
  out: Effect[],
): void {
  const key = taskKey(frameworkId, taskId);
  const task = state.model.tasks.get(key);
  if (task === undefined) return count(out, "acknowledgement-ignored", "unknown-task");
  // Repeated or late: what it names has been popped before.
  if (task.updates[0]?.uuid !== uuid) return count(out, "acknowledgement-ignored", "other-uuid");
  commit(state, { k: "ack", key, uuid });
  state.retryMs.delete(key);
  state.unsent.delete(key);
  out.push({ kind: "cancel-timer", name: `update/${key}` });
  if (task.updates.length > 0) state.unsent.add(key);
  finishIfDone(state, task, out);
}

/** The end of a task is known to everybody: its record goes, and its container's status too. */
export function finishIfDone(state: AgentState, task: Task, out: Effect[]): void {
  if (!isDone(task)) return;
  const { key, manner, containerId } = task;
  state.unsent.delete(key);
  state.retryMs.delete(key);
  out.push({ kind: "cancel-timer", name: `update/${key}` });
  commit(state, { k: "task-gone", key });
  if (manner === "command" || manner === "group") {
    ask(state, { kind: "ForgetContainer", containerId }, out);
  }
}

/** Updates of a framework that is gone: nobody will acknowledge them. */
export function dropQueue(state: AgentState, task: Task, out: Effect[]): void {
  for (const { uuid } of [...task.updates]) {
    if (uuid !== undefined) commit(state, { k: "ack", key: task.key, uuid });
  }
  finishIfDone(state, task, out);
}
