/**
 * What each role holds, counted for one epoch from what its leader says and hears: offers, launches,
 * tasks of agents that it has taken in. What comes back is free as soon as it is heard, so that a
 * count is never higher than the leader's own.
 */
import { type AnyMessage, isTerminal, type Peer, type Resource } from "#protocol";
import type { SeenFrame } from "../observation.ts";
import { endedIn, endsByHeard, endsBySaid } from "./offer-ends.ts";

export type Amounts = ReadonlyMap<string, number>;

export interface Holding {
  readonly role: string;
  readonly agent: string;
  readonly amounts: Amounts;
}

interface Offered extends Holding {
  readonly to: Peer;
}

export interface Ledger {
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

export function ledgerOf(epoch: number): Ledger {
  const fresh = { totals: new Map(), coming: new Map(), offers: new Map(), tasks: new Map() };
  return { epoch, ...fresh, anyReserved: false };
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

export function addTo(sums: Map<string, number>, amounts: Amounts, sign: 1 | -1): void {
  for (const [name, milli] of amounts) sums.set(name, (sums.get(name) ?? 0) + sign * milli);
}

export function consumedBy({ offers, tasks }: Ledger, role: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const each of [...offers.values(), ...tasks.values()]) {
    if (each.role === role) addTo(sums, each.amounts, 1);
  }
  return sums;
}

export function forget(ledger: Ledger, agent: string): void {
  ledger.totals.delete(agent);
  forgetHoldings(ledger, agent);
}

function forgetHoldings({ offers, tasks }: Ledger, agent: string): void {
  for (const holdings of [offers, tasks]) {
    for (const [id, holding] of holdings) if (holding.agent === agent) holdings.delete(id);
  }
}

/** What the leader says. */
export function say(ledger: Ledger, message: AnyMessage, subject: string): void {
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
export function hear(ledger: Ledger, message: AnyMessage, { speaker }: SeenFrame): void {
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
