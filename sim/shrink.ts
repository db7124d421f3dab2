/**
 * Makes a failure smaller, as long as the same statement is still violated: cuts the tail, makes
 * the run shorter, leaves out work and faults by delta debugging (ddmin), takes fewer members,
 * milder faults, rounder times, and a bus that delivers promptly. Each candidate is one run; what
 * leaves out much is tried with other seeds too, since with less to do everything comes at other
 * moments.
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

/** Parts of its length that a run is tried at, the shortest first. */
const LENGTHS = [0.2, 0.35, 0.5, 0.7] as const;
/** No run is made shorter: there is an election to be had, and work to be done. */
const UNTIL_MS_MIN = 20_000;
/**
 * Nor one that is judged at its end: without time to come to rest it would fail of that instead.
 */
const SETTLED_MS_MIN = 150_000;
/** Seeds that a candidate is tried with, its own included, where much is left out at once. */
const SEEDS = 3;
/** The same where almost all is left out, and each run is cheap. */
const SEEDS_OF_NAMED = 8;
/** Passes over everything, as long as each finds something. */
const PASSES_MAX = 4;

type Candidate = Pick<Failure, "scenario" | "faults">;

/** Operations of the work that are left. */
export function itemsOf({ onlyItems, items, frameworks }: Failure["scenario"]): number {
  return onlyItems?.length ?? items * frameworks;
}

/** How long it may go on, and who is told. */
export interface ShrinkOptions {
  /** Most runs. */
  readonly budget: number;
  /** true: no further run is begun. */
  readonly isOver?: () => boolean;
  /** Told of each smaller failure. */
  readonly progress?: (failure: Failure) => void;
}

export function shrink(failure: Failure, options: ShrinkOptions): Shrunk {
  return new Shrinker(failure, options).run();
}

/** The n-th other seed of a failure; 0: its own. */
function otherSeed(seed: string, n: number): string {
  const [own = seed] = seed.split("~");
  return n === 0 ? seed : `${own}~${n}`;
}

class Shrinker {
  readonly #id: string;
  readonly #options: ShrinkOptions;
  readonly #name: string | undefined;
  #best: Failure;
  #runs = 0;

  constructor(failure: Failure, options: ShrinkOptions) {
    this.#best = failure;
    this.#id = failure.violation.id;
    this.#name = failure.name;
    this.#options = options;
  }

  run(): Shrunk {
    if (this.#attempt(this.#best)) this.#cutTail();
    // Some failures need no fault at all; then everything else is left out more easily.
    this.#withFaults([]);
    // Work is most of what a run costs, and its length the rest: without them all else is quick.
    this.#shorterRun();
    if (!this.#namedItems()) this.#halfTheItems();
    this.#fewerMembers();
    // With less around them, more of the rest may not be needed either.
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const before = this.#size;
      this.#fewerFaults();
      this.#fewerItems();
      this.#fewerMembers();
      this.#shorterRun();
      if (this.#size === before) break;
    }
    this.#milderFaults();
    this.#rounderTimes();
    this.#promptly();
    return { failure: this.#best, runs: this.#runs };
  }

  /** Faults and operations. */
  get #size(): number {
    return this.#best.faults.length + itemsOf(this.#best.scenario);
  }

  /** @param seeds how many are tried, the candidate's own first. */
  #attempt({ scenario, faults }: Candidate, seeds = 1): boolean {
    const { budget, isOver, progress } = this.#options;
    for (let n = 0; n < seeds; n++) {
      if (this.#runs >= budget || isOver?.() === true) return false;
      this.#runs += 1;
      const seeded = { ...{}, ...scenario, seed: otherSeed(scenario.seed, n) };
      const again = failureOf(rerun(seeded, faults, [this.#id]), this.#id, this.#name);
      if (again === undefined) continue;
      this.#best = again;
      progress?.(again);
      return true;
    }
    return false;
  }

  /** The same but for some of the scenario. */
  #with(change: Partial<Failure["scenario"]>, seeds = 1): boolean {
    const { scenario, faults } = this.#best;
    return this.#attempt({ scenario: { ...{}, ...scenario, ...change }, faults }, seeds);
  }

  /** Everything comes earlier by the same factor; faults last as long as they did. */
  #shorterRun(): void {
    for (const part of LENGTHS) {
      const { scenario, faults } = this.#best;
      const { cutMs: _cut, ...whole } = scenario;
      const untilMs = Math.round(scenario.untilMs * part);
      const isSettled = this.#best.violation.atMs >= scenario.untilMs;
      if (untilMs < (isSettled ? SETTLED_MS_MIN : UNTIL_MS_MIN)) continue;
      const healMs = Math.round((scenario.healMs ?? (scenario.untilMs * 7) / 10) * part);
      const sooner = faults.map((fault) => ({
        ...{},
        ...fault,
        atMs: Math.round(fault.atMs * part),
      }));
      const isPlain = scenario.healMs !== undefined;
      const shorter = { ...{}, ...whole, untilMs, ...(isPlain ? { healMs } : {}) };
      if (this.#attempt({ scenario: shorter, faults: sooner }, SEEDS)) return;
    }
  }

  /** The work that the violation itself names, or else that of the frameworks that it names. */
  #namedItems(): boolean {
    const { violation, scenario } = this.#best;
    const { onlyItems = itemNames(scenario) } = scenario;
    const words = new Set(violation.message.match(/framework-\d+(-\d+)?/g));
    const named = onlyItems.filter((name) => words.has(name));
    const related = onlyItems.filter((name) => words.has(name.replace(/-\d+$/, "")));
    return [named, related].some((items) => {
      return items.length > 0 && this.#with({ onlyItems: items }, SEEDS_OF_NAMED);
    });
  }

  /** The first half of what is left, or the second, as long as one of them will do. */
  #halfTheItems(): void {
    for (;;) {
      const { onlyItems = itemNames(this.#best.scenario) } = this.#best.scenario;
      if (onlyItems.length < 2) return;
      const half = Math.ceil(onlyItems.length / 2);
      const isLess =
        this.#with({ onlyItems: onlyItems.slice(0, half) }, SEEDS) ||
        this.#with({ onlyItems: onlyItems.slice(half) }, SEEDS) ||
        this.#with({ onlyItems: onlyItems.filter((_, index) => index % 2 === 0) }, SEEDS);
      if (!isLess) return;
    }
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
    ddmin(onlyItems, (rest) => this.#with({ onlyItems: rest }, SEEDS));
  }

  /** By halves, then one by one; faults that name who is not there any more do nothing. */
  #fewerMembers(): void {
    for (const part of ["frameworks", "agents", "masters", "brokers"] as const) {
      for (;;) {
        const now = this.#best.scenario[part];
        const half = Math.floor(now / 2);
        if (half >= 1 && this.#with(this.#smaller(part, half), SEEDS)) continue;
        if (now - 1 > half && this.#with(this.#smaller(part, now - 1))) continue;
        break;
      }
    }
  }

  #smaller(part: "frameworks" | "agents" | "masters" | "brokers", to: number) {
    const { onlyItems } = this.#best.scenario;
    if (part !== "frameworks" || onlyItems === undefined) return { [part]: to };
    const kept = itemNames({ ...{}, ...this.#best.scenario, frameworks: to });
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
    return this.#withFaults(this.#best.faults.with(index, { ...{}, ...fault, ...changed }));
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
