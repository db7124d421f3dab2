/**
 * Taking over: from the registry alone to a leader that serves. Agents and frameworks of the
 * registry are absent until they come (P-6.2); the leader listens, then says that it leads
 * (P-3.8).
 */
import { agentPeer, type MessageOf, type Peer } from "#protocol";
import { makeAgent, makeFramework } from "./enrol.ts";
import { awaitSilence, raiseVersion } from "./leadership.ts";
import { recoverDrains } from "./drain.ts";
import { applyWhitelist, indexWindows } from "./maintenance.ts";
import { giveQuota } from "./quota.ts";
import { truncate } from "./snapshots.ts";
import { mindMute } from "./speech.ts";
import { type MasterState, note, refuse, type Turn } from "./state.ts";

/** Elected: builds the cluster as the registry has it. Nothing is said yet. */
export function recover(turn: Turn): void {
  const { state, env, out } = turn;
  state.owners.rebuild(state.registry);
  for (const {
    agentId,
    info,
    principal,
    incarnation,
    condition,
  } of state.registry.agents.values()) {
    if (condition !== "admitted") continue;
    const agent = makeAgent(info, { peer: agentPeer(principal), principal, incarnation }, env);
    state.agents.set(agentId, agent);
    state.missing.add(agentId);
  }
  for (const { frameworkId, info, principal } of state.registry.frameworks.values()) {
    const framework = makeFramework(frameworkId, info, env);
    framework.principal = principal;
    state.frameworks.set(frameworkId, framework);
  }
  recoverRoles(turn);
  recoverDrains(turn);
  indexWindows(turn);
  if (turn.state.registry.whitelist !== undefined) applyWhitelist(turn);
  mindMute(turn);
  out.push({ kind: "timer", name: "proof", inMs: 0 });
  awaitSilence(turn);
}

/** Weights and quotas from the log; what roles use is not known before the agents are back. */
function recoverRoles({ state, env }: Turn): void {
  const { allocator, registry, missing } = state;
  for (const [role, weight] of registry.weights) allocator.setWeight(role, weight);
  for (const quota of registry.quotas.values()) giveQuota(state, quota);
  allocator.recover(missing.size, env.nowMs);
  allocator.holdLimited(missing.size > 0);
}

const FLUSH = "listening";

/** The predecessor is silent: subscribe, flush, and only then tell that somebody leads. */
export function listen(turn: Turn): void {
  const { state, env, out } = turn;
  state.leadingMs = env.nowMs;
  state.judgeFromMs = env.nowMs;
  for (const agent of state.agents.values()) agent.sinceMs = env.nowMs;
  for (const framework of state.frameworks.values()) framework.disconnectedMs = env.nowMs;
  out.push({ kind: "listen", to: "from-agents", listen: true });
  out.push({ kind: "listen", to: "from-frameworks", listen: true });
  out.push({ kind: "listen", to: "from-operators", listen: true });
  out.push({ kind: "flush", token: FLUSH });
}

/** The broker has the subscriptions, or could not be reached: then once more. */
export function listening(turn: Turn, reached: boolean): void {
  const { state, env, out } = turn;
  if (env.lifecycle !== "leading") return;
  if (!reached) return void out.push({ kind: "timer", name: "flush", inMs: 500 });
  const { settings, publisher } = state;
  raiseVersion(turn);
  truncate(turn);
  publisher.enable();
  publisher.snapshot(settings.masterId, state);
  const { allocationIntervalMs, heartbeatIntervalMs, countersIntervalMs } = settings;
  beacon(turn);
  out.push({ kind: "timer", name: "sweep", inMs: SWEEP_MS });
  out.push({ kind: "timer", name: "allocation", inMs: allocationIntervalMs });
  out.push({ kind: "timer", name: "heartbeat", inMs: heartbeatIntervalMs });
  out.push({ kind: "timer", name: "counters", inMs: countersIntervalMs });
  note(turn, "info", "leads", { epoch: state.epoch, agents: state.agents.size });
}

export function flushAgain({ out }: Turn): void {
  out.push({ kind: "flush", token: FLUSH });
}

/** How often silence, deadlines and offers are looked at. */
export const SWEEP_MS = 1000;

/** Clients whose Hellos come within a millisecond at most, on average. */
const HELLOS_A_MS = 0.5;

/** Few clients need not be spread over a second, and find their leader again at once. */
function windowFor({ settings }: MasterState, clients: number): number {
  return Math.min(settings.helloWindowMs, Math.ceil(clients / HELLOS_A_MS));
}

function helloWindowOf(state: MasterState): number {
  return windowFor(state, state.agents.size + state.frameworks.size);
}

/** Says who leads, since when, and what the log is. */
export function beacon(turn: Turn): void {
  const { state, out } = turn;
  const message = beaconOf(state, helloWindowOf(state));
  state.announced = true;
  out.push({ kind: "publish", topic: "leader", message });
  out.push({ kind: "timer", name: "beacon", inMs: state.settings.beaconIntervalMs });
}

/**
 * A client asks who leads: it hears at once what the next beacon would tell it. It need only be
 * spread among those who ask as well.
 */
export function sought(turn: Turn, peer: Peer): void {
  const { state, env, out } = turn;
  if (env.lifecycle !== "leading" || !state.announced) {
    return refuse(turn, "not-handled-in-this-state");
  }
  state.seekers += 1;
  const message = beaconOf(state, windowFor(state, state.seekers));
  out.push({ kind: "publish", topic: "leader", to: peer, message });
}

function beaconOf({ settings, head, epoch }: MasterState, windowMs: number): MessageOf<"Beacon"> {
  const { masterId, beaconIntervalMs: intervalMs } = settings;
  const { logId, generation, validPosition: position, hash } = head;
  const at = { logId: logId ?? "", generation, position, hash };
  const body = { masterId, epoch, ...at, windowMs, intervalMs };
  return { kind: "Beacon", body };
}
