/**
 * What operators say of one agent: offer nothing of it, empty it, offer it again, count it as gone
 * (mesos.md §18). Said to the log first, so that the next leader goes on with it; agents are told
 * anew in each session. A drain can be called off; what was killed by then stays killed.
 */
import type { AgentId } from "#protocol";
import type { RegisteredAgent, RegistryOperation } from "#replication";
import type { MailOf } from "#runtime";
import { type Answer, order, refusal } from "./orders.ts";
import { rescindOffersOf } from "./offers.ts";
import type { AgentRecord } from "./records.ts";
import { type MasterState, note, propose, refuse, say, type Turn } from "./state.ts";

type DrainCall = MailOf<
  | "OPERATOR_DRAIN_AGENT"
  | "OPERATOR_DEACTIVATE_AGENT"
  | "OPERATOR_REACTIVATE_AGENT"
  | "OPERATOR_MARK_AGENT_GONE"
>;

/** The answer; undefined where it comes when the log has it. */
export function agentOrdered(turn: Turn, mail: DrainCall, reply: string): Answer | undefined {
  const { state } = turn;
  const { agentId } = mail.body;
  const known = state.registry.agents.get(agentId);
  if (known === undefined) {
    return refusal("not-found", `agentId: ${agentId} is not known; see agent list`);
  }
  if (known.condition === "gone") {
    return refusal("invalid", `agentId: ${agentId} was marked gone; nothing brings it back`);
  }
  const wanted = operationOf(turn, mail, known);
  if ("reason" in wanted) return { accepted: false, ...wanted };
  if (wanted.kind !== "AgentMarkedGone") return order(turn, [wanted], { reply, id: mail.id });
  if (state.proposedAgents.has(agentId)) {
    return refusal("busy", `agentId: a record about ${agentId} is under way; call again`);
  }
  const later = order(turn, [wanted], { reply, id: mail.id });
  if (later === undefined) state.proposedAgents.add(agentId);
  return later;
}

function operationOf(
  { env }: Turn,
  mail: DrainCall,
  { agentId, info, deactivated, drain }: RegisteredAgent,
): RegistryOperation | { readonly reason: "invalid"; readonly message: string } {
  switch (mail.kind) {
    case "OPERATOR_MARK_AGENT_GONE":
      return { kind: "AgentMarkedGone", agentId, atMs: env.wallMs };
    case "OPERATOR_DEACTIVATE_AGENT":
      if (!deactivated) return { kind: "AgentDeactivated", agentId };
      return { reason: "invalid", message: `agentId: ${agentId} is deactivated already` };
    case "OPERATOR_REACTIVATE_AGENT":
      if (deactivated || drain !== undefined) return { kind: "AgentReactivated", agentId };
      return { reason: "invalid", message: `agentId: ${agentId} is active` };
    case "OPERATOR_DRAIN_AGENT": {
      if (!info.capabilities.includes("AGENT_DRAINING")) {
        const message = `agentId: ${agentId} does not know AGENT_DRAINING; upgrade it first`;
        return { reason: "invalid", message };
      }
      const { maxGracePeriodMs, markGone } = mail.body;
      const grace = maxGracePeriodMs === undefined ? {} : { maxGracePeriodMs };
      return { kind: "AgentDraining", agentId, ...grace, markGone, atMs: env.wallMs };
    }
  }
}

/** Why nothing of the agent is offered, as operators have said; undefined: it may be. */
function inactivityOf({ registry }: MasterState, agentId: AgentId) {
  const known = registry.agents.get(agentId);
  if (known?.drain !== undefined) return "draining" as const;
  return known?.deactivated === true ? ("agent-inactive" as const) : undefined;
}

/** What the log says of its activity holds from here on. */
export function activitySettled(turn: Turn, agentId: AgentId): void {
  const { state } = turn;
  const agent = state.agents.get(agentId);
  noteDrain(state, agentId);
  if (agent === undefined) return;
  if (agent.condition === "registered") {
    applyActivity(turn, agent);
    sayDrain(turn, agent);
  }
  state.publisher.agentChanged(agent);
}

/** Drains that are not over are looked at until they are. */
function noteDrain({ draining, registry }: MasterState, agentId: AgentId): void {
  const drain = registry.agents.get(agentId)?.drain;
  if (drain !== undefined && drain.drainedAtMs === undefined) draining.add(agentId);
  else draining.delete(agentId);
}

/** Elected: drains go on. */
export function recoverDrains({ state }: Turn): void {
  for (const { agentId, drain } of state.registry.agents.values()) {
    if (drain !== undefined) noteDrain(state, agentId);
  }
}

/** An agent has registered: it is counted anew, and told what is wanted of it (P-3.1). */
export function enrolActivity(turn: Turn, agent: AgentRecord): void {
  if (inactivityOf(turn.state, agent.agentId) === undefined) return;
  applyActivity(turn, agent);
  sayDrain(turn, agent);
}

function applyActivity(turn: Turn, agent: AgentRecord): void {
  const { state } = turn;
  const { agentId } = agent;
  if (!state.allocator.hasAgent(agentId)) return;
  const why = inactivityOf(state, agentId);
  state.allocationWanted = true;
  if (why === undefined) return state.allocator.activateAgent(agentId);
  // Before the offers come back, so that nobody is offered them again.
  state.allocator.deactivateAgent(agentId, why);
  rescindOffersOf(turn, agent, why === "draining" ? "the agent is drained" : "it is deactivated");
}

function sayDrain(turn: Turn, { agentId, peer, info }: AgentRecord): void {
  if (!info.capabilities.includes("AGENT_DRAINING")) return;
  const drain = turn.state.registry.agents.get(agentId)?.drain;
  if (drain === undefined) return say(turn, peer, { kind: "ReactivateAgent", body: {} });
  const { maxGracePeriodMs, markGone } = drain;
  const grace = maxGracePeriodMs === undefined ? {} : { maxGracePeriodMs };
  say(turn, peer, { kind: "DrainAgent", body: { ...{}, ...grace, markGone } });
}

/**
 * Drains are over when nothing runs there and nothing is left to be told: no task, no update and no
 * operation that somebody has not acknowledged. One that is away is not judged (P-6.2).
 */
export function sweepDrains(turn: Turn): void {
  const { state, env } = turn;
  for (const agentId of [...state.draining]) {
    const agent = state.agents.get(agentId);
    const drain = state.registry.agents.get(agentId)?.drain;
    if (agent?.condition !== "registered" || drain === undefined) continue;
    if (agent.tasks.size + agent.operations.size > 0 || state.proposedAgents.has(agentId)) continue;
    const atMs = env.wallMs;
    const operations: RegistryOperation[] = [{ kind: "AgentDrained", agentId, atMs }];
    if (drain.markGone) operations.push({ kind: "AgentMarkedGone", agentId, atMs });
    if (!propose(turn, ...operations)) return refuse(turn, "busy");
    state.draining.delete(agentId);
    if (drain.markGone) state.proposedAgents.add(agentId);
    note(turn, "info", "an agent is drained", { agentId, markGone: drain.markGone });
  }
}
