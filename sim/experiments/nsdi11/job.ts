/**
 * Jobs as the paper's frameworks run them: stages one after another, each a number of tasks of
 * about the same length, with a pause before it in which no task runs (set-up, broadcast).
 */
import type { Chance } from "../../kernel/prng.ts";

export interface Stage {
  readonly tasks: number;
  /** Mean length of a task. */
  readonly taskMs: number;
  /** Before the first task of the stage. */
  readonly pauseMs: number;
}

export interface JobKind {
  /** As the paper's tables call it. */
  readonly type: string;
  readonly stages: readonly Stage[];
}

export class Job {
  readonly name: string;
  readonly kind: JobKind;
  readonly submittedAtMs: number;
  endedAtMs: number | undefined;
  /** Tasks of the present stage that were not launched yet. */
  pending = 0;
  /** Launched and not over. */
  running = 0;
  #stage = -1;
  #tasks = 0;

  constructor(name: string, kind: JobKind, nowMs: number) {
    this.name = name;
    this.kind = kind;
    this.submittedAtMs = nowMs;
  }

  get stage(): Stage | undefined {
    return this.kind.stages[this.#stage];
  }

  /** true: nothing of the present stage is left to do. */
  get stageDone(): boolean {
    return this.pending === 0 && this.running === 0;
  }

  /** Goes to the next stage; undefined after the last one. */
  next(): Stage | undefined {
    this.#stage += 1;
    return this.stage;
  }

  /** Takes one task of the present stage; its name is not used again. */
  take(): string {
    this.pending -= 1;
    this.running += 1;
    this.#tasks += 1;
    return `${this.name}-${this.#tasks}`;
  }

  /** One of its tasks is over; a lost one is pending again. */
  over(finished: boolean): void {
    this.running -= 1;
    if (!finished) this.pending += 1;
  }
}

/** Lengths of tasks differ by up to this part of the mean in either direction, evenly. */
const SPREAD_PER_MILLE = 200;

export function spread(ms: number, chance: Chance): number {
  const perMille = 1_000 + chance.between(-SPREAD_PER_MILLE, SPREAD_PER_MILLE);
  return Math.max(1, Math.round((ms * perMille) / 1_000));
}
