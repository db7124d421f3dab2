/**
 * Agents that are silent or away. Silence is evidence only for one who could hear (P-6.1); absence
 * is none until the agent has registered in this epoch or its window is over (P-6.2). An agent is
 * unreachable when the log says so, and its tasks then.
 */
import { type AgentId, type FrameworkId, holdsResources, isTerminal } from "#protocol";
import { rescindOffersOf } from "./offers.ts";
import { rescindInverseOffers } from "./maintenance.ts";
import { answerAway, operationsLost } from "./operations.ts";
import type { AgentRecord, TaskRecord } from "./records.ts";
import { note, propose, refuse, say, type Turn } from "./state.ts";
import { forgetTask, forgetUnreachable, setHolds } from "./tasks.ts";
import { masterStatus, tell } from "./tell.ts";

/** Its session is over: no loss, but nothing of it can be offered until it registers again. */
export function agentDisconnected(turn: Turn, agent: AgentRecord, why: string): void {
  const { state, env } = turn;
  agent.condition = "disconnected";
  agent.sinceMs = env.nowMs;
  rescindOffersOf(turn, agent, "the agent's session ended");
  if (state.allocator.hasAgent(agent.agentId)) state.allocator.deactivateAgent(agent.agentId);
  answerAway(turn, agent.agentId, "disconnected");
  state.publisher.agentChanged(agent);
  note(turn, "info", "an agent's session ended", { agentId: agent.agentId, why });
}

/** Looks for agents that have been silent or away for too long. */
export function sweepAgents(turn: Turn): void {
  const { state, env } = turn;
  // Whoever is heard of later is overdue later: of ten thousand agents none needs a look till then.
  if (env.nowMs <= state.overdueFromMs || !mayJudge(turn)) return;
  const { agentSilenceMs, returnWindowMs } = state.settings;
  let firstMs = env.nowMs + Math.min(agentSilenceMs, returnWindowMs);
  state.overdueFromMs = env.nowMs;
  for (const agent of state.agents.values()) {
    if (agent.leaving) continue;
    const atMs = overdueAtMs(turn, agent);
    firstMs = Math.min(firstMs, atMs);
    if (env.nowMs <= atMs) continue;
    const { agentId, condition } = agent;
    if (state.proposedAgents.has(agentId)) continue;
    if (!mayRemove(turn)) return queueRemovals(turn);
    const operation = { kind: "AgentMarkedUnreachable", agentId, atMs: env.wallMs } as const;
    if (!propose(turn, operation)) return refuse(turn, "busy");
    state.removals.atMs.push(env.nowMs);
    agent.leaving = true;
    state.proposedAgents.add(agentId);
    note(turn, "warn", "an agent is unreachable", { agentId, condition });
  }
  state.overdueFromMs = Math.max(firstMs, env.nowMs);
}

/** Whether what was not heard could have been heard (P-6.1). */
export function mayJudge({ state, env }: Turn): boolean {
  const { heartbeatIntervalMs } = state.settings;
  if (!env.bus.connected || env.nowMs - env.bus.sinceMs < heartbeatIntervalMs) return false;
  return env.nowMs - env.oldestWaitingMs() < heartbeatIntervalMs && !state.muted;
}

/** Until when an agent of which nothing is heard from now on is waited for. */
function overdueAtMs({ state, env }: Turn, agent: AgentRecord): number {
  const { agentSilenceMs, returnWindowMs } = state.settings;
  const sinceMs = Math.max(agent.sinceMs, state.judgeFromMs);
  switch (agent.condition) {
    case "registered":
      return Math.max(env.lastHeardMs(agent.peer) ?? sinceMs, sinceMs) + agentSilenceMs;
    case "disconnected":
      return sinceMs + agentSilenceMs;
    case "absent":
      return sinceMs + returnWindowMs;
    case "unreachable":
    case "gone":
      return Number.POSITIVE_INFINITY;
  }
}

const REMOVALS_WINDOW_MS = 60_000;

/** Beyond max(3, 10 %) agents in any minute removals wait (P-6.1). */
function mayRemove({ state, env }: Turn): boolean {
  const { agentRemovalsMin, agentRemovalsShare } = state.settings;
  const { removals } = state;
  removals.atMs = removals.atMs.filter((atMs) => env.nowMs - atMs < REMOVALS_WINDOW_MS);
  if (removals.atMs.length === 0) removals.said = false;
  const most = Math.max(agentRemovalsMin, Math.floor(state.agents.size * agentRemovalsShare));
  return removals.atMs.length < most;
}

/** Many agents at once are more likely a fault of the net than of all of them: said once. */
function queueRemovals(turn: Turn): void {
  const { removals, agents } = turn.state;
  refuse(turn, "busy", "removals-queued");
  if (removals.said) return;
  removals.said = true;
  const removed = removals.atMs.length;
  note(turn, "warn", "removals of silent agents wait", { removed, agents: agents.size });
}

/** The log has said it: the agent is unreachable, or gone for good. */
export function agentLost(turn: Turn, agentId: AgentId, how: "unreachable" | "gone"): void {
  const { state, env, out } = turn;
  const agent = state.agents.get(agentId);
  if (agent === undefined) return;
  rescindOffersOf(turn, agent, `the agent is ${how}`);
  state.allocator.removeAgent(agentId);
  agent.condition = how;
  agent.sinceMs = env.nowMs;
  agent.leaving = false;
  if (state.agentsByPeer.get(agent.peer) === agent) {
    state.agentsByPeer.delete(agent.peer);
    if (env.isOpen(agent.peer) && !state.registrations.has(agent.peer)) {
      out.push({ kind: "close", peer: agent.peer, reason: "no-session" });
    }
  }
  for (const frameworkId of loseTasks(turn, agent, how)) {
    const framework = state.frameworks.get(frameworkId);
    if (framework === undefined) continue;
    forgetUnreachable(turn, framework);
    const { peer, connected } = framework;
    if (peer !== undefined && connected) say(turn, peer, { kind: "FAILURE", body: { agentId } });
  }
  operationsLost(turn, agent, how);
  rescindInverseOffers(turn, (offer) => offer.agentId === agentId);
  state.leaving.delete(agentId);
  agent.executors.clear();
  agentAccounted(turn, agentId);
  state.allocationWanted = true;
  if (agent.tasks.size === 0) {
    state.agents.delete(agentId);
    state.publisher.agentRemoved(agent);
  } else state.publisher.agentChanged(agent);
}

/** The agent is back or given up: what runs there is known. With the last one limits count. */
export function agentAccounted({ state }: Turn, agentId: AgentId): void {
  if (!state.missing.delete(agentId) || state.missing.size > 0) return;
  state.allocator.holdLimited(false);
  state.allocationWanted = true;
}

/**
 * Its tasks are unreachable, or gone; whoever they belong to is told. So is one that has ended:
 * what its agent had not said of its end yet is away with the agent, perhaps for good.
 */
function loseTasks(turn: Turn, agent: AgentRecord, how: "unreachable" | "gone"): Set<FrameworkId> {
  const { state, env } = turn;
  const concerned = new Set<FrameworkId>();
  for (const task of [...agent.tasks]) {
    // Nobody knew whether it ran; now the operator does.
    const isGone = how === "gone" && task.state === "TASK_UNREACHABLE";
    if (!holdsResources(task.state) && !endsUntold(task) && !isGone) continue;
    concerned.add(task.frameworkId);
    setHolds(turn, task, false);
    task.state = how === "gone" ? "TASK_GONE_BY_OPERATOR" : "TASK_UNREACHABLE";
    task.unreachableAtMs = env.wallMs;
    const reason = how === "gone" ? "REASON_AGENT_REMOVED_BY_OPERATOR" : "REASON_AGENT_REMOVED";
    const status = masterStatus(turn, task, task.state, { reason });
    state.publisher.taskUpdated(task, status);
    tell(turn, task.frameworkId, { ...{}, ...status, unreachableTimeMs: env.wallMs });
    if (how === "gone") forgetTask(turn, task);
  }
  return concerned;
}

/** Whether it has ended and its framework was told of earlier states at most. */
function endsUntold({ state, statusUpdateState: told }: TaskRecord): boolean {
  return isTerminal(state) && (told === undefined || !isTerminal(told));
}
