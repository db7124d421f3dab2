/** Door of the replication floor: what the replicated log holds, and how it is led. */
export { Barrier, READS_WAITING_MAX } from "./barrier.ts";
export {
  EMPTY_HEAD,
  type Head,
  type Judged,
  judge,
  type Opened,
  open,
  type Sealed,
  seal,
  type VoidReason,
  type Witness,
  witnessFault,
  witnessOf,
} from "./chain.ts";
export { ClusterTime } from "./cluster-time.ts";
export {
  type AskOutcome,
  type CampaignReason,
  Candidacy,
  ELECTION_TIMES,
  type ElectionTimes,
  Lead,
  SINGLE_MASTER_TIMES,
} from "./election.ts";
export { type Fed, Follower, type LogBytes } from "./follower.ts";
export {
  type LogRecord,
  LogRecordSchema,
  OPERATION_BYTES_MAX,
  OPERATIONS_PER_RECORD_MAX,
  RECORD_VERSION,
  type RegistryOperation,
  RegistryOperationSchema,
  recordFault,
  recordVersionOf,
  versionOf,
} from "./records.ts";
export {
  AGENTS_ABSENT_MAX,
  type AgentCondition,
  apply,
  applyAll,
  type CompletedFramework,
  EMPTY_REGISTRY,
  FRAMEWORKS_COMPLETED_MAX,
  type RegisteredAgent,
  type RegisteredDrain,
  type RegisteredFramework,
  type RegisteredOperation,
  type RegisteredQuota,
  type RegisteredSnapshot,
  type Registry,
} from "./registry.ts";
export {
  chunksOf,
  operationsIn,
  operationsOf,
  type Restored,
  restoredFrom,
  SnapshotReader,
  takenOf,
} from "./snapshot.ts";
export { DIGEST_BYTES, sha256, toHex } from "./sha256.ts";
export {
  APPENDS_IN_FLIGHT_DEFAULT,
  APPENDS_IN_FLIGHT_MAX,
  OPERATIONS_PROPOSED_MAX,
  type RecordTime,
  END_ABSENT_TIMES,
  RESOLVE_RETRY_MS,
  Writer,
  type WriterCommand,
  type WriterOptions,
} from "./writer.ts";
