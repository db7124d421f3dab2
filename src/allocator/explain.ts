/**
 * Why nothing, or not enough, is offered: for each agent the first reason, with figures. Reads the
 * same judgements that a run uses, so that it cannot say anything else than what runs do.
 */
import type { AgentId, FrameworkId, PlacementReason } from "#protocol";
import { compareText, containsRanges, formatScalar, Resources } from "#resources";
import type { Slot } from "./agents.ts";
import type {
  AgentExplanation,
  Explanation,
  ExplainQuery,
  Shortage,
  SubscriptionExplanation,
} from "./contract.ts";
import {
  allocatable,
  cutByBounds,
  excludedBy,
  offerable,
  owedOf,
  type Surroundings,
} from "./cycle.ts";
import { lackReason, stripped } from "./eligibility.ts";
import { borrowable } from "./loans.ts";
import type { Framework, Subscription } from "./roles.ts";

type Judgement = Omit<AgentExplanation, "agentId">;

export function explain(
  around: Surroundings,
  frameworks: ReadonlyMap<string, Framework>,
  query: ExplainQuery,
): Explanation {
  const askers = askersOf(around, frameworks, query);
  const agents: AgentExplanation[] = [];
  for (const agentId of around.agents.ids()) {
    const slot = around.agents.slotOf(agentId);
    agents.push({ agentId, ...judge(around, slot, query, askers) });
  }
  const counts = new Map<PlacementReason, number>();
  let fits = 0;
  for (const { reason } of agents) {
    if (reason === undefined) fits += 1;
    else counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return { agents, fits, counts, sentences: sentencesOf(agents, counts) };
}

export function explainAgent(
  around: Surroundings,
  frameworks: ReadonlyMap<FrameworkId, Framework>,
  agentId: AgentId,
): SubscriptionExplanation[] {
  const slot = around.agents.find(agentId);
  if (slot === undefined) return [];
  const explained: SubscriptionExplanation[] = [];
  for (const [frameworkId, framework] of frameworks) {
    for (const subscription of framework.subscriptions.values()) {
      if (!subscription.subscribed) continue;
      const role = subscription.role.name;
      explained.push({ frameworkId, role, ...judge(around, slot, {}, served([subscription])) });
    }
  }
  return explained;
}

/** Who asks: subscriptions, a reason that holds for all agents alike, or nobody in particular. */
type Askers = readonly Subscription[] | PlacementReason | undefined;

function askersOf(
  { roles }: Surroundings,
  frameworks: ReadonlyMap<string, Framework>,
  { frameworkId, role }: ExplainQuery,
): Askers {
  if (frameworkId === undefined) {
    if (role === undefined) return undefined;
    const clients = [...(roles.find(role)?.frameworks.clients() ?? [])];
    return served(clients.map(({ owner }) => owner));
  }
  const framework = frameworks.get(frameworkId);
  if (framework === undefined || !framework.active) return "no-offers";
  const all = [...framework.subscriptions.values()];
  return served(all.filter((each) => role === undefined || each.role.name === role));
}

function served(subscriptions: readonly Subscription[]): Askers {
  const wanted = subscriptions.filter(({ subscribed }) => subscribed);
  if (wanted.length === 0) return "role";
  const awake = wanted.filter(({ suppressed }) => !suppressed);
  if (awake.length === 0) return "suppressed";
  const active = awake.filter(({ framework }) => framework.active);
  return active.length === 0 ? "no-offers" : active;
}

function judge(around: Surroundings, slot: Slot, query: ExplainQuery, askers: Askers): Judgement {
  const absence = around.agents.absence(slot);
  if (typeof askers === "string") return { reason: askers };
  if (absence !== undefined) return { reason: absence };
  const held = query.offered?.get(around.agents.idOf(slot))?.unallocate() ?? Resources.EMPTY;
  if (askers === undefined) {
    const free = around.agents.free(slot).add(held);
    return query.demand === undefined
      ? { reason: free.isEmpty ? "share" : undefined }
      : lack(around, slot, { demand: query.demand, free, open: free });
  }
  let first: Judgement | undefined;
  for (const asker of askers) {
    const judgement = judgeFor(around, slot, { query, asker, held });
    if (judgement.reason === undefined) return judgement;
    first ??= judgement;
  }
  return first ?? { reason: "role" };
}

/** Who asks for what, and what of the agent it has on offer. */
type Asked = {
  readonly query: ExplainQuery;
  readonly asker: Subscription;
  readonly held: Resources;
};

function judgeFor(around: Surroundings, slot: Slot, on: Asked): Judgement {
  const { agents } = around;
  const { abilities } = on.asker.framework;
  const role = on.asker.role.name;
  const { demand } = on.query;
  if (demand === undefined && !on.held.isEmpty) return { reason: undefined };
  const excluded = excludedBy(around, slot, on.asker);
  if (excluded !== undefined) return { reason: excluded };
  if (demand !== undefined) {
    const free = stripped(abilities, agents.free(slot).add(on.held));
    const open = free.allocatableTo(role);
    const short = lack(around, slot, { demand, free, open });
    if (short.reason !== undefined) return short;
    if (on.held.containsQuantities(demand.amounts())) return { reason: undefined };
  }
  if (agents.free(slot).isEmpty) return { reason: "share" };
  return judgeStages(around, slot, on);
}

/** What some stage of a run would offer does, else why fairness would not, or quota cuts it short. */
function judgeStages(around: Surroundings, slot: Slot, { asker, query, held }: Asked): Judgement {
  const fits = (offered: Resources): Judgement =>
    cutByQuota(around, slot, query.demand, offered.add(held));
  const fair = offerable(around, slot, asker, Resources.EMPTY);
  const why =
    typeof fair === "string"
      ? (barred(around, slot, { asker, query, held }, fair) ?? refused(around, slot, asker, fair))
      : fits(fair);
  const { tree } = around.roles;
  if (why.reason === undefined || !tree.hasGuarantees) return why;
  // The piece of a guarantee may be larger: fairness keeps the headroom free, its own included.
  const owed = owedOf(around, slot, asker, Resources.EMPTY);
  const more = typeof owed === "string" ? borrowable(around, slot, asker)?.resources : owed;
  return more !== undefined && fits(more).reason === undefined ? { reason: undefined } : why;
}

/**
 * What was refused was only what quota had left: without the refusal nothing of use would be
 * offered either, so quota is the reason.
 */
function barred(
  around: Surroundings,
  slot: Slot,
  { asker, query, held }: Asked,
  reason: PlacementReason,
): Judgement | undefined {
  if (reason !== "filtered" && reason !== "backoff") return undefined;
  const cut = cutByBounds(around, slot, asker);
  if (cut === undefined) return undefined;
  if (query.demand === undefined) return cut.usable ? undefined : { reason: "quota" };
  const judged = cutByQuota(around, slot, query.demand, cut.within.add(held));
  return judged.reason === undefined ? undefined : judged;
}

/** With the time until which it is refused, where it is. */
function refused(
  { agents, filters }: Surroundings,
  slot: Slot,
  asker: Subscription,
  reason: PlacementReason,
): Judgement {
  if (reason !== "filtered") return { reason };
  const open = stripped(asker.framework.abilities, allocatable(agents, slot, asker.role.name));
  const filter = filters.match(asker, slot, open);
  return filter === undefined ? { reason } : { reason, untilMs: filter.expiryMs };
}

/** Enough is free, but quota lets only a part of it pass. */
function cutByQuota(
  { agents }: Surroundings,
  slot: Slot,
  demand: Resources | undefined,
  offered: Resources,
): Judgement {
  const amounts = offered.amounts();
  for (const [name, neededMilli] of demand?.amounts() ?? []) {
    const freeMilli = amounts.get(name);
    if (freeMilli >= neededMilli) continue;
    const totalMilli = agents.total(slot).amounts().get(name);
    return { reason: "quota", shortage: { name, neededMilli, freeMilli, totalMilli } };
  }
  return { reason: undefined };
}

/** The first amount of the demand that is not there. */
function lack(
  around: Surroundings,
  slot: Slot,
  { demand, free, open }: { demand: Resources; free: Resources; open: Resources },
): Judgement {
  const total = around.agents.total(slot).amounts();
  for (const [name, neededMilli] of demand.amounts()) {
    const openMilli = open.amounts().get(name);
    const freeMilli = free.amounts().get(name);
    const shortage: Shortage = {
      name,
      neededMilli,
      freeMilli: openMilli,
      totalMilli: total.get(name),
    };
    if (openMilli < neededMilli) {
      return { reason: freeMilli >= neededMilli ? "reservation" : lackReason(name), shortage };
    }
    // Enough of them, but not those: a demand for certain ports.
    if (!containsRanges(open.ranges(name), demand.ranges(name))) {
      return { reason: lackReason(name), shortage };
    }
  }
  return { reason: undefined };
}

const WORDS: Readonly<Partial<Record<PlacementReason, string>>> = {
  role: "in no role for which it could be offered",
  constraint: "other than the framework's constraints want, or in a region it is not aware of",
  scarce: "with scarce resources set aside for those who ask for them",
  filtered: "refused by the framework for a while",
  cpus: "with fewer cpus free than the smallest offer has",
  mem: "with less memory free than the smallest offer has",
  disk: "with less disk free than the smallest offer has",
  gpus: "with fewer gpus free than the smallest offer has",
  quota: "free, but not within quota",
  share: "wholly held by others or on offer",
  draining: "draining",
  backoff: "just declined, offered again in the next batch",
  suppressed: "not offered, since the framework suppressed offers",
  "no-offers": "not offered, since the framework is not connected",
  "agent-inactive": "not active",
  hoarding: "not offered before the framework answers the one offer that it has",
};

function sentencesOf(
  agents: readonly AgentExplanation[],
  counts: ReadonlyMap<PlacementReason, number>,
): string[] {
  if (agents.length === 0) return ["no agent is registered"];
  const reasons = [...counts].sort(([a, m], [b, n]) => n - m || compareText(a, b));
  return reasons.flatMap(([reason, count]) => {
    const short = agents.filter((each) => each.reason === reason && each.shortage !== undefined);
    const other = count - short.length;
    const sentences = shortageSentences(reason, short);
    if (other > 0)
      sentences.push(`${other} of ${agents.length} agents: ${WORDS[reason] ?? reason}`);
    return sentences;
  });
}

const SHORTAGE_WORDS: Readonly<Partial<Record<PlacementReason, string>>> = {
  reservation: "; the rest is reserved for other roles",
  quota: " within quota",
};

/** `needs cpus 100, largest free 4 on a7f3`, one for each resource that is short. */
function shortageSentences(reason: PlacementReason, agents: readonly AgentExplanation[]): string[] {
  const best = new Map<string, { agentId: AgentId; shortage: Shortage; totalMilli: number }>();
  for (const { agentId, shortage } of agents) {
    if (shortage === undefined) continue;
    const there = best.get(shortage.name);
    const totalMilli = Math.max(there?.totalMilli ?? 0, shortage.totalMilli);
    if (there === undefined || shortage.freeMilli > there.shortage.freeMilli) {
      best.set(shortage.name, { agentId, shortage, totalMilli });
    } else best.set(shortage.name, { ...{}, ...there, totalMilli });
  }
  return [...best.values()].map(({ agentId, shortage, totalMilli }) => {
    const { name, neededMilli, freeMilli } = shortage;
    const needs = `needs ${name} ${formatScalar(neededMilli)}`;
    const free = `largest free ${formatScalar(freeMilli)} on ${agentId}`;
    const held = totalMilli > freeMilli ? `, largest agent has ${formatScalar(totalMilli)}` : "";
    const why = SHORTAGE_WORDS[reason] ?? "";
    return `${needs}, ${free}${held}${why}`;
  });
}
