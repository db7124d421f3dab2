/**
 * R1: on no agent do offers and live tasks together exceed what the agent has. Counted from what
 * a master says and hears within its epoch, and from what agents report as live.
 */
import { type AnyMessage, isTerminal, type Peer, type Resource, type TaskInfo } from "#protocol";
import type { Observation, SeenFrame } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Frames to several peers leave one after another; only what lasts longer is a violation. */
const TOLERANCE_MS = 1_000;

type Amounts = Map<string, number>;

interface Ledger {
  /** By offer id. */
  readonly offers: Map<string, { agent: string; framework: Peer; amounts: Amounts }>;
  /** By task id. */
  readonly tasks: Map<string, { agent: string; amounts: Amounts }>;
  readonly overSinceMs: Map<string, number>;
}

function amountsOf(resources: readonly Resource[]): Amounts {
  const amounts: Amounts = new Map();
  for (const { name, scalar } of resources) {
    if (scalar !== undefined) amounts.set(name, (amounts.get(name) ?? 0) + scalar.milli);
  }
  return amounts;
}

function add(to: Amounts, amounts: Amounts): void {
  for (const [name, milli] of amounts) to.set(name, (to.get(name) ?? 0) + milli);
}

function executorKey({ executorId }: { readonly executorId: string }): string {
  return `executor ${executorId}`;
}

export function allocationChecker(world: CheckedWorld, violate: Violate): Checker {
  const totals = new Map<string, Amounts>();
  /** One ledger for each master's epoch; a new leader begins a new one. */
  const ledgers = new Map<number, Ledger>();
  const ledgerOf = (epoch: number): Ledger => {
    let ledger = ledgers.get(epoch);
    if (ledger === undefined) {
      ledger = { offers: new Map(), tasks: new Map(), overSinceMs: new Map() };
      ledgers.clear();
      ledgers.set(epoch, ledger);
    }
    return ledger;
  };
  const current = (): Ledger | undefined => [...ledgers.values()][0];

  const weigh = (ledger: Ledger, agent: string): void => {
    const total = totals.get(agent);
    if (total === undefined) return;
    const used: Amounts = new Map();
    for (const offer of ledger.offers.values()) if (offer.agent === agent) add(used, offer.amounts);
    for (const task of ledger.tasks.values()) if (task.agent === agent) add(used, task.amounts);
    const over = [...used].find(([name, milli]) => milli > (total.get(name) ?? 0));
    if (over === undefined) return void ledger.overSinceMs.delete(agent);
    const sinceMs = ledger.overSinceMs.get(agent) ?? world.nowMs;
    ledger.overSinceMs.set(agent, sinceMs);
    if (world.nowMs - sinceMs < TOLERANCE_MS) return;
    const [name, milli] = over;
    const has = total.get(name) ?? 0;
    violate("R1", `${agent}: ${milli} thousandths of ${name} are given away, it has ${has}`);
  };

  const said = (ledger: Ledger, message: AnyMessage, subject: string): void => {
    switch (message.kind) {
      case "OFFERS": {
        const to = subject.slice(subject.indexOf(".framework.") + 1) as Peer;
        for (const { offerId, agentId, resources } of message.body.offers) {
          const amounts = amountsOf(resources);
          ledger.offers.set(offerId, { agent: agentId, framework: to, amounts });
        }
        return;
      }
      case "RESCIND":
        return void ledger.offers.delete(message.body.offerId);
      case "RunTask":
        return launch(ledger, message.body.task);
      case "RunTaskGroup":
        for (const task of message.body.taskGroup.tasks) launch(ledger, task);
        return;
      case "Closed":
        return voidOffers(ledger, subject);
      default:
        return;
    }
  };
  const launch = (
    ledger: Ledger,
    task: Pick<TaskInfo, "taskId" | "agentId" | "resources" | "executor">,
  ): void => {
    const { agentId, taskId, executor } = task;
    ledger.tasks.set(taskId, { agent: agentId, amounts: amountsOf(task.resources) });
    if (executor === undefined) return;
    // An executor is paid for until it has ended, whatever becomes of its tasks.
    const amounts = amountsOf(executor.resources);
    ledger.tasks.set(executorKey(executor), { agent: agentId, amounts });
  };
  /** The session of a framework is over, so its offers are void. */
  const voidOffers = (ledger: Ledger, subject: string): void => {
    for (const [id, { framework }] of ledger.offers) {
      if (subject.endsWith(framework)) ledger.offers.delete(id);
    }
  };

  const heard = (ledger: Ledger, message: AnyMessage, frame: SeenFrame): void => {
    switch (message.kind) {
      case "RegisterAgent": {
        const { agent, tasks } = message.body;
        totals.set(agent.agentId, amountsOf(agent.resources));
        for (const [id, offer] of ledger.offers) {
          if (offer.agent === agent.agentId) ledger.offers.delete(id);
        }
        if (message.body.part === 0) {
          for (const [id, task] of ledger.tasks) {
            if (task.agent === agent.agentId) ledger.tasks.delete(id);
          }
        }
        for (const { info, state } of tasks) if (!isTerminal(state)) launch(ledger, info);
        return;
      }
      case "ACCEPT":
      case "DECLINE":
        for (const id of message.body.offerIds) ledger.offers.delete(id);
        return;
      case "Hello":
      case "Closed":
      case "TEARDOWN":
      case "SUPPRESS":
        return voidOffers(ledger, frame.speaker);
      case "ExitedExecutor":
        return void ledger.tasks.delete(executorKey(message.body));
      case "StatusUpdate":
        if (isTerminal(message.body.latestState)) ledger.tasks.delete(message.body.status.taskId);
        return;
      default:
        return;
    }
  };

  return {
    id: "R1",
    statement: "offers and live tasks of an agent never exceed what it has",
    on(observation: Observation): void {
      if (observation.what !== "said" && observation.what !== "heard") return;
      const { frame } = observation;
      if (observation.what === "said" && frame.speaker === "master" && frame.epoch > 0) {
        const ledger = ledgerOf(frame.epoch);
        for (const message of frame.messages) said(ledger, message, frame.subject);
        return;
      }
      const ledger = current();
      if (observation.what !== "heard" || frame.speaker === "master" || !ledger) return;
      for (const message of frame.messages) heard(ledger, message, frame);
    },
    recount(): void {
      const ledger = current();
      if (ledger !== undefined) for (const agent of totals.keys()) weigh(ledger, agent);
    },
  };
}
