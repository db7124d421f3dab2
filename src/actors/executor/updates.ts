/**
 * Updates of an executor: numbered once, kept until the agent has acknowledged them, said again
 * with every subscription. Never changes one that was made.
 */
import { agentPeer, type TaskStatus, type Uuid } from "#protocol";
import type { Effect, Env } from "#runtime";
import { tellAuthor } from "./author.ts";
import {
  type ExecutorState,
  TASKS_REMEMBERED_MAX,
  type TaskUpdate,
  UPDATES_UNACKNOWLEDGED_MAX,
} from "./state.ts";

/** How soon an update for which the agent had no room is tried again. */
const PUMP_AGAIN_MS = 20;

export function makeUpdate(
  state: ExecutorState,
  update: TaskUpdate,
  env: Env,
  out: Effect[],
): void {
  if (state.updates.size >= UPDATES_UNACKNOWLEDGED_MAX) {
    const why = `${UPDATES_UNACKNOWLEDGED_MAX} updates wait for the agent; wait for some`;
    out.push({ kind: "count", name: "update-refused", reason: "busy" });
    return void out.push(tellAuthor({ kind: "refused", update, why }));
  }
  const uuid = env.random.uuid();
  const status: TaskStatus = {
    ...{},
    ...update,
    source: "SOURCE_EXECUTOR",
    executorId: state.config.executorId,
    timestampMs: env.wallMs,
    uuid,
  };
  state.updates.set(uuid, status);
  state.unsent.add(uuid);
}

/** Says what was not said in this session, as far as the agent has room. */
export function pump(state: ExecutorState, env: Env, out: Effect[]): void {
  if (!state.subscribed || state.unsent.size === 0) return;
  const peer = agentPeer(state.config.agent);
  let room = env.room(peer);
  for (const uuid of state.unsent) {
    if (room === 0) {
      return void out.push({ kind: "timer", name: "pump", inMs: PUMP_AGAIN_MS });
    }
    room -= 1;
    state.unsent.delete(uuid);
    const status = state.updates.get(uuid);
    if (status === undefined) continue;
    out.push({ kind: "send", to: peer, message: { kind: "EXECUTOR_UPDATE", body: { status } } });
  }
}

export function acknowledged(state: ExecutorState, uuid: Uuid, out: Effect[]): void {
  const status = state.updates.get(uuid);
  if (status === undefined) {
    return void out.push({ kind: "count", name: "acknowledgement-ignored", reason: "unknown" });
  }
  state.updates.delete(uuid);
  state.unsent.delete(uuid);
  // From here on the agent knows the task by more than its launch.
  state.tasks.delete(status.taskId);
  out.push(tellAuthor({ kind: "acknowledged", taskId: status.taskId, uuid }));
}

/** True when the id is new; the oldest ones are forgotten beyond the limit. */
export function remember(state: ExecutorState, taskId: TaskStatus["taskId"]): boolean {
  const { remembered } = state;
  if (remembered.has(taskId)) return false;
  remembered.add(taskId);
  if (remembered.size > TASKS_REMEMBERED_MAX) {
    for (const oldest of remembered) {
      remembered.delete(oldest);
      break;
    }
  }
  return true;
}
