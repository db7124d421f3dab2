/**
 * Calls of the framework: numbered, kept until answered, said again where that is safe. Within
 * an epoch the leader gives a repeated number its first answer (P-5.2); across epochs only what
 * names a wish is repeated, never an ACCEPT: its tasks are reconciled instead (P-5.3).
 */
import { type AgentId, type BodyOf, MASTER_PEER, type MessageId, type TaskId } from "#protocol";
import type { Effect, Env } from "#runtime";
import {
  ANSWERED,
  type CallMessage,
  CALLS_PENDING_MAX,
  type FrameworkState,
  type PendingCall,
  REPEATED_ACROSS_EPOCHS,
  TASKS_TRACKED_MAX,
} from "./state.ts";
import { trackOperation } from "./operations.ts";
import { tellScheduler } from "./tell.ts";

/** After how long calls without room, or refused as busy, are tried again. */
const RETRY_MS = 50;
const BUSY_RETRY_MS = 200;

/** The scheduler calls: kept, and said at once where the session has room. */
export function call(
  state: FrameworkState,
  number: MessageId,
  message: CallMessage,
  env: Env,
  out: Effect[],
): void {
  if (state.pending.size >= CALLS_PENDING_MAX) {
    const sentence = `${CALLS_PENDING_MAX} calls wait for their answer; call again later`;
    out.push({ kind: "count", name: "refusals", reason: "busy" });
    out.push(
      tellScheduler({
        kind: "answer",
        call: number,
        of: message.kind,
        answer: { accepted: false, reason: "busy", message: sentence },
      }),
    );
    return;
  }
  remember(state, message);
  state.pending.set(number, {
    message: ANSWERED.has(message.kind) ? { ...{}, ...message, id: number } : message,
    epoch: 0,
    sent: false,
  });
  if (env.lifecycle === "subscribed") sendWaiting(state, env, out);
}

/** What a call changes in the driver's own picture, whether it has been said yet or not. */
function remember(state: FrameworkState, message: CallMessage): void {
  switch (message.kind) {
    case "ACCEPT": {
      const [first] = message.body.offerIds;
      const agentOf = first === undefined ? undefined : state.offers.get(first)?.agentId;
      for (const offerId of message.body.offerIds) state.offers.delete(offerId);
      return rememberAccept(state, message.body, agentOf);
    }
    case "DECLINE":
      for (const offerId of message.body.offerIds) state.offers.delete(offerId);
      return;
    case "SUPPRESS":
      for (const role of named(state, message.body.roles)) state.suppressedRoles.add(role);
      return;
    case "REVIVE":
      for (const role of named(state, message.body.roles)) state.suppressedRoles.delete(role);
      return;
    case "UPDATE_FRAMEWORK":
      state.info = message.body.frameworkInfo;
      state.suppressedRoles.clear();
      for (const role of message.body.suppressedRoles) state.suppressedRoles.add(role);
      return;
    default:
      return;
  }
}

/** Its tasks, and its operations that want feedback, are reconciled until they are over. */
function rememberAccept(
  state: FrameworkState,
  { operations }: BodyOf<"ACCEPT">,
  agentId: AgentId | undefined,
): void {
  for (const operation of operations) {
    switch (operation.type) {
      case "LAUNCH":
        for (const info of operation.taskInfos) track(state, info.taskId, info.agentId);
        break;
      case "LAUNCH_GROUP":
        for (const info of operation.taskGroup.tasks) track(state, info.taskId, info.agentId);
        break;
      default:
        if (operation.id !== undefined) trackOperation(state, operation.id, agentId);
    }
  }
}

function named(state: FrameworkState, roles: readonly string[]): readonly string[] {
  return roles.length > 0 ? roles : state.info.roles;
}

function track(state: FrameworkState, taskId: TaskId, agentId: AgentId): void {
  if (state.tasks.has(taskId) || state.tasks.size >= TASKS_TRACKED_MAX) return;
  state.tasks.set(taskId, {
    agentId,
    state: "TASK_STAGING",
    acknowledged: undefined,
    asked: false,
  });
}

/**
 * Says the calls that have not been said in this session, as many as there is room for. Calls
 * without an answer are done when they are said: a lost frame ends the session, and what they
 * wanted comes up again (an update is sent again, an offer is void).
 */
export function sendWaiting(state: FrameworkState, env: Env, out: Effect[]): void {
  let room = env.room(MASTER_PEER);
  for (const [number, pending] of state.pending) {
    if (pending.sent) continue;
    if (room <= 0) {
      out.push({ kind: "timer", name: "more", inMs: RETRY_MS });
      return;
    }
    pending.sent = true;
    pending.epoch = state.subscribedEpoch;
    out.push({ kind: "send", to: MASTER_PEER, message: pending.message });
    if (!ANSWERED.has(pending.message.kind)) state.pending.delete(number);
    room -= 1;
  }
}

/**
 * A subscription has begun. Within the same epoch everything open is said again under its
 * number; in a new one only wishes are, and what cannot be repeated is answered here.
 */
export function resume(state: FrameworkState, env: Env, out: Effect[]): void {
  for (const [number, pending] of [...state.pending]) {
    const said = pending.epoch !== 0;
    const sameEpoch = pending.epoch === state.subscribedEpoch;
    pending.sent = false;
    if (!said || sameEpoch || REPEATED_ACROSS_EPOCHS.has(pending.message.kind)) continue;
    state.pending.delete(number);
    const message = "said to an earlier leader; its tasks are reconciled one by one";
    out.push(answerOf(number, pending, { accepted: false, reason: "wrong-epoch", message }));
  }
  sendWaiting(state, env, out);
}

/** Offers of an earlier session are void, and so are the calls that only name offers. */
export function voidOfferCalls(state: FrameworkState): void {
  for (const [number, pending] of [...state.pending]) {
    if (pending.message.kind === "DECLINE") state.pending.delete(number);
  }
}

/** The leader's answer to the call of that number. */
export function answered(
  state: FrameworkState,
  number: MessageId,
  answer: BodyOf<"ANSWER">,
  env: Env,
  out: Effect[],
): void {
  const pending = state.pending.get(number);
  if (pending === undefined) {
    out.push({ kind: "count", name: "ignored", reason: "answer-without-call" });
    return;
  }
  if (!answer.accepted && answer.reason === "busy") {
    // The leader keeps as many answers for us as it can: the call stays open and is said again.
    pending.sent = false;
    out.push({ kind: "timer", name: "more", inMs: BUSY_RETRY_MS });
    return;
  }
  state.pending.delete(number);
  out.push(answerOf(number, pending, answer));
  if (pending.message.kind === "TEARDOWN" && answer.accepted && state.stopping === "teardown") {
    out.push({ kind: "lifecycle", event: { type: "Stop" } });
  }
  sendWaiting(state, env, out);
}

function answerOf(number: MessageId, pending: PendingCall, answer: BodyOf<"ANSWER">): Effect {
  return tellScheduler({ kind: "answer", call: number, of: pending.message.kind, answer });
}
