/** The way to the scheduler: one local name. */
import type { Effect } from "#runtime";
import type { SchedulerEvent } from "./state.ts";

export function tellScheduler(event: SchedulerEvent): Effect {
  return { kind: "tell", to: "scheduler", message: event };
}
