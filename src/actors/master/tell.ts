/**
 * What frameworks are told of tasks. A full window is met with state, not mail: one status per
 * task waits, the latest, until there is room (P-3.6). A framework that is away is told nothing;
 * it asks when it comes back (P-5.3).
 */
import {
  type AgentId,
  type ExecutorId,
  type FrameworkId,
  stateFor,
  type StatusReason,
  type TaskId,
  type TaskState,
  type TaskStatus,
} from "#protocol";
import { type FrameworkRecord, isPartitionAware } from "./records.ts";
import { refuse, say, type Turn, UPDATES_OWED_MAX } from "./state.ts";

/**
 * Updates that one drain says, those of all frameworks together: after a failover each framework
 * asks for all of its tasks, and each answer costs its encoding (P-1.6).
 */
export const UPDATES_PER_DRAIN = 512;

/** Messages of a window that are left to offers and answers. */
const ROOM_KEPT = 16;

/** A status that the master makes: without uuid, so nobody acknowledges it. */
export function masterStatus(
  { env }: Turn,
  task: {
    readonly taskId: TaskId;
    readonly agentId?: AgentId | undefined;
    readonly executorId?: ExecutorId | undefined;
  },
  state: TaskState,
  { reason, message }: { readonly reason: StatusReason; readonly message?: string },
): TaskStatus {
  const { taskId, agentId, executorId } = task;
  return {
    taskId,
    state,
    source: "SOURCE_MASTER",
    reason,
    timestampMs: env.wallMs,
    ...(message === undefined ? {} : { message: message.slice(0, 4096) }),
    ...(agentId === undefined ? {} : { agentId }),
    ...(executorId === undefined ? {} : { executorId }),
  };
}

/** Tells the framework, now or when its window has room. */
export function tell(turn: Turn, frameworkId: FrameworkId, status: TaskStatus): void {
  const { state } = turn;
  const framework = state.frameworks.get(frameworkId);
  if (framework?.connected !== true) return refuse(turn, "no-session", "updates-untold");
  const { owed } = framework;
  const waiting = owed.get(status.taskId);
  const isNext = waiting === undefined && owed.size === 0 && state.updatesSaid < UPDATES_PER_DRAIN;
  if (isNext && roomOf(turn, framework) > 0) return sayUpdate(turn, framework, status);
  // The head of an agent's queue is worth more than an answer: it wants an acknowledgement.
  if (waiting?.uuid !== undefined && status.uuid === undefined) return;
  if (waiting === undefined && owed.size >= UPDATES_OWED_MAX) {
    return refuse(turn, "framework-slow", "updates-untold");
  }
  owed.set(status.taskId, status);
}

function sayUpdate(turn: Turn, framework: FrameworkRecord, status: TaskStatus): void {
  if (framework.peer === undefined) return;
  framework.said += 1;
  turn.state.updatesSaid += 1;
  const state = stateFor(status.state, isPartitionAware(framework));
  const told = state === status.state ? status : { ...{}, ...status, state };
  say(turn, framework.peer, { kind: "UPDATE", body: { status: told } });
}

/** Messages that the framework would still take, those of this batch counted. */
export function roomOf({ env }: Turn, framework: FrameworkRecord): number {
  if (framework.peer === undefined) return 0;
  return env.room(framework.peer) - framework.said - ROOM_KEPT;
}

/** How often owed updates are looked at while a window is full. */
const OWED_RETRY_MS = 50;

/** At the end of a batch: says what is owed, as far as there is room; each gets its share of it. */
export function payOwed(turn: Turn): void {
  const { state, out } = turn;
  let owing = 0;
  for (const { owed } of state.frameworksByPeer.values()) if (owed.size > 0) owing += 1;
  const left = UPDATES_PER_DRAIN - state.updatesSaid;
  const share = Math.max(1, Math.floor(left / Math.max(1, owing)));
  let inMs: number | undefined;
  for (const framework of state.frameworksByPeer.values()) {
    const waits = pay(turn, framework, share);
    if (waits !== undefined) inMs = Math.min(inMs ?? waits, waits);
    framework.said = 0;
  }
  state.updatesSaid = 0;
  if (inMs !== undefined) out.push({ kind: "timer", name: "owed", inMs });
}

/** Says at most so much of what is owed; answers in how long there may be more to say. */
function pay(turn: Turn, framework: FrameworkRecord, most: number): number | undefined {
  let left = most;
  for (const [taskId, status] of framework.owed) {
    if (roomOf(turn, framework) <= 0) return OWED_RETRY_MS;
    if (left === 0) return 0;
    left -= 1;
    framework.owed.delete(taskId);
    sayUpdate(turn, framework, status);
  }
  return undefined;
}
