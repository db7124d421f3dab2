/** All faults, as a table, and the swarm that draws from it. */
export * from "./fault.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import type { Observe } from "../observation.ts";
import type { Fault, FaultTarget } from "./fault.ts";
import { NETWORK_FAULTS } from "./network.ts";
import { PROCESS_FAULTS } from "./process.ts";
import { STORAGE_FAULTS } from "./storage.ts";

export const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...NETWORK_FAULTS, ...STORAGE_FAULTS];

/** Faults that may be under way at once; more would only be noise. */
export const FAULTS_AT_ONCE_MAX = 3;
/** Faults are records of a node of that name. */
export const FAULTS_NODE = "faults";

export interface SwarmOptions {
  /** Mean time between two faults. */
  readonly everyMs: number;
  /** Names of faults that may be drawn; absent: each run switches some of them off by itself. */
  readonly only?: readonly string[];
}

/** A fault as it was applied: enough to apply it again, whatever else is left out. */
export interface PlannedFault {
  readonly atMs: number;
  readonly name: string;
  readonly lastsMs: number;
  /** Number of the stream from which it draws its target. */
  readonly draw: number;
  /** What it was done to, for people; a replay draws it again from the same stream. */
  readonly target: string;
}

/** Draws faults, applies them, heals them. */
export class Swarm {
  readonly #world: World;
  readonly #target: FaultTarget;
  readonly #observe: Observe;
  readonly #chance: Chance;
  readonly #weights: readonly (readonly [Fault, number])[];
  readonly #options: SwarmOptions;
  readonly #open = new Set<() => void>();
  /** How often each fault was applied. */
  readonly counts = new Map<string, number>();
  /** All of them as they were applied, in order. */
  readonly applied: PlannedFault[] = [];
  #draws = 0;
  #over = false;

  constructor(world: World, target: FaultTarget, observe: Observe, options: SwarmOptions) {
    this.#world = world;
    this.#target = target;
    this.#observe = observe;
    this.#options = options;
    this.#chance = world.seed.stream("faults");
    this.#weights = this.#drawWeights();
  }

  /** Begins to draw; ends when `heal` is called. */
  start(): void {
    this.#next();
  }

  /** Applies one fault by its name now; false when there is nothing to do it to. */
  apply(name: string, lastsMs?: number): boolean {
    const fault = FAULTS.find((one) => one.name === name);
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    return this.#apply(fault, lastsMs);
  }

  /** Applies these, each at its time, instead of drawing any. */
  follow(plan: readonly PlannedFault[]): void {
    for (const { atMs, name, lastsMs, draw } of plan) {
      const fault = FAULTS.find((one) => one.name === name);
      if (fault === undefined) throw new Error(`there is no fault ${name}`);
      this.#world.at(atMs, () => {
        if (!this.#over) this.#apply(fault, lastsMs, draw);
      });
    }
  }

  /** No more faults, and everything that was broken is put right. */
  heal(): void {
    this.#over = true;
    for (const heal of [...this.#open]) heal();
  }

  /** A run with every fault at medium strength finds less: some are off, some are frequent. */
  #drawWeights(): readonly (readonly [Fault, number])[] {
    const { only } = this.#options;
    return FAULTS.map((fault) => {
      if (only !== undefined) return [fault, only.includes(fault.name) ? fault.weight : 0];
      const factor = this.#chance.pick([0, 1, 1, 4]) ?? 1;
      return [fault, fault.weight * factor];
    });
  }

  #next(): void {
    this.#world.after(this.#chance.exponential(this.#options.everyMs), () => {
      if (this.#over) return;
      const fault = this.#draw();
      if (fault !== undefined && this.#open.size < FAULTS_AT_ONCE_MAX) this.#apply(fault);
      this.#next();
    });
  }

  #draw(): Fault | undefined {
    const sum = this.#weights.reduce((total, [, weight]) => total + weight, 0);
    let left = this.#chance.below(Math.max(1, sum));
    for (const [fault, weight] of this.#weights) {
      left -= weight;
      if (left < 0) return fault;
    }
    return undefined;
  }

  /** Each fault draws from a stream of its own, so that leaving one out changes no other. */
  #apply(fault: Fault, givenMs?: number, draw = this.#nextDraw()): boolean {
    const chance = this.#world.seed.once(`fault:${draw}`);
    const [low, high] = fault.lastsMs;
    const drawnMs = chance.between(low, high);
    const lastsMs = givenMs ?? drawnMs;
    const { name } = fault;
    const { n, result: applied } = this.#world.account(
      () => fault.apply(this.#target, chance),
      (done) => done && { node: FAULTS_NODE, kind: "fault", summary: `${name} ${done.target}` },
    );
    if (applied === undefined) return false;
    const { target } = applied;
    this.applied.push({ atMs: this.#world.nowMs, name, lastsMs, draw, target });
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#observe({ what: "fault", name, target });
    const healing = applied.heal;
    if (healing === undefined) return true;
    const heal = (): void => {
      if (!this.#open.delete(heal)) return;
      const summary = `${name} ${target}`;
      const healed = this.#world.record({ node: FAULTS_NODE, kind: "heal", summary, cause: n });
      this.#world.because(healed, healing);
    };
    this.#open.add(heal);
    this.#world.after(lastsMs, heal);
    return true;
  }

  #nextDraw(): number {
    this.#draws += 1;
    return this.#draws;
  }
}
