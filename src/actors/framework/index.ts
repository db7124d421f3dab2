/** Door of the framework driver: what a scheduler is written against. */
export * from "./framework.ts";
export { frameworkMachine } from "./machine.ts";
export type { CallKind, FrameworkConfig, SchedulerCall, SchedulerEvent } from "./state.ts";
export { CALLS_PENDING_MAX, TASKS_TRACKED_MAX } from "./state.ts";
