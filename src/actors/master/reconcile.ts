/**
 * What a framework is told when it asks about tasks: six cases in order (mesos.md §1.6), decided
 * as a value so that they stand in one table. Answers have no uuid; nobody acknowledges them.
 */
import type { AgentId, BodyOf, TaskId, TaskState, TaskStatus } from "#protocol";
import type { AgentCondition, FrameworkRecord, TaskRecord } from "./records.ts";
import type { Turn } from "./state.ts";
import { masterStatus, tell } from "./tell.ts";

/** What there is to know about one task that was asked for. */
export interface Knowledge {
  /** State of a known task: what the framework was told last, or what it is in. */
  readonly known: TaskState | undefined;
  /** How the named agent stands; `unknown` when the registry has never heard of it. */
  readonly agent: AgentCondition | "unknown" | "unnamed";
  /** Whether any admitted agent has not registered with this leader yet. */
  readonly anyAbsent: boolean;
}

/** The state to answer with; undefined: no answer, absence is no evidence (P-6.2). */
export function reconciled({ known, agent, anyAbsent }: Knowledge): TaskState | undefined {
  if (known !== undefined) return known;
  switch (agent) {
    case "absent":
      return undefined;
    case "registered":
    case "disconnected":
      return "TASK_GONE";
    case "unreachable":
      return "TASK_UNREACHABLE";
    case "gone":
      return "TASK_GONE_BY_OPERATOR";
    case "unknown":
      return "TASK_UNKNOWN";
    case "unnamed":
      return anyAbsent ? undefined : "TASK_UNKNOWN";
  }
}

/** Answers RECONCILE: the tasks named, or all live ones of registered agents. */
export function reconcile(
  turn: Turn,
  framework: FrameworkRecord,
  { tasks }: BodyOf<"RECONCILE">,
): void {
  if (tasks.length > 0) {
    for (const { taskId, agentId } of tasks) reconcileOne(turn, framework, taskId, agentId);
    return;
  }
  for (const task of framework.tasks.values()) {
    if (task.state !== "TASK_UNREACHABLE") tellKnown(turn, task);
  }
}

/** Answers for one task. */
export function reconcileOne(
  turn: Turn,
  framework: FrameworkRecord,
  taskId: TaskId,
  agentId: AgentId | undefined,
): void {
  const { state } = turn;
  const task = framework.tasks.get(taskId);
  if (task !== undefined) return tellKnown(turn, task);
  const anyAbsent = agentId === undefined && isAnyAbsent(turn);
  const agent = agentId === undefined ? "unnamed" : conditionOf(turn, agentId);
  const answer = reconciled({ known: undefined, agent, anyAbsent });
  if (answer === undefined) return;
  const status = masterStatus(turn, { taskId, agentId }, answer, {
    reason: "REASON_RECONCILIATION",
    message: `the task is not known; its agent is ${agent}`,
  });
  const sinceMs = agentId === undefined ? undefined : state.registry.agents.get(agentId)?.sinceMs;
  tell(turn, framework.frameworkId, withUnreachable(status, sinceMs));
}

function isAnyAbsent({ state }: Turn): boolean {
  for (const { condition } of state.agents.values()) if (condition === "absent") return true;
  return false;
}

function conditionOf({ state }: Turn, agentId: AgentId): AgentCondition | "unknown" {
  const condition = state.agents.get(agentId)?.condition;
  if (condition !== undefined) return condition;
  const registered = state.registry.agents.get(agentId)?.condition;
  return registered === "admitted" ? "absent" : (registered ?? "unknown");
}

/** Tells the state of a known task: what its updates have said, not what they will say. */
export function tellKnown(turn: Turn, task: TaskRecord): void {
  const { state, statusUpdateState, unacknowledged, unreachableAtMs, frameworkId } = task;
  const known = state === "TASK_UNREACHABLE" ? state : (statusUpdateState ?? state);
  const status = masterStatus(turn, task, known, { reason: "REASON_RECONCILIATION" });
  const { healthy, containerStatus } = unacknowledged ?? {};
  const told: TaskStatus = {
    ...{},
    ...status,
    ...(unacknowledged?.state === known ? howItEnded(unacknowledged) : {}),
    ...(healthy === undefined ? {} : { healthy }),
    ...(containerStatus === undefined ? {} : { containerStatus }),
  };
  tell(turn, frameworkId, withUnreachable(told, unreachableAtMs));
}

/** An answer must not know less of an end than the update that it stands for. */
function howItEnded({ message, exitCode, limitation }: TaskStatus): Partial<TaskStatus> {
  return {
    ...{},
    ...(message === undefined ? {} : { message }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(limitation === undefined ? {} : { limitation }),
  };
}

function withUnreachable(status: TaskStatus, atMs: number | undefined): TaskStatus {
  if (atMs === undefined || status.state !== "TASK_UNREACHABLE") return status;
  return { ...{}, ...status, unreachableTimeMs: atMs };
}
