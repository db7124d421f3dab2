/** Door of the agent: what runs tasks on one machine. */
export { agentBehaviour, agentConfig, createAgent, type RunningAgent } from "./agent.ts";
export {
  apply,
  type AgentRecord,
  Checkpoint,
  type Executor,
  snapshot,
  type Task,
  type TaskKey,
  taskKey,
} from "./checkpoint.ts";
export { EXECUTORS_MAX } from "./executors.ts";
export { type MetaRead, readMeta } from "./meta.ts";
export {
  type ChosenFault,
  FAULT_POINTS,
  type FaultPlace,
  type FaultPoint,
  faultPlaceText,
  parseFaultPoint,
  withFaultPoint,
} from "./fault-points.ts";
export {
  crc32,
  DISK_FULL_RETRIES_MAX,
  frameRecords,
  JournalWriter,
  readRecords,
} from "./journal.ts";
export { TASKS_MAX } from "./launch.ts";
export { LOGS_OPEN_MAX } from "./logs.ts";
export { agentMachine } from "./machine.ts";
export { fateOf, replay } from "./recovery.ts";
export { sandboxAgeMsMax, sandboxPath } from "./sandbox.ts";
export {
  AGENT_DEFAULTS,
  type AgentConfig,
  type AgentIdentity,
  type ExecutorAccess,
  type ExecutorOwner,
  type AgentSettings,
  AgentState,
  type DiskUsage,
  JOURNAL_PATH,
  META_PATH,
} from "./state.ts";
export { UPDATES_PER_TASK_MAX } from "./updates.ts";
