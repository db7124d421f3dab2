/** Door of the master: how one is made, and what it is told. */
export { type MasterConfig, type MasterSettings, settingsOf } from "./config.ts";
export { masterMachine } from "./machine.ts";
export { createMaster, masterBehaviour } from "./master.ts";
export { TimerMetric, TIMES_KEPT_MAX } from "./run-times.ts";
export type { MasterState } from "./state.ts";
export { parseWitness, WITNESS_FILE } from "./witness.ts";
