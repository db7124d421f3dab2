/**
 * How a batch framework does its work, the same for all of its items: drawn from the seed, so
 * that no two runs load the cluster alike, or plain where a scenario tells its own story.
 */
import type { Chance } from "../kernel/prng.ts";

export interface Habits {
  /** Items that come in at once: one by one, as jobs, or as large jobs far apart. */
  readonly jobItemsMax: number;
  /** Mean length of a task that does not end at once. */
  readonly taskMs: number;
  /** Tasks in one ACCEPT. */
  readonly acceptTasksMax: number;
  /** Filter of declines; Mesos' default is 5 s. */
  readonly refuseMs: number;
  /** true: says SUPPRESS while there is nothing to launch, as Mesos wants it. */
  readonly suppresses: boolean;
  /** true: its custom items share one executor on each agent; else each has one of its own. */
  readonly sharesExecutors: boolean;
}

export const PLAIN_HABITS: Habits = {
  jobItemsMax: 1,
  taskMs: 8_000,
  acceptTasksMax: 8,
  refuseMs: 2_000,
  suppresses: false,
  sharesExecutors: false,
};

const JOB_ITEMS_MAX = [1, 24, 60, 60] as const;
const TASK_MS = [1_000, 4_000, 8_000] as const;
const ACCEPT_TASKS_MAX = [1, 8, 16, 16] as const;
const REFUSE_MS = [5_000, 10_000, 30_000] as const;
/** Of ten frameworks so many say SUPPRESS. */
const SUPPRESSING_OF_TEN = 8;
/** Of ten frameworks so many keep one executor on each agent. */
const SHARING_OF_TEN = 5;

/** @param executors a stream of its own: what else is drawn stays as it was in failures that are kept. */
export function drawHabits(chance: Chance, executors: Chance): Habits {
  return {
    jobItemsMax: chance.pick<number>(JOB_ITEMS_MAX) ?? 1,
    taskMs: chance.pick<number>(TASK_MS) ?? 1_000,
    acceptTasksMax: chance.pick<number>(ACCEPT_TASKS_MAX) ?? 1,
    refuseMs: chance.pick<number>(REFUSE_MS) ?? 5_000,
    suppresses: chance.below(10) < SUPPRESSING_OF_TEN,
    sharesExecutors: executors.below(10) < SHARING_OF_TEN,
  };
}
