/**
 * Custom executors: processes of a framework in a container of their own, which run its tasks
 * and speak the executor dialect with this agent. Starts them, waits for their subscription,
 * hands them tasks, takes their updates, and says what their end means for their tasks.
 */
import {
  type ContainerId,
  type ExecutorInfo,
  type ExecutorSubscribe,
  executorPeer,
  type FrameworkId,
  isTerminal,
  type Limitation,
  parsePeer,
  type Peer,
  type TaskInfo,
  type TaskStatus,
} from "#protocol";
import type { ContainerExit, Effect, Env, LinkChange, MailOf } from "#runtime";
import type { LaunchSpec } from "#isolation";
import type { Executor, Task } from "./checkpoint.ts";
import { exitCodeOf, exitText, limitationReason } from "./command-executor.ts";
import {
  argvOf,
  costOf,
  environmentOf,
  insideOf,
  placeIn,
  refuse,
  userOf,
  userSpec,
} from "./placement.ts";
import { agentInfo } from "./registration.ts";
import { keepSandbox, sandboxPath } from "./sandbox.ts";
import {
  type AgentState,
  ask,
  commit,
  count,
  type ExecutorAccess,
  release,
  reserve,
  say,
  sayTo,
} from "./state.ts";
import { type StatusFields, update } from "./updates.ts";

/** Most custom executors of one agent. */
export const EXECUTORS_MAX = 1_000;

/** How often the agent speaks to its executors, so that they notice when it is away. */
export const EXECUTOR_HEARTBEAT_MS = 5_000;

/** A word to each executor that has a session. */
export function heartbeatExecutors(state: AgentState, out: Effect[]): void {
  for (const containerId of state.links.keys()) {
    const to = peerOf(state, containerId);
    out.push({ kind: "send", to, message: { kind: "Heartbeat", body: {} } });
  }
  if (state.links.size === 0) return;
  out.push({ kind: "timer", name: "executors", inMs: EXECUTOR_HEARTBEAT_MS });
}

export function peerOf(state: AgentState, containerId: ContainerId): Peer {
  return executorPeer(state.config.principal, containerId);
}

/** Puts a task on an executor, which is started when it is not there. */
export function launchOnExecutor(
  state: AgentState,
  wanted: {
    readonly frameworkId: FrameworkId;
    readonly task: TaskInfo;
    readonly executor: ExecutorInfo;
  },
  env: Env,
  out: Effect[],
): void {
  const { frameworkId, task, executor: info } = wanted;
  const executor = state.model.executor(frameworkId, info.executorId);
  const known = { frameworkId, task, groupId: null };
  if (executor?.shutdown === true) {
    const message = `the executor ${info.executorId} is being shut down`;
    const reason = "REASON_EXECUTOR_TERMINATED" as const;
    return refuse(state, known, { state: "TASK_DROPPED", reason, message }, env, out);
  }
  if (executor === undefined && state.model.executors.size >= EXECUTORS_MAX) {
    const message = `this agent has ${EXECUTORS_MAX} custom executors, its most`;
    const reason = "REASON_RESOURCES_UNKNOWN" as const;
    return refuse(state, known, { state: "TASK_DROPPED", reason, message }, env, out);
  }
  if (executor === undefined) {
    const access = accessOf(state, frameworkId, info);
    if (typeof access === "string") {
      const reason = "REASON_CONTAINER_LAUNCH_FAILED" as const;
      return refuse(state, known, { state: "TASK_DROPPED", reason, message: access }, env, out);
    }
    const { containerId } = access;
    const added = addExecutor(state, { frameworkId, info, containerId }, env);
    const first = placeIn(state, { ...{}, ...known, manner: "custom", containerId }, env);
    return startExecutor(state, added, { first, access }, out);
  }
  const { containerId } = executor;
  const placed = placeIn(state, { ...{}, ...known, manner: "custom", containerId }, env);
  growExecutor(state, executor, out);
  if (state.links.get(containerId)?.subscribed === true) handOver(state, placed, out);
}

/** A name and a credential of its own, signed in advance (P-4.5); a sentence where there is none. */
function accessOf(
  state: AgentState,
  frameworkId: FrameworkId,
  { command, container }: ExecutorInfo,
): ExecutorAccess | string {
  const { executorAccess } = state.config;
  if (command === undefined || executorAccess === null)
    return "this agent runs no custom executors";
  const user = userOf(state, frameworkId, command);
  if (typeof user === "string") return user;
  return executorAccess({ user, userNamespace: container?.linuxInfo?.userNamespace === true });
}

function addExecutor(
  state: AgentState,
  { frameworkId, info, containerId }: Pick<Executor, "frameworkId" | "info" | "containerId">,
  env: Env,
): Executor {
  const startedAtMs = env.wallMs;
  commit(state, { k: "executor", executor: { frameworkId, info, containerId, startedAtMs } });
  reserve(state, info.resources);
  const executor = state.model.executors.get(containerId);
  if (executor === undefined) throw new Error(`executor ${containerId}: written and not found`);
  return executor;
}

function startExecutor(
  state: AgentState,
  executor: Executor,
  { first, access }: { readonly first: Task; readonly access: ExecutorAccess },
  out: Effect[],
): void {
  const { info, containerId, frameworkId } = executor;
  const { command } = info;
  const { config } = state;
  // It was judged before the task was placed.
  if (command === undefined) return;
  const user = userOf(state, frameworkId, command);
  const spec: LaunchSpec = {
    argv: argvOf(command),
    env: {
      ...{},
      ...environmentOf(state, first, command, info),
      MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: `${graceOf(state, executor)}ms`,
      MESOS_RECOVERY_TIMEOUT: `${config.recoveryTimeoutMs}ms`,
      MESOS_CHECKPOINT: "1",
    },
    user: typeof user === "string" ? null : userSpec(user),
    sandbox: sandboxPath(config.workDir, containerId),
    resources: costWithTasks(state, executor),
    limits: { cpuMilli: null, memMib: null, pids: null },
    graceMs: graceOf(state, executor),
    owner: { frameworkId, executorId: info.executorId },
    ...insideOf(info, command),
    ...(access.credentialDir === null ? {} : { credentialDir: access.credentialDir }),
  };
  ask(state, { kind: "LaunchContainer", containerId, spec }, out);
}

function graceOf(state: AgentState, { info }: Executor): number {
  return info.shutdownGracePeriodMs ?? state.config.executorShutdownGraceMs;
}

function costWithTasks(
  state: AgentState,
  { info, containerId }: Executor,
): LaunchSpec["resources"] {
  const live = state.model.tasksIn(containerId).filter(({ state: is }) => !isTerminal(is));
  return costOf([...info.resources, ...live.flatMap((task) => task.info.resources)]);
}

/** The container's limits follow the tasks in it. */
function growExecutor(state: AgentState, executor: Executor, out: Effect[]): void {
  const resources = costWithTasks(state, executor);
  const limits = { cpuMilli: null, memMib: null, pids: null };
  const { containerId } = executor;
  ask(state, { kind: "UpdateContainer", containerId, resources, limits }, out);
}

/** The process runs; from here on it has its time to subscribe. */
export function executorLaunched(
  state: AgentState,
  containerId: ContainerId,
  _env: Env,
  out: Effect[],
): void {
  const inMs = state.config.executorRegistrationTimeoutMs;
  out.push({ kind: "timer", name: `executor/${containerId}`, inMs });
}

/** After a restart of the agent a subscribed executor comes back by itself, and soon. */
export function executorRecovered(state: AgentState, executor: Executor, out: Effect[]): void {
  const { containerId, registered, shutdown } = executor;
  if (shutdown) return endExecutor(state, executor, out);
  const { executorReregistrationTimeoutMs, executorRegistrationTimeoutMs } = state.config;
  const inMs = registered ? executorReregistrationTimeoutMs : executorRegistrationTimeoutMs;
  out.push({ kind: "timer", name: `executor/${containerId}`, inMs });
}

/** It has not subscribed in time. The time counts only while it could (P-6.4). */
export function executorOverdue(
  state: AgentState,
  containerId: ContainerId,
  env: Env,
  out: Effect[],
): void {
  const executor = state.model.executors.get(containerId);
  if (executor === undefined || state.links.get(containerId)?.subscribed === true) return;
  const { executorReregistrationTimeoutMs: againMs } = state.config;
  if (!env.bus.connected || env.nowMs - env.bus.sinceMs < againMs) {
    return void out.push({ kind: "timer", name: `executor/${containerId}`, inMs: againMs });
  }
  count(out, "executor-overdue", executor.registered ? "reregistration" : "registration");
  const reason = executor.registered
    ? "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    : "REASON_EXECUTOR_REGISTRATION_TIMEOUT";
  const to = executor.registered ? "TASK_GONE" : "TASK_FAILED";
  const message = "The executor did not subscribe in time";
  endTasks(state, containerId, { state: to, source: "SOURCE_AGENT", reason, message }, env, out);
  endExecutor(state, executor, out);
}

/** A shutdown as asked: it may end its tasks itself, then the container goes. */
export function shutdownExecutor(state: AgentState, executor: Executor, out: Effect[]): void {
  if (executor.shutdown) return;
  const { containerId } = executor;
  commit(state, { k: "executor-shutdown", containerId });
  for (const task of state.model.tasksIn(containerId)) noteShutdown(state, task);
  if (state.links.get(containerId)?.subscribed !== true) return endExecutor(state, executor, out);
  sayTo(state, peerOf(state, containerId), { kind: "EXECUTOR_SHUTDOWN", body: {} }, out);
  out.push({ kind: "timer", name: `shutdown/${containerId}`, inMs: graceOf(state, executor) });
}

function noteShutdown(state: AgentState, task: Task): void {
  if (isTerminal(task.state) || task.kill !== null) return;
  commit(state, { k: "kill", key: task.key, kill: { why: "shutdown", untilMs: 0 } });
}

/** Its time is over: the container is destroyed, its end comes as any other. */
export function endExecutor(state: AgentState, executor: Executor, out: Effect[]): void {
  const { containerId, shutdown } = executor;
  if (!shutdown) commit(state, { k: "executor-shutdown", containerId });
  const graceMs = graceOf(state, executor);
  ask(state, { kind: "KillContainer", containerId, graceMs }, out);
}

/** How it ended; `exit` is null where it never ran. */
export interface ExecutorEnd {
  readonly exit: ContainerExit | null;
  readonly limitation?: Limitation | undefined;
  readonly message?: string;
}

export function executorEnded(
  state: AgentState,
  containerId: ContainerId,
  { exit, limitation, message }: ExecutorEnd,
  env: Env,
  out: Effect[],
): void {
  const executor = state.model.executors.get(containerId);
  if (executor === undefined) return;
  keepSandbox(state, containerId, state.model.tasksIn(containerId), env);
  const text = message ?? (exit === null ? "It never ran" : exitText(exit));
  const killed = executor.shutdown && limitation === undefined;
  endTasks(
    state,
    containerId,
    {
      state: killed ? "TASK_KILLED" : "TASK_FAILED",
      source: "SOURCE_AGENT",
      reason: reasonOf(exit, limitation),
      message: `The executor ended: ${text}`,
      ...(limitation === undefined ? {} : { limitation }),
    },
    env,
    out,
  );
  const { frameworkId, info } = executor;
  commit(state, { k: "executor-gone", containerId });
  release(state, info.resources);
  state.links.delete(containerId);
  for (const timer of ["executor", "shutdown"]) {
    out.push({ kind: "cancel-timer", name: `${timer}/${containerId}` });
  }
  out.push({ kind: "close", peer: peerOf(state, containerId), reason: "no-session" });
  ask(state, { kind: "ForgetContainer", containerId }, out);
  const status = exit === null ? -1 : (exitCodeOf(exit) ?? -1);
  const body = { frameworkId, executorId: info.executorId, status };
  say(state, { kind: "ExitedExecutor", body }, out);
}

function reasonOf(
  exit: ContainerExit | null,
  limitation: Limitation | undefined,
): NonNullable<StatusFields["reason"]> {
  if (limitation !== undefined) return limitationReason(limitation);
  return exit === null ? "REASON_CONTAINER_LAUNCH_FAILED" : "REASON_EXECUTOR_TERMINATED";
}

/** All tasks of the executor that have not ended, ended alike. */
function endTasks(
  state: AgentState,
  containerId: ContainerId,
  fields: StatusFields,
  env: Env,
  out: Effect[],
): void {
  for (const task of state.model.tasksIn(containerId)) {
    if (!isTerminal(task.state)) update(state, task, fields, env, out);
  }
}

/** Only executors of this agent that run may open a session. */
export function executorLinked(
  state: AgentState,
  peer: Peer,
  link: LinkChange,
  out: Effect[],
): void {
  const parts = parsePeer(peer);
  if (parts?.role !== "executor") return;
  const { containerId } = parts;
  switch (link.change) {
    case "hello":
      if (state.model.executors.has(containerId)) {
        return void out.push({ kind: "come", peer, session: link.session });
      }
      count(out, "executor-refused", "unknown-container");
      return void out.push({ kind: "close", peer, reason: "not-said-by-this-peer" });
    case "closed":
      return void state.links.delete(containerId);
    case "come":
      return;
  }
}

type ExecutorMail = MailOf<"EXECUTOR_SUBSCRIBE" | "EXECUTOR_UPDATE" | "EXECUTOR_MESSAGE">;

export function fromExecutor(state: AgentState, mail: ExecutorMail, env: Env, out: Effect[]): void {
  const parts = parsePeer(mail.from);
  const containerId = parts?.role === "executor" ? parts.containerId : undefined;
  const executor = containerId === undefined ? undefined : state.model.executors.get(containerId);
  if (executor === undefined) return count(out, "executor-refused", "unknown-container");
  if (mail.kind === "EXECUTOR_SUBSCRIBE") {
    return subscribed(state, executor, mail.body, env, out);
  }
  if (state.links.get(executor.containerId)?.subscribed !== true) {
    return count(out, "executor-refused", "not-subscribed");
  }
  if (mail.kind === "EXECUTOR_UPDATE") {
    return takeUpdate(state, executor, mail.body.status, env, out);
  }
  const { frameworkId, info } = executor;
  const body = { frameworkId, executorId: info.executorId, data: mail.body.data };
  say(state, { kind: "ExecutorToFramework", body }, out);
}

function subscribed(
  state: AgentState,
  executor: Executor,
  body: ExecutorSubscribe,
  env: Env,
  out: Effect[],
): void {
  const { containerId, frameworkId, info: executorInfo } = executor;
  const framework = state.model.frameworks.get(frameworkId);
  const same = body.frameworkId === frameworkId && body.executorId === executorInfo.executorId;
  if (!same || framework === undefined) {
    count(out, "executor-refused", "other-identity");
    const message = `this container belongs to ${frameworkId}/${executorInfo.executorId}`;
    const to = peerOf(state, containerId);
    return sayTo(state, to, { kind: "EXECUTOR_ERROR", body: { message } }, out);
  }
  if (!executor.registered) commit(state, { k: "executor-registered", containerId });
  if (state.links.size === 0) {
    out.push({ kind: "timer", name: "executors", inMs: EXECUTOR_HEARTBEAT_MS });
  }
  state.links.set(containerId, { subscribed: true });
  out.push({ kind: "cancel-timer", name: `executor/${containerId}` });
  const here = { agentInfo: agentInfo(state), containerId };
  const told = { executorInfo, frameworkInfo: framework.info, frameworkId, ...here };
  sayTo(state, peerOf(state, containerId), { kind: "EXECUTOR_SUBSCRIBED", body: told }, out);
  for (const status of body.unacknowledgedUpdates) takeUpdate(state, executor, status, env, out);
  const has = new Set(body.unacknowledgedTasks.map(({ taskId }) => taskId));
  for (const task of state.model.tasksIn(containerId)) {
    // Nothing was ever heard of it and the executor does not name it: it never got there.
    if (task.state === "TASK_STAGING" && !has.has(task.info.taskId)) handOver(state, task, out);
    if (task.kill !== null && !isTerminal(task.state)) tellKill(state, task, 0, out);
  }
  if (executor.shutdown) {
    sayTo(state, peerOf(state, containerId), { kind: "EXECUTOR_SHUTDOWN", body: {} }, out);
  }
}

function handOver(state: AgentState, task: Task, out: Effect[]): void {
  const to = peerOf(state, task.containerId);
  sayTo(state, to, { kind: "EXECUTOR_LAUNCH", body: { task: task.info } }, out);
}

/**
 * An update that the executor made keeps the executor's uuid, so that one that is sent twice is
 * one. It is acknowledged to the executor once it is on this agent's disk.
 */
function takeUpdate(
  state: AgentState,
  executor: Executor,
  status: TaskStatus,
  env: Env,
  out: Effect[],
): void {
  const { taskId, uuid } = status;
  const task = state.model.tasksIn(executor.containerId).find(({ info }) => info.taskId === taskId);
  if (uuid === undefined || status.state === "TASK_STAGING") {
    return count(out, "executor-update-refused", uuid === undefined ? "no-uuid" : status.state);
  }
  if (task === undefined) count(out, "executor-update-refused", "unknown-task");
  else if (!isRepeated(task, status)) {
    const { taskId: _id, uuid: _uuid, agentId: _agent, timestampMs: _at, ...fields } = status;
    const mine = { ...{}, ...fields, source: "SOURCE_EXECUTOR" as const };
    if (!update(state, task, mine, env, out, uuid) && !isTerminal(task.state)) return;
    if (isTerminal(task.state)) growExecutor(state, executor, out);
  }
  // What is dropped is acknowledged too, else it would come for ever (mesos.md §8).
  const to = peerOf(state, executor.containerId);
  sayTo(state, to, { kind: "EXECUTOR_ACKNOWLEDGED", body: { taskId, uuid } }, out);
}

function isRepeated(task: Task, { uuid }: TaskStatus): boolean {
  return task.status?.uuid === uuid || task.updates.some((known) => known.uuid === uuid);
}

/** Kills one task of an executor. */
export function killOnExecutor(
  state: AgentState,
  task: Task,
  graceMs: number,
  env: Env,
  out: Effect[],
): void {
  if (isTerminal(task.state)) return;
  const subscribedNow = state.links.get(task.containerId)?.subscribed === true;
  const executor = state.model.executors.get(task.containerId);
  if (!subscribedNow && task.state === "TASK_STAGING" && executor?.registered !== true) {
    const reason = "REASON_TASK_KILLED_DURING_LAUNCH" as const;
    const message = "Killed before its executor had subscribed";
    const fields = { state: "TASK_KILLED", source: "SOURCE_AGENT", reason, message } as const;
    update(state, task, fields, env, out);
    return endUnneeded(state, executor, out);
  }
  if (task.kill === null) {
    const kill = { why: "asked", untilMs: env.wallMs + graceMs } as const;
    commit(state, { k: "kill", key: task.key, kill });
  }
  if (subscribedNow) tellKill(state, task, graceMs, out);
}

/** An executor that never had a task, and has none left to wait for, would wait for ever (MESOS-8411). */
function endUnneeded(state: AgentState, executor: Executor | undefined, out: Effect[]): void {
  if (executor === undefined) return;
  const tasks = [...state.model.tasksIn(executor.containerId)];
  if (tasks.every((each) => isTerminal(each.state))) shutdownExecutor(state, executor, out);
}

function tellKill(state: AgentState, task: Task, graceMs: number, out: Effect[]): void {
  const { taskId } = task.info;
  const body = { taskId, killPolicy: { gracePeriodMs: graceMs } };
  sayTo(state, peerOf(state, task.containerId), { kind: "EXECUTOR_KILL", body }, out);
}

/** From the framework, through the leader: best effort, as it says. */
export function toExecutor(
  state: AgentState,
  { frameworkId, executorId, data }: MailOf<"FrameworkToExecutor">["body"],
  out: Effect[],
): void {
  const executor = state.model.executor(frameworkId, executorId);
  if (executor === undefined || state.links.get(executor.containerId)?.subscribed !== true) {
    return count(out, "message-dropped", "no-such-executor");
  }
  const to = peerOf(state, executor.containerId);
  sayTo(state, to, { kind: "EXECUTOR_MESSAGE", body: { data } }, out);
}
