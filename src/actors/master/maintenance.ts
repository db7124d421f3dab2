/**
 * Maintenance windows (mesos.md §18): offers of a machine that will be away say so, frameworks on
 * it are asked to leave, and while it is down its agents are not admitted. The schedule is in the
 * log; what frameworks answered is advice and lives with the leader.
 */
import {
  type AgentId,
  asId,
  type BodyOf,
  encodePlain,
  type FrameworkId,
  type InverseOffer,
  type InverseOfferId,
  INVERSE_OFFERS_MAX,
  type MaintenanceWindow,
} from "#protocol";
import { OPERATION_BYTES_MAX, type Registry, type RegistryOperation } from "#replication";
import type { MailOf } from "#runtime";
import { refuseMsOf, rescindOffersOf } from "./offers.ts";
import { type Answer, order, refusal } from "./orders.ts";
import type { AgentRecord, FrameworkRecord } from "./records.ts";
import { refuse, say, type Turn } from "./state.ts";
import { roomOf } from "./tell.ts";

/** Inverse offers without an answer; beyond it frameworks are asked later. */
export const INVERSE_OFFERS_OUTSTANDING_MAX = 10_000;
/** How long a framework that cannot be asked now is left alone. */
const ASK_AGAIN_MS = 5_000;

type MaintenanceCall = MailOf<
  "OPERATOR_SCHEDULE_MAINTENANCE" | "OPERATOR_START_MAINTENANCE" | "OPERATOR_STOP_MAINTENANCE"
>;

/** Only agents of these hosts are offered from here on; what they have on offer stays. */
export function whitelistOrdered(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_WHITELIST">,
  reply: string,
): Answer | undefined {
  const { hostnames } = body;
  const operation: RegistryOperation =
    hostnames === undefined ? { kind: "WhitelistSet" } : { kind: "WhitelistSet", hostnames };
  const bytes = encodePlain(operation).length;
  if (bytes > OPERATION_BYTES_MAX) {
    return refusal("invalid", `hostnames: they take ${bytes} bytes, above ${OPERATION_BYTES_MAX}`);
  }
  return order(turn, [operation], { reply, id });
}

/** The log has another list, or this master has come to lead. */
export function applyWhitelist({ state }: Turn): void {
  state.allocator.setWhitelist(state.registry.whitelist);
  state.allocator.requestAllocation();
  state.allocationWanted = true;
}

/** Hostnames are the same in upper and lower case. */
export function machineOf(hostname: string): string {
  return hostname.toLowerCase();
}

/** The answer; undefined where it comes when the log has it. */
export function maintenanceOrdered(
  turn: Turn,
  mail: MaintenanceCall,
  reply: string,
): Answer | undefined {
  const { registry } = turn.state;
  const to = { reply, id: mail.id };
  if (mail.kind === "OPERATOR_SCHEDULE_MAINTENANCE") {
    const windows = mail.body.windows.map(({ hostnames, unavailability }) => ({
      hostnames: hostnames.map(machineOf),
      unavailability,
    }));
    const fault = scheduleFault(registry, windows);
    if (fault !== undefined) return refusal("invalid", fault);
    return order(turn, [{ kind: "MaintenanceScheduled", windows }], to);
  }
  const hostnames = mail.body.hostnames.map(machineOf);
  const goesDown = mail.kind === "OPERATOR_START_MAINTENANCE";
  const fault = machinesFault(registry, hostnames, goesDown);
  if (fault !== undefined) return refusal("invalid", fault);
  if (!goesDown) return order(turn, [{ kind: "MachinesUp", hostnames }], to);
  const lost = agentsOn(turn, new Set(hostnames));
  if (lost.some((agentId) => turn.state.proposedAgents.has(agentId))) {
    return refusal("busy", "hostnames: a record about an agent there is under way; call again");
  }
  const later = order(
    turn,
    [{ kind: "MachinesDown", hostnames }, ...lost.map(unreachable(turn))],
    to,
  );
  if (later === undefined) for (const agentId of lost) turn.state.proposedAgents.add(agentId);
  return later;
}

function unreachable({ env }: Turn): (agentId: AgentId) => RegistryOperation {
  return (agentId) => ({ kind: "AgentMarkedUnreachable", agentId, atMs: env.wallMs });
}

function agentsOn({ state }: Turn, machines: ReadonlySet<string>): AgentId[] {
  return [...state.registry.agents.values()].flatMap(({ agentId, info, condition }) => {
    return condition === "admitted" && machines.has(machineOf(info.hostname)) ? [agentId] : [];
  });
}

/** Why a schedule cannot be; undefined where it can. */
export function scheduleFault(
  { down }: Pick<Registry, "down">,
  windows: readonly MaintenanceWindow[],
): string | undefined {
  const named = new Set<string>();
  for (const [index, { hostnames }] of windows.entries()) {
    for (const hostname of hostnames) {
      if (named.has(hostname)) return `windows[${index}]: ${hostname} is in the schedule twice`;
      named.add(hostname);
    }
  }
  for (const hostname of down) {
    if (!named.has(hostname))
      return `windows: ${hostname} is down; bring it up before it is left out`;
  }
  const bytes = encodePlain(windows).length;
  if (bytes + 100 <= OPERATION_BYTES_MAX) return undefined;
  return `windows: the schedule takes ${bytes} bytes, the most is ${OPERATION_BYTES_MAX - 100}`;
}

/** Why machines cannot go down, or come up; undefined where they can. */
export function machinesFault(
  { down, windows }: Pick<Registry, "down" | "windows">,
  hostnames: readonly string[],
  goDown: boolean,
): string | undefined {
  const named = new Set<string>();
  for (const hostname of hostnames) {
    if (named.has(hostname)) return `hostnames: ${hostname} is named twice`;
    named.add(hostname);
    if (goDown && down.has(hostname)) return `hostnames: ${hostname} is down already`;
    if (!goDown && !down.has(hostname)) return `hostnames: ${hostname} is not down`;
    const scheduled = windows.some((window) => window.hostnames.includes(hostname));
    if (goDown && !scheduled) return `hostnames: ${hostname} has no maintenance scheduled`;
  }
  return undefined;
}

/** The log has another schedule: what was offered of machines in the old or the new one goes back. */
export function maintenanceSettled(turn: Turn): void {
  const { state } = turn;
  const before = new Map(state.windows);
  indexWindows(turn);
  for (const agent of state.agents.values()) {
    const machine = machineOf(agent.info.hostname);
    if (!before.has(machine) && !state.windows.has(machine)) continue;
    state.leaving.delete(agent.agentId);
    rescindInverseOffers(turn, ({ agentId }) => agentId === agent.agentId);
    enrolWindow(turn, agent);
    rescindOffersOf(turn, agent, "its machine's maintenance was scheduled anew");
    state.publisher.agentChanged(agent);
  }
  state.publisher.maintenance(state.registry);
}

/** Windows by machine, so that an offer need not look through the schedule. */
export function indexWindows({ state }: Turn): void {
  state.windows.clear();
  for (const { hostnames, unavailability } of state.registry.windows) {
    for (const hostname of hostnames) state.windows.set(hostname, unavailability);
  }
}

/** The allocator forgets the window of an agent that it is given anew. */
export function enrolWindow({ state }: Turn, { agentId, info }: AgentRecord): void {
  if (!state.allocator.hasAgent(agentId)) return;
  state.allocator.updateUnavailability(agentId, state.windows.get(machineOf(info.hostname)));
}

/** Why an agent of that machine is not admitted now. */
export function downFault({ down }: Pick<Registry, "down">, hostname: string): string | undefined {
  if (down.size === 0 || !down.has(machineOf(hostname))) return undefined;
  return `its machine ${hostname} is down for maintenance; bring it up first`;
}

/** Asks frameworks to leave agents with a window, each once until it answers. */
export function askToLeave(turn: Turn): void {
  const { state, env } = turn;
  if (state.windows.size === 0 || state.muted) return;
  const asked = new Map<FrameworkRecord, InverseOffer[]>();
  for (const { frameworkId, agentId, unavailability } of state.allocator.inverseOffers(env.nowMs)) {
    const framework = state.frameworks.get(frameworkId);
    const full = state.inverseOffers.size >= INVERSE_OFFERS_OUTSTANDING_MAX;
    if (full || framework?.connected !== true || roomOf(turn, framework) < 1) {
      refuse(turn, full ? "busy" : "framework-slow", "inverse-offers");
      const filter = { refuseMs: ASK_AGAIN_MS };
      state.allocator.answerInverseOffer(frameworkId, agentId, filter, env.nowMs);
      continue;
    }
    state.inverseOffersMade += 1;
    const inverseOfferId = asId<InverseOfferId>(`io-${state.epoch}-${state.inverseOffersMade}`);
    state.inverseOffers.set(inverseOfferId, { frameworkId, agentId });
    setAnswer(turn, agentId, frameworkId, "UNKNOWN");
    const offers = asked.get(framework) ?? [];
    if (offers.length === 0) asked.set(framework, offers);
    offers.push({ inverseOfferId, frameworkId, agentId, unavailability });
  }
  for (const [framework, offers] of asked) {
    for (let from = 0; from < offers.length; from += INVERSE_OFFERS_MAX) {
      const inverseOffers = offers.slice(from, from + INVERSE_OFFERS_MAX);
      framework.said += 1;
      if (framework.peer === undefined) continue;
      say(turn, framework.peer, { kind: "INVERSE_OFFERS", body: { inverseOffers } });
    }
  }
}

type LeaveAnswer = "UNKNOWN" | "ACCEPT" | "DECLINE";

function setAnswer(
  { state }: Turn,
  agentId: AgentId,
  frameworkId: FrameworkId,
  answer: LeaveAnswer,
): void {
  const answers = state.leaving.get(agentId) ?? new Map<FrameworkId, LeaveAnswer>();
  // Asked again: what it said last stands until it says otherwise.
  if (answer !== "UNKNOWN" || !answers.has(frameworkId)) answers.set(frameworkId, answer);
  state.leaving.set(agentId, answers);
  const agent = state.agents.get(agentId);
  if (agent !== undefined) state.publisher.agentChanged(agent);
}

/** Advice: it is shown, and the framework is not asked again for a while. */
export function inverseOffersAnswered(
  turn: Turn,
  { frameworkId }: FrameworkRecord,
  { inverseOfferIds, filters }: BodyOf<"ACCEPT_INVERSE_OFFERS">,
  answer: "ACCEPT" | "DECLINE",
): void {
  const { state, env } = turn;
  const filter = { refuseMs: refuseMsOf(turn, filters) };
  for (const id of inverseOfferIds) {
    const offer = state.inverseOffers.get(id);
    if (offer?.frameworkId !== frameworkId) {
      refuse(turn, "offer-not-outstanding", "inverse-offers");
      continue;
    }
    state.inverseOffers.delete(id);
    state.allocator.answerInverseOffer(frameworkId, offer.agentId, filter, env.nowMs);
    setAnswer(turn, offer.agentId, frameworkId, answer);
  }
}

/** Takes back what was asked, and says so to those who can hear it. */
export function rescindInverseOffers(
  turn: Turn,
  which: (offer: { readonly frameworkId: FrameworkId; readonly agentId: AgentId }) => boolean,
): void {
  const { state, env } = turn;
  for (const [inverseOfferId, offer] of state.inverseOffers) {
    if (!which(offer)) continue;
    state.inverseOffers.delete(inverseOfferId);
    const { frameworkId, agentId } = offer;
    if (state.allocator.hasAgent(agentId)) {
      state.allocator.answerInverseOffer(frameworkId, agentId, undefined, env.nowMs);
    }
    const framework = state.frameworks.get(frameworkId);
    if (framework?.peer === undefined || !framework.connected) continue;
    framework.said += 1;
    say(turn, framework.peer, { kind: "RESCIND_INVERSE_OFFER", body: { inverseOfferId } });
  }
}
