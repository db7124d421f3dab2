/**
 * Finding a leader and staying with it: the highest epoch of the beacons, a random wait, Hello,
 * and on Come everything that this agent has. The highest epoch is on disk before Register is
 * sent (P-4.3); a lower one is never obeyed again. Silence counts only for one who could hear.
 */
import {
  type AgentInfo,
  type Beacon,
  type ContainerId,
  encodePlain,
  type FrameworkId,
  isTerminal,
  MASTER_PEER,
  REGISTER_TASKS_MAX,
  type RegisterAgent,
  type TaskRecord,
} from "#protocol";
import type { Effect, Env, LinkChange, Due, MailOf } from "#runtime";
import type { Task } from "./checkpoint.ts";
import { writeMeta } from "./meta.ts";
import { type AgentState, count } from "./state.ts";
import { pump, resendAll } from "./updates.ts";

/** Bytes of tasks in one part: a frame less what else stands in it. */
export const REGISTER_PART_BYTES_MAX = 160 * 1024;
/** How long the answer to Register may take before Hello is said again. */
export const REGISTERED_WAIT_MS = 15_000;
/** So long the question who leads is open, and none follows it. */
export const SEEK_MS = 1_000;
/** A silence that may soon have lasted too long is judged this often. */
export const SILENCE_CHECK_MS = 5_000;

export function agentInfo({ config, model, total }: AgentState): AgentInfo {
  const { agentId, hostname, attributes, version, isolation } = config;
  const resources = model.checkpointed.length === 0 ? config.resources : total.toWire();
  return {
    agentId,
    hostname,
    resources: [...resources],
    attributes: [...attributes],
    capabilities: [
      "MULTI_ROLE",
      "HIERARCHICAL_ROLE",
      "RESERVATION_REFINEMENT",
      "TASK_RESOURCE_LIMITS",
      "AGENT_OPERATION_FEEDBACK",
      "AGENT_DRAINING",
    ],
    version,
    isolation,
  };
}

/** A leader says that it leads. */
export function heardBeacon(state: AgentState, beacon: Beacon, env: Env, out: Effect[]): void {
  const { meta, registration } = state;
  if (env.lifecycle === "recovering" || env.lifecycle === "stopping") return;
  if (meta.logId !== "" && beacon.logId !== meta.logId) {
    count(out, "beacon-refused", "wrong-cluster");
    const sentence = "A leader of another cluster is heard: its log is not the one known here";
    const fields = { logId: beacon.logId, known: meta.logId };
    return void out.push({ kind: "log", level: "error", sentence, fields });
  }
  if (beacon.epoch < meta.epoch) return count(out, "beacon-refused", "lower-epoch");
  if (registration.refusedForGood) return count(out, "beacon-refused", "refused-for-good");
  if (env.nowMs < registration.refusedUntilMs) return count(out, "beacon-refused", "backoff");
  const newer = beacon.epoch > meta.epoch;
  if (env.lifecycle !== "detecting" && !newer) return;
  if (newer) {
    witnessed(state, beacon, out);
    writeMeta(state, { ...{}, ...state.meta, ...witnessOf(beacon), epoch: beacon.epoch }, out);
    registration.backoffMs = state.config.registrationBackoffMs;
  }
  registration.epoch = beacon.epoch;
  registration.windowMs = beacon.windowMs;
  // Another leader while registering with the last one: begin again, in the same state.
  if (env.lifecycle === "registering") return enteredRegistering(state, env, out);
  out.push({ kind: "lifecycle", event: { type: "LeaderFound" } });
}

function witnessOf({ logId, generation, position, hash }: Beacon) {
  return { logId, generation, position, hash };
}

/** The log as an agent saw it may not be longer than the leader's (P-7.4): an alarm, no more. */
function witnessed(state: AgentState, beacon: Beacon, out: Effect[]): void {
  const { generation, position } = state.meta;
  if (beacon.generation > generation || beacon.position >= position) return;
  count(out, "log-went-backwards", "position");
  const sentence = "The log went backwards: its leader knows less of it than this agent has seen";
  const fields = { position: beacon.position, seen: position };
  out.push({ kind: "log", level: "error", sentence, fields });
}

/** The window spreads the first Hello of many agents; the pause of the later ones doubles. */
export function enteredRegistering(state: AgentState, env: Env, out: Effect[]): void {
  const { registration } = state;
  registration.sinceMs = env.nowMs;
  const inMs = registration.windowMs === 0 ? 0 : env.random.below(registration.windowMs);
  out.push({ kind: "timer", name: "hello", inMs });
}

/** Says Hello, and again when nothing came of it. */
export function hello(state: AgentState, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "registering") return;
  const { registration, meta, config } = state;
  const { incarnation, agentId } = meta;
  out.push({ kind: "hello", peer: MASTER_PEER, incarnation, identity: agentId });
  const { backoffMs } = registration;
  registration.backoffMs = Math.min(backoffMs * 2, config.registrationBackoffMsMax);
  out.push({ kind: "timer", name: "hello", inMs: backoffMs + env.random.below(backoffMs) });
}

export function linked(state: AgentState, link: LinkChange, env: Env, out: Effect[]): void {
  if (link.change === "come" && env.lifecycle === "registering") {
    out.push({ kind: "timer", name: "hello", inMs: REGISTERED_WAIT_MS });
    // A leader whose beacon was not heard yet may have answered the Hello: its epoch is obeyed from here (P-4.3).
    if (link.epoch > state.meta.epoch) {
      writeMeta(state, { ...{}, ...state.meta, epoch: link.epoch }, out);
      state.registration.epoch = link.epoch;
    }
    return register(state, out);
  }
  if (link.change !== "closed") return count(out, "link-ignored", link.change);
  const { lifecycle } = env;
  count(out, "session-closed", link.reason);
  if (lifecycle === "running" || lifecycle === "registering") lose(out, link.reason);
}

function lose(out: Effect[], why: string): void {
  out.push({ kind: "log", level: "info", sentence: "The leader is lost", fields: { why } });
  out.push({ kind: "lifecycle", event: { type: "LeaderLost" } });
}

/** Everything this agent has, in parts. What is not in it will never run (P-3.2). */
function register(state: AgentState, out: Effect[]): void {
  // The leader says it again once it knows what is here.
  state.draining = undefined;
  const lists: RegisterPart[] = [
    ...partsOf(state, out).map((tasks) => ({ tasks })),
    ...executorParts(state),
    ...operationParts(state),
  ];
  const { meta, bootId } = state;
  const after = [state.journal.after, state.metaToken].filter((token) => typeof token === "string");
  for (const [part, { tasks, executors = [], ...rest }] of lists.entries()) {
    const body: RegisterAgent = {
      agent: agentInfo(state),
      bootId,
      incarnation: meta.incarnation,
      part,
      parts: lists.length,
      tasks,
      frameworks: frameworksOf(state, [...tasks, ...executors]),
      ...(executors.length === 0 ? {} : { executors }),
      ...rest,
    };
    const message = { kind: "RegisterAgent", body } as const;
    out.push({ kind: "send", to: MASTER_PEER, message, after });
  }
}

type RegisterPart = Pick<RegisterAgent, "tasks" | "executors" | "operations">;

/** Operations that nobody has acknowledged, in parts of their own behind those of the tasks. */
function operationParts({ model }: AgentState): RegisterPart[] {
  const parts = inParts(model.operations.values());
  return parts.map((operations) => ({ tasks: [], operations }));
}

/** Executors that the leader hears of by no task: they hold resources all the same. */
function executorParts({ model }: AgentState): RegisterPart[] {
  const busy = new Set<ContainerId>();
  for (const { containerId, state } of model.tasks.values()) {
    if (!isTerminal(state)) busy.add(containerId);
  }
  const idle = [...model.executors.values()].filter(({ containerId }) => !busy.has(containerId));
  const listed = idle.map(({ frameworkId, info }) => ({ frameworkId, executor: info }));
  return inParts(listed).map((executors) => ({ tasks: [], executors }));
}

/** So many of them in a part as its bytes allow. */
function inParts<Item>(items: Iterable<Item>): Item[][] {
  const parts: Item[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const size = encodePlain(item).length;
    const isFull = bytes + size > REGISTER_PART_BYTES_MAX;
    if (isFull || parts.at(-1)?.length === REGISTER_TASKS_MAX) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(item);
    bytes += size;
  }
  return parts;
}

/** A part holds so many tasks, and so many bytes, as one message can. */
function partsOf(state: AgentState, out: Effect[]): TaskRecord[][] {
  const parts: TaskRecord[][] = [[]];
  let bytes = 0;
  for (const task of state.model.tasks.values()) {
    let record = recordOf(task);
    let size = encodePlain(record).length;
    if (size > REGISTER_PART_BYTES_MAX) {
      // The leader needs to know of it; its data is the executor's and its status comes anyway.
      const { status: _status, ...rest } = record;
      const { data: _data, ...info } = record.info;
      record = { ...{}, ...rest, info };
      size = encodePlain(record).length;
      count(out, "register-shortened", "task");
    }
    const last = parts.at(-1) ?? [];
    const full = last.length >= REGISTER_TASKS_MAX || bytes + size > REGISTER_PART_BYTES_MAX;
    if (full && last.length > 0) {
      parts.push([record]);
      bytes = size;
    } else {
      last.push(record);
      bytes += size;
    }
  }
  return parts;
}

function recordOf(task: Task): TaskRecord {
  const { info, frameworkId, executorId, containerId, state, status, updates } = task;
  return {
    info,
    frameworkId,
    executorId,
    containerId,
    state,
    // Mesos: the state of the update that is sent now; where none waits, the latest.
    statusUpdateState: updates[0]?.state ?? state,
    ...(status === null ? {} : { status }),
  };
}

function frameworksOf(
  state: AgentState,
  owned: readonly { readonly frameworkId: FrameworkId }[],
): RegisterAgent["frameworks"] {
  const ids = new Set(owned.map(({ frameworkId }) => frameworkId));
  return [...ids].flatMap((frameworkId) => {
    const framework = state.model.frameworks.get(frameworkId);
    return framework === undefined ? [] : [{ frameworkId, info: framework.info }];
  });
}

export function registered(
  state: AgentState,
  { body, epoch }: MailOf<"AgentRegistered">,
  env: Env,
  out: Effect[],
): void {
  if (body.agentId !== state.config.agentId) {
    return count(out, "registered-refused", "identity-claimed");
  }
  if (env.lifecycle !== "registering") return count(out, "registered-refused", env.lifecycle);
  const { registration, config } = state;
  registration.heartbeatIntervalMs = body.heartbeatIntervalMs;
  registration.backoffMs = config.registrationBackoffMs;
  out.push({ kind: "cancel-timer", name: "hello" });
  const fields = { epoch, agentId: config.agentId, tasks: state.model.tasks.size };
  out.push({ kind: "log", level: "info", sentence: "Registered with the leader", fields });
  out.push({ kind: "lifecycle", event: { type: "Registered" } });
}

export function refused(
  state: AgentState,
  { reason, message, final }: MailOf<"AgentRefused">["body"],
  env: Env,
  out: Effect[],
): void {
  count(out, "registration-refused", reason);
  const fields = { reason, message };
  const sentence = "The leader does not admit this agent";
  out.push({ kind: "log", level: final ? "error" : "warn", sentence, fields });
  const { registration } = state;
  if (final) {
    registration.refusedForGood = true;
    if (env.lifecycle !== "detecting") lose(out, reason);
    return;
  }
  registration.refusedUntilMs = env.nowMs + registration.backoffMs;
  if (env.lifecycle !== "detecting") lose(out, reason);
}

/** Refused for good, it ends when all that the leader had it shut down has ended. */
export function endRefused({ registration, model }: AgentState, env: Env, out: Effect[]): void {
  if (!registration.refusedForGood || env.lifecycle === "stopping") return;
  const isEnding = (one: { readonly frameworkId: FrameworkId }): boolean =>
    model.frameworks.get(one.frameworkId)?.shutdown === true;
  for (const executor of model.executors.values()) if (isEnding(executor)) return;
  for (const task of model.tasks.values()) if (isEnding(task)) return;
  out.push({ kind: "lifecycle", event: { type: "Fail" } });
}

export function enteredRunning(state: AgentState, env: Env, out: Effect[]): void {
  const { registration, config } = state;
  registration.sinceMs = env.nowMs;
  resendAll(state);
  if (state.model.operations.size > 0) out.push({ kind: "timer", name: "operations", inMs: 0 });
  pump(state, env, out);
  out.push({ kind: "timer", name: "heartbeat", inMs: registration.heartbeatIntervalMs });
  watchSilence(state, env, out);
  out.push({ kind: "timer", name: "usage", inMs: config.usageIntervalMs });
}

export function enteredDetecting(state: AgentState, env: Env, out: Effect[]): void {
  for (const name of ["heartbeat", "silence", "usage", "pump", "hello"]) {
    out.push({ kind: "cancel-timer", name });
  }
  if (!env.bus.connected) count(out, "leader-lost", "bus-down");
  seek(state, env, out);
}

/**
 * Asks who leads, and hears a beacon sooner than the next one for all. At most once in a while: a
 * leader that closes each session at once is not asked in a circle, its beacons set the pace.
 */
export function seek({ registration }: AgentState, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "detecting" || !env.bus.connected) return;
  if (registration.refusedForGood || env.nowMs < registration.seekFromMs) return;
  registration.seekFromMs = env.nowMs + SEEK_MS;
  out.push({ kind: "ask-leader", token: "seek", timeoutMs: SEEK_MS });
}

/** Says that this agent lives, and looks whether the leader does. */
export function heartbeat(state: AgentState, due: Due, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "running") return;
  out.push({ kind: "send", to: MASTER_PEER, message: { kind: "Heartbeat", body: {} } });
  out.push({ kind: "timer", name: "heartbeat", inMs: state.registration.heartbeatIntervalMs });
  excuse(state, due, env);
  watchSilence(state, env, out);
}

/** Whoever stood still itself, or was without a bus, has heard nobody (P-6.1). */
function excuse({ registration }: AgentState, { lateMs }: Due, { nowMs, bus }: Env): void {
  if (lateMs > SILENCE_CHECK_MS || !bus.connected) registration.sinceMs = nowMs;
}

function silentFromMs({ registration, config }: AgentState, env: Env): number {
  const heardMs = env.lastHeardMs(MASTER_PEER) ?? registration.sinceMs;
  return Math.max(heardMs, registration.sinceMs, env.bus.sinceMs) + config.masterSilenceMs;
}

/** A leader that was heard lately is looked after by each heartbeat; one that was not, more often. */
function watchSilence(state: AgentState, env: Env, out: Effect[]): void {
  const leftMs = silentFromMs(state, env) - env.nowMs;
  if (leftMs > state.registration.heartbeatIntervalMs + SILENCE_CHECK_MS) return;
  out.push({ kind: "timer", name: "silence", inMs: SILENCE_CHECK_MS });
}

/**
 * The leader has been silent for long. Not judged while this agent could not hear: its bus was
 * away, it stood still itself, or mail from then still waits (P-6.1).
 */
export function checkSilence(state: AgentState, due: Due, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "running") return;
  excuse(state, due, env);
  const deadlineMs = silentFromMs(state, env);
  if (env.nowMs >= deadlineMs && env.oldestWaitingMs() >= deadlineMs) {
    count(out, "leader-lost", "silent");
    return lose(out, "silent");
  }
  watchSilence(state, env, out);
}
