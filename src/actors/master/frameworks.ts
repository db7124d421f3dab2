/**
 * Frameworks: who they are, which of their instances speaks, how long they may be away. A
 * framework is in the log before it is told that it is subscribed; its failover timeout counts
 * cluster time, so a change of leaders neither stops nor shortens it (P-6.3).
 */
import {
  type BodyOf,
  type FrameworkId,
  type FrameworkInfo,
  holdsResources,
  parsePeer,
  type Peer,
  type SubscriptionToken,
} from "#protocol";
import type { RegisteredFramework, RegistryOperation } from "#replication";
import { invalidRole } from "#resources";
import type { MailOf } from "#runtime";
import { mayJudge } from "./absence.ts";
import { makeFramework } from "./enrol.ts";
import { frameworkSpec, rescindOffersOf } from "./offers.ts";
import { rescindInverseOffers } from "./maintenance.ts";
import { closeOperationsOf, tellOpenOperations } from "./operations.ts";
import type { FrameworkRecord } from "./records.ts";
import {
  DISPLACED_MAX,
  frameworkIdOf,
  note,
  propose,
  refuse,
  say,
  type Subscription,
  type Turn,
} from "./state.ts";
import { dropFramework, forgetTask } from "./tasks.ts";
import { tellUnacknowledged } from "./updates.ts";

type Refusal = { readonly reason: BodyOf<"ERROR">["reason"]; readonly message: string };

export function subscribe(turn: Turn, { from, body }: MailOf<"SUBSCRIBE">): void {
  const { state } = turn;
  const peer = parsePeer(from);
  if (peer?.role !== "framework") return refuse(turn, "not-said-by-this-peer");
  state.coming.delete(from);
  const frameworkId = body.frameworkId ?? frameworkIdOf(body.nonce);
  const subscription = { peer: from, principal: peer.principal, frameworkId, body };
  state.subscriptions.set(from, subscription);
  judge(turn, subscription);
}

/** Ends an instance's hopes; the reason says whether it may come again. */
function sayError(turn: Turn, peer: Peer, { reason, message }: Refusal): void {
  refuse(turn, reason, "refused-subscriptions");
  note(turn, "info", "refused a subscription", { peer, reason, message });
  turn.state.subscriptions.delete(peer);
  say(turn, peer, { kind: "ERROR", body: { reason, message } });
}

function judge(turn: Turn, subscription: Subscription): void {
  const { state } = turn;
  const { frameworkId, peer } = subscription;
  // A record about it is under way: when it has come back, this is judged anew.
  if (state.proposedFrameworks.has(frameworkId)) return;
  const known = state.registry.frameworks.get(frameworkId);
  const fault = subscriptionFault(turn, subscription, known);
  if (fault !== undefined) return sayError(turn, peer, fault);
  const operations = admission(subscription, known);
  if (operations.length === 0) return connect(turn, subscription);
  if (!propose(turn, ...operations)) {
    return sayError(turn, peer, { reason: "busy", message: "the log is busy; come again" });
  }
  state.proposedFrameworks.add(frameworkId);
}

/** A record about the framework is committed: who waited for it is judged anew. */
export function frameworkSettled(turn: Turn, frameworkId: FrameworkId): void {
  const { state } = turn;
  state.proposedFrameworks.delete(frameworkId);
  for (const subscription of state.subscriptions.values()) {
    if (subscription.frameworkId === frameworkId) judge(turn, subscription);
  }
}

function subscriptionFault(
  turn: Turn,
  { peer, principal, frameworkId, body }: Subscription,
  known: RegisteredFramework | undefined,
): Refusal | undefined {
  const { state } = turn;
  const message = infoFault(body.frameworkInfo, body.suppressedRoles);
  if (message !== undefined) return { reason: "invalid", message };
  if (state.registry.completed.has(frameworkId)) {
    return { reason: "framework-completed", message: `framework ${frameworkId} has ended` };
  }
  if (state.settings.refuseRoot && body.frameworkInfo.user === "root") {
    return { reason: "not-allowed", message: "user: root is not allowed on this cluster" };
  }
  if (known !== undefined && known.principal !== principal) {
    return { reason: "identity-claimed", message: `framework ${frameworkId} is another's` };
  }
  const record = state.frameworks.get(frameworkId);
  if (record === undefined || mayDisplace(record, peer, body.token)) return undefined;
  return { reason: "displaced", message: "a later subscription of this framework has the lead" };
}

/** The higher token wins; none at all is a failover, which always does (P-4.4). */
function mayDisplace(
  framework: FrameworkRecord,
  peer: Peer,
  token: SubscriptionToken | undefined,
): boolean {
  if (token === undefined || framework.token.count === 0) return true;
  if (compareTokens(token, framework.token) === 0) return true;
  const order = compareTokens(token, framework.claimed);
  return order > 0 || (order === 0 && framework.peer === peer);
}

function compareTokens(left: SubscriptionToken, right: SubscriptionToken): number {
  return left.epoch - right.epoch || left.count - right.count;
}

/** Why a framework's description is refused (mesos.md §3.3); undefined when it is not. */
export function infoFault(
  info: FrameworkInfo,
  suppressedRoles: readonly string[],
): string | undefined {
  const roles = new Set(info.roles);
  if (roles.size !== info.roles.length) return "roles: one occurs twice";
  for (const role of info.roles) {
    const fault = invalidRole(role);
    if (fault !== undefined) return `roles: ${fault}`;
  }
  const stranger = suppressedRoles.find((role) => !roles.has(role));
  if (stranger === undefined) return undefined;
  return `suppressedRoles: ${stranger} is none of the framework's roles`;
}

function admission(
  { principal, frameworkId, body }: Subscription,
  known: RegisteredFramework | undefined,
): RegistryOperation[] {
  const { frameworkInfo: info, nonce } = body;
  if (known === undefined) {
    return [{ kind: "FrameworkAdmitted", frameworkId, principal, nonce, info }];
  }
  const operations: RegistryOperation[] = [];
  // User and checkpoint stay as they were (mesos.md §3.3).
  const { user, checkpoint } = known.info;
  const next: FrameworkInfo = { ...{}, ...info, user, checkpoint };
  if (!isSame(known.info, next)) {
    operations.push({ kind: "FrameworkUpdated", frameworkId, info: next });
  }
  if (known.disconnectedAtMs !== undefined) {
    operations.push({ kind: "FrameworkReturned", frameworkId });
  }
  return operations;
}

function isSame(left: FrameworkInfo, right: FrameworkInfo): boolean {
  const sorted = (info: FrameworkInfo) =>
    JSON.stringify(Object.entries(info).sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(left) === sorted(right);
}

/** The registry has it as it is: this instance speaks for it from here on. */
function connect(turn: Turn, { peer, principal, frameworkId, body }: Subscription): void {
  const { state, env } = turn;
  const registered = state.registry.frameworks.get(frameworkId);
  if (registered === undefined) return;
  state.subscriptions.delete(peer);
  const known = state.frameworks.get(frameworkId);
  const framework = known ?? makeFramework(frameworkId, registered.info, env);
  displace(turn, framework, peer);
  state.frameworks.set(frameworkId, framework);
  state.frameworksByPeer.set(peer, framework);
  state.displaced.delete(peer);
  state.subscriptionsMade += 1;
  framework.principal = principal;
  framework.peer = peer;
  framework.info = registered.info;
  framework.connected = true;
  framework.disconnectedMs = undefined;
  framework.subscribedAtMs = env.wallMs;
  framework.claimed = body.token ?? { epoch: state.epoch, count: state.subscriptionsMade };
  framework.token = { epoch: state.epoch, count: state.subscriptionsMade };
  framework.suppressedRoles = new Set(body.suppressedRoles);
  if (body.token === undefined) {
    framework.answers.clear();
    framework.answersForgotten = 0;
  }
  activate(turn, framework);
  const { token } = framework;
  const { heartbeatIntervalMs, masterId } = state.settings;
  say(turn, peer, {
    kind: "SUBSCRIBED",
    body: { frameworkId, token, heartbeatIntervalMs, masterId },
  });
  tellUnacknowledged(turn, framework);
  tellOpenOperations(turn, framework);
  if (known === undefined) state.publisher.frameworkAdded(framework);
  else state.publisher.frameworkChanged(framework);
  note(turn, "info", "a framework is subscribed", { frameworkId, peer, count: token.count });
}

/** Another instance spoke for it: it is told, and must not come back by itself. */
function displace(turn: Turn, framework: FrameworkRecord, by: Peer): void {
  const { state } = turn;
  const { peer } = framework;
  if (framework.connected) frameworkDisconnected(turn, framework, "displaced");
  if (peer === undefined || peer === by) return;
  state.frameworksByPeer.delete(peer);
  if (state.displaced.size >= DISPLACED_MAX) state.displaced.clear();
  state.displaced.add(peer);
  sayDisplaced(turn, peer);
}

/** Said whenever a displaced instance speaks (P-4.4). */
export function sayDisplaced(turn: Turn, peer: Peer): void {
  refuse(turn, "displaced");
  const message = "another instance of this framework has subscribed";
  say(turn, peer, { kind: "ERROR", body: { reason: "displaced", message } });
}

function activate(turn: Turn, framework: FrameworkRecord): void {
  const { state } = turn;
  const { frameworkId } = framework;
  state.allocationWanted = true;
  if (state.allocator.hasFramework(frameworkId)) {
    state.allocator.updateFramework(frameworkId, frameworkSpec(framework));
    state.allocator.activateFramework(frameworkId);
  } else {
    state.allocator.addFramework(frameworkId, frameworkSpec(framework), true);
    framework.allocated = true;
  }
}

/** Its session is over: its offers are void, its tasks go on. */
export function frameworkDisconnected(turn: Turn, framework: FrameworkRecord, why: string): void {
  const { state, env } = turn;
  const { frameworkId } = framework;
  framework.connected = false;
  framework.disconnectedMs = env.nowMs;
  framework.owed.clear();
  rescindInverseOffers(turn, (offer) => offer.frameworkId === frameworkId);
  rescindOffersOf(turn, framework, "the framework's session ended");
  if (framework.allocated) state.allocator.deactivateFramework(frameworkId);
  state.publisher.frameworkChanged(framework);
  note(turn, "info", "a framework's session ended", { frameworkId, why });
}

/** Who is silent, who is away, whose time is over. */
export function sweepFrameworks(turn: Turn): void {
  const { state } = turn;
  if (!mayJudge(turn)) return;
  for (const framework of state.frameworks.values()) {
    if (framework.ended || framework.completing) continue;
    if (framework.connected) dropSilent(turn, framework);
    else judgeAbsence(turn, framework);
  }
}

function dropSilent(turn: Turn, framework: FrameworkRecord): void {
  const { state, env, out } = turn;
  const { peer } = framework;
  if (peer === undefined) return;
  const heardMs = Math.max(env.lastHeardMs(peer) ?? state.leadingMs, state.judgeFromMs);
  if (env.nowMs - heardMs <= state.settings.frameworkSilenceMs) return;
  out.push({ kind: "close", peer, reason: "no-session" });
  frameworkDisconnected(turn, framework, "silent");
}

function judgeAbsence(turn: Turn, framework: FrameworkRecord): void {
  const { state, env } = turn;
  const { frameworkId, info } = framework;
  const { returnWindowMs, frameworkReturnMs } = state.settings;
  const neverCame = framework.token.count === 0;
  const windowMs = neverCame ? returnWindowMs : frameworkReturnMs;
  const sinceMs = Math.max(framework.disconnectedMs ?? state.leadingMs, state.judgeFromMs);
  if (env.nowMs - sinceMs < windowMs || state.proposedFrameworks.has(frameworkId)) return;
  const registered = state.registry.frameworks.get(frameworkId);
  if (registered === undefined) {
    if (env.nowMs - sinceMs >= windowMs + info.failoverTimeoutMs) ended(turn, framework);
    return;
  }
  const { disconnectedAtMs } = registered;
  if (disconnectedAtMs === undefined) {
    if (!propose(turn, { kind: "FrameworkDisconnected", frameworkId })) return;
    state.proposedFrameworks.add(frameworkId);
    return;
  }
  const clusterTimeMs = state.clusterTime?.at(env.nowMs) ?? 0;
  if (clusterTimeMs - disconnectedAtMs < info.failoverTimeoutMs) return;
  if (complete(turn, framework, "failover-timeout")) {
    note(turn, "warn", "a framework's failover timeout is over", { frameworkId });
  }
}

/** Proposes the end of a framework; false when the log is busy. */
export function complete(
  turn: Turn,
  framework: FrameworkRecord,
  why: "teardown" | "operator" | "failover-timeout",
): boolean {
  const { frameworkId } = framework;
  if (framework.completing) return true;
  if (!propose(turn, { kind: "FrameworkCompleted", frameworkId, why })) return false;
  framework.completing = true;
  // Who ends is offered nothing more, though the log may need a while to say so.
  if (framework.connected && framework.allocated) {
    turn.state.allocator.deactivateFramework(frameworkId);
  }
  return true;
}

/** The log has said it: the framework is no more, its tasks are killed. */
export function frameworkCompleted(turn: Turn, frameworkId: FrameworkId): void {
  const framework = turn.state.frameworks.get(frameworkId);
  if (framework !== undefined) ended(turn, framework);
}

/** Whether `peer` waits for the answer to its TEARDOWN. */
function isAsker({ state }: Turn, frameworkId: FrameworkId, peer: Peer): boolean {
  return state.promised.some(
    ({ by, frameworkId: of, to }) =>
      by === "FrameworkCompleted" && of === frameworkId && "peer" in to && to.peer === peer,
  );
}

function ended(turn: Turn, framework: FrameworkRecord): void {
  const { state } = turn;
  const { frameworkId, peer } = framework;
  if (framework.connected) {
    frameworkDisconnected(turn, framework, "completed");
    // An operator, or an instance that is displaced by now, has ended it: who speaks for it is told.
    if (peer !== undefined && !isAsker(turn, frameworkId, peer)) {
      const message = `framework ${frameworkId} has ended`;
      say(turn, peer, { kind: "ERROR", body: { reason: "framework-completed", message } });
    }
  }
  framework.ended = true;
  if (peer !== undefined) state.frameworksByPeer.delete(peer);
  state.allocator.removeFramework(frameworkId);
  framework.allocated = false;
  closeOperationsOf(turn, framework);
  for (const agent of state.agents.values()) {
    const concerned = [...agent.tasks].some((task) => task.frameworkId === frameworkId);
    const hosts = [...agent.executors.values()].some((each) => each.frameworkId === frameworkId);
    if ((!concerned && !hosts) || agent.condition !== "registered") continue;
    say(turn, agent.peer, { kind: "ShutdownFramework", body: { frameworkId } });
  }
  // What runs is forgotten when its agent says that it has ended; the rest holds nothing.
  for (const task of [...framework.tasks.values()]) {
    if (!holdsResources(task.state)) forgetTask(turn, task);
  }
  if (framework.tasks.size === 0 && state.frameworks.has(frameworkId)) {
    dropFramework(turn, framework);
  }
}
