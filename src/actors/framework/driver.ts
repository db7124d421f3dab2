/**
 * The driver's handlers: one switch of one-line calls, and the way to a subscription — question,
 * beacon, random wait, Hello, Come, SUBSCRIBE, SUBSCRIBED — which is also the one recovery after every
 * loss (P-3).
 */
import { type BodyOf, type Epoch, MASTER_PEER } from "#protocol";
import type { DoneInput, Due, Effect, Env, Input, Mail } from "#runtime";
import { answered, call, resume, sendWaiting, voidOfferCalls } from "./calls.ts";
import { acknowledgeOperation, operationUpdated } from "./operations.ts";
import type { FrameworkState, SchedulerCall } from "./state.ts";
import { tellScheduler } from "./tell.ts";
import {
  acknowledge,
  offered,
  reconcileAll,
  reconcileUnanswered,
  rescinded,
  updated,
} from "./updates.ts";

/** How long a Hello or a SUBSCRIBE may stay without an answer. */
const SUBSCRIBE_ANSWER_MS_MAX = 5_000;
/** So long the question who leads is open. */
const SEEK_MS = 1_000;
const SUBSCRIBE_BACKOFF_MS_MIN = 250;
const SUBSCRIBE_BACKOFF_MS_MAX = 15_000;
const MASTER_SILENCE_MS_MAX = 75_000;

export function step(state: FrameworkState, input: Input, env: Env, out: Effect[]): void {
  switch (input.family) {
    case "mail":
      return mail(state, input, env, out);
    case "due":
      return due(state, input, env, out);
    case "done":
      return done(state, input, env, out);
  }
}

function mail(state: FrameworkState, mail: Mail, env: Env, out: Effect[]): void {
  if (mail.kind === "Beacon") return beacon(state, mail.body, env, out);
  // As Mesos' driver does while disconnected: the scheduler was told that these offers are void.
  if (state.session !== "open") {
    return void out.push({ kind: "count", name: "ignored", reason: "session-lost" });
  }
  switch (mail.kind) {
    case "Heartbeat":
      return;
    case "SUBSCRIBED":
      return subscribed(state, mail.body, env, out);
    case "ERROR":
      return refused(state, mail.body, env, out);
    case "OFFERS":
      return offered(state, mail.body.offers, out);
    case "RESCIND":
      return rescinded(state, mail.body, out);
    case "UPDATE":
      return updated(state, mail.body.status, out);
    case "UPDATE_OPERATION_STATUS":
      return operationUpdated(state, mail.body.status, out);
    case "INVERSE_OFFERS":
      return void out.push(tellScheduler({ kind: "inverse-offers", ...mail.body }));
    case "RESCIND_INVERSE_OFFER":
      return void out.push(tellScheduler({ kind: "rescind-inverse-offer", ...mail.body }));
    case "ANSWER":
      return answered(state, mail.re, mail.body, env, out);
    case "MESSAGE":
      return void out.push(tellScheduler({ kind: "message", body: mail.body }));
    case "FAILURE":
      return void out.push(tellScheduler({ kind: "failure", body: mail.body }));
    default:
      out.push({ kind: "count", name: "refusals", reason: "unknown-kind" });
  }
}

function due(state: FrameworkState, { timer, lateMs }: Due, env: Env, out: Effect[]): void {
  switch (timer) {
    case "call":
      if (state.leader !== undefined && env.lifecycle === "disconnected") {
        out.push({ kind: "lifecycle", event: { type: "Call" } });
      }
      return;
    case "answer":
      // Otherwise it may subscribe, and be made offers, in a session that nobody follows.
      out.push({ kind: "close", peer: MASTER_PEER, reason: "no-session" });
      return lost(state, "the leader did not answer in time", env, out);
    case "heartbeat":
      return heartbeat(state, lateMs, env, out);
    case "reconcile":
      if (env.lifecycle === "subscribed") reconcileUnanswered(state, env, out);
      return;
    case "more":
      if (env.lifecycle === "subscribed") sendWaiting(state, env, out);
      return;
  }
}

function done(state: FrameworkState, done: DoneInput, env: Env, out: Effect[]): void {
  switch (done.what) {
    case "link":
      if (done.link.change === "come") subscribe(state, done.link.epoch, env, out);
      if (done.link.change === "closed") lost(state, done.link.reason, env, out);
      return;
    case "told":
      return told(state, done.message as SchedulerCall, env, out);
    case "bus":
      if (done.connected && env.lifecycle === "disconnected") seek(state, env, out);
      return;
    default:
      return;
  }
}

function told(state: FrameworkState, said: SchedulerCall, env: Env, out: Effect[]): void {
  if (said.kind === "call") {
    const { message } = said;
    // An acknowledgement names an update that would come again: nothing to keep.
    if (message.kind === "ACKNOWLEDGE") return acknowledge(state, message.body, out);
    if (message.kind === "ACKNOWLEDGE_OPERATION_STATUS") {
      return acknowledgeOperation(state, message.body, out);
    }
    return call(state, said.number, message, env, out);
  }
  state.stopping = said.teardown ? "teardown" : "leave";
  if (!said.teardown) out.push({ kind: "lifecycle", event: { type: "Stop" } });
}

/** Somebody leads. The highest epoch is followed; a higher one ends the present session. */
function beacon(state: FrameworkState, body: BodyOf<"Beacon">, env: Env, out: Effect[]): void {
  const known = state.leader;
  if (known !== undefined && body.epoch < known.epoch) {
    out.push({ kind: "count", name: "refusals", reason: "lower-epoch" });
    return;
  }
  const changed = known === undefined || body.epoch > known.epoch;
  state.leader = {
    epoch: body.epoch,
    masterId: body.masterId,
    windowMs: body.windowMs,
    intervalMs: body.intervalMs,
    heardAtMs: env.nowMs,
  };
  if (!changed) return;
  if (env.lifecycle !== "disconnected") {
    out.push({ kind: "close", peer: MASTER_PEER, reason: "lower-epoch" });
    lost(state, `a new leader speaks: ${body.masterId}`, env, out);
    // What its predecessor refused says nothing of this one: its window alone spreads who comes.
    state.attempts = 0;
    return;
  }
  out.push({ kind: "timer", name: "call", inMs: env.random.below(body.windowMs + 1) });
}

/** What happens on entering each state of the lifecycle. */
export function entered(state: FrameworkState, lifecycle: string, env: Env, out: Effect[]): void {
  switch (lifecycle) {
    case "disconnected":
      out.push({ kind: "listen", to: "leader", listen: true });
      out.push({ kind: "listen", to: "from-master", listen: true });
      if (state.leader === undefined) seek(state, env, out);
      else scheduleCall(state, env, out);
      return;
    case "subscribing":
      state.session = "asked";
      out.push({
        kind: "hello",
        peer: MASTER_PEER,
        incarnation: state.config.incarnation ?? 1,
      });
      out.push({ kind: "timer", name: "answer", inMs: SUBSCRIBE_ANSWER_MS_MAX });
      return;
    case "subscribed":
      out.push({ kind: "cancel-timer", name: "answer" });
      out.push({ kind: "timer", name: "heartbeat", inMs: state.heartbeatIntervalMs });
      resume(state, env, out);
      reconcileAll(state, env, out);
      return;
    case "ended":
      for (const name of ["call", "answer", "heartbeat", "reconcile", "more"]) {
        out.push({ kind: "cancel-timer", name });
      }
      out.push({ kind: "close", peer: MASTER_PEER, reason: "not-handled-in-this-state" });
      return;
  }
}

/**
 * Nobody is known to lead: who does answers with a beacon, sooner than the next one for all. No
 * answer is none: whoever begins to lead says so to everybody.
 */
function seek(state: FrameworkState, env: Env, out: Effect[]): void {
  if (state.leader !== undefined || !env.bus.connected) return;
  out.push({ kind: "ask-leader", token: "seek", timeoutMs: SEEK_MS });
}

function scheduleCall(state: FrameworkState, env: Env, out: Effect[]): void {
  const most = state.config.subscribeBackoffMsMax ?? SUBSCRIBE_BACKOFF_MS_MAX;
  const backoffMs = Math.min(most, SUBSCRIBE_BACKOFF_MS_MIN * 2 ** Math.min(state.attempts, 20));
  // Even the first attempt after a loss is spread, as wide as the leader asks: all frameworks have
  // lost the same one.
  const windowMs = state.attempts === 0 ? (state.leader?.windowMs ?? backoffMs) : backoffMs;
  out.push({ kind: "timer", name: "call", inMs: env.random.below(windowMs + 1) });
}

/** The leader has room: who we are, and which subscription this one continues. */
function subscribe(state: FrameworkState, epoch: Epoch, env: Env, out: Effect[]): void {
  if (state.session !== "asked") {
    return void out.push({ kind: "count", name: "ignored", reason: "come-unasked" });
  }
  state.session = "open";
  state.sessionEpoch = epoch;
  // A leader whose beacon was not heard yet may have answered the Hello: it is the one followed.
  if (state.leader !== undefined && epoch > state.leader.epoch) state.leader.epoch = epoch;
  state.nonce ??= env.random.uuid();
  const body: BodyOf<"SUBSCRIBE"> = {
    frameworkInfo: state.info,
    nonce: state.nonce,
    suppressedRoles: [...state.suppressedRoles],
    ...(state.frameworkId === undefined ? {} : { frameworkId: state.frameworkId }),
    ...(state.token === undefined ? {} : { token: state.token }),
  };
  out.push({ kind: "send", to: MASTER_PEER, message: { kind: "SUBSCRIBE", body, id: 0 } });
}

function subscribed(
  state: FrameworkState,
  body: BodyOf<"SUBSCRIBED">,
  env: Env,
  out: Effect[],
): void {
  if (env.lifecycle !== "subscribing") {
    out.push({ kind: "count", name: "ignored", reason: "subscribed-unasked" });
    return;
  }
  state.frameworkId = body.frameworkId;
  state.token = body.token;
  state.subscribedEpoch = state.sessionEpoch;
  state.heartbeatIntervalMs = body.heartbeatIntervalMs;
  state.attempts = 0;
  out.push(
    tellScheduler({
      kind: "subscribed",
      frameworkId: body.frameworkId,
      epoch: state.subscribedEpoch,
      masterId: body.masterId,
    }),
  );
  out.push({ kind: "lifecycle", event: { type: "Subscribed" } });
}

/** Reasons after which the framework may not come back by itself (P-4.4). */
const FINAL: ReadonlySet<string> = new Set([
  "displaced",
  "framework-completed",
  "not-allowed",
  "invalid",
  "identity-claimed",
]);

function refused(
  state: FrameworkState,
  { reason, message }: BodyOf<"ERROR">,
  env: Env,
  out: Effect[],
): void {
  if (!FINAL.has(reason)) return lost(state, `${reason}: ${message}`, env, out);
  out.push({
    kind: "log",
    level: "warn",
    sentence: "the leader ended this framework",
    fields: { reason, message },
  });
  out.push(tellScheduler({ kind: "ended", reason, message }));
  out.push({ kind: "lifecycle", event: { type: "Ended" } });
}

/** The session is over: offers are void, calls stay, and the driver subscribes again. */
function lost(state: FrameworkState, why: string, env: Env, out: Effect[]): void {
  // The lifecycle changes when the batch is over: what comes behind in it finds the leader lost already.
  if (state.session === "none" || env.lifecycle === "ended") return;
  state.session = "none";
  if (env.lifecycle === "subscribed") {
    state.offers.clear();
    voidOfferCalls(state);
    out.push(tellScheduler({ kind: "disconnected", why }));
  }
  for (const name of ["answer", "heartbeat", "reconcile", "more"]) {
    out.push({ kind: "cancel-timer", name });
  }
  state.attempts += 1;
  out.push({ kind: "log", level: "info", sentence: "lost the leader", fields: { why } });
  out.push({ kind: "lifecycle", event: { type: "Lost" } });
}

/** Says that we live, and asks whether the leader does: silence counts for one who could hear. */
function heartbeat(state: FrameworkState, lateMs: number, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "subscribed") return;
  const interval = state.heartbeatIntervalMs;
  const heard = Math.max(
    state.leader?.heardAtMs ?? 0,
    env.lastHeardMs(MASTER_PEER) ?? 0,
    env.bus.sinceMs,
  );
  const stoodStill = lateMs > interval;
  const judge = env.bus.connected && !stoodStill && env.oldestWaitingMs() >= env.nowMs;
  const most = state.config.masterSilenceMsMax ?? MASTER_SILENCE_MS_MAX;
  if (judge && env.nowMs - heard > most) {
    out.push({ kind: "close", peer: MASTER_PEER, reason: "no-session" });
    return lost(state, `the leader was silent for ${env.nowMs - heard} ms`, env, out);
  }
  out.push({ kind: "send", to: MASTER_PEER, message: { kind: "Heartbeat", body: {} } });
  out.push({ kind: "timer", name: "heartbeat", inMs: interval });
}
