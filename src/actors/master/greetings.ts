/**
 * Sessions with clients: who may come when. The leader calls as many as it has room for (P-3.1);
 * where a newcomer may be another process, its incumbent has time to contest (P-4.3).
 */
import { parsePeer, type Peer, type WireReason } from "#protocol";
import type { LinkChange } from "#runtime";
import { agentDisconnected } from "./absence.ts";
import { frameworkDisconnected } from "./frameworks.ts";
import type { AgentRecord } from "./records.ts";
import { HELLOS_WAITING_MAX, type MasterState, note, refuse, type Turn } from "./state.ts";

/** A session that a Hello ended is told just before that Hello. */
const DISPLACED_MS = 100;

type Hello = Extract<LinkChange, { change: "hello" }>;

export function linkChanged(turn: Turn, peer: Peer, link: LinkChange): void {
  if (link.change === "hello") return greeted(turn, peer, link);
  if (link.change === "closed") {
    sessionEnded(turn, peer, link.reason);
    pull(turn);
  }
}

function greeted(turn: Turn, peer: Peer, link: Hello): void {
  const { state, env, out } = turn;
  const role = parsePeer(peer)?.role;
  if (role !== "agent" && role !== "framework") return refuse(turn, "not-said-by-this-peer");
  const waiting = state.greetings.get(peer);
  if (waiting === undefined && state.greetings.size >= HELLOS_WAITING_MAX) {
    return refuse(turn, "busy");
  }
  const incumbent = state.agentsByPeer.get(peer);
  if (waiting?.contestedUntilMs !== undefined && incumbent !== undefined) {
    // Two processes speak under one principal: the one that is registered stays.
    refuse(turn, "identity-claimed");
    note(turn, "error", "two agents speak under one principal", { peer });
    if (link.identity !== incumbent.agentId || waiting.identity === incumbent.agentId) return;
  }
  if (isStale(incumbent, link)) return refuse(turn, "stale-incarnation");
  const { session, incarnation, identity } = link;
  const contested = waiting === undefined && isContested(turn, incumbent, link);
  const contestedUntilMs = contested ? env.nowMs + state.settings.incumbentMs : undefined;
  state.greetings.set(peer, { peer, session, incarnation, identity, contestedUntilMs });
  if (contestedUntilMs === undefined) return pull(turn);
  out.push({ kind: "timer", name: "incumbents", inMs: state.settings.incumbentMs });
}

/** A lower incarnation never displaces a higher one (P-4.3). */
function isStale(incumbent: AgentRecord | undefined, hello: Hello): boolean {
  return hello.identity === incumbent?.agentId && hello.incarnation < (incumbent?.incarnation ?? 0);
}

/**
 * Whether the newcomer may be another process than the one whose session it ended: one that
 * loses its session by itself says so first, and a restarted one has a higher incarnation.
 */
function isContested({ env }: Turn, incumbent: AgentRecord | undefined, hello: Hello): boolean {
  if (incumbent?.condition !== "disconnected" || !incumbent.displaced) return false;
  if (incumbent.sinceMs < env.nowMs - DISPLACED_MS) return false;
  return hello.identity !== incumbent.agentId || hello.incarnation === incumbent.incarnation;
}

/** The time to contest is over: nobody did, so the newcomer may come. */
export function endContests(turn: Turn): void {
  const { state, env } = turn;
  for (const greeting of state.greetings.values()) {
    const { contestedUntilMs } = greeting;
    if (contestedUntilMs === undefined || contestedUntilMs > env.nowMs) continue;
    greeting.contestedUntilMs = undefined;
  }
  pull(turn);
}

function hasRoom({ coming, settings }: MasterState): boolean {
  return coming.size < settings.comingMax;
}

/** Calls as many as there is room for, in the order of their Hellos. */
export function pull(turn: Turn): void {
  const { state, env, out } = turn;
  // Asked before: of those who have come the map keeps places, and a walk begins behind them.
  if (!hasRoom(state) || state.greetings.size === 0) return;
  for (const { peer, session, contestedUntilMs } of state.greetings.values()) {
    if (!hasRoom(state)) return;
    if (contestedUntilMs !== undefined) continue;
    state.greetings.delete(peer);
    state.coming.set(peer, env.nowMs);
    out.push({ kind: "come", peer, session });
  }
}

/** Whoever was called and did not register makes room for the next. */
export function dropLateComers(turn: Turn): void {
  const { state, env, out } = turn;
  for (const [peer, calledMs] of state.coming) {
    if (env.nowMs - calledMs < state.settings.comingMs) continue;
    const waits = state.registrations.get(peer)?.whole === true || state.subscriptions.has(peer);
    state.coming.delete(peer);
    if (waits) continue;
    state.registrations.delete(peer);
    refuse(turn, "no-session", "late-comers");
    out.push({ kind: "close", peer, reason: "no-session" });
  }
  pull(turn);
}

/** The session with a peer is over, by its word, by a gap, or because it opens another. */
export function sessionEnded(turn: Turn, peer: Peer, reason: WireReason): void {
  const { state } = turn;
  state.coming.delete(peer);
  state.registrations.delete(peer);
  state.subscriptions.delete(peer);
  const agent = state.agentsByPeer.get(peer);
  if (agent !== undefined) agent.displaced = reason === "old-session";
  if (agent?.condition === "registered") agentDisconnected(turn, agent, reason);
  const framework = state.frameworksByPeer.get(peer);
  if (framework?.connected === true) frameworkDisconnected(turn, framework, reason);
}

/** Agents of which something was counted that is not so: they register with what they have. */
export function closeDisbelieved(turn: Turn): void {
  const { state, out } = turn;
  for (const peer of state.toClose) {
    out.push({ kind: "close", peer, reason: "no-session" });
    sessionEnded(turn, peer, "no-session");
  }
  state.toClose.clear();
}
