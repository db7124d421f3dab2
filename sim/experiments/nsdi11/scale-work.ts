/**
 * The two schedulers of the paper's scalability test: those that keep the cluster full, one task
 * on each agent that is offered, and the one that is measured, which runs a single task.
 */
import type { Driver } from "#actors/framework";
import type { Offer, TaskId, TaskState } from "#protocol";
import type { Chance } from "../../kernel/prng.ts";
import { type Need, Scheduler, slotsIn } from "./scheduler.ts";

/** Half of an agent: it runs up to two tasks at a time. */
export const SCALE_NEED: Need = { cpusMilli: 1_000, memMib: 512 };

/** Normally distributed as the sum of twelve uniform draws is; never below `leastMs`. */
export function normalMs(chance: Chance, meanMs: number, deviationMs: number): number {
  let sum = 0;
  for (let draw = 0; draw < 12; draw++) sum += chance.below(1_000_001);
  const deviations = sum / 1_000_000 - 6;
  return Math.max(100, Math.round(meanMs + deviations * deviationMs));
}

export interface LoadOptions {
  readonly name: string;
  readonly chance: Chance;
  readonly taskMs: { readonly mean: number; readonly deviation: number };
}

/** Fills the cluster: one task on each agent that it is offered, for ever. */
export class LoadScheduler extends Scheduler {
  readonly #options: LoadOptions;
  launched = 0;
  finished = 0;

  constructor(options: LoadOptions) {
    super();
    this.#options = options;
  }

  protected override offered(offers: readonly Offer[], driver: Driver): void {
    const { name, chance, taskMs } = this.#options;
    for (const offer of offers) {
      if (slotsIn(offer, SCALE_NEED) < 1) {
        driver.decline([offer.offerId]);
        continue;
      }
      this.launched += 1;
      const ms = normalMs(chance, taskMs.mean, taskMs.deviation);
      const task = { taskId: `${name}-${this.launched}`, need: SCALE_NEED, ms };
      this.launch(offer, [task], driver, 0);
    }
  }

  protected override ended(_taskId: TaskId, state: TaskState): void {
    if (state === "TASK_FINISHED") this.finished += 1;
    else this.lost += 1;
  }
}

/** Runs one task, and says when it was told of each step on the way. */
export class ProbeScheduler extends Scheduler {
  readonly #name: string;
  readonly #taskMs: number;
  readonly #nowMs: () => number;
  readonly startedAtMs: number;
  subscribedAtMs: number | undefined;
  offeredAtMs: number | undefined;
  endedAtMs: number | undefined;

  constructor(name: string, taskMs: number, nowMs: () => number) {
    super();
    this.#name = name;
    this.#taskMs = taskMs;
    this.#nowMs = nowMs;
    this.startedAtMs = nowMs();
  }

  protected override subscribed(): void {
    this.subscribedAtMs ??= this.#nowMs();
  }

  protected override offered(offers: readonly Offer[], driver: Driver): void {
    for (const offer of offers) {
      const wanted = this.offeredAtMs === undefined && slotsIn(offer, SCALE_NEED) >= 1;
      if (!wanted) {
        driver.decline([offer.offerId], { refuseMs: 3_600_000 });
        continue;
      }
      this.offeredAtMs = this.#nowMs();
      const task = { taskId: `${this.#name}-1`, need: SCALE_NEED, ms: this.#taskMs };
      this.launch(offer, [task], driver, 3_600_000);
    }
  }

  protected override ended(_taskId: TaskId, state: TaskState, driver: Driver): void {
    if (state === "TASK_FINISHED") this.endedAtMs = this.#nowMs();
    driver.teardown();
  }
}
