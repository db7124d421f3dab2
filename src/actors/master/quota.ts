/**
 * Quotas and weights as operators set them: judged against what is applied and proposed, appended,
 * then applied, given to the allocator and answered (P-1.7). Offers that stand in the way of what
 * was set are taken back; tasks never are.
 */
import type { Quota } from "#allocator";
import type { BodyOf } from "#protocol";
import type { RegisteredQuota } from "#replication";
import { invalidRole, isRevocable, isStrictSubrole, Quantities, Resources } from "#resources";
import { invariant, type MailOf } from "#runtime";
import { rescind } from "./offers.ts";
import { limitsOf, quantitiesOf, quotaFault, type QuotaWorld, WEIGHTS_MAX } from "./quota-rules.ts";
import type { OfferRecord } from "./records.ts";
import { roleViews } from "./role-views.ts";
import {
  type MasterState,
  PROMISED_MAX,
  propose,
  type RoleCall,
  type RoleOperation,
  type Turn,
} from "./state.ts";

type Answer = Omit<BodyOf<"OPERATOR_ANSWER">, "epoch">;

/** Sums of a forecast that are told; further ones are counted. */
const FORECAST_SUMS_MAX = 20;
/** Largest weight. */
const WEIGHT_MAX = 1e9;

/** The answer; undefined where it comes when the log has it. */
export function updateQuota(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_UPDATE_QUOTA">,
  reply: string,
): Answer | undefined {
  const { state } = turn;
  const fault = quotaFault(body, worldOf(state));
  if (fault !== undefined) return { accepted: false, ...fault };
  if (body.dryRun) return { accepted: true, message: forecast(turn, body).slice(0, 4096) };
  const { role, guarantee, limit, lends } = body;
  return order(turn, { kind: "QuotaSet", role, guarantee, limit, lends }, { reply, id });
}

export function removeQuota(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_REMOVE_QUOTA">,
  reply: string,
): Answer | undefined {
  const { role } = body;
  if (!proposedQuotas(turn.state).has(role)) {
    const message = `role: ${role} has no quota; see quota list`;
    return { accepted: false, reason: "not-found", message };
  }
  return order(turn, { kind: "QuotaRemoved", role }, { reply, id });
}

export function updateWeight(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_UPDATE_WEIGHT">,
  reply: string,
): Answer | undefined {
  const { role, weight } = body;
  const message = weightFault(turn.state, role, weight);
  if (message !== undefined) return { accepted: false, reason: "invalid", message };
  return order(turn, { kind: "WeightSet", role, weight }, { reply, id });
}

function weightFault(state: MasterState, role: string, weight: number): string | undefined {
  const fault = invalidRole(role);
  if (fault !== undefined) return fault;
  if (weight > WEIGHT_MAX) return `weight: ${weight} is above ${WEIGHT_MAX}`;
  const { weights } = state.registry;
  if (weights.size < WEIGHTS_MAX || weights.has(role) || weight === 1) return undefined;
  return `weights: ${weights.size} roles have one, which is the most; set others to 1 first`;
}

function order(
  turn: Turn,
  operation: RoleOperation,
  to: Pick<RoleCall, "reply" | "id">,
): Answer | undefined {
  const { roleCalls } = turn.state;
  if (roleCalls.length >= PROMISED_MAX || !propose(turn, operation)) {
    return { accepted: false, reason: "busy", message: "the log is busy; call again" };
  }
  roleCalls.push({ operation, ...to });
  return undefined;
}

/** Quotas as the log will have them when all that is under way is committed. */
function proposedQuotas({ registry, roleCalls }: MasterState): Map<string, RegisteredQuota> {
  const quotas = new Map(registry.quotas);
  for (const { operation } of roleCalls) {
    if (operation.kind === "QuotaSet") quotas.set(operation.role, operation);
    if (operation.kind === "QuotaRemoved") quotas.delete(operation.role);
  }
  return quotas;
}

function worldOf(state: MasterState): QuotaWorld {
  let total = Quantities.EMPTY;
  let registered = 0;
  for (const { condition, info } of state.agents.values()) {
    if (condition !== "registered" && condition !== "disconnected") continue;
    const firm = Resources.fromWire(info.resources).filter((each) => !isRevocable(each));
    total = total.add(firm.quantities());
    registered += 1;
  }
  return {
    quotas: proposedQuotas(state),
    total,
    agents: { registered, missing: state.missing.size },
    consumedBy: (role) => consumedByTasks(state, role),
  };
}

function consumedByTasks({ allocator, offers }: MasterState, role: string): Quantities {
  let consumed = allocator.consumedBy(role);
  for (const offer of offers.values()) {
    if (offer.role !== role && !isStrictSubrole(offer.role, role)) continue;
    consumed = consumed.subtract(unreserved(offer.resources));
  }
  return consumed;
}

/** The log has it: the allocator is told, offers in its way go, and who asked is answered. */
export function roleSettled(
  turn: Turn,
  operation: RoleOperation,
  answer: (to: Pick<RoleCall, "reply" | "id">, given: Answer) => void,
): void {
  const { state } = turn;
  const { role } = operation;
  switch (operation.kind) {
    case "WeightSet":
      state.allocator.setWeight(role, operation.weight);
      break;
    case "QuotaSet":
      giveQuota(state, operation);
      makeRoom(turn, operation);
      break;
    case "QuotaRemoved":
      state.allocator.setLending(role, false);
      state.allocator.setQuota(role, undefined);
      break;
  }
  state.allocationWanted = true;
  state.publisher.roles(roleViews(state));
  const call = state.roleCalls.shift();
  // Only the leader writes, and the log keeps the order in which it proposed.
  invariant(call?.operation === operation, "operations on roles are committed in their order", {
    kind: operation.kind,
    role,
  });
  const { last } = state.publisher;
  answer(call, { accepted: true, ...(last > 0 ? { event: last } : {}) });
}

export function giveQuota({ allocator }: Pick<MasterState, "allocator">, quota: RegisteredQuota) {
  allocator.setQuota(quota.role, quotaOf(quota));
  allocator.setLending(quota.role, quota.lends);
}

function quotaOf({ guarantee, limit }: Pick<RegisteredQuota, "guarantee" | "limit">): Quota {
  return { guarantee: quantitiesOf(guarantee), limit: limitsOf(limit) };
}

/** Takes offers back: the role's own above its limit, others' where its guarantee lacks them. */
function makeRoom(turn: Turn, quota: RegisteredQuota): void {
  const { above, needed } = inTheWay(turn.state, quota);
  const { role } = quota;
  for (const offer of above) rescind(turn, offer, "rescinded", `${role} is above its limit`);
  for (const offer of needed) rescind(turn, offer, "rescinded", `${role} is guaranteed it`);
}

/** Offers that stand in the way of a quota, the youngest first. */
function inTheWay(
  { allocator, offers, agents }: MasterState,
  { role, guarantee, limit }: Pick<RegisteredQuota, "role" | "guarantee" | "limit">,
): { readonly above: OfferRecord[]; readonly needed: OfferRecord[] } {
  const youngest = [...offers.values()].reverse();
  const isBelow = (each: string): boolean => each === role || isStrictSubrole(each, role);
  const limits = limitsOf(limit);
  let consumed = allocator.consumedBy(role);
  let free = Quantities.EMPTY;
  const above: OfferRecord[] = [];
  for (const offer of youngest) {
    if (limits.contains(consumed)) break;
    if (!isBelow(offer.role)) continue;
    above.push(offer);
    free = free.add(unreserved(offer.resources));
    consumed = consumed.subtract(unreserved(offer.resources));
  }
  const needed: OfferRecord[] = [];
  let lacking = quantitiesOf(guarantee).subtract(consumed).subtract(free);
  for (const { agentId, condition } of lacking.isEmpty ? [] : agents.values()) {
    if (condition === "registered") lacking = lacking.subtract(unreserved(allocator.free(agentId)));
  }
  for (const offer of youngest) {
    if (lacking.isEmpty) break;
    const offered = unreserved(offer.resources);
    if (isBelow(offer.role) || !lacking.names().some((name) => offered.get(name) > 0)) continue;
    needed.push(offer);
    lacking = lacking.subtract(offered);
  }
  return { above, needed };
}

/** What the next batch would offer, and what would be taken back, if the quota were set. */
function forecast({ state, env }: Turn, body: MailOf<"OPERATOR_UPDATE_QUOTA">["body"]): string {
  const { role } = body;
  const planned = state.allocator.plan({ kind: "quota", role, quota: quotaOf(body) }, env.nowMs);
  const sums = new Map<string, { amounts: Quantities; agents: number }>();
  for (const { frameworkId, role: to, resources } of planned) {
    const name = state.frameworks.get(frameworkId)?.info.name ?? frameworkId;
    const key = `${name} in ${to}`;
    const { amounts, agents } = sums.get(key) ?? { amounts: Quantities.EMPTY, agents: 0 };
    sums.set(key, { amounts: amounts.add(resources.quantities()), agents: agents + 1 });
  }
  const { above, needed } = inTheWay(state, body);
  const parts = [...sums].slice(0, FORECAST_SUMS_MAX).map(([who, { amounts, agents }]) => {
    return `${who} ${amounts} of ${agents} agent${agents === 1 ? "" : "s"}`;
  });
  if (sums.size > FORECAST_SUMS_MAX) parts.push(`${sums.size - FORECAST_SUMS_MAX} more`);
  const offers = parts.length === 0 ? "nothing more than now" : parts.join(", ");
  const back = above.length + needed.length;
  const some = back === 1 ? "1 offer" : `${back} offers`;
  const rescinds = back === 0 ? "" : `; ${some} would be taken back first`;
  return `it could be set, and of what is free the next batch would offer: ${offers}${rescinds}`;
}

function unreserved(resources: Resources): Quantities {
  const counted = resources.filter((each) => (each.reservations ?? []).length === 0);
  return counted.filter((each) => !isRevocable(each)).quantities();
}
