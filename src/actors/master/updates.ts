/**
 * Status updates on their way from agents to frameworks, and acknowledgements back. The update
 * that is forwarded is the head of the agent's queue; the state that counts is the latest. The
 * agent says an update again until it is acknowledged, so nothing is kept here for that.
 */
import { isTerminal, type TaskStatus } from "#protocol";
import type { MailOf } from "#runtime";
import { type AgentRecord, executorKey, type FrameworkRecord, type TaskRecord } from "./records.ts";
import { refuse, say, type Turn } from "./state.ts";
import { forgetTask, keepStatus, moveTask, removeExecutor } from "./tasks.ts";
import { tell } from "./tell.ts";

/** The agent that says it, if it is registered; else counts what it said. */
export function registeredAgent(turn: Turn, from: MailOf<"StatusUpdate">["from"]) {
  const agent = turn.state.agentsByPeer.get(from);
  if (agent?.condition === "registered") return agent;
  refuse(turn, "agent-not-connected", "updates");
  return undefined;
}

/** The status with the agent that says it; the agent's own word where it gives it. */
function signed(status: TaskStatus, { agentId }: AgentRecord): TaskStatus {
  return status.agentId === agentId ? status : { ...{}, ...status, agentId };
}

export function statusUpdate(turn: Turn, { from, body }: MailOf<"StatusUpdate">): void {
  const { state } = turn;
  const agent = registeredAgent(turn, from);
  if (agent === undefined) return;
  const { frameworkId, latestState } = body;
  const { uuid, taskId } = body.status;
  const status = signed(body.status, agent);
  const framework = state.frameworks.get(frameworkId);
  if (uuid === undefined) return toldOnce(turn, agent, framework, status);
  if (framework === undefined) {
    // Nobody will ever acknowledge it, so the leader does: the agent's queue must end.
    refuse(turn, "framework-completed", "updates");
    const acknowledged = { frameworkId, taskId, uuid };
    return say(turn, from, { kind: "StatusUpdateAcknowledgement", body: acknowledged });
  }
  const task = framework.tasks.get(taskId);
  if (task === undefined || task.agentId !== agent.agentId) {
    // Forwarded all the same (mesos.md §8): the framework may know what it is.
    refuse(turn, "not-found", "updates");
    return tell(turn, frameworkId, status);
  }
  const isNews = task.unacknowledged?.uuid !== uuid;
  moveTask(turn, task, latestState);
  task.statusUpdateState = status.state;
  task.unacknowledged = status;
  const containerId = status.containerStatus?.containerId;
  if (containerId !== undefined) task.containerId = containerId;
  if (isNews) {
    keepStatus(task, status);
    state.publisher.taskUpdated(task, status);
    state.publisher.agentChanged(agent);
    state.publisher.frameworkChanged(framework);
  }
  if (framework.ended) return endedUpdate(turn, agent, task, status);
  tell(turn, frameworkId, status);
}

/**
 * How a task of a completed framework ended: nobody acknowledges it, so the agent gives it no uuid
 * and says it once. Should it be lost, the agent's next registration tells as much.
 */
function toldOnce(
  turn: Turn,
  agent: AgentRecord,
  framework: FrameworkRecord | undefined,
  status: TaskStatus,
): void {
  if (framework === undefined) return refuse(turn, "framework-completed", "updates");
  const task = framework.tasks.get(status.taskId);
  if (!framework.ended || task === undefined || task.agentId !== agent.agentId) {
    return refuse(turn, "invalid", "updates");
  }
  moveTask(turn, task, status.state);
  keepStatus(task, status);
  turn.state.publisher.taskUpdated(task, status);
  if (isTerminal(status.state)) forgetTask(turn, task);
}

/** A completed framework acknowledges nothing: the leader does, and forgets what has ended. */
function endedUpdate(turn: Turn, agent: AgentRecord, task: TaskRecord, status: TaskStatus): void {
  const { frameworkId, taskId } = task;
  const { uuid } = status;
  if (uuid === undefined) return;
  const acknowledged = { frameworkId, taskId, uuid };
  say(turn, agent.peer, { kind: "StatusUpdateAcknowledgement", body: acknowledged });
  if (isTerminal(status.state)) forgetTask(turn, task);
}

/** Framework → agent; the record of a task ends with the acknowledgement of its end. */
export function acknowledge(
  turn: Turn,
  framework: FrameworkRecord,
  { body }: MailOf<"ACKNOWLEDGE">,
): void {
  const { state } = turn;
  const { agentId, taskId, uuid } = body;
  const { frameworkId } = framework;
  const agent = state.agents.get(agentId);
  const owed = framework.owed.get(taskId);
  if (owed?.uuid === uuid) framework.owed.delete(taskId);
  if (agent?.condition === "registered") {
    const acknowledged = { frameworkId, taskId, uuid };
    say(turn, agent.peer, { kind: "StatusUpdateAcknowledgement", body: acknowledged });
  } else {
    refuse(turn, "agent-not-connected", "acknowledgements");
    // Not kept: the agent will say the update again, and it will be acknowledged again. Of one that
    // is lost nobody knows that, and what is known of the task is no use any more.
    if (agent?.condition === "disconnected" || agent?.condition === "absent") return;
  }
  const task = framework.tasks.get(taskId);
  if (task?.unacknowledged?.uuid !== uuid) return;
  const { unacknowledged } = task;
  task.unacknowledged = undefined;
  if (isTerminal(unacknowledged.state)) forgetTask(turn, task);
}

/** Heads that this leader has seen and nobody has acknowledged: said to a framework anew. */
export function tellUnacknowledged(turn: Turn, framework: FrameworkRecord): void {
  for (const { unacknowledged } of framework.tasks.values()) {
    if (unacknowledged !== undefined) tell(turn, framework.frameworkId, unacknowledged);
  }
}

export function exitedExecutor(turn: Turn, { from, body }: MailOf<"ExitedExecutor">): void {
  const { state } = turn;
  const agent = registeredAgent(turn, from);
  if (agent === undefined) return;
  const { frameworkId, executorId, status } = body;
  const executor = agent.executors.get(executorKey(frameworkId, executorId));
  if (executor !== undefined) removeExecutor(turn, agent, executor);
  const framework = state.frameworks.get(frameworkId);
  if (framework?.peer === undefined || !framework.connected) return;
  const { agentId } = agent;
  say(turn, framework.peer, { kind: "FAILURE", body: { agentId, executorId, status } });
}

/** Bytes from an executor: best effort. */
export function executorMessage(turn: Turn, { from, body }: MailOf<"ExecutorToFramework">): void {
  const agent = registeredAgent(turn, from);
  const framework = turn.state.frameworks.get(body.frameworkId);
  if (agent === undefined) return;
  if (framework?.peer === undefined || !framework.connected) {
    return refuse(turn, "no-session", "messages");
  }
  const { executorId, data } = body;
  const message = { agentId: agent.agentId, executorId, data };
  say(turn, framework.peer, { kind: "MESSAGE", body: message });
}

/** Bytes to an executor: best effort. */
export function frameworkMessage(
  turn: Turn,
  { frameworkId }: FrameworkRecord,
  { body }: MailOf<"MESSAGE">,
): void {
  const agent: AgentRecord | undefined = turn.state.agents.get(body.agentId);
  if (agent?.condition !== "registered") return refuse(turn, "agent-not-connected", "messages");
  const { executorId, data } = body;
  const message = { frameworkId, executorId, data };
  say(turn, agent.peer, { kind: "FrameworkToExecutor", body: message });
}
