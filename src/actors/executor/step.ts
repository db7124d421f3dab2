/**
 * One switch over everything that comes into the executor library: the agent's events become
 * typed ones for the author, the author's calls become messages. Keeps the rules of the executor
 * (mesos.md §4): unacknowledged tasks and updates go with every subscription.
 */
import { agentPeer, type AnyMessage, type TaskInfo } from "#protocol";
import type { DoneInput, Effect, Env, Input, LinkChange, Mail } from "#runtime";
import { AUTHOR, callOf, tellAuthor } from "./author.ts";
import { type ExecutorCall, type ExecutorState, TASKS_UNACKNOWLEDGED_MAX } from "./state.ts";
import { acknowledged, makeUpdate, pump, remember } from "./updates.ts";

/**
 * An agent that was restarted knows no session of its executors; one that speaks is told so. So all
 * speak more often than the agent waits for those who come back (10 s).
 */
export const HEARTBEAT_INTERVAL_MS = 5_000;
/** Silence of the agent, which speaks every 5 s, after which its session is given up. */
export const AGENT_SILENCE_MS_MAX = 16_000;
/** Incarnation of an executor: its container is started once. */
const INCARNATION = 1;

export function step(state: ExecutorState, input: Input, env: Env, out: Effect[]): void {
  switch (input.family) {
    case "mail":
      return fromAgent(state, input, out);
    case "due":
      return due(state, input.timer, env, out);
    case "done":
      return done(state, input, env, out);
  }
}

function fromAgent(state: ExecutorState, mail: Mail, out: Effect[]): void {
  switch (mail.kind) {
    case "EXECUTOR_SUBSCRIBED": {
      state.subscribed = true;
      state.everSubscribed = true;
      const { executorInfo: executor, frameworkInfo: framework, agentInfo: agent } = mail.body;
      out.push({ kind: "cancel-timer", name: "hello" });
      out.push({ kind: "cancel-timer", name: "recovery" });
      out.push({ kind: "timer", name: "heartbeat", inMs: HEARTBEAT_INTERVAL_MS });
      out.push(tellAuthor({ kind: "subscribed", executor, framework, agent }));
      return void out.push({ kind: "lifecycle", event: { type: "Subscribed" } });
    }
    case "EXECUTOR_LAUNCH":
      return launch(state, mail.body.task, out);
    case "EXECUTOR_LAUNCH_GROUP": {
      const { taskGroup } = mail.body;
      const fresh = taskGroup.tasks.filter((task) => takes(state, task, out));
      if (fresh.length === taskGroup.tasks.length) {
        out.push(tellAuthor({ kind: "launch-group", taskGroup }));
      }
      return;
    }
    case "EXECUTOR_KILL":
      return void out.push(tellAuthor({ kind: "kill", ...mail.body }));
    case "EXECUTOR_ACKNOWLEDGED":
      acknowledged(state, mail.body.uuid, out);
      return endWhenThrough(state, out);
    case "EXECUTOR_MESSAGE":
      return void out.push(tellAuthor({ kind: "message", data: mail.body.data }));
    case "EXECUTOR_SHUTDOWN":
      return shutdown(state, "the agent asks for it", out);
    case "EXECUTOR_ERROR":
      out.push(tellAuthor({ kind: "error", message: mail.body.message }));
      return shutdown(state, mail.body.message, out);
    case "Heartbeat":
      return;
    default:
      return count(out, "mail-refused", `unknown-kind ${mail.kind}`);
  }
}

function launch(state: ExecutorState, task: TaskInfo, out: Effect[]): void {
  if (takes(state, task, out)) out.push(tellAuthor({ kind: "launch", task }));
}

/** A launch that comes twice is one: the agent sends again what it has never heard of. */
function takes(state: ExecutorState, task: TaskInfo, out: Effect[]): boolean {
  if (state.tasks.size >= TASKS_UNACKNOWLEDGED_MAX) {
    count(out, "launch-refused", "busy");
    return false;
  }
  if (!remember(state, task.taskId)) {
    count(out, "launch-refused", "task-known");
    return false;
  }
  state.tasks.set(task.taskId, task);
  return true;
}

function shutdown(state: ExecutorState, why: string, out: Effect[]): void {
  if (state.shuttingDown) return;
  state.shuttingDown = true;
  const graceMs = state.config.shutdownGraceMs;
  out.push({ kind: "timer", name: "grace", inMs: graceMs });
  out.push(tellAuthor({ kind: "shutdown", why, graceMs }));
  out.push({ kind: "lifecycle", event: { type: "Shutdown" } });
}

function due(state: ExecutorState, timer: string, env: Env, out: Effect[]): void {
  switch (timer) {
    case "hello":
      return hello(state, env, out);
    case "heartbeat":
      return heartbeat(state, env, out);
    case "recovery":
      if (state.subscribed) return;
      return shutdown(state, `the agent was away for ${state.config.recoveryTimeoutMs} ms`, out);
    // What waits goes at the end of this drain.
    case "pump":
      return;
    case "grace":
    case "acknowledge":
      count(out, "ended-by-time", timer);
      return void out.push({ kind: "lifecycle", event: { type: "End" } });
    default:
      return count(out, "timer-ignored", timer);
  }
}

/** Speaks, and notices when nobody has spoken for long, unless nothing could be heard (P-6.1). */
function heartbeat(state: ExecutorState, env: Env, out: Effect[]): void {
  if (!state.subscribed) return;
  const peer = agentPeer(state.config.agent);
  const heardMs = env.lastHeardMs(peer) ?? env.nowMs;
  const sinceMs = Math.max(heardMs, env.bus.sinceMs);
  if (env.bus.connected && env.nowMs - sinceMs > AGENT_SILENCE_MS_MAX) {
    count(out, "session-closed", "silent");
    return lost(state, env, out);
  }
  say(state, { kind: "Heartbeat", body: {} }, out);
  out.push({ kind: "timer", name: "heartbeat", inMs: HEARTBEAT_INTERVAL_MS });
}

/** Random within the longest wait, so that a hundred executors of one agent spread out. */
function hello(state: ExecutorState, env: Env, out: Effect[]): void {
  if (state.subscribed) return;
  const { agent, subscribeBackoffMsMax: waitMs } = state.config;
  out.push({ kind: "hello", peer: agentPeer(agent), incarnation: INCARNATION });
  out.push({ kind: "timer", name: "hello", inMs: waitMs + env.random.below(waitMs) });
}

function done(state: ExecutorState, input: DoneInput, env: Env, out: Effect[]): void {
  if (input.what === "told") {
    if (input.by !== AUTHOR) return count(out, "told-ignored", input.by);
    return call(state, callOf(input.message), env, out);
  }
  if (input.what === "link") return linked(state, input.link, env, out);
  return count(out, "done-ignored", input.what);
}

function call(state: ExecutorState, said: ExecutorCall, env: Env, out: Effect[]): void {
  switch (said.kind) {
    case "update":
      return makeUpdate(state, said.update, env, out);
    case "say":
      if (!state.subscribed) return count(out, "message-dropped", "no-session");
      return say(state, { kind: "EXECUTOR_MESSAGE", body: { data: said.data } }, out);
    case "finish":
      state.finishing = true;
      out.push({ kind: "timer", name: "acknowledge", inMs: state.config.acknowledgeWaitMs });
      return endWhenThrough(state, out);
  }
}

function endWhenThrough(state: ExecutorState, out: Effect[]): void {
  if (!state.finishing || state.updates.size > 0) return;
  out.push({ kind: "lifecycle", event: { type: "End" } });
}

function linked(state: ExecutorState, link: LinkChange, env: Env, out: Effect[]): void {
  switch (link.change) {
    case "come":
      state.epoch = Math.max(state.epoch, link.epoch);
      return subscribe(state, out);
    case "closed":
      count(out, "session-closed", link.reason);
      return lost(state, env, out);
    case "hello":
      return count(out, "link-ignored", link.change);
  }
}

/** Everything that the agent may not have. */
function subscribe(state: ExecutorState, out: Effect[]): void {
  const { frameworkId, executorId } = state.config;
  const body = {
    frameworkId,
    executorId,
    unacknowledgedTasks: [...state.tasks.values()],
    unacknowledgedUpdates: [...state.updates.values()],
  };
  state.unsent.clear();
  say(state, { kind: "EXECUTOR_SUBSCRIBE", body }, out);
}

function lost(state: ExecutorState, env: Env, out: Effect[]): void {
  const was = state.subscribed;
  state.subscribed = false;
  if (was) {
    out.push(tellAuthor({ kind: "disconnected" }));
    out.push({ kind: "timer", name: "recovery", inMs: state.config.recoveryTimeoutMs });
    out.push({ kind: "lifecycle", event: { type: "Lost" } });
  }
  const inMs = env.random.below(state.config.subscribeBackoffMsMax);
  out.push({ kind: "timer", name: "hello", inMs });
}

export function entered(state: ExecutorState, lifecycle: string, out: Effect[]): void {
  if (lifecycle !== "registering" || state.everSubscribed) return;
  out.push({ kind: "listen", to: "from-agent", listen: true });
  out.push({ kind: "timer", name: "hello", inMs: 0 });
  out.push({ kind: "timer", name: "recovery", inMs: state.config.recoveryTimeoutMs });
}

export function batchEnded(state: ExecutorState, env: Env, out: Effect[]): void {
  pump(state, env, out);
}

function say(state: ExecutorState, message: AnyMessage, out: Effect[]): void {
  out.push({ kind: "send", to: agentPeer(state.config.agent), message });
}

function count(out: Effect[], name: string, reason: string): void {
  out.push({ kind: "count", name, reason });
}
