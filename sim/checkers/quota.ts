/**
 * Q1: no offer takes a role above its limit, and none takes what another role is guaranteed and
 * lacks. Counted for each epoch from what the leader says: offers, launches, agents that it has
 * taken in; what comes back is counted as free as soon as it is heard, so that a count is never
 * higher than the leader's own.
 */
import type { Observation, SeenFrame } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";
import { endedIn, endsBySaid, LeaderHeard } from "./offer-ends.ts";
import {
  addTo,
  type Amounts,
  consumedBy,
  forget,
  hear,
  type Ledger,
  ledgerOf,
  say,
} from "./role-ledger.ts";

/** So long after its commit every leader that speaks has applied a quota. */
const APPLIED_MS_MAX = 5_000;

interface Quota {
  readonly guarantee: Amounts;
  readonly limit: Amounts;
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
      ledger = ledgerOf(frame.epoch);
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
