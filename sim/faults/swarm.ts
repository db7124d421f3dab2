/**
 * Draws faults, or takes them from a scenario or an earlier run; applies them, heals them, and
 * writes down each as it was applied, so that the list alone repeats the run.
 */
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import type { Observe } from "../observation.ts";
import { argsText, type Fault, type FaultArgs, type FaultTarget } from "./fault.ts";
import { resolve } from "./selectors.ts";
import { FAULTS, faultNamed } from "./table.ts";

/** Faults that may be under way at once; more would only be noise. What is over at once is free. */
export const FAULTS_AT_ONCE_MAX = 5;
/** Faults are records of a node of that name. */
export const FAULTS_NODE = "faults";

/** What a scenario says of a fault; what it leaves open is drawn when it is applied. */
export interface Given {
  /** Selectors. */
  readonly on?: readonly string[];
  readonly to?: readonly string[];
  readonly by?: number;
  readonly lastsMs?: number;
}

/** A fault that a scenario puts at a time. */
export interface ScheduledFault extends Given {
  readonly atMs: number;
  readonly name: string;
  /** Left out when so many leaders have been there by then; absent: it is always done. */
  readonly unlessLeaders?: number;
}

/** A time in which faults are drawn. */
export interface DrawnFaults {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Mean time between two. */
  readonly everyMs: number;
  /**
   * true: that many are applied, whatever finds nothing to be done to and however many are under
   * way already; absent: a draw that comes to nothing is lost.
   */
  readonly keepsPace?: boolean;
  /** Names of those that may be drawn; absent: each run switches some of them off by itself. */
  readonly only?: readonly string[];
  /** How many of each there may be; those that are not named may not be drawn. */
  readonly budget?: Readonly<Record<string, number>>;
}

export interface FaultProgram {
  readonly scheduled: readonly ScheduledFault[];
  readonly drawn: readonly DrawnFaults[];
}

/** A fault as it was applied: enough to apply it again, whatever else is left out. */
export interface PlannedFault extends FaultArgs {
  readonly atMs: number;
  readonly name: string;
  readonly lastsMs: number;
}

/** Draws after one another to make up for those that came to nothing. */
const TRIES_MAX = 100;

type Weights = readonly (readonly [Fault, number])[];

export class Swarm {
  readonly #world: World;
  readonly #target: FaultTarget;
  readonly #observe: Observe;
  readonly #chance: Chance;
  readonly #open = new Set<() => void>();
  /** How often each fault was applied. */
  readonly counts = new Map<string, number>();
  /** All of them as they were applied, in order. */
  readonly applied: PlannedFault[] = [];
  #draws = 0;
  #changedMs = 0;
  #over = false;

  constructor(world: World, target: FaultTarget, observe: Observe) {
    this.#world = world;
    this.#target = target;
    this.#observe = observe;
    this.#chance = world.seed.stream("faults");
  }

  /** How many faults are under way. */
  get open(): number {
    return this.#open.size;
  }

  /** When something was broken or put right for the last time; undefined: something is broken. */
  get restingSinceMs(): number | undefined {
    return this.#open.size > 0 ? undefined : this.#changedMs;
  }

  /** Puts everything of the program into the calendar. */
  perform({ scheduled, drawn }: FaultProgram): void {
    for (const { atMs, name, unlessLeaders = Infinity, ...given } of scheduled) {
      const fault = faultNamed(name);
      this.#world.at(atMs, () => {
        const isWanted = !this.#over && this.#target.leaders.length < unlessLeaders;
        if (isWanted) this.#draw(fault, given);
      });
    }
    for (const each of drawn) {
      const weights = this.#weightsOf(each);
      this.#world.at(each.fromMs, () => this.#next(each, weights, new Map()));
    }
  }

  /** Applies these, each at its time, instead of drawing any. */
  follow(plan: readonly PlannedFault[]): void {
    for (const planned of plan) {
      const { atMs, name, lastsMs, ...args } = planned;
      const fault = faultNamed(name);
      const here = this.#here(args);
      if (here === undefined) continue;
      this.#world.at(atMs, () => {
        if (!this.#over) this.#apply(fault, here, lastsMs);
      });
    }
  }

  /** A plan that was made of more brokers may name some that are not here: to them nothing is done. */
  #here({ on, to, ...rest }: FaultArgs): FaultArgs | undefined {
    const isHere = (name: string): boolean =>
      !name.startsWith("broker-") || this.#target.brokers.includes(name);
    const left = on.filter(isHere);
    if (left.length === 0 && on.length > 0) return undefined;
    return { on: left, ...(to === undefined ? {} : { to: to.filter(isHere) }), ...rest };
  }

  /** Applies one fault by its name now; false when there is nothing to do it to. */
  apply(name: string, given: Given = {}): boolean {
    return this.#draw(faultNamed(name), given);
  }

  /** No more faults, and everything that was broken is put right. */
  heal(): void {
    this.#over = true;
    this.#changedMs = this.#world.nowMs;
    for (const heal of [...this.#open]) heal();
  }

  /** A run with every fault at medium strength finds less: some are off, some are frequent. */
  #weightsOf({ only, budget }: DrawnFaults): Weights {
    const names = only ?? (budget === undefined ? undefined : Object.keys(budget));
    return FAULTS.map((fault) => {
      if (names !== undefined) return [fault, names.includes(fault.name) ? fault.weight : 0];
      const factor = this.#chance.pick([0, 1, 1, 4]) ?? 1;
      return [fault, fault.weight * factor];
    });
  }

  #next(drawn: DrawnFaults, weights: Weights, spent: Map<string, number>): void {
    const { everyMs, fromMs, keepsPace = false, untilMs } = drawn;
    const inMs = this.#chance.exponential(everyMs);
    // Who keeps pace draws once more at the very end.
    const leftMs = untilMs - this.#world.nowMs;
    this.#world.after(keepsPace && leftMs > 0 ? Math.min(inMs, leftMs) : inMs, () => {
      if (this.#over || this.#world.nowMs > untilMs) return;
      this.#drawOne(drawn, weights, spent);
      const due = keepsPace ? (this.#world.nowMs - fromMs) / everyMs : 0;
      for (let tries = 0; tries < TRIES_MAX && sumOf(spent) < due; tries++) {
        this.#drawOne(drawn, weights, spent);
      }
      if (this.#world.nowMs < untilMs) this.#next(drawn, weights, spent);
    });
  }

  #drawOne({ budget }: DrawnFaults, weights: Weights, spent: Map<string, number>): void {
    const fault = this.#pick(weights);
    if (fault === undefined) return;
    const count = spent.get(fault.name) ?? 0;
    const isFree = this.#open.size < FAULTS_AT_ONCE_MAX || fault.lastsMs[1] === 0;
    if (count >= (budget?.[fault.name] ?? Infinity) || !isFree) return;
    if (this.#draw(fault, {})) spent.set(fault.name, count + 1);
  }

  #pick(weights: Weights): Fault | undefined {
    const sum = weights.reduce((total, [, weight]) => total + weight, 0);
    let left = this.#chance.below(Math.max(1, sum));
    for (const [fault, weight] of weights) {
      left -= weight;
      if (left < 0) return fault;
    }
    return undefined;
  }

  /** Each fault draws from a stream of its own, so that leaving one out changes no other. */
  #draw(fault: Fault, given: Given): boolean {
    this.#draws += 1;
    const chance = this.#world.seed.once(`fault:${this.#draws}`);
    const [low, high] = fault.lastsMs;
    const lastsMs = given.lastsMs ?? chance.between(low, high);
    const on = resolve(given.on ?? [fault.on], this.#target, chance);
    const others = given.to ?? (fault.to === undefined ? undefined : [fault.to]);
    const to = others === undefined ? undefined : resolve(others, this.#target, chance, on);
    const bounds = fault.by;
    const drawn = bounds === undefined ? undefined : chance.between(bounds.low, bounds.high);
    const by = given.by ?? drawn;
    const args = { on, ...(to === undefined ? {} : { to }), ...(by === undefined ? {} : { by }) };
    return this.#apply(fault, args, lastsMs);
  }

  #apply(fault: Fault, args: FaultArgs, lastsMs: number): boolean {
    const { name } = fault;
    const target = argsText(args);
    const { n, result: applied } = this.#world.account(
      () => fault.apply(this.#target, args),
      (done) => done && { node: FAULTS_NODE, kind: "fault", summary: `${name} ${target}` },
    );
    if (applied === undefined) return false;
    this.#changedMs = this.#world.nowMs;
    this.applied.push({ atMs: this.#world.nowMs, name, lastsMs, ...args });
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#observe({ what: "fault", name, target, on: args.on });
    const healing = applied.heal;
    if (healing === undefined) return true;
    const heal = (): void => {
      if (!this.#open.delete(heal)) return;
      this.#changedMs = this.#world.nowMs;
      const summary = `${name} ${target}`;
      const healed = this.#world.record({ node: FAULTS_NODE, kind: "heal", summary, cause: n });
      this.#world.because(healed, healing);
    };
    this.#open.add(heal);
    this.#world.after(lastsMs, heal);
    return true;
  }
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
