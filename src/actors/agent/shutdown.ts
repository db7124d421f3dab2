/**
 * What the leader has shut down ends: a framework with all that it has here, or one executor. The
 * framework's own record is written first, so a crash may leave tasks and executors that were told
 * nothing; they are told when the agent is back, whether a leader says it again or not.
 */
import {
  encodePlain,
  type FrameworkId,
  type ShutdownExecutor,
  type ShutdownFramework,
} from "#protocol";
import type { Effect, Env } from "#runtime";
import type { Task } from "./checkpoint.ts";
import { killContainer } from "./command-executor.ts";
import { shutdownExecutor } from "./executors.ts";
import { type AgentState, count } from "./state.ts";
import { dropQueue } from "./updates.ts";

export function shutdownFramework(
  state: AgentState,
  { frameworkId }: ShutdownFramework,
  env: Env,
  out: Effect[],
): void {
  const framework = state.model.frameworks.get(frameworkId);
  if (framework === undefined) return count(out, "shutdown-ignored", "unknown-framework");
  if (!framework.shutdown) {
    state.journal.add(encodePlain({ k: "framework-shutdown", frameworkId }));
    framework.shutdown = true;
  }
  endAllOf(state, frameworkId, env, out);
}

/** Ends what a crash had left of each framework that was shut down before it. */
export function resumeShutdowns(state: AgentState, env: Env, out: Effect[]): void {
  for (const { frameworkId, shutdown } of [...state.model.frameworks.values()]) {
    if (shutdown) endAllOf(state, frameworkId, env, out);
  }
}

/** Again and again without harm: what was told to end is not told a second time. */
function endAllOf(state: AgentState, frameworkId: FrameworkId, env: Env, out: Effect[]): void {
  for (const executor of [...state.model.executors.values()]) {
    if (executor.frameworkId === frameworkId) shutdownExecutor(state, executor, out);
  }
  for (const task of tasksOf(state, frameworkId)) {
    if (task.kill === null) shutdownTask(state, task, env, out);
    // Nobody acknowledges any more.
    dropQueue(state, task, out);
  }
}

function tasksOf(state: AgentState, frameworkId: FrameworkId): Task[] {
  return [...state.model.tasks.values()].filter((task) => task.frameworkId === frameworkId);
}

function shutdownTask(state: AgentState, task: Task, env: Env, out: Effect[]): void {
  if (task.manner !== "command" && task.manner !== "group") return;
  const graceMs = state.config.executorShutdownGraceMs;
  killContainer(state, task, { why: "shutdown", graceMs }, env, out);
}

export function shutdownOne(
  state: AgentState,
  { frameworkId, executorId }: ShutdownExecutor,
  env: Env,
  out: Effect[],
): void {
  const executor = state.model.executor(frameworkId, executorId);
  if (executor !== undefined) return shutdownExecutor(state, executor, out);
  for (const task of tasksOf(state, frameworkId)) {
    if (task.executorId === executorId) shutdownTask(state, task, env, out);
  }
}
