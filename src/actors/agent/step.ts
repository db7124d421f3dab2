/**
 * One switch over everything that comes into the agent, and the end of each drain: one append of
 * what was decided, then what waits to be sent. What depends on a record carries `after`.
 */
import { encodePlain, type KillPolicy, MASTER_PEER } from "#protocol";
import type { DoneInput, Due, Effect, Env, Input, LocalMessage, Mail } from "#runtime";
import { ISOLATOR_ACTOR, type IsolatorReport } from "#isolation";
import { type Kill, snapshot, type Task, type TaskKey, taskKey } from "./checkpoint.ts";
import { killContainer } from "./command-executor.ts";
import { containerExited, containerLaunched, containerRefused } from "./containers.ts";
import {
  endExecutor,
  executorLinked,
  executorOverdue,
  fromExecutor,
  heartbeatExecutors,
  killOnExecutor,
  toExecutor,
} from "./executors.ts";
import { runTask, runTaskGroup } from "./launch.ts";
import { closeAllLogs, closeLog, credited, logDue, logRead, openLog } from "./logs.ts";
import { pushMeta } from "./meta.ts";
import {
  checkSilence,
  endRefused,
  enteredDetecting,
  enteredRegistering,
  enteredRunning,
  heardBeacon,
  heartbeat,
  hello,
  linked,
  refused,
  registered,
  seek,
} from "./registration.ts";
import { resizeTask } from "./resize.ts";
import { collectSandboxes, diskUsed, sandboxRemoved } from "./sandbox.ts";
import { shutdownFramework, shutdownOne } from "./shutdown.ts";
import { begin, containersRecovered, fail, metaWritten, wasRead } from "./startup.ts";
import { type AgentState, count, type DiskUsage } from "./state.ts";
import { acknowledged, answerWithState, pump, resend } from "./updates.ts";
import { sampleUsage, tellUsage } from "./usage.ts";
import { drainAgent } from "./drain.ts";
import {
  applyOperation,
  operationAcknowledged,
  removeAgain,
  removeDoomed,
  resendOperations,
  volumeRemoved,
} from "./operations.ts";
import { DISK_FULL_RETRIES_MAX, DISK_FULL_RETRY_MS } from "./journal.ts";

export function step(state: AgentState, input: Input, env: Env, out: Effect[]): void {
  switch (input.family) {
    case "mail":
      return fromPeer(state, input, env, out);
    case "due":
      return due(state, input, env, out);
    case "done":
      return done(state, input, env, out);
  }
}

function fromPeer(state: AgentState, mail: Mail, env: Env, out: Effect[]): void {
  if (env.lifecycle === "stopping") return count(out, "mail-refused", "stopping");
  switch (mail.kind) {
    case "Beacon":
      return heardBeacon(state, mail.body, env, out);
    case "EXECUTOR_SUBSCRIBE":
    case "EXECUTOR_UPDATE":
    case "EXECUTOR_MESSAGE":
      return fromExecutor(state, mail, env, out);
    default:
      if (mail.from !== MASTER_PEER) return count(out, "mail-refused", "not-said-by-this-peer");
      if (mail.epoch < state.meta.epoch) return count(out, "mail-refused", "lower-epoch");
      return fromLeader(state, mail, env, out);
  }
}

function fromLeader(state: AgentState, mail: Mail, env: Env, out: Effect[]): void {
  switch (mail.kind) {
    case "AgentRegistered":
      return registered(state, mail, env, out);
    case "AgentRefused":
      return refused(state, mail.body, env, out);
    case "RunTask":
      return runTask(state, mail.body, env, out);
    case "RunTaskGroup":
      return runTaskGroup(state, mail.body, env, out);
    case "KillTask": {
      const { frameworkId, taskId, killPolicy, preemptedFor } = mail.body;
      const why = preemptedFor === undefined ? "asked" : "preempted";
      const task = state.model.tasks.get(taskKey(frameworkId, taskId));
      if (task === undefined) return answerWithState(state, frameworkId, taskId, env, out);
      return killTask(state, task, { policy: killPolicy, why }, env, out);
    }
    case "UpdateTask":
      return resizeTask(state, mail.body, out);
    case "ApplyOperation":
      return applyOperation(state, mail.body, env, out);
    case "OperationStatusAcknowledgement":
      return operationAcknowledged(state, mail.body, out);
    case "DrainAgent":
      return drainAgent(state, mail.body, env, out);
    case "ReactivateAgent":
      state.draining = undefined;
      return;
    case "ShutdownFramework":
      return shutdownFramework(state, mail.body, env, out);
    case "ShutdownExecutor":
      return shutdownOne(state, mail.body, env, out);
    case "StatusUpdateAcknowledgement":
      return acknowledged(state, mail.body, out);
    case "ReconcileTasks":
      for (const { frameworkId, taskId } of mail.body.tasks) {
        answerWithState(state, frameworkId, taskId, env, out);
      }
      return;
    case "FrameworkToExecutor":
      return toExecutor(state, mail.body, out);
    case "OpenStream":
      return openLog(state, mail.body, env, out);
    case "CloseStream":
      return closeLog(state, mail.body.streamId, out);
    case "Heartbeat":
      return;
    default:
      return count(out, "mail-refused", `unknown-kind ${mail.kind}`);
  }
}

function killTask(
  state: AgentState,
  task: Task,
  { policy, why }: { readonly policy: KillPolicy | undefined; readonly why: Kill["why"] },
  env: Env,
  out: Effect[],
): void {
  // It has ended: what the framework waits for is the update, so it comes now.
  if (task.updates.length > 0) state.unsent.add(task.key);
  const { killPolicy } = task.info;
  const { killGraceMs } = state.config;
  const graceMs = policy?.gracePeriodMs ?? killPolicy?.gracePeriodMs ?? killGraceMs;
  if (task.manner === "custom") return killOnExecutor(state, task, graceMs, env, out);
  if (task.manner !== "refused") killContainer(state, task, { why, graceMs }, env, out);
}

function due(state: AgentState, input: Due, env: Env, out: Effect[]): void {
  const slash = input.timer.indexOf("/");
  const name = slash < 0 ? input.timer : input.timer.slice(0, slash);
  const rest = input.timer.slice(slash + 1);
  switch (name) {
    case "hello":
      return hello(state, env, out);
    case "heartbeat":
      return heartbeat(state, input, env, out);
    case "silence":
      return checkSilence(state, input, env, out);
    case "update":
      return resend(state, rest as TaskKey, out);
    // What is left in `unsent` goes at the end of this drain.
    case "pump":
      return;
    case "usage":
      return sampleUsage(state, env, out);
    case "executors":
      return heartbeatExecutors(state, out);
    case "sandboxes":
      removeAgain(state);
      return collectSandboxes(state, env, out);
    case "operations":
      return resendOperations(state, env, out);
    case "log":
      return logDue(state, rest, env, out);
    case "journal-full":
      return state.journal.again(out);
    case "meta-full":
      return pushMeta(state, out);
    default:
      return dueOfContainer(state, name, rest, env, out);
  }
}

function dueOfContainer(
  state: AgentState,
  name: string,
  id: string,
  env: Env,
  out: Effect[],
): void {
  const containerId = id as Task["containerId"];
  if (name === "executor") return executorOverdue(state, containerId, env, out);
  if (name === "shutdown") {
    const executor = state.model.executors.get(containerId);
    if (executor !== undefined) endExecutor(state, executor, out);
    return;
  }
  if (name !== "completion") return count(out, "timer-ignored", name);
  const [task] = state.model.tasksIn(containerId);
  if (task === undefined || task.kill !== null) return;
  killContainer(state, task, { why: "completion", graceMs: 0 }, env, out);
}

function done(state: AgentState, input: DoneInput, env: Env, out: Effect[]): void {
  switch (input.what) {
    case "write":
      return written(state, input, env, out);
    case "disk-read":
      return wasRead(state, input, out);
    case "told":
      return told(state, input.by, input.message, env, out);
    case "link":
      if (input.peer === MASTER_PEER) return linked(state, input.link, env, out);
      return executorLinked(state, input.peer, input.link, out);
    case "credit":
      return credited(state, input, env, out);
    case "stream-read":
      return logRead(state, input.token.slice("log/".length), input.outcome, out);
    case "bus":
      seek(state, env, out);
      return count(out, "bus", input.connected ? "connected" : "disconnected");
    // Whoever leads answers by a beacon; that nobody does is no news here.
    case "ask":
      return;
    default:
      return count(out, "done-ignored", input.what);
  }
}

function written(
  state: AgentState,
  { token, outcome }: Extract<DoneInput, { readonly what: "write" }>,
  env: Env,
  out: Effect[],
): void {
  if (token.startsWith("sandbox/")) {
    const containerId = token.slice("sandbox/".length) as Task["containerId"];
    return sandboxRemoved(state, containerId, outcome.kind === "done", out);
  }
  if (volumeRemoved(state, token, outcome.kind === "done", out)) return;
  // A failed sync: what the disk holds is not known any more (P-1.5).
  if (outcome.kind === "failed") return fail(`${token}: ${outcome.why}`, out);
  if (outcome.kind === "full") return diskFull(state, token, out);
  if (token === state.metaToken) {
    state.metaToken = null;
    state.metaFailures = 0;
    if (env.lifecycle === "stopping") return stopWhenIdle(state, env, out);
    return metaWritten(state, out);
  }
  if (state.journal.written(token)) stopWhenIdle(state, env, out);
}

/** Nothing was written: the same bytes again, with a bound, loudly (P-1.5). */
function diskFull(state: AgentState, token: string, out: Effect[]): void {
  const isMeta = token === state.metaToken;
  if (isMeta) state.metaFailures += 1;
  const inMs = isMeta
    ? state.metaFailures < DISK_FULL_RETRIES_MAX
      ? DISK_FULL_RETRY_MS
      : undefined
    : state.journal.full();
  if (inMs === undefined) return fail(`the disk stayed full: ${token}`, out);
  count(out, "disk-full", isMeta ? "meta" : "journal");
  const sentence = "The disk of the work directory is full; nothing is said until it is not";
  out.push({ kind: "log", level: "error", sentence, fields: { token } });
  out.push({ kind: "timer", name: isMeta ? "meta-full" : "journal-full", inMs });
}

function told(state: AgentState, by: string, message: LocalMessage, env: Env, out: Effect[]): void {
  if (message.kind === "DiskUsage") {
    return diskUsed(state, message as DiskUsage, env, out);
  }
  if (by !== ISOLATOR_ACTOR) return count(out, "told-ignored", by);
  const report = message as IsolatorReport;
  switch (report.kind) {
    case "ContainersRecovered":
      return containersRecovered(state, report, env, out);
    case "ContainerLaunched":
      return containerLaunched(state, report, env, out);
    case "ContainerRefused":
      return containerRefused(state, report, env, out);
    case "ContainerExited":
      return containerExited(state, report, env, out);
    case "ContainerUpdateFailed":
      return count(out, "container-update-failed", "launcher");
    case "Usage":
      return tellUsage(state, report.usages, env, out);
    case "IsolatorFailed":
      return fail(report.message, out);
  }
}

export function entered(state: AgentState, lifecycle: string, env: Env, out: Effect[]): void {
  switch (lifecycle) {
    case "recovering":
      return begin(out);
    case "detecting":
      for (const to of ["leader", "from-master", "from-executors"] as const) {
        out.push({ kind: "listen", to, listen: true });
      }
      out.push({ kind: "timer", name: "sandboxes", inMs: state.config.gcIntervalMs });
      return enteredDetecting(state, env, out);
    case "registering":
      return enteredRegistering(state, env, out);
    case "running":
      return enteredRunning(state, env, out);
    case "stopping":
      closeAllLogs(state, out);
      // Said, not noticed by silence: nothing is to be offered here from now on.
      out.push({ kind: "close", peer: MASTER_PEER, reason: "not-handled-in-this-state" });
      return stopWhenIdle(state, env, out);
  }
}

function stopWhenIdle(state: AgentState, env: Env, out: Effect[]): void {
  if (env.lifecycle !== "stopping") return;
  if (state.journal.after !== undefined || state.metaToken !== null) return;
  out.push({ kind: "lifecycle", event: { type: "Stopped" } });
}

/** Once per drain: what was decided becomes one append, and what may be said is sent. */
export function batchEnded(state: AgentState, env: Env, out: Effect[]): void {
  if (state.journal.isOvergrown) {
    state.journal.rewrite(snapshot(state.model).map(encodePlain), out);
  } else state.journal.flush(out);
  removeDoomed(state, out);
  pump(state, env, out);
  endRefused(state, env, out);
}
