/** Door of the executor library: what a custom executor is written against. */
export {
  createExecutor,
  type ExecutorDriver,
  executorBehaviour,
  type RunningExecutor,
} from "./executor.ts";
export { executorMachine } from "./machine.ts";
export {
  type ExecutorConfig,
  type ExecutorLibraryEvent,
  ExecutorState,
  TASKS_UNACKNOWLEDGED_MAX,
  type TaskUpdate,
  UPDATES_UNACKNOWLEDGED_MAX,
} from "./state.ts";
