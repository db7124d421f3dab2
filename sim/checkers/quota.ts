/**
 * Q1: no offer takes a role above its limit, and none takes what another role is guaranteed and
 * lacks. Counted for each epoch from what the leader says: offers, launches, agents that it has
 * taken in; what comes back is counted as free as soon as it is heard, so that a count is never
 * higher than the leader's own.
 */
import { type AnyMessage, isTerminal, type Peer, type Resource } from "#protocol";
import type { Observation, SeenFrame } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";
import { endedIn, endsByHeard, endsBySaid, LeaderHeard } from "./offer-ends.ts";

/** So long after its commit every leader that speaks has applied a quota. */
const APPLIED_MS_MAX = 5_000;

type Amounts = ReadonlyMap<string, number>;

interface Holding {
  readonly role: string;
  readonly agent: string;
  readonly amounts: Amounts;
}

interface Offered extends Holding {
  readonly to: Peer;
}

interface Ledger {
  readonly epoch: number;
  /** What agents have that have come. */
  readonly totals: Map<string, Amounts>;
  /** Said by agents that are not taken in yet, by principal. */
  readonly coming: Map<string, { agent: string; tasks: [string, Holding][] }>;
  readonly offers: Map<string, Offered>;
  readonly tasks: Map<string, Holding>;
  /** What is reserved counts for its role wherever it lies idle: headroom is not judged from then on. */
  anyReserved: boolean;
}

interface Quota {
  readonly guarantee: Amounts;
  readonly limit: Amounts;
}

/** What is reserved for a role is offered to it whatever its limit says (mesos.md §11). */
function amountsOf(resources: readonly Resource[]): Amounts {
  const amounts = new Map<string, number>();
  for (const { name, scalar, reservations } of resources) {
    if (scalar !== undefined && reservations === undefined)
      amounts.set(name, (amounts.get(name) ?? 0) + scalar.milli);
  }
  return amounts;
}

function roleOf(resources: readonly Resource[]): string {
  return (
    resources.find(({ allocationInfo }) => allocationInfo !== undefined)?.allocationInfo?.role ??
    "*"
  );
}

export function quotaChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedOperations(world);
  const quotas = new Map<string, Quota>();
  /** When a quota was changed, or an agent lost, for the last time. */
  let changedMs = Number.NEGATIVE_INFINITY;
  const leader = new LeaderHeard();
  let ledger: Ledger | undefined;
  /** Roles that were offered something in the present moment, and by what is counted. */
  let offered:
    | { readonly of: Ledger; readonly atMs: number; readonly roles: Set<string> }
    | undefined;

  const catchUp = (): void => {
    for (const operation of committed.fresh()) {
      if (operation.kind === "QuotaSet") {
        const pairs = (list: typeof operation.limit): Amounts =>
          new Map(list.map(({ name, milli }) => [name, milli]));
        const { role, guarantee, limit } = operation;
        changedMs = world.nowMs;
        quotas.set(role, { guarantee: pairs(guarantee), limit: pairs(limit) });
      } else if (operation.kind === "QuotaRemoved") {
        changedMs = world.nowMs;
        quotas.delete(operation.role);
      } else if (
        operation.kind === "AgentMarkedUnreachable" ||
        operation.kind === "AgentMarkedGone"
      ) {
        changedMs = world.nowMs;
        if (ledger !== undefined) forget(ledger, operation.agentId);
      }
    }
  };

  const said = (frame: SeenFrame): void => {
    catchUp();
    if (ledger === undefined || frame.epoch > ledger.epoch) {
      const { epoch } = frame;
      const fresh = { totals: new Map(), coming: new Map(), offers: new Map(), tasks: new Map() };
      ledger = { epoch, ...fresh, anyReserved: false };
    }
    for (const message of frame.messages) {
      say(ledger, message, frame.subject);
      if (message.kind !== "OFFERS") continue;
      offered ??= { of: ledger, atMs: world.nowMs, roles: new Set() };
      for (const { allocationRole } of message.body.offers) offered.roles.add(allocationRole);
    }
  };

  /** What the leader takes back is free, though the word of it reaches nobody. */
  const takenBack = ({ epoch, messages, subject }: SeenFrame): void => {
    if (ledger === undefined || epoch !== ledger.epoch) return;
    for (const message of messages) {
      for (const id of endedIn(ledger.offers, endsBySaid(message, subject))) {
        ledger.offers.delete(id);
      }
    }
  };

  /**
   * Judges when the moment is over: frames of one batch leave one after another, an offer before
   * the word to another framework that what it needs was taken back.
   */
  const judgeOffered = (): void => {
    if (offered === undefined || offered.atMs >= world.nowMs) return;
    const { of, atMs, roles } = offered;
    offered = undefined;
    if (atMs - changedMs >= APPLIED_MS_MAX) judge(of, roles);
  };

  const judge = (of: Ledger, roles: ReadonlySet<string>): void => {
    for (const role of roles) {
      const quota = quotas.get(role);
      const consumed = consumedBy(of, role);
      for (const [name, most] of quota?.limit ?? []) {
        const has = consumed.get(name) ?? 0;
        if (has <= most) continue;
        violate("Q1", `${role} is offered ${name} beyond its limit: ${has} of ${most} thousandths`);
      }
      if (quota === undefined && !of.anyReserved) judgeHeadroom(of, role);
    }
  };

  /** What is left free must do for what others are guaranteed and lack. */
  const judgeHeadroom = (of: Ledger, role: string): void => {
    const free = new Map<string, number>();
    for (const total of of.totals.values()) addTo(free, total, 1);
    for (const { amounts } of [...of.offers.values(), ...of.tasks.values()]) {
      addTo(free, amounts, -1);
    }
    const lacking = new Map<string, number>();
    for (const [other, { guarantee }] of quotas) {
      const consumed = consumedBy(of, other);
      for (const [name, milli] of guarantee) {
        const lack = Math.max(0, milli - (consumed.get(name) ?? 0));
        lacking.set(name, (lacking.get(name) ?? 0) + lack);
      }
    }
    for (const [name, milli] of lacking) {
      const left = free.get(name) ?? 0;
      if (milli === 0 || left >= milli) continue;
      violate("Q1", `${role} is offered ${name} that is guaranteed: ${left} left, ${milli} lack`);
    }
  };

  return {
    id: "Q1",
    statement: "no offer goes beyond a limit or takes what another role is guaranteed",
    sees: { said: ["master"], unsent: ["master"], heard: ["agent", "framework"] },
    on(observation: Observation): void {
      const { what } = observation;
      if (what !== "said" && what !== "unsent" && what !== "heard") return;
      judgeOffered();
      const { frame } = observation;
      if (observation.what === "unsent" && leader.says(observation)) takenBack(frame);
      if (observation.what === "said" && leader.says(observation)) said(frame);
      if (observation.what !== "heard" || ledger === undefined) return;
      if (!leader.hears(observation)) return;
      for (const message of frame.messages) hear(ledger, message, frame);
    },
  };
}

function addTo(sums: Map<string, number>, amounts: Amounts, sign: 1 | -1): void {
  for (const [name, milli] of amounts) sums.set(name, (sums.get(name) ?? 0) + sign * milli);
}

function consumedBy({ offers, tasks }: Ledger, role: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const each of [...offers.values(), ...tasks.values()]) {
    if (each.role === role) addTo(sums, each.amounts, 1);
  }
  return sums;
}

function forget(ledger: Ledger, agent: string): void {
  ledger.totals.delete(agent);
  forgetHoldings(ledger, agent);
}

function forgetHoldings({ offers, tasks }: Ledger, agent: string): void {
  for (const holdings of [offers, tasks]) {
    for (const [id, holding] of holdings) if (holding.agent === agent) holdings.delete(id);
  }
}

/** What the leader says. */
function say(ledger: Ledger, message: AnyMessage, subject: string): void {
  const { offers, tasks } = ledger;
  for (const id of endedIn(offers, endsBySaid(message, subject))) offers.delete(id);
  switch (message.kind) {
    case "ApplyOperation":
      ledger.anyReserved = true;
      return;
    case "OFFERS": {
      const to = subject.slice(subject.indexOf(".framework.") + 1) as Peer;
      for (const { offerId, agentId, allocationRole, resources } of message.body.offers) {
        const amounts = amountsOf(resources);
        offers.set(offerId, { role: allocationRole, agent: agentId, amounts, to });
      }
      return;
    }
    case "RunTask": {
      const { task } = message.body;
      const { agentId, resources } = task;
      const holding = { role: roleOf(resources), agent: agentId, amounts: amountsOf(resources) };
      return void tasks.set(task.taskId, holding);
    }
    case "AgentRegistered": {
      const principal = subject.split(".").at(-1) ?? "";
      const coming = ledger.coming.get(principal);
      if (coming === undefined) return;
      forgetHoldings(ledger, coming.agent);
      for (const [id, holding] of coming.tasks) tasks.set(id, holding);
      return void ledger.coming.delete(principal);
    }
    default:
      return;
  }
}

/** What the leader hears: it frees at once, and agents announce what they run. */
function hear(ledger: Ledger, message: AnyMessage, { speaker }: SeenFrame): void {
  const { offers, tasks, totals, coming } = ledger;
  for (const id of endedIn(offers, endsByHeard(message, speaker))) offers.delete(id);
  switch (message.kind) {
    case "StatusUpdate":
      if (isTerminal(message.body.latestState)) tasks.delete(message.body.status.taskId);
      return;
    case "RegisterAgent": {
      const principal = speaker.slice("agent.".length);
      const { agent, part } = message.body;
      const { agentId } = agent;
      if (agent.resources.some(({ reservations }) => reservations !== undefined)) {
        ledger.anyReserved = true;
      }
      // Before the leader can offer any of it.
      totals.set(agentId, amountsOf(agent.resources));
      const known = part === 0 ? undefined : coming.get(principal);
      const entry = known ?? { agent: agentId, tasks: [] };
      for (const { info, state } of message.body.tasks) {
        if (isTerminal(state)) continue;
        const { taskId, resources } = info;
        const holding = { role: roleOf(resources), agent: agentId, amounts: amountsOf(resources) };
        entry.tasks.push([taskId, holding]);
      }
      return void coming.set(principal, entry);
    }
    default:
      return;
  }
}
