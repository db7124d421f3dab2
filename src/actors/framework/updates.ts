/**
 * Updates and offers on their way to the scheduler, acknowledgements back, and reconciliation:
 * after every subscription the driver asks for each live task that it knows until every one has
 * been answered, ever more slowly (P-5.3, mesos.md §1 flow 6).
 */
import {
  type AgentId,
  type BodyOf,
  isTerminal,
  MASTER_PEER,
  type Offer,
  TASKS_PER_RECONCILE_MAX,
  type TaskId,
  type TaskStatus,
  type Uuid,
} from "#protocol";
import type { Effect, Env } from "#runtime";
import { askOperations, reconcileOperations } from "./operations.ts";
import { type FrameworkState, TASKS_TRACKED_MAX } from "./state.ts";
import { tellScheduler } from "./tell.ts";

/** First wait before tasks without an answer are asked for again; doubles. */
const RECONCILE_WAIT_MS_MIN = 1_000;
const RECONCILE_WAIT_MS_MAX = 15 * 60_000;

export function offered(state: FrameworkState, offers: readonly Offer[], out: Effect[]): void {
  for (const offer of offers) state.offers.set(offer.offerId, offer);
  out.push(tellScheduler({ kind: "offers", offers }));
}

export function rescinded(
  state: FrameworkState,
  { offerId, reason }: BodyOf<"RESCIND">,
  out: Effect[],
): void {
  state.offers.delete(offerId);
  out.push(tellScheduler({ kind: "rescind", offerId, reason }));
}

/** An update or an answer to a reconciliation; told once, acknowledged as often as it comes. */
export function updated(state: FrameworkState, status: TaskStatus, out: Effect[]): void {
  const tracked = state.tasks.get(status.taskId);
  if (tracked !== undefined) {
    tracked.asked = false;
    if (status.agentId !== undefined) tracked.agentId = status.agentId;
    if (status.uuid !== undefined && tracked.acknowledged === status.uuid) {
      out.push({ kind: "count", name: "ignored", reason: "update-repeated" });
      sendAcknowledgement(status, out);
      return;
    }
    tracked.state = status.state;
  } else if (!isTerminal(status.state) && state.tasks.size < TASKS_TRACKED_MAX) {
    state.tasks.set(status.taskId, {
      agentId: status.agentId,
      state: status.state,
      acknowledged: undefined,
      asked: false,
    });
  }
  out.push(tellScheduler({ kind: "update", status }));
  if (status.uuid === undefined) forgetEnded(state, status.taskId);
  else if (state.config.acknowledgeForMe) acknowledge(state, status, out);
}

/** The scheduler has made the update durable, or does not want to. */
export function acknowledge(
  state: FrameworkState,
  status: { taskId: TaskId; agentId?: AgentId; uuid?: Uuid },
  out: Effect[],
): void {
  const tracked = state.tasks.get(status.taskId);
  if (tracked !== undefined) tracked.acknowledged = status.uuid;
  sendAcknowledgement(status, out);
  forgetEnded(state, status.taskId);
}

function sendAcknowledgement(
  { taskId, agentId, uuid }: { taskId: TaskId; agentId?: AgentId; uuid?: Uuid },
  out: Effect[],
): void {
  if (agentId === undefined || uuid === undefined) return;
  const body = { agentId, taskId, uuid };
  out.push({ kind: "send", to: MASTER_PEER, message: { kind: "ACKNOWLEDGE", body } });
}

/** A task whose end has been acknowledged needs no reconciliation any more. */
function forgetEnded(state: FrameworkState, taskId: TaskId): void {
  const tracked = state.tasks.get(taskId);
  if (tracked !== undefined && isTerminal(tracked.state)) state.tasks.delete(taskId);
}

/** A subscription has begun: everything that lives is asked for. */
export function reconcileAll(state: FrameworkState, env: Env, out: Effect[]): void {
  for (const task of state.tasks.values()) task.asked = true;
  askOperations(state);
  state.reconcileWaitMs = RECONCILE_WAIT_MS_MIN;
  reconcileUnanswered(state, env, out);
}

/** Asks for the tasks that have not been answered; again after twice the time. */
export function reconcileUnanswered(state: FrameworkState, env: Env, out: Effect[]): void {
  const tasks: BodyOf<"RECONCILE">["tasks"] = [];
  let room = env.room(MASTER_PEER);
  for (const [taskId, task] of state.tasks) {
    if (!task.asked) continue;
    tasks.push(task.agentId === undefined ? { taskId } : { taskId, agentId: task.agentId });
    if (tasks.length < TASKS_PER_RECONCILE_MAX) continue;
    if (room <= 0) break;
    reconcile(tasks.splice(0), out);
    room -= 1;
  }
  const unanswered = tasks.length > 0;
  if (unanswered && room > 0) reconcile(tasks, out);
  const open = reconcileOperations(state, room - 1, out);
  if (!unanswered && !open) return;
  out.push({ kind: "timer", name: "reconcile", inMs: state.reconcileWaitMs });
  const most = state.config.reconcileIntervalMsMax ?? RECONCILE_WAIT_MS_MAX;
  state.reconcileWaitMs = Math.min(most, state.reconcileWaitMs * 2);
}

function reconcile(tasks: BodyOf<"RECONCILE">["tasks"], out: Effect[]): void {
  out.push({ kind: "send", to: MASTER_PEER, message: { kind: "RECONCILE", body: { tasks } } });
}
