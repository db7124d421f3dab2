/** Door of the daemon floor: brokers, trust, and what starts processes. */
export * from "./broker.ts";
export * from "./broker-binary.ts";
export { brokerConfigText } from "./broker-config.ts";
export { BrokerUnavailable } from "./broker-provision.ts";
export * from "./broker-sources.ts";
export { createBrokerCredential } from "./broker-command.ts";
export {
  type BrokerCredential,
  certificateEndMs,
  readBrokerCredential,
} from "./broker-credential.ts";
export { runBroker } from "./broker-process.ts";
export { type BrokerAnswer, Formation, type Standing, standingOf } from "./broker-watch.ts";
export { parseMembers } from "./broker-members.ts";
export { createCredential } from "./credential-command.ts";
export { type Connections, localConnections } from "./connections.ts";
export * from "./credentials.ts";
export { type MasterProcess, type MasterProcessOptions, startMaster } from "./master.ts";
export { layoutOf, readUpRecord, type UpRecord } from "./data-dir.ts";
export * from "./log-tools.ts";
export { BOUND_SETTINGS_DEFAULT, boundsOf } from "./bound-settings.ts";
export { mountOf } from "./probe-quota.ts";
export { readNetworks } from "./network-settings.ts";
export { INSIDE_SETTINGS_DEFAULT, insideOptions, parseProfile } from "./inside-settings.ts";
export * from "./machine-share.ts";
export * from "./probe-machine.ts";
export * from "./process-mark.ts";
export { openBrokerAuthority, readBrokerAuthority } from "./broker-authority.ts";
export { parseListen, startBrokerListener } from "./broker-listener.ts";
export { type JoinLine, joinLineText, parseJoinLine } from "./join-line.ts";
export { fateOfToken, JoinTokens } from "./join-tokens.ts";
export { EXECUTOR_POOL_LENGTH, ExecutorCredentials } from "./executor-credentials.ts";
export { principalOf, startRegistrar } from "./registrar.ts";
export { runRegistrar } from "./registrar-process.ts";
export { joinCluster, renewOnce } from "./join.ts";
export * from "./restarts.ts";
export { runAgent, runMaster } from "./role-processes.ts";
export { readSnapshotFile, type SnapshotFile } from "./snapshot-file.ts";
export { type RestoredLog, type Restoring, restoreSnapshot } from "./snapshot-restore.ts";
export { listCredentials, revokeCredential, type ShownCredential } from "./revoke-command.ts";
export { Revocations } from "./revocations.ts";
export { createToken, listTokens, revokeToken, type ShownToken } from "./token-command.ts";
export { runDown, runUp, type SavedContext, type UpDoors } from "./up.ts";
export { YOUNG_GENERATION_MIB_MAX, youngGenerationFlags } from "./young-generation.ts";
