/**
 * D1: at rest, roles of equal weight that all want more hold equal parts: their dominant shares differ
 * by one largest task at most. Judged where that follows from what is seen alone: all roles have
 * waited for work since before the cluster came to rest, each task takes a machine whole (so nothing
 * is offered in part, declined, or filtered), no quota, weight or reservation says otherwise, and
 * tasks end often enough that every machine was given away anew since the last fault. What was unfair
 * while somebody was away is made good then: whatever comes free goes to whoever holds least.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";
import { endedIn, endsBySaid, LeaderHeard } from "./offer-ends.ts";
import { addTo, type Amounts, hear, type Ledger, ledgerOf, say } from "./role-ledger.ts";

/** From the last fault on: agents and frameworks are back, and each machine was given away anew. */
const REST_MS = 30_000;
/** Several tasks that end together leave a difference until their machines are given away anew. */
const TOLERANCE_MS = 6_000;

/** Largest part of any resource of the cluster. */
function shareOf(amounts: Amounts, totals: Amounts): number {
  let share = 0;
  for (const [name, milli] of amounts) {
    const total = totals.get(name) ?? 0;
    if (total > 0) share = Math.max(share, milli / total);
  }
  return share;
}

interface Shares {
  readonly of: ReadonlyMap<string, number>;
  /** That of the largest task. */
  readonly largest: number;
}

function sharesIn({ totals, offers, tasks }: Ledger, roles: readonly string[]): Shares {
  const total = new Map<string, number>();
  for (const amounts of totals.values()) addTo(total, amounts, 1);
  const held = new Map(roles.map((role) => [role, new Map<string, number>()]));
  let largest = 0;
  for (const { role, amounts } of [...offers.values(), ...tasks.values()]) {
    addTo(held.get(role) ?? new Map(), amounts, 1);
    largest = Math.max(largest, shareOf(amounts, total));
  }
  const of = new Map([...held].map(([role, amounts]) => [role, shareOf(amounts, total)]));
  return { of, largest };
}

/** Shares are quotients of whole numbers of thousandths. */
const ROUNDING = 1e-9;

class Fairness {
  readonly #world: CheckedWorld;
  readonly #violate: Violate;
  readonly #committed: CommittedOperations;
  readonly #leader = new LeaderHeard();
  #ledger: Ledger | undefined;
  /** An operator has said that roles are not equal. */
  #isUnequal = false;
  #unfairSinceMs: number | undefined;

  constructor(world: CheckedWorld, violate: Violate) {
    this.#world = world;
    this.#violate = violate;
    this.#committed = new CommittedOperations(world);
  }

  on(observation: Observation): void {
    const { what } = observation;
    if (what === "heard") {
      if (this.#ledger === undefined || !this.#leader.hears(observation)) return;
      const { frame } = observation;
      for (const message of frame.messages) hear(this.#ledger, message, frame);
      return;
    }
    if ((what !== "said" && what !== "unsent") || !this.#leader.says(observation)) return;
    const { epoch, messages, subject } = observation.frame;
    if (this.#ledger?.epoch !== epoch) this.#ledger = ledgerOf(epoch);
    for (const message of messages) {
      if (what === "said") say(this.#ledger, message, subject);
      // What is taken back is free, though the word of it reaches nobody.
      else {
        const { offers } = this.#ledger;
        for (const id of endedIn(offers, endsBySaid(message, subject))) offers.delete(id);
      }
    }
  }

  recount(): void {
    for (const { kind } of this.#committed.fresh()) {
      if (kind === "QuotaSet" || kind === "WeightSet") this.#isUnequal = true;
    }
    const unfair = this.#unfair();
    if (unfair === undefined) {
      this.#unfairSinceMs = undefined;
      return;
    }
    this.#unfairSinceMs ??= this.#world.nowMs;
    if (this.#world.nowMs - this.#unfairSinceMs >= TOLERANCE_MS) this.#violate("D1", unfair);
  }

  /** What is unequal though it has to be equal; undefined: nothing, or it cannot be judged. */
  #unfair(): string | undefined {
    const ledger = this.#ledger;
    const { nowMs, restingSinceMs } = this.#world;
    if (ledger === undefined || ledger.anyReserved || this.#isUnequal) return undefined;
    if (restingSinceMs === undefined || nowMs - restingSinceMs < REST_MS) return undefined;
    const roles = [...this.#world.backlogged()];
    if (roles.length < 2) return undefined;
    const { of, largest } = sharesIn(ledger, roles);
    const most = Math.max(...of.values());
    const least = Math.min(...of.values());
    if (most - least <= largest + ROUNDING) return undefined;
    const shares = [...of].map(([role, share]) => `${role} ${share.toFixed(3)}`);
    return `all want more, and hold ${shares.join(", ")}; a task takes ${largest.toFixed(3)}`;
  }
}

export function fairnessChecker(world: CheckedWorld, violate: Violate): Checker {
  const fairness = new Fairness(world, violate);
  return {
    id: "D1",
    statement: "at rest, roles that all want more differ by one largest task at most",
    sees: { said: ["master"], unsent: ["master"], heard: ["agent", "framework"] },
    on: (observation) => fairness.on(observation),
    recount: () => fairness.recount(),
  };
}
