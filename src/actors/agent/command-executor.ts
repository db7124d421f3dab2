/**
 * The built-in executor of command tasks and of groups: the agent does what Mesos' executor
 * processes do, without a process. Reads the end of a container as the end of a task, kills with
 * grace, keeps the completion time, and lets the tasks of a group die together (mesos.md §16).
 */
import { isTerminal, type Limitation, type StatusReason, type TaskState } from "#protocol";
import type { ContainerExit, Effect, Env } from "#runtime";
import type { Kill, Task } from "./checkpoint.ts";
import { type AgentState, ask, commit } from "./state.ts";
import { isCapable, type StatusFields, update } from "./updates.ts";

/** Grace of the tasks of a group that die with another one; kill policies do not count. */
export const GROUP_KILL_GRACE_MS = 3_000;

const SIGNALS: ReadonlyMap<number, string> = new Map([
  [1, "SIGHUP"],
  [2, "SIGINT"],
  [3, "SIGQUIT"],
  [4, "SIGILL"],
  [6, "SIGABRT"],
  [7, "SIGBUS"],
  [8, "SIGFPE"],
  [9, "SIGKILL"],
  [11, "SIGSEGV"],
  [13, "SIGPIPE"],
  [14, "SIGALRM"],
  [15, "SIGTERM"],
]);

/** Exit code as a shell would say it; undefined where nobody knows. */
export function exitCodeOf(exit: ContainerExit): number | undefined {
  if (exit.outcome === "exited") return exit.code ?? undefined;
  return exit.outcome === "signaled" && exit.signal !== null ? 128 + exit.signal : undefined;
}

/** How it ended, for people. */
export function exitText(exit: ContainerExit): string {
  if (exit.outcome === "exited") return `Command exited with status ${exit.code ?? "unknown"}`;
  if (exit.outcome === "signaled") {
    const name = SIGNALS.get(exit.signal ?? 0) ?? `signal ${exit.signal ?? "unknown"}`;
    return `Command terminated by ${name}`;
  }
  return "The container is gone and left no status: nobody knows how it ended";
}

/** Mesos has a name for the two that its own isolators meet most, and one for all others. */
export function limitationReason({ resource }: Limitation): StatusReason {
  if (resource === "mem") return "REASON_CONTAINER_LIMITATION_MEMORY";
  return resource === "disk" ? "REASON_CONTAINER_LIMITATION_DISK" : "REASON_CONTAINER_LIMITATION";
}

/** The terminal status of a command, from its container's end and the agent's intent. */
export function verdict(
  exit: ContainerExit,
  kill: Kill | null,
  limitation: Limitation | undefined,
): StatusFields {
  const exitCode = exitCodeOf(exit);
  const clean = exit.outcome === "exited" && exit.code === 0;
  const say = (state: TaskState, message: string, reason?: StatusReason): StatusFields => ({
    state,
    message,
    source: exit.outcome === "lost" ? "SOURCE_AGENT" : "SOURCE_EXECUTOR",
    ...(reason === undefined ? {} : { reason }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(limitation === undefined ? {} : { limitation }),
  });
  const text = exitText(exit);
  // What the kernel says beats the intent: killed for memory while being killed has failed.
  if (limitation !== undefined && !clean) {
    const message = `${limitation.detail ?? "A limit was exceeded"}; ${text}`;
    return say("TASK_FAILED", message, limitationReason(limitation));
  }
  if (kill?.why === "completion") {
    const message = `Maximum completion time reached; ${text}`;
    return say("TASK_FAILED", message, "REASON_MAX_COMPLETION_TIME_REACHED");
  }
  const preempted = kill?.why === "preempted" ? "REASON_CONTAINER_PREEMPTED" : undefined;
  if (kill !== null) return say("TASK_KILLED", `${KILL_TEXTS[kill.why]}; ${text}`, preempted);
  if (exit.outcome === "lost") return say("TASK_FAILED", text, "REASON_EXECUTOR_TERMINATED");
  return say(clean ? "TASK_FINISHED" : "TASK_FAILED", text);
}

const KILL_TEXTS: Readonly<Record<Kill["why"], string>> = {
  asked: "Killed as asked",
  group: "Killed because another task of its group failed or was killed",
  shutdown: "Killed because its framework or executor was shut down",
  completion: "Maximum completion time reached",
  preempted: "Killed because the role that lent its resources asked for them",
  draining: "Killed because its agent is drained",
  gone: "Killed because its agent is drained and will be gone",
};

/** Wants the task's container gone; a later kill can only shorten the grace. */
export function killContainer(
  state: AgentState,
  task: Task,
  { why, graceMs }: { readonly why: Kill["why"]; readonly graceMs: number },
  env: Env,
  out: Effect[],
): void {
  if (isTerminal(task.state)) return;
  const untilMs = env.wallMs + graceMs;
  if (task.kill !== null && task.kill.untilMs <= untilMs) return;
  commit(state, { k: "kill", key: task.key, kill: { why: task.kill?.why ?? why, untilMs } });
  out.push({ kind: "cancel-timer", name: `completion/${task.containerId}` });
  const announced = why !== "completion" && task.state !== "TASK_KILLING";
  if (announced && isCapable(state, task.frameworkId, "TASK_KILLING_STATE")) {
    update(state, task, { state: "TASK_KILLING", source: "SOURCE_EXECUTOR" }, env, out);
  }
  ask(state, { kind: "KillContainer", containerId: task.containerId, graceMs }, out);
}

/** Runs now: measured from here is how long it may take. */
export function startCompletionTimer(task: Task, env: Env, out: Effect[]): void {
  const { maxCompletionTimeMs } = task.info;
  if (maxCompletionTimeMs === undefined || maxCompletionTimeMs === 0 || task.kill !== null) return;
  const ranMs = task.startedAtMs === null ? 0 : Math.max(0, env.wallMs - task.startedAtMs);
  const inMs = Math.max(0, maxCompletionTimeMs - ranMs);
  out.push({ kind: "timer", name: `completion/${task.containerId}`, inMs });
}

/** One task failed or was killed: the rest of its group dies with it; FINISHED harms nobody. */
export function endGroup(state: AgentState, ended: Task, env: Env, out: Effect[]): void {
  if (ended.groupId === null || ended.state === "TASK_FINISHED") return;
  for (const task of state.model.tasks.values()) {
    if (task.groupId !== ended.groupId || task.key === ended.key) continue;
    killContainer(state, task, { why: "group", graceMs: GROUP_KILL_GRACE_MS }, env, out);
  }
}
