/**
 * Offers: made from what the allocator gives, ended by acceptance, refusal, time, or because the
 * agent or the framework is away. An offer is one agent and one role. Ids carry the epoch, so no
 * later leader can take one for its own.
 */
import type { Allocator, OfferCandidate } from "#allocator";
import { type AgentId, asId, type BodyOf, type Offer, type OfferId } from "#protocol";
import type { MailOf } from "#runtime";
import type { AgentRecord, FrameworkRecord, OfferEnd, OfferRecord } from "./records.ts";
import { OFFERS_ENDED_MAX, refuse, say, type Turn } from "./state.ts";
import { roomOf } from "./tell.ts";

/** Offers in one OFFERS message: a few dozen stay far below the largest frame. */
const OFFERS_PER_MESSAGE_MAX = 32;
/** How long a framework with a full window is passed over. */
const SLOW_REFUSE_MS = 5000;
/** Longest filter: 365 days (mesos.md §2). */
const REFUSE_MS_MAX = 365 * 24 * 3600 * 1000;

/** One run of the allocator, over the agents named or over all; a batch was due at `dueMs`. */
export function allocate(turn: Turn, only?: Iterable<AgentId>, dueMs?: number): void {
  const { state } = turn;
  if (state.muted) return;
  const made = new Map<FrameworkRecord, Offer[]>();
  for (const candidate of measuredRun(turn, only, dueMs)) {
    const framework = state.frameworks.get(candidate.frameworkId);
    const agent = state.agents.get(candidate.agentId);
    const offers = framework === undefined ? undefined : made.get(framework);
    const messages = Math.floor((offers?.length ?? 0) / OFFERS_PER_MESSAGE_MAX) + 1;
    if (framework?.connected !== true || agent === undefined) {
      giveBack(turn, candidate, undefined);
    } else if (roomOf(turn, framework) < messages) {
      refuse(turn, "framework-slow", "not-offered");
      giveBack(turn, candidate, SLOW_REFUSE_MS);
    } else {
      const offer = make(turn, framework, agent, candidate);
      if (offers === undefined) made.set(framework, [offer]);
      else offers.push(offer);
    }
  }
  for (const [framework, offers] of made) sayOffers(turn, framework, offers);
}

/** A run that the allocator does not make, being paused, is none. */
function measuredRun({ state, env }: Turn, only?: Iterable<AgentId>, dueMs?: number) {
  const { allocator, runTimes } = state;
  const runs = allocator.runs();
  const beginMs = env.clockMs();
  const candidates = allocator.allocate(env.nowMs, only);
  if (allocator.runs() > runs) runTimes.ran(beginMs, env.clockMs(), dueMs);
  return candidates;
}

/** An event run: over the agents where something changed. Whether anything did. */
export function allocateChanged(turn: Turn): boolean {
  const { state, env } = turn;
  if (!state.allocationWanted || state.muted) return false;
  state.allocationWanted = false;
  const dirty = state.allocator.dirtyAgents(env.nowMs);
  if (dirty.length > 0) allocate(turn, dirty);
  return true;
}

function giveBack(
  { state, env }: Turn,
  { frameworkId, agentId, resources }: OfferCandidate,
  refuseMs: number | undefined,
): void {
  const filter = refuseMs === undefined ? undefined : { refuseMs };
  state.allocator.recoverResources(frameworkId, agentId, resources, filter, env.nowMs);
}

function make(
  { state, env }: Turn,
  framework: FrameworkRecord,
  agent: AgentRecord,
  { role, resources }: OfferCandidate,
): Offer {
  state.offersMade += 1;
  const offerId = asId<OfferId>(`o-${state.epoch}-${state.offersMade}`);
  const { frameworkId } = framework;
  const { agentId } = agent;
  const offer: OfferRecord = {
    offerId,
    frameworkId,
    agentId,
    role,
    resources,
    madeAtMs: env.nowMs,
    madeAtWallMs: env.wallMs,
  };
  state.offers.set(offerId, offer);
  agent.offers.add(offerId);
  agent.offered = agent.offered.add(resources);
  framework.offers.add(offerId);
  framework.offered.add(resources);
  const unavailability = state.windows.get(agent.info.hostname.toLowerCase());
  state.publisher.offerAdded(offer);
  state.publisher.agentChanged(agent);
  state.publisher.frameworkChanged(framework);
  return {
    offerId,
    frameworkId,
    agentId,
    hostname: agent.info.hostname,
    resources: resources.toWire(),
    attributes: agent.info.attributes,
    allocationRole: role,
    ...(unavailability === undefined ? {} : { unavailability }),
  };
}

function sayOffers(turn: Turn, framework: FrameworkRecord, offers: readonly Offer[]): void {
  if (framework.peer === undefined) return;
  for (let from = 0; from < offers.length; from += OFFERS_PER_MESSAGE_MAX) {
    const part = offers.slice(from, from + OFFERS_PER_MESSAGE_MAX);
    framework.said += 1;
    say(turn, framework.peer, { kind: "OFFERS", body: { offers: part } });
  }
}

/** The offer is no more; what becomes of its resources is the caller's. */
export function endOffer({ state }: Turn, offer: OfferRecord, end: OfferEnd): void {
  const { offerId, resources } = offer;
  state.offers.delete(offerId);
  state.offersEnded.set(offerId, end);
  if (state.offersEnded.size > OFFERS_ENDED_MAX) {
    const [oldest] = state.offersEnded.keys();
    if (oldest !== undefined) state.offersEnded.delete(oldest);
  }
  const agent = state.agents.get(offer.agentId);
  const framework = state.frameworks.get(offer.frameworkId);
  if (agent !== undefined) {
    agent.offers.delete(offerId);
    agent.offered = agent.offered.subtract(resources);
    state.publisher.agentChanged(agent);
  }
  if (framework !== undefined) {
    framework.offers.delete(offerId);
    framework.offered.subtract(resources);
    state.publisher.frameworkChanged(framework);
  }
  state.publisher.offerRemoved(offerId, end);
}

/** Gives resources back to the allocator, refused for a while or not. */
export function recoverOffered(
  turn: Turn,
  offer: OfferRecord,
  resources: OfferRecord["resources"],
  refuseMs: number | undefined,
): void {
  turn.state.allocationWanted = true;
  if (!resources.isEmpty) giveBack(turn, { ...{}, ...offer, resources }, refuseMs);
}

/** Takes an offer back and says so. */
export function rescind(turn: Turn, offer: OfferRecord, end: OfferEnd, reason: string): void {
  const { state } = turn;
  endOffer(turn, offer, end);
  recoverOffered(turn, offer, offer.resources, undefined);
  const framework = state.frameworks.get(offer.frameworkId);
  if (framework?.peer === undefined || !framework.connected) return;
  framework.said += 1;
  const body = { offerId: offer.offerId, reason };
  say(turn, framework.peer, { kind: "RESCIND", body });
}

/** Takes back every offer of an agent or of a framework. */
export function rescindOffersOf(
  turn: Turn,
  holder: { readonly offers: ReadonlySet<OfferId> },
  reason: string,
): void {
  for (const offerId of [...holder.offers]) {
    const offer = turn.state.offers.get(offerId);
    if (offer !== undefined) rescind(turn, offer, "rescinded", reason);
  }
}

/** Offers end after their time; the oldest stand first. */
export function expireOffers(turn: Turn): void {
  const { state, env } = turn;
  const { offerTimeoutMs } = state.settings;
  if (offerTimeoutMs === 0) return;
  for (const offer of state.offers.values()) {
    if (env.nowMs - offer.madeAtMs < offerTimeoutMs) return;
    refuse(turn, "offer-expired", "offers-unanswered");
    rescind(turn, offer, "expired", "expired");
    state.allocator.offerTimedOut(offer.frameworkId);
  }
}

/** How long the like of it is refused, within Mesos' bounds. */
export function refuseMsOf({ state }: Turn, filters: BodyOf<"DECLINE">["filters"]): number {
  return Math.min(filters?.refuseMs ?? state.settings.refuseMsDefault, REFUSE_MS_MAX);
}

/** Unknown ids are ignored and counted: the offer may just have ended. */
export function decline(turn: Turn, framework: FrameworkRecord, { body }: MailOf<"DECLINE">): void {
  const refuseMs = refuseMsOf(turn, body.filters);
  let answered = false;
  for (const offerId of body.offerIds) {
    const offer = turn.state.offers.get(offerId);
    if (offer?.frameworkId !== framework.frameworkId) {
      refuse(turn, "offer-not-outstanding", "declines");
      continue;
    }
    answered = true;
    endOffer(turn, offer, "declined");
    recoverOffered(turn, offer, offer.resources, refuseMs);
  }
  if (answered) turn.state.allocator.offerAnswered(framework.frameworkId);
}

/** Suppress and revive: no roles means all of the framework's. */
export function suppress(
  { state }: Turn,
  framework: FrameworkRecord,
  roles: readonly string[],
): void {
  const named = roles.length === 0 ? framework.info.roles : roles;
  for (const role of named) framework.suppressedRoles.add(role);
  if (framework.allocated) state.allocator.suppress(framework.frameworkId, [...named]);
  state.publisher.frameworkChanged(framework);
}

export function revive(
  { state }: Turn,
  framework: FrameworkRecord,
  roles: readonly string[],
): void {
  const named = roles.length === 0 ? framework.info.roles : roles;
  for (const role of named) framework.suppressedRoles.delete(role);
  if (framework.allocated) state.allocator.revive(framework.frameworkId, [...named]);
  state.allocationWanted = true;
  state.publisher.frameworkChanged(framework);
}

/** What the allocator is to know of a framework. */
export function frameworkSpec(
  framework: FrameworkRecord,
): Parameters<Allocator["addFramework"]>[1] {
  const { info, suppressedRoles, principal } = framework;
  return {
    roles: info.roles,
    suppressedRoles: [...suppressedRoles],
    capabilities: info.capabilities,
    ...(principal === undefined ? {} : { principal }),
  };
}
