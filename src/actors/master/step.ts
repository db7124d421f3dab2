/** Every input of a master, in one switch; what each means stands in the file of its topic. */
import type { Peer } from "#protocol";
import type { DoneInput, Due, Effect, Env, Input, Mail } from "#runtime";
import { sweepAgents } from "./absence.ts";
import { registerAgent } from "./agents.ts";
import { type Call, called } from "./calls.ts";
import { subscribe, sweepFrameworks } from "./frameworks.ts";
import { closeDisbelieved, dropLateComers, endContests, linkChanged, pull } from "./greetings.ts";
import {
  appended,
  asked,
  awaitSilence,
  busChanged,
  campaign,
  diskRead,
  flush,
  followed,
  poll,
  prove,
  retry,
  standBy,
  steppedDown,
  wasRead,
} from "./leadership.ts";
import { allocatorView } from "./allocator-view.ts";
import { allocate, allocateChanged, expireOffers } from "./offers.ts";
import { sweepDrains } from "./drain.ts";
import { askToLeave } from "./maintenance.ts";
import { operationStatus } from "./operations.ts";
import { isOperatorCall, operatorCalled } from "./operator.ts";
import { reclaimLent } from "./reclaim.ts";
import { roleViews } from "./role-views.ts";
import { considerSnapshot, truncated } from "./snapshots.ts";
import { mindMute } from "./speech.ts";
import { type MasterState, refuse, say, type Turn } from "./state.ts";
import { beacon, flushAgain, listen, listening, recover, sought, SWEEP_MS } from "./takeover.ts";
import { payOwed } from "./tell.ts";
import { executorMessage, exitedExecutor, statusUpdate } from "./updates.ts";
import { keepWitness, witnessWritten } from "./witness.ts";

/** Heartbeats said in one drain. */
const HEARTBEATS_PER_PART = 512;

export function step(state: MasterState, input: Input, env: Env, out: Effect[]): void {
  const turn: Turn = { state, env, out };
  mindMute(turn);
  const wanted = state.allocationWanted;
  take(turn, input);
  if (wanted || !state.allocationWanted) return;
  state.runTimes.asked(input.family === "mail" ? input.arrivedAtMs : env.nowMs);
}

function take(turn: Turn, input: Input): void {
  switch (input.family) {
    case "mail":
      return turn.env.lifecycle === "leading"
        ? mail(turn, input)
        : refuse(turn, "not-handled-in-this-state");
    case "due":
      return due(turn, input);
    case "done":
      return done(turn, input);
  }
}

function mail(turn: Turn, mail: Mail): void {
  if (isOperatorCall(mail)) return operatorCalled(turn, mail);
  switch (mail.kind) {
    case "RegisterAgent":
      return registerAgent(turn, mail);
    case "StatusUpdate":
      return statusUpdate(turn, mail);
    case "OperationStatusUpdate":
      return operationStatus(turn, mail);
    case "ExitedExecutor":
      return exitedExecutor(turn, mail);
    case "ExecutorToFramework":
      return executorMessage(turn, mail);
    case "AgentUsage":
      // For people only: nothing is decided on it.
      if (!turn.state.agentsByPeer.has(mail.from)) return refuse(turn, "no-session");
      return turn.state.publisher.usage(mail.body.containers);
    case "SUBSCRIBE":
      return subscribe(turn, mail);
    case "TEARDOWN":
    case "ACCEPT":
    case "DECLINE":
    case "REVIVE":
    case "SUPPRESS":
    case "KILL":
    case "SHUTDOWN":
    case "ACKNOWLEDGE":
    case "RECONCILE":
    case "MESSAGE":
    case "UPDATE_FRAMEWORK":
    case "ACKNOWLEDGE_OPERATION_STATUS":
    case "RECONCILE_OPERATIONS":
    case "ACCEPT_INVERSE_OFFERS":
    case "DECLINE_INVERSE_OFFERS":
      return called(turn, mail satisfies Call);
    default:
      return refuse(turn, "unknown-kind");
  }
}

function due(turn: Turn, { timer, lateMs }: Due): void {
  switch (timer) {
    case "poll":
      return poll(turn);
    case "log-retry":
      return retry(turn);
    case "proof":
      return prove(turn);
    case "speak":
      return awaitSilence(turn);
    case "flush":
      return flushAgain(turn);
    case "beacon":
      return beacon(turn);
    case "heartbeat":
      return heartbeat(turn);
    case "sweep":
      return sweep(turn, lateMs);
    case "allocation":
      return batch(turn, lateMs);
    case "incumbents":
      return endContests(turn);
    case "counters":
      return counters(turn);
    default:
      // `owed` and `events` only wake the actor: their work is done at the end of a batch.
      return;
  }
}

function done(turn: Turn, done: DoneInput): void {
  switch (done.what) {
    case "append":
      return appended(turn, done);
    case "log-read":
      return wasRead(turn, done);
    case "log-entries":
      return followed(turn, done);
    case "log-truncate":
      return truncated(turn, done);
    case "log-step-down":
      return steppedDown(turn, done);
    case "disk-read":
      return diskRead(turn, done);
    case "write":
      return witnessWritten(turn, done);
    case "ask":
      return asked(turn, done.outcome);
    case "sought":
      return sought(turn, done.peer);
    case "flushed":
      return listening(turn, done.reached);
    case "link":
      return linkChanged(turn, done.peer, done.link);
    case "bus":
      return busChanged(turn, done.connected);
    default:
      return refuse(turn, "not-handled-in-this-state");
  }
}

/** What happens on entering each state of the lifecycle. */
export function entered(state: MasterState, lifecycle: string, env: Env, out: Effect[]): void {
  const turn: Turn = { state, env, out };
  switch (lifecycle) {
    case "standby":
      return standBy(turn);
    case "campaigning":
      return campaign(turn);
    case "recovering":
      return recover(turn);
    case "leading":
      return listen(turn);
    default:
      return;
  }
}

/** Once a drain: the one append, new offers, what is owed, what is published. */
export function batchEnded(state: MasterState, env: Env, out: Effect[]): void {
  const turn: Turn = { state, env, out };
  if (state.writer === undefined) return;
  mindMute(turn);
  if (env.lifecycle === "leading") {
    closeDisbelieved(turn);
    pull(turn);
    if (allocateChanged(turn)) {
      reclaimLent(turn);
      // What came back from offers goes to who asked for it.
      allocateChanged(turn);
    }
    payOwed(turn);
    publish(turn);
  }
  flush(turn);
}

function publish({ state, env, out }: Turn): void {
  const { publisher, settings } = state;
  for (const { first, events } of publisher.drain(settings.masterId, state, env.nowMs)) {
    const body = { epoch: state.epoch, first, atMs: env.wallMs, events };
    out.push({ kind: "publish", topic: "cluster", message: { kind: "EVENT_BATCH", body } });
  }
  const inMs = publisher.wakeInMs(env.nowMs);
  if (inMs !== undefined) out.push({ kind: "timer", name: "events", inMs });
}

/**
 * Peers hear that the leader lives, also those that it has nothing to say to. Many are spoken to
 * in parts over the interval, since each costs a frame of its own (P-1.6).
 */
function heartbeat(turn: Turn): void {
  const { state, out } = turn;
  const { heartbeatIntervalMs } = state.settings;
  const peers = state.agentsByPeer.size + state.frameworks.size;
  const parts = Math.max(1, Math.ceil(peers / HEARTBEATS_PER_PART));
  let round = state.heartbeats ?? peersOf(state);
  for (let left = Math.ceil(peers / parts); left > 0; left--) {
    let next = round.next();
    if (next.done === true && parts > 1) {
      round = peersOf(state);
      next = round.next();
    }
    if (next.done === true) break;
    say(turn, next.value, { kind: "Heartbeat", body: {} });
  }
  state.heartbeats = parts > 1 ? round : undefined;
  out.push({ kind: "timer", name: "heartbeat", inMs: heartbeatIntervalMs / parts });
}

/** Everybody who hears heartbeats; who comes or goes meanwhile is in it or not. */
function* peersOf({ agentsByPeer, frameworks }: MasterState): Generator<Peer, void> {
  yield* agentsByPeer.keys();
  for (const { peer, connected } of frameworks.values()) {
    if (peer !== undefined && connected) yield peer;
  }
}

function sweep(turn: Turn, lateMs: number): void {
  const { state, env, out } = turn;
  // This process stood still: whoever was silent meanwhile may have spoken (P-6.1).
  if (lateMs > SWEEP_MS) state.judgeFromMs = env.nowMs;
  state.seekers = 0;
  sweepAgents(turn);
  sweepFrameworks(turn);
  expireOffers(turn);
  sweepDrains(turn);
  dropLateComers(turn);
  keepWitness(turn);
  considerSnapshot(turn);
  out.push({ kind: "timer", name: "sweep", inMs: SWEEP_MS });
}

/** The batch run, over all agents; shares are told to people with it. */
function batch(turn: Turn, lateMs: number): void {
  const { state, env, out } = turn;
  allocate(turn, undefined, env.nowMs - lateMs);
  reclaimLent(turn);
  askToLeave(turn);
  state.publisher.roles(roleViews(state));
  out.push({ kind: "timer", name: "allocation", inMs: state.settings.allocationIntervalMs });
}

function counters({ state, env, out }: Turn): void {
  const counts: Record<string, number> = {};
  for (const [name, label, count] of env.counters) counts[`${name}.${label}`] = count;
  for (const [reason, count] of state.allocator.refusals()) counts[`allocator.${reason}`] = count;
  for (const [reason, count] of state.follower.voids) counts[`log-void.${reason}`] = count;
  state.publisher.counters(counts);
  state.publisher.allocator(allocatorView(state));
  out.push({ kind: "timer", name: "counters", inMs: state.settings.countersIntervalMs });
}
