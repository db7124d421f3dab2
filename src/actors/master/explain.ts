/**
 * Why somebody is offered nothing: what the allocator says of each agent, and around it what only
 * the leader knows: who is not back yet, what is on offer, what quota holds back. Changes nothing.
 */
import type { AgentExplanation, ExplainQuery } from "#allocator";
import type { AgentId, BodyOf, Explanation, PlacementReason } from "#protocol";
import { ancestorsOf, formatScalar, isStrictSubrole, type Quantities, Resources } from "#resources";
import type { MailOf } from "#runtime";
import { limitsOf, quantitiesOf } from "./quota-rules.ts";
import type { MasterState, Turn, WaitingRead } from "./state.ts";

type Question = WaitingRead["question"];
type Answer = Omit<BodyOf<"OPERATOR_ANSWER">, "epoch">;

/** Agents, and subscriptions to one, that an explanation lists; its counts are of all. */
const EXPLAINED_MAX = 1000;
const SUMMARY_LENGTH_MAX = 4096;
/** Roles named in one sentence. */
const ROLES_NAMED_MAX = 5;

/** Lets the question wait for a proof of lead; the answer where it cannot be asked. */
export function askWhy(
  { state }: Turn,
  { body, id }: MailOf<"OPERATOR_EXPLAIN">,
  reply: string,
): Answer | undefined {
  const { frameworkId, agentId, demand } = body;
  const refusal = (reason: NonNullable<Answer["reason"]>, message: string): Answer => {
    return { accepted: false, reason, message };
  };
  if (frameworkId !== undefined && !state.frameworks.has(frameworkId)) {
    return refusal("not-found", `frameworkId: ${frameworkId} is not known; see framework list`);
  }
  if (agentId !== undefined && !state.agents.has(agentId)) {
    return refusal("not-found", `agentId: ${agentId} is not known; see agent list`);
  }
  const checked = demand === undefined ? undefined : Resources.check(demand);
  if (checked?.ok === false) return refusal("invalid", `demand: ${checked.error.message}`);
  if (state.barrier.wait({ reply, id, question: body })) return undefined;
  return refusal("busy", "too many questions wait; ask again");
}

export function explanationOf(turn: Turn, question: Question): Explanation {
  const { agentId, frameworkId, role, demand } = question;
  if (agentId !== undefined && frameworkId === undefined && role === undefined) {
    return ofAgent(turn, agentId);
  }
  const { state } = turn;
  const query: ExplainQuery = {
    ...{},
    ...(frameworkId === undefined ? {} : { frameworkId }),
    ...(role === undefined ? {} : { role }),
    ...(demand === undefined ? {} : { demand: Resources.fromWire(demand).unallocate() }),
    offered: offeredTo(state, question),
  };
  const reasons = state.allocator.explain(query);
  const roles = rolesOf(state, question);
  const rows = [...reasons.agents, ...absentees(state)]
    .map((each) => withRecovery(state, roles, each))
    .filter((each) => agentId === undefined || each.agentId === agentId);
  const sentences = [
    ...emptySentences(state, question),
    ...recoverySentences(turn, roles),
    ...(reasons.agents.length > 0 || state.missing.size === 0 ? reasons.sentences : []),
    ...(reasons.counts.has("quota") ? quotaSentences(state, roles) : []),
    ...(reasons.counts.has("share") ? shareSentences(state, roles) : []),
  ];
  return {
    agents: rows.slice(0, EXPLAINED_MAX).map(({ agentId: id, ...why }) => ({
      agentId: id,
      ...(why.reason === undefined ? {} : { reason: why.reason }),
      detail: detailOf(turn, why),
    })),
    counts: countsOf(rows),
    summary: summaryOf(sentences, "nothing keeps it from being offered"),
  };
}

/** Of one agent: who is offered it, and what keeps the others from it. */
function ofAgent(turn: Turn, agentId: AgentId): Explanation {
  const { state } = turn;
  const agent = state.agents.get(agentId);
  const rows = state.allocator.explainAgent(agentId).map((row) => {
    const { frameworkId, role } = row;
    const has = [...(state.frameworks.get(frameworkId)?.offers ?? [])].some((offerId) => {
      const offer = state.offers.get(offerId);
      return offer?.agentId === agentId && offer.role === role;
    });
    return has ? { frameworkId, role, reason: undefined } : withRecovery(state, [role], row);
  });
  const offered = rows.filter(({ reason }) => reason === undefined).length;
  const sentence =
    agent === undefined || !state.allocator.hasAgent(agentId)
      ? `the agent is ${agent?.condition ?? "not known"}: nothing of it is offered`
      : `${offered} of ${rows.length} subscriptions may be offered it; ${freeOf(state, agentId)}`;
  return {
    agents: [],
    subscriptions: rows.slice(0, EXPLAINED_MAX).map((row) => ({
      frameworkId: row.frameworkId,
      role: row.role,
      ...(row.reason === undefined ? {} : { reason: row.reason }),
      detail: detailOf(turn, row),
    })),
    counts: countsOf(rows),
    summary: summaryOf([...recoverySentences(turn, []), sentence], ""),
  };
}

function freeOf({ allocator }: MasterState, agentId: AgentId): string {
  const free = textOf(allocator.free(agentId).quantities());
  return `free of it now: ${free === "" ? "nothing" : free}`;
}

/** What the framework, or anybody in the role, has offers of counts as free to it. */
function offeredTo(
  { offers }: MasterState,
  { frameworkId, role }: Question,
): ReadonlyMap<AgentId, Resources> {
  const offered = new Map<AgentId, Resources>();
  if (frameworkId === undefined && role === undefined) return offered;
  for (const offer of offers.values()) {
    if (frameworkId !== undefined && offer.frameworkId !== frameworkId) continue;
    if (role !== undefined && offer.role !== role) continue;
    const sum = offered.get(offer.agentId) ?? Resources.EMPTY;
    offered.set(offer.agentId, sum.add(offer.resources));
  }
  return offered;
}

/** Roles that the question is about. */
function rolesOf({ frameworks }: MasterState, { frameworkId, role }: Question): readonly string[] {
  if (role !== undefined) return [role];
  return frameworkId === undefined ? [] : (frameworks.get(frameworkId)?.info.roles ?? []);
}

/** Agents of the registry that the allocator does not know. */
function* absentees({ agents, allocator }: MasterState): Generator<AgentExplanation> {
  for (const { agentId, condition } of agents.values()) {
    if (allocator.hasAgent(agentId)) continue;
    yield { agentId, reason: condition === "absent" ? "recovering" : "agent-inactive" };
  }
}

type Why = Omit<AgentExplanation, "agentId">;

/** While agents are missing nothing, or nothing for roles under a limit, is offered. */
function withRecovery<Row extends Why>(
  state: MasterState,
  roles: readonly string[],
  row: Row,
): Row {
  const paused = row.reason === undefined && state.allocator.pausedUntilMs() !== undefined;
  const held = row.reason === "quota" && state.missing.size > 0 && roles.some(limitedBy(state));
  return paused || held ? { ...{}, ...row, reason: "recovering" } : row;
}

function limitedBy({ registry }: MasterState): (role: string) => boolean {
  const isLimited = (path: string) => (registry.quotas.get(path)?.limit.length ?? 0) > 0;
  return (role) => [role, ...ancestorsOf(role)].some(isLimited);
}

function emptySentences({ frameworks }: MasterState, { frameworkId, role }: Question): string[] {
  if (frameworkId !== undefined || role === undefined) return [];
  for (const { info } of frameworks.values()) if (info.roles.includes(role)) return [];
  return [`no framework is subscribed in role ${role}`];
}

function recoverySentences({ state, env }: Turn, roles: readonly string[]): string[] {
  const { missing, allocator, agents } = state;
  if (missing.size === 0) return [];
  const sentences = [
    `${missing.size} of ${agents.size} agents have not come back since the change of leader`,
  ];
  const untilMs = allocator.pausedUntilMs();
  if (untilMs !== undefined) {
    const seconds = Math.max(0, Math.ceil((untilMs - env.nowMs) / 1000));
    sentences.push(`nothing is offered until most are back, at the latest in ${seconds} s`);
  } else if (roles.some(limitedBy(state))) {
    sentences.push("roles under a limit are offered nothing until all are back or given up");
  }
  return sentences;
}

/** Which limits are used up, and for whom something is kept free. */
function quotaSentences(state: MasterState, roles: readonly string[]): string[] {
  const { registry, allocator } = state;
  const sentences = new Set<string>();
  for (const path of new Set(roles.flatMap((role) => [role, ...ancestorsOf(role)]))) {
    const { limit = [], guarantee = [] } = registry.quotas.get(path) ?? {};
    if (limit.length === 0) continue;
    const consumed = allocator.consumedBy(path);
    const used = limit.map(({ name, milli }) => {
      return `${name} ${formatScalar(consumed.get(name))} of ${formatScalar(milli)}`;
    });
    const lacks = quantitiesOf(guarantee).subtract(consumed);
    const owed = lacks.isEmpty ? "" : ` (its guarantee lacks ${textOf(lacks)})`;
    sentences.add(`${path} has consumed ${used.join(", ")} of its limit${owed}`);
  }
  const kept: string[] = [];
  for (const { role: path, guarantee, limit } of registry.quotas.values()) {
    if (roles.some((role) => role === path || isStrictSubrole(role, path))) continue;
    const consumed = allocator.consumedBy(path);
    const room = limitsOf(limit).subtract(consumed);
    const lacks = [...quantitiesOf(guarantee).subtract(consumed)]
      .map(([name, milli]): [string, number] => [name, Math.min(milli, room.get(name))])
      .filter(([, milli]) => milli > 0);
    if (lacks.length > 0) kept.push(`${textOf(lacks)} for ${path}`);
  }
  if (kept.length > 0) {
    const more = kept.length > ROLES_NAMED_MAX ? ` and ${kept.length - ROLES_NAMED_MAX} more` : "";
    const named = kept.slice(0, ROLES_NAMED_MAX).join(", ");
    sentences.add(`kept free for guarantees that are not met: ${named}${more}`);
  }
  return [...sentences];
}

/** How the role stands in the order, where others hold everything. */
function shareSentences({ allocator }: MasterState, roles: readonly string[]): string[] {
  const { roles: order } = allocator.shares();
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return roles.flatMap((role) => {
    const at = order.findIndex((each) => each.role === role);
    const own = order[at];
    if (own === undefined) return [];
    const weighted =
      own.weight === 1 ? "" : `, ${percent(own.weightedShare)} by weight ${own.weight}`;
    return [
      `${role} holds ${percent(own.share)} of the cluster${weighted}, number ${at + 1} to be served`,
    ];
  });
}

function summaryOf(sentences: readonly string[], otherwise: string): string {
  const text = sentences.length === 0 ? otherwise : sentences.join("; ");
  return text.slice(0, SUMMARY_LENGTH_MAX);
}

function countsOf(rows: readonly Why[]): Explanation["counts"] {
  const counts: Record<string, number> = { offered: 0 };
  for (const { reason } of rows) {
    const key = reason ?? "offered";
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** What a reason means where there are no figures. */
const WORDS: Readonly<Partial<Record<PlacementReason, string>>> = {
  role: "nobody is subscribed in a role for which it could be offered",
  constraint: "other than the framework's constraints want, or in a region it is not aware of",
  cpus: "fewer cpus free than the smallest offer has",
  mem: "less memory free than the smallest offer has",
  disk: "less disk free than the smallest offer has",
  gpus: "fewer gpus free than the smallest offer has",
  ports: "fewer ports free than the smallest offer has",
  scarce: "its scarce resources are set aside for those who ask for them",
  reservation: "what is free is reserved for other roles",
  filtered: "refused by the framework for a while",
  quota: "free, but a limit is used up or the rest is kept for guarantees",
  share: "wholly held by others or on offer",
  draining: "it is being drained",
  backoff: "just declined; offered again in the next batch",
  suppressed: "the framework suppressed offers",
  "no-offers": "the framework is not connected",
  "framework-slow": "the framework does not keep up with what it is told",
  "agent-inactive": "the agent is not connected, is deactivated, or is not on the whitelist",
  hoarding: "the framework let an offer time out and gets one at a time until it answers",
  recovering: "not before the agents are back that were there before the change of leader",
};

function detailOf({ env }: Turn, { reason, shortage, untilMs }: Why): string {
  if (reason === undefined) return "fits";
  if (shortage !== undefined) {
    const { name, neededMilli, freeMilli, totalMilli } = shortage;
    const [needed, free, total] = [neededMilli, freeMilli, totalMilli].map((milli) =>
      formatScalar(milli),
    );
    return `needs ${name} ${needed}, free ${free} of ${total}`;
  }
  if (untilMs === undefined) return WORDS[reason] ?? reason;
  return `refused, for ${Math.max(0, Math.ceil((untilMs - env.nowMs) / 1000))} s more`;
}

function textOf(amounts: Quantities | Iterable<readonly [string, number]>): string {
  return [...amounts].map(([name, milli]) => `${name} ${formatScalar(milli)}`).join(" ");
}
