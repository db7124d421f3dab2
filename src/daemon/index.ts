/** Door of the daemon floor: brokers, trust, and what starts processes. */
export * from "./broker.ts";
export * from "./broker-binary.ts";
export { BrokerUnavailable } from "./broker-provision.ts";
export * from "./broker-sources.ts";
export { createCredential } from "./credential-command.ts";
export { type Connections, localConnections } from "./connections.ts";
export * from "./credentials.ts";
export { type MasterProcess, type MasterProcessOptions, startMaster } from "./master.ts";
export { layoutOf, readUpRecord, type UpRecord } from "./data-dir.ts";
export * from "./machine-share.ts";
export * from "./probe-machine.ts";
export * from "./process-mark.ts";
export * from "./restarts.ts";
export { runAgent, runMaster } from "./role-processes.ts";
export { runDown, runUp, type SavedContext, type UpDoors } from "./up.ts";
export { YOUNG_GENERATION_MIB_MAX, youngGenerationFlags } from "./young-generation.ts";
