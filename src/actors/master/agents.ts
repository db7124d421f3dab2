/**
 * Registration of agents: parts, identity, admission. An agent is admitted by the log before it
 * is told so (P-1.7). What it brings is taken in by `enrol.ts`.
 */
import {
  type AgentId,
  type AgentInfo,
  OPERATIONS_UNACKNOWLEDGED_MAX,
  parsePeer,
  type Peer,
} from "#protocol";
import type { RegisteredAgent, RegistryOperation } from "#replication";
import { Resources } from "#resources";
import type { MailOf } from "#runtime";
import { enrol } from "./enrol.ts";
import { downFault } from "./maintenance.ts";
import {
  EXECUTORS_PER_AGENT_MAX,
  note,
  propose,
  type Registration,
  refuse,
  say,
  TASKS_PER_AGENT_MAX,
  type Turn,
} from "./state.ts";

/** One part of a registration; the last one makes it whole. */
export function registerAgent(turn: Turn, mail: MailOf<"RegisterAgent">): void {
  const { state, env } = turn;
  const { from, body } = mail;
  const peer = parsePeer(from);
  if (peer?.role !== "agent") return refuse(turn, "not-said-by-this-peer");
  let registration = state.registrations.get(from);
  if (body.part === 0) {
    registration = {
      peer: from,
      principal: peer.principal,
      first: body,
      tasks: [],
      frameworks: [],
      executors: [],
      operations: [],
      parts: 0,
      whole: false,
    };
    state.registrations.set(from, registration);
  }
  const fits =
    registration !== undefined &&
    registration.parts === body.part &&
    registration.first.agent.agentId === body.agent.agentId &&
    registration.tasks.length + body.tasks.length <= TASKS_PER_AGENT_MAX &&
    registration.executors.length <= EXECUTORS_PER_AGENT_MAX &&
    registration.operations.length <= OPERATIONS_UNACKNOWLEDGED_MAX;
  if (registration === undefined || !fits) {
    return refuseAgent(turn, from, "invalid", `part ${body.part} does not follow`, false);
  }
  registration.tasks.push(...body.tasks);
  registration.frameworks.push(...body.frameworks);
  registration.executors.push(...(body.executors ?? []));
  registration.operations.push(...(body.operations ?? []));
  registration.parts += 1;
  state.coming.set(from, env.nowMs);
  if (registration.parts < body.parts) return;
  registration.whole = true;
  admit(turn, registration);
}

/** Says why it is not admitted, and ends the session. */
function refuseAgent(
  turn: Turn,
  peer: Peer,
  reason: "invalid" | "identity-claimed" | "stale-incarnation" | "not-allowed" | "busy",
  message: string,
  final: boolean,
): void {
  refuse(turn, reason, "refused-agents");
  note(turn, "warn", "refused an agent", { peer, reason, message });
  say(turn, peer, { kind: "AgentRefused", body: { reason, message, final } });
  turn.state.registrations.delete(peer);
  turn.state.coming.delete(peer);
}

/** Judges a whole registration against the registry; proposes what it must say first. */
export function admit(turn: Turn, registration: Registration): void {
  const { state } = turn;
  const { agent: info } = registration.first;
  // A record about it is under way: when it has come back, this is judged anew.
  if (state.proposedAgents.has(info.agentId)) return;
  const known = state.registry.agents.get(info.agentId);
  if (refused(turn, registration, known)) return;
  const operations = displacing(turn, registration);
  const operation = admission(registration, known);
  if (operation !== undefined) operations.push(operation);
  if (operations.length === 0) {
    state.registrations.delete(registration.peer);
    return enrol(turn, registration);
  }
  if (!propose(turn, ...operations)) {
    return refuseAgent(turn, registration.peer, "busy", "the log is busy; come again", false);
  }
  for (const { agentId } of operations) state.proposedAgents.add(agentId);
}

function refused(
  turn: Turn,
  registration: Registration,
  known: RegisteredAgent | undefined,
): boolean {
  const { peer, principal, first } = registration;
  const { agent: info, incarnation } = first;
  const resources = Resources.check(info.resources);
  if (!resources.ok) {
    refuseAgent(turn, peer, "invalid", resources.error.message, false);
    return true;
  }
  const down = downFault(turn.state.registry, info.hostname);
  if (down !== undefined) {
    refuseAgent(turn, peer, "not-allowed", down, false);
    return true;
  }
  if (known === undefined) return false;
  if (known.principal !== principal) {
    const message = `agent ${info.agentId} belongs to another principal than ${principal}`;
    refuseAgent(turn, peer, "identity-claimed", message, true);
    return true;
  }
  if (known.condition === "gone") {
    const message = `agent ${info.agentId} was marked gone; give it a new work directory`;
    endTasks(turn, registration);
    refuseAgent(turn, peer, "not-allowed", message, true);
    return true;
  }
  if (incarnation < known.incarnation) {
    const message = `its work directory is older: start ${incarnation}, known ${known.incarnation}`;
    refuseAgent(turn, peer, "stale-incarnation", message, true);
    return true;
  }
  return false;
}

/** Whose tasks were said to be gone ends what is left of them, before it ends itself. */
function endTasks(turn: Turn, { peer, frameworks, tasks }: Registration): void {
  const ids = new Set([...frameworks, ...tasks].map(({ frameworkId }) => frameworkId));
  for (const frameworkId of ids)
    say(turn, peer, { kind: "ShutdownFramework", body: { frameworkId } });
}

type AgentOperation = Extract<RegistryOperation, { agentId: AgentId }>;

/** The same principal with a new id: the old one is unreachable at once (P-4.2). */
function displacing({ state, env }: Turn, registration: Registration): AgentOperation[] {
  const { principal, first } = registration;
  const operations: AgentOperation[] = [];
  const record = state.agentsByPeer.get(registration.peer);
  const others = record === undefined ? state.owners.of(principal, state.registry) : [record];
  for (const { agentId, principal: owner, condition } of others) {
    if (owner !== principal || agentId === first.agent.agentId) continue;
    if (condition === "unreachable" || condition === "gone") continue;
    if (state.proposedAgents.has(agentId)) continue;
    operations.push({ kind: "AgentMarkedUnreachable", agentId, atMs: env.wallMs });
  }
  return operations;
}

/** What the log must say before the agent is told that it is registered. */
function admission(
  { principal, first }: Registration,
  known: RegisteredAgent | undefined,
): AgentOperation | undefined {
  const { agent: info, incarnation, bootId } = first;
  const described = { agentId: info.agentId, incarnation, bootId, info };
  if (known === undefined) return { kind: "AgentAdmitted", principal, ...described };
  if (known.condition === "unreachable") return { kind: "AgentMarkedReachable", ...described };
  const same =
    known.incarnation === incarnation && known.bootId === bootId && isSame(known.info, info);
  return same ? undefined : { kind: "AgentUpdated", ...described };
}

function isSame(left: AgentInfo, right: AgentInfo): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** A record about the agent is committed: what waited for it is judged anew. */
export function agentSettled(turn: Turn, agentId: AgentId): void {
  const { state } = turn;
  state.proposedAgents.delete(agentId);
  for (const registration of state.registrations.values()) {
    if (registration.whole && registration.first.agent.agentId === agentId) {
      admit(turn, registration);
    }
  }
}
