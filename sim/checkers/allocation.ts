/**
 * R1: on no agent do offers and live tasks together exceed what the agent has. O1: no offer
 * outlives its time while its leader speaks. Counted from what a master says and hears within its
 * epoch, and from what agents report as live; sums are kept per agent, and counted anew now and
 * then to guard the observer itself.
 */
import {
  type AnyMessage,
  type ExecutorInfo,
  isTerminal,
  type Peer,
  type Resource,
  type TaskInfo,
} from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { endedIn, endsByHeard, endsBySaid, LeaderHeard, type OfferEnds } from "./offer-ends.ts";

/** Frames to several peers leave one after another; only what lasts longer is a violation. */
const TOLERANCE_MS = 1_000;
/** Recounts between two full counts. */
const FULL_EVERY = 20;
/** How much longer than its time an offer may stand: a sweep, a busy leader. */
const OFFER_MARGIN_MS = 10_000;
/** A leader whose beacons pause for longer stood still: its offers may be late. */
const BEACON_GAP_MS = 3_000;

type Amounts = Map<string, number>;

interface Holding {
  readonly agent: string;
  readonly amounts: Amounts;
}

interface Offered extends Holding {
  readonly to: Peer;
  readonly madeAtMs: number;
}

function amountsOf(resources: readonly Resource[]): Amounts {
  const amounts: Amounts = new Map();
  for (const { name, scalar } of resources) {
    if (scalar !== undefined) amounts.set(name, (amounts.get(name) ?? 0) + scalar.milli);
  }
  return amounts;
}

function add(to: Amounts, amounts: Amounts, sign: 1 | -1 = 1): void {
  for (const [name, milli] of amounts) to.set(name, (to.get(name) ?? 0) + sign * milli);
}

/** An id stands for one executor on each agent; those of frameworks differ in these runs. */
function executorKey(agentId: string, { executorId }: { readonly executorId: string }): string {
  return `executor ${executorId} on ${agentId}`;
}

/** What the leader of one epoch has given away, by what crossed the bus. */
class Ledger {
  readonly epoch: number;
  readonly offers = new Map<string, Offered>();
  readonly tasks = new Map<string, Holding>();
  /** Sum of both for each agent. */
  readonly used = new Map<string, Amounts>();
  /** Agents whose sums have changed since they were looked at. */
  readonly changed = new Set<string>();
  readonly overSinceMs = new Map<string, number>();

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  offer(id: string, offered: Offered): void {
    this.endOffer(id);
    this.offers.set(id, offered);
    this.#count(offered, 1);
  }

  endOffer(id: string): void {
    const offer = this.offers.get(id);
    if (offer === undefined) return;
    this.offers.delete(id);
    this.#count(offer, -1);
  }

  hold(key: string, holding: Holding): void {
    this.free(key);
    this.tasks.set(key, holding);
    this.#count(holding, 1);
  }

  free(key: string): void {
    const held = this.tasks.get(key);
    if (held === undefined) return;
    this.tasks.delete(key);
    this.#count(held, -1);
  }

  freeAgent(agent: string): void {
    for (const [key, task] of this.tasks) if (task.agent === agent) this.free(key);
  }

  endOffers(ends: OfferEnds | undefined): void {
    for (const id of endedIn(this.offers, ends)) this.endOffer(id);
  }

  #count({ agent, amounts }: Holding, sign: 1 | -1): void {
    let used = this.used.get(agent);
    if (used === undefined) {
      used = new Map();
      this.used.set(agent, used);
    }
    add(used, amounts, sign);
    this.changed.add(agent);
  }

  /** The first sum that differs from a count of everything; undefined when none does. */
  miscounted(): string | undefined {
    const sums = new Map<string, Amounts>();
    for (const { agent, amounts } of [...this.offers.values(), ...this.tasks.values()]) {
      const sum = sums.get(agent) ?? new Map<string, number>();
      add(sum, amounts);
      sums.set(agent, sum);
    }
    for (const [agent, used] of this.used) {
      for (const [name, milli] of used) {
        const counted = sums.get(agent)?.get(name) ?? 0;
        if (counted !== milli) return `${agent}: ${name} is kept as ${milli}, counted ${counted}`;
      }
    }
    return undefined;
  }
}

class Allocation {
  readonly #world: CheckedWorld;
  readonly #violate: Violate;
  readonly #totals = new Map<string, Amounts>();
  /** The agent that each principal was heard as last. */
  readonly #agents = new Map<Peer, string>();
  readonly #leader = new LeaderHeard();
  #ledger = new Ledger(0);
  #beaconMs = 0;
  #speaksSinceMs = 0;
  #recounts = 0;

  constructor(world: CheckedWorld, violate: Violate) {
    this.#world = world;
    this.#violate = violate;
  }

  on(observation: Observation): void {
    // What the leader takes back is free, though the word of it reaches nobody.
    if (observation.what === "unsent" && this.#leader.says(observation)) {
      const { epoch, messages, subject } = observation.frame;
      if (epoch !== this.#ledger.epoch) return;
      for (const message of messages) this.#ledger.endOffers(endsBySaid(message, subject));
    } else if (observation.what === "said" && this.#leader.says(observation)) {
      const { epoch, messages, subject } = observation.frame;
      if (epoch !== this.#ledger.epoch) this.#ledger = new Ledger(epoch);
      for (const message of messages) this.#said(message, subject);
    } else if (observation.what === "heard" && this.#leader.hears(observation)) {
      const { messages, speaker } = observation.frame;
      for (const message of messages) this.#heard(message, speaker);
    }
  }

  #said(message: AnyMessage, subject: string): void {
    const ledger = this.#ledger;
    ledger.endOffers(endsBySaid(message, subject));
    switch (message.kind) {
      case "Beacon":
        return this.#beacon();
      case "OFFERS": {
        const to = subject.slice(subject.indexOf(".framework.") + 1) as Peer;
        const madeAtMs = this.#world.nowMs;
        for (const { offerId, agentId, resources } of message.body.offers) {
          const amounts = amountsOf(resources);
          ledger.offer(offerId, { agent: agentId, to, amounts, madeAtMs });
        }
        return;
      }
      case "RunTask":
        return this.#launch(message.body.task, message.body.launchExecutor);
      case "RunTaskGroup":
        for (const task of message.body.taskGroup.tasks) {
          this.#launch(task, message.body.launchExecutor);
        }
        return;
      default:
        return;
    }
  }

  #beacon(): void {
    const { nowMs } = this.#world;
    if (nowMs - this.#beaconMs > BEACON_GAP_MS) this.#speaksSinceMs = nowMs;
    this.#beaconMs = nowMs;
  }

  /** @param begins false: it counts on an executor that runs; one that has ended is not begun by it. */
  #launch(
    task: Pick<TaskInfo, "taskId" | "agentId" | "resources" | "executor">,
    begins: boolean | undefined = true,
  ): void {
    const { agentId: agent, taskId, executor } = task;
    this.#ledger.hold(taskId, { agent, amounts: amountsOf(task.resources) });
    if (executor !== undefined && begins) this.#pay(executor, agent);
  }

  /** An executor is paid for until it has ended, whatever becomes of its tasks. */
  #pay(executor: ExecutorInfo, agent: string): void {
    const amounts = amountsOf(executor.resources);
    this.#ledger.hold(executorKey(agent, executor), { agent, amounts });
  }

  #heard(message: AnyMessage, speaker: Peer): void {
    const ledger = this.#ledger;
    ledger.endOffers(endsByHeard(message, speaker));
    switch (message.kind) {
      case "RegisterAgent": {
        const { agent, tasks, executors = [], part } = message.body;
        const { agentId } = agent;
        this.#totals.set(agentId, amountsOf(agent.resources));
        this.#agents.set(speaker, agentId);
        if (part === 0) ledger.freeAgent(agentId);
        for (const { info, state } of tasks) if (!isTerminal(state)) this.#launch(info);
        for (const { executor } of executors) this.#pay(executor, agentId);
        return;
      }
      case "ExitedExecutor":
        return ledger.free(executorKey(this.#agents.get(speaker) ?? "", message.body));
      case "StatusUpdate":
        if (isTerminal(message.body.latestState)) ledger.free(message.body.status.taskId);
        return;
      default:
        return;
    }
  }

  #weigh(agent: string): void {
    const total = this.#totals.get(agent);
    const ledger = this.#ledger;
    if (total === undefined) return void ledger.changed.delete(agent);
    const used = ledger.used.get(agent) ?? new Map<string, number>();
    const over = [...used].find(([name, milli]) => milli > (total.get(name) ?? 0) || milli < 0);
    if (over === undefined) {
      ledger.changed.delete(agent);
      return void ledger.overSinceMs.delete(agent);
    }
    const { nowMs } = this.#world;
    const sinceMs = ledger.overSinceMs.get(agent) ?? nowMs;
    ledger.overSinceMs.set(agent, sinceMs);
    if (nowMs - sinceMs < TOLERANCE_MS) return;
    const [name, milli] = over;
    const has = total.get(name) ?? 0;
    this.#violate("R1", `${agent}: ${milli} thousandths of ${name} are given away, it has ${has}`);
  }

  /** The oldest offer stands first. */
  #overdue(): void {
    const { nowMs, offerTimeoutMs } = this.#world;
    if (nowMs - this.#beaconMs > BEACON_GAP_MS) return;
    for (const [id, { to, madeAtMs }] of this.#ledger.offers) {
      const sinceMs = Math.max(madeAtMs, this.#speaksSinceMs);
      if (nowMs - sinceMs <= offerTimeoutMs + OFFER_MARGIN_MS) return;
      this.#violate("O1", `${id} to ${to} stands for more than ${offerTimeoutMs} ms`);
    }
  }

  recount(): void {
    for (const agent of [...this.#ledger.changed]) this.#weigh(agent);
    this.#overdue();
    this.#recounts += 1;
    if (this.#recounts % FULL_EVERY !== 0) return;
    const wrong = this.#ledger.miscounted();
    if (wrong !== undefined) this.#violate("R1", `the observer itself is wrong: ${wrong}`);
  }
}

export function allocationChecker(world: CheckedWorld, violate: Violate): Checker {
  const allocation = new Allocation(world, violate);
  return {
    id: "R1",
    statement: "offers and live tasks of an agent never exceed what it has; offers end in time",
    sees: { said: ["master"], unsent: ["master"], heard: ["agent", "framework"] },
    on: (observation) => allocation.on(observation),
    recount: () => allocation.recount(),
  };
}
