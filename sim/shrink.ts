/**
 * Makes a failure smaller, as long as the same statement is still violated: cuts the tail, leaves
 * out faults and work by delta debugging (ddmin), takes fewer members, milder faults, rounder
 * times, and a bus that delivers promptly. Each candidate is one run.
 */
import { type Failure, failureOf, rerun } from "./failure.ts";
import { faultNamed, type PlannedFault } from "./faults/index.ts";
import { itemNames } from "./workloads/items.ts";

export interface Shrunk {
  readonly failure: Failure;
  readonly runs: number;
}

/** Runs longer than this after the violation has been are of no interest. */
const TAIL_MS = 30_000;
/** Roundest first. */
const ROUND_MS = [60_000, 10_000, 5_000, 1_000, 500, 100, 10, 1] as const;

type Candidate = Pick<Failure, "scenario" | "faults">;

/** Operations of the work that are left. */
export function itemsOf({ onlyItems, items, frameworks }: Failure["scenario"]): number {
  return onlyItems?.length ?? items * frameworks;
}

/** @param budget most runs. @param progress told of each smaller failure. */
export function shrink(
  failure: Failure,
  budget: number,
  progress: (failure: Failure) => void = () => undefined,
): Shrunk {
  return new Shrinker(failure, budget, progress).run();
}

class Shrinker {
  readonly #id: string;
  readonly #budget: number;
  readonly #progress: (failure: Failure) => void;
  readonly #name: string | undefined;
  #best: Failure;
  #runs = 0;

  constructor(failure: Failure, budget: number, progress: (failure: Failure) => void) {
    this.#best = failure;
    this.#id = failure.violation.id;
    this.#name = failure.name;
    this.#budget = budget;
    this.#progress = progress;
  }

  run(): Shrunk {
    if (this.#attempt(this.#best)) this.#cutTail();
    this.#fewerFaults();
    this.#fewerItems();
    this.#fewerMembers();
    // With less around them, more of the rest may not be needed either.
    this.#fewerFaults();
    this.#milderFaults();
    this.#rounderTimes();
    this.#promptly();
    this.#fewerItems();
    return { failure: this.#best, runs: this.#runs };
  }

  #attempt({ scenario, faults }: Candidate): boolean {
    if (this.#runs >= this.#budget) return false;
    this.#runs += 1;
    const again = failureOf(rerun(scenario, faults, [this.#id]), this.#id, this.#name);
    if (again === undefined) return false;
    this.#best = again;
    this.#progress(again);
    return true;
  }

  /** The same but for some of the scenario. */
  #with(change: Partial<Failure["scenario"]>): boolean {
    const { scenario, faults } = this.#best;
    return this.#attempt({ scenario: { ...scenario, ...change }, faults });
  }

  #withFaults(faults: readonly PlannedFault[]): boolean {
    return this.#attempt({ scenario: this.#best.scenario, faults });
  }

  /** What is judged at the end needs the end; all else needs nothing after the violation. */
  #cutTail(): void {
    const { scenario, violation } = this.#best;
    if (violation.atMs >= scenario.untilMs) return;
    const cutMs = Math.ceil(violation.atMs + TAIL_MS);
    if (cutMs < (scenario.cutMs ?? scenario.untilMs)) this.#with({ cutMs });
  }

  #fewerFaults(): void {
    const { faults } = this.#best;
    ddmin(faults, (rest) => this.#withFaults(rest));
  }

  #fewerItems(): void {
    const { onlyItems = itemNames(this.#best.scenario) } = this.#best.scenario;
    ddmin(onlyItems, (rest) => this.#with({ onlyItems: rest }));
  }

  /** By halves, then one by one; faults that name who is not there any more do nothing. */
  #fewerMembers(): void {
    for (const part of ["frameworks", "agents", "masters", "brokers"] as const) {
      for (;;) {
        const now = this.#best.scenario[part];
        const half = Math.floor(now / 2);
        if (half >= 1 && this.#with(this.#smaller(part, half))) continue;
        if (now - 1 > half && this.#with(this.#smaller(part, now - 1))) continue;
        break;
      }
    }
  }

  #smaller(part: "frameworks" | "agents" | "masters" | "brokers", to: number) {
    const { onlyItems } = this.#best.scenario;
    if (part !== "frameworks" || onlyItems === undefined) return { [part]: to };
    const kept = itemNames({ ...this.#best.scenario, frameworks: to });
    return { [part]: to, onlyItems: onlyItems.filter((name) => kept.includes(name)) };
  }

  /** One fault after the other: a milder kind, half as hard, half as long. */
  #milderFaults(): void {
    for (let index = 0; index < this.#best.faults.length; index++) {
      while (this.#milder(index, (fault) => milderKind(fault)));
      while (this.#milder(index, (fault) => halfAsHard(fault)));
      while (this.#milder(index, (fault) => halfAsLong(fault)));
    }
  }

  #milder(
    index: number,
    change: (fault: PlannedFault) => Partial<PlannedFault> | undefined,
  ): boolean {
    const fault = this.#best.faults[index];
    const changed = fault === undefined ? undefined : change(fault);
    if (fault === undefined || changed === undefined) return false;
    return this.#withFaults(this.#best.faults.with(index, { ...fault, ...changed }));
  }

  #rounderTimes(): void {
    for (let index = 0; index < this.#best.faults.length; index++) {
      for (const field of ["atMs", "lastsMs"] as const) {
        ROUND_MS.some((to) => this.#milder(index, (fault) => rounder(fault, field, to)));
      }
    }
  }

  #promptly(): void {
    if (this.#best.scenario.profile === "hostile") this.#with({ profile: "nats" });
  }
}

function milderKind({ name }: PlannedFault): Partial<PlannedFault> | undefined {
  const { milder } = faultNamed(name);
  return milder === undefined ? undefined : { name: milder };
}

function halfAsHard({ name, by }: PlannedFault): Partial<PlannedFault> | undefined {
  const bounds = faultNamed(name).by;
  if (by === undefined || bounds === undefined || Math.abs(by) <= Math.abs(bounds.low)) {
    return undefined;
  }
  const half = Math.trunc(by / 2);
  return { by: bounds.low > 0 ? Math.max(bounds.low, half) : half };
}

function halfAsLong({ name, lastsMs }: PlannedFault): Partial<PlannedFault> | undefined {
  const [low] = faultNamed(name).lastsMs;
  return lastsMs <= low * 2 ? undefined : { lastsMs: Math.ceil(lastsMs / 2) };
}

function rounder(
  fault: PlannedFault,
  field: "atMs" | "lastsMs",
  toMs: number,
): Partial<PlannedFault> | undefined {
  const rounded = Math.round(fault[field] / toMs) * toMs;
  return rounded === fault[field] || rounded === 0 ? undefined : { [field]: rounded };
}

/** Delta debugging over complements: leaves out ever smaller parts until no single one can go. */
export function ddmin<Item>(
  all: readonly Item[],
  attempt: (rest: readonly Item[]) => boolean,
): readonly Item[] {
  if (all.length === 0 || attempt([])) return [];
  let best = all;
  let parts = 2;
  while (best.length > 1) {
    const size = Math.ceil(best.length / parts);
    let smaller: readonly Item[] | undefined;
    for (let from = 0; from < best.length && smaller === undefined; from += size) {
      const rest = best.filter((_, index) => index < from || index >= from + size);
      if (attempt(rest)) smaller = rest;
    }
    if (smaller !== undefined) {
      best = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) return best;
    else parts = Math.min(best.length, parts * 2);
  }
  return best;
}
