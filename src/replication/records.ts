/**
 * What can be written into the replicated log: named operations with their fields, and the
 * record that carries a batch of them. Operations are never renamed and never lose a field; a
 * change of meaning is a new name. No structural patches: a patch is a path into one version's
 * shape (P-1.7).
 */
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import {
  AgentIdSchema,
  AgentInfoSchema,
  FrameworkIdSchema,
  FrameworkInfoSchema,
  MAINTENANCE_WINDOWS_MAX,
  MasterIdSchema,
  MaintenanceWindowSchema,
  PrincipalSchema,
  QuantitiesSchema,
  ResourceOperationSchema,
  RoleSchema,
  UuidSchema,
} from "#protocol";

/**
 * Highest version of records that this build knows; it reads this one and all older ones. A
 * record has the lowest version that knows its operations, so that old masters read what they can.
 */
export const RECORD_VERSION = 3;
/** Most operations of one record. */
export const OPERATIONS_PER_RECORD_MAX = 4096;
/** Largest operation once encoded, in bytes; whoever proposes a larger one is refused. */
export const OPERATION_BYTES_MAX = 64 * 1024;
/** Largest chunk of a snapshot, in bytes of its parts (P-7.7). */
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024;
/** Masters that a snapshot names: as many as ever led. */
export const MASTERS_KNOWN_MAX = 1024;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Version = Type.Integer({ minimum: 1, maximum: 1_000_000 });

function operation<Kind extends string, Fields extends Parameters<typeof Type.Object>[0]>(
  kind: Kind,
  fields: Fields,
) {
  return Type.Object({ kind: Type.Literal(kind), ...fields });
}

/** First operation of a log: its name, and how often it has been restored (P-7.4). */
const LogCreated = operation("LogCreated", {
  logId: Type.String({ minLength: 1, maxLength: 128 }),
  generation: Count,
  /** As in `MinimumVersion`; absent: 1. */
  minimumVersion: Type.Optional(Version),
});
/** The writer leads from this position on; its epoch is generation × 2^40 + position. */
const LeaderElected = operation("LeaderElected", {
  masterId: MasterIdSchema,
  /** Highest version of records that it knows; absent: 1 (P-7.8). */
  version: Type.Optional(Version),
});
/**
 * The writer leads no longer: it is silent since before this record was sent, so whoever reads it
 * need not wait for that (P-7.3).
 */
const LeadYielded = operation("LeadYielded", { masterId: MasterIdSchema });
/** From here on records of that version are written: every master that ever led knows it. */
const MinimumVersion = operation("MinimumVersion", { version: Version });
/** A part of the registry as it was at position `of`: operations that make it, each encoded. */
const SnapshotChunk = operation("SnapshotChunk", {
  of: Count,
  index: Count,
  parts: Type.Array(Type.Uint8Array({ maxByteLength: OPERATION_BYTES_MAX }), { maxItems: 4096 }),
});
/** All chunks were written and read back: a reader may begin behind `position` (P-7.7). */
const SnapshotTaken = operation("SnapshotTaken", {
  position: Count,
  /** Chain hash of the record there: the first surviving one must follow it. */
  hash: Type.String({ maxLength: 64 }),
  logId: Type.String({ minLength: 1, maxLength: 128 }),
  generation: Count,
  epoch: Count,
  clusterTimeMs: Count,
  minimumVersion: Version,
  masters: Type.Array(Type.Object({ masterId: MasterIdSchema, version: Version }), {
    maxItems: MASTERS_KNOWN_MAX,
  }),
  chunks: Count,
});
/** Positions before this one are forgotten, once this record is committed. */
const LogTruncated = operation("LogTruncated", { before: Count });
/** Proof of lead and barrier for reads (P-7.2); changes nothing. */
const Proof = operation("Proof", {});
/** An agent exists, tied to the principal that brought it (P-4.2). */
const AgentAdmitted = operation("AgentAdmitted", {
  agentId: AgentIdSchema,
  principal: PrincipalSchema,
  incarnation: Count,
  bootId: Type.String({ maxLength: 128 }),
  info: AgentInfoSchema,
});
/** A known agent came back with another incarnation, boot or description. */
const AgentUpdated = operation("AgentUpdated", {
  agentId: AgentIdSchema,
  incarnation: Count,
  bootId: Type.String({ maxLength: 128 }),
  info: AgentInfoSchema,
});
const AgentMarkedUnreachable = operation("AgentMarkedUnreachable", {
  agentId: AgentIdSchema,
  /** Wall clock for people and for `unreachable_time`. */
  atMs: Type.Number(),
});
const AgentMarkedReachable = operation("AgentMarkedReachable", {
  agentId: AgentIdSchema,
  incarnation: Count,
  bootId: Type.String({ maxLength: 128 }),
  info: AgentInfoSchema,
});
/** Never readmitted; its tasks are TASK_GONE_BY_OPERATOR. */
const AgentMarkedGone = operation("AgentMarkedGone", {
  agentId: AgentIdSchema,
  atMs: Type.Number(),
});
/** Forgotten altogether, as if it had never been. */
const AgentRemoved = operation("AgentRemoved", { agentId: AgentIdSchema });

const FrameworkAdmitted = operation("FrameworkAdmitted", {
  frameworkId: FrameworkIdSchema,
  principal: PrincipalSchema,
  /** Nonce of its first subscription: asked twice, answered the same (P-4.4). */
  nonce: UuidSchema,
  info: FrameworkInfoSchema,
});
const FrameworkUpdated = operation("FrameworkUpdated", {
  frameworkId: FrameworkIdSchema,
  info: FrameworkInfoSchema,
});
/** Its failover timeout runs, against cluster time, from the time of this record (P-6.3). */
const FrameworkDisconnected = operation("FrameworkDisconnected", {
  frameworkId: FrameworkIdSchema,
  /** Cluster time since when, in a snapshot; absent: that of this record. */
  sinceMs: Type.Optional(Count),
});
const FrameworkReturned = operation("FrameworkReturned", { frameworkId: FrameworkIdSchema });
const Completion = Type.Union([
  Type.Literal("teardown"),
  Type.Literal("operator"),
  Type.Literal("failover-timeout"),
]);
/** That id can never subscribe again. */
const FrameworkCompleted = operation("FrameworkCompleted", {
  frameworkId: FrameworkIdSchema,
  why: Completion,
});
/** A completed framework, in a snapshot: what is still known of it. */
const FrameworkRemembered = operation("FrameworkRemembered", {
  frameworkId: FrameworkIdSchema,
  principal: PrincipalSchema,
  nonce: UuidSchema,
  why: Completion,
});
/** The role's quota from here on, whole: what is not named is neither guaranteed nor limited. */
const QuotaSet = operation("QuotaSet", {
  role: RoleSchema,
  guarantee: QuantitiesSchema,
  limit: QuantitiesSchema,
  /** Whether others may use, as revocable, what of the guarantee the role does not. */
  lends: Type.Boolean(),
});
const QuotaRemoved = operation("QuotaRemoved", { role: RoleSchema });
/** 1 is the weight of a role that none was set for. */
const WeightSet = operation("WeightSet", {
  role: RoleSchema,
  weight: Type.Number({ exclusiveMinimum: 0, maximum: 1e9 }),
});

/** Nothing of the agent is offered any more; what runs there goes on. */
const AgentDeactivated = operation("AgentDeactivated", { agentId: AgentIdSchema });
/** Nothing of it is offered, and what runs there is killed; ends as drained, or as gone. */
const AgentDraining = operation("AgentDraining", {
  agentId: AgentIdSchema,
  maxGracePeriodMs: Type.Optional(Count),
  markGone: Type.Boolean(),
  /** Wall clock, for people. */
  atMs: Type.Number(),
});
/** Nothing runs there any more and nothing is left to be told. */
const AgentDrained = operation("AgentDrained", { agentId: AgentIdSchema, atMs: Type.Number() });
/** It is offered again: whatever kept it from that is over, a drain called off. */
const AgentReactivated = operation("AgentReactivated", { agentId: AgentIdSchema });
/** The whole schedule from here on. Machines that are down keep being so. */
const MaintenanceScheduled = operation("MaintenanceScheduled", {
  windows: Type.Array(MaintenanceWindowSchema, { maxItems: MAINTENANCE_WINDOWS_MAX }),
});
const Hostnames = MaintenanceWindowSchema.properties.hostnames;
/** Agents of these machines are not admitted until they are up. */
const MachinesDown = operation("MachinesDown", { hostnames: Hostnames });
/** Their windows are over. */
const MachinesUp = operation("MachinesUp", { hostnames: Hostnames });
/** An operator wants this of the agent's resources, until it is closed (P-8.1). */
const OperationOpened = operation("OperationOpened", {
  operationUuid: UuidSchema,
  agentId: AgentIdSchema,
  operation: ResourceOperationSchema,
});
/** The agent has done it or refused it, and has that on disk. */
const OperationClosed = operation("OperationClosed", { operationUuid: UuidSchema });

/** Only agents on these hosts are offered; absent: all. */
const WhitelistSet = operation("WhitelistSet", { hostnames: Type.Optional(Hostnames) });

export const RegistryOperationSchema = Type.Union([
  LogCreated,
  LeaderElected,
  Proof,
  AgentAdmitted,
  AgentUpdated,
  AgentMarkedUnreachable,
  AgentMarkedReachable,
  AgentMarkedGone,
  AgentRemoved,
  FrameworkAdmitted,
  FrameworkUpdated,
  FrameworkDisconnected,
  FrameworkReturned,
  FrameworkCompleted,
  WeightSet,
  QuotaSet,
  QuotaRemoved,
  LeadYielded,
  MinimumVersion,
  SnapshotChunk,
  SnapshotTaken,
  LogTruncated,
  FrameworkRemembered,
  AgentDeactivated,
  AgentDraining,
  AgentDrained,
  AgentReactivated,
  MaintenanceScheduled,
  MachinesDown,
  MachinesUp,
  OperationOpened,
  OperationClosed,
  WhitelistSet,
]);
export type RegistryOperation = Static<typeof RegistryOperationSchema>;

/** Version in which a kind came; those not named have been there from the first. */
const SINCE: Partial<Record<RegistryOperation["kind"], number>> = {
  LeadYielded: 2,
  MinimumVersion: 2,
  SnapshotChunk: 2,
  SnapshotTaken: 2,
  LogTruncated: 2,
  FrameworkRemembered: 2,
  AgentDeactivated: 3,
  AgentDraining: 3,
  AgentDrained: 3,
  AgentReactivated: 3,
  MaintenanceScheduled: 3,
  MachinesDown: 3,
  MachinesUp: 3,
  OperationOpened: 3,
  OperationClosed: 3,
  WhitelistSet: 3,
};

/** Lowest version of a master that understands the operation. */
export function versionOf(operation: RegistryOperation): number {
  // Who cannot follow where this leads must stop here, and be told why.
  if (operation.kind === "MinimumVersion") return Math.max(2, operation.version);
  if (operation.kind === "LogCreated") return operation.minimumVersion ?? 1;
  // It stands for all that was before it, where the log has been truncated.
  if (operation.kind === "SnapshotTaken") return Math.max(2, operation.minimumVersion);
  return SINCE[operation.kind] ?? 1;
}

/** Version of a record with these operations. */
export function recordVersionOf(operations: readonly RegistryOperation[]): number {
  return operations.reduce((version, each) => Math.max(version, versionOf(each)), 1);
}

export const LogRecordSchema = Type.Object({
  v: Type.Integer({ minimum: 1 }),
  /** Of the election in force; an election's own is made from its own position. */
  epoch: Count,
  /** Master that wrote it. */
  writer: MasterIdSchema,
  /** Made by the writer; own id at expected + 1 means committed (P-7.1). */
  id: Type.String({ minLength: 1, maxLength: 64 }),
  /** Monotone count of milliseconds that the cluster has lived (P-6.3). */
  clusterTimeMs: Count,
  /** Wall clock of the writer: only for people, and to span a total outage. */
  wallMs: Type.Number(),
  /** Chain hash of the valid record before this one in hexadecimal; empty for the first. */
  previous: Type.String({ maxLength: 64 }),
  operations: Type.Array(RegistryOperationSchema, {
    minItems: 1,
    maxItems: OPERATIONS_PER_RECORD_MAX,
  }),
});
export type LogRecord = Static<typeof LogRecordSchema>;

const check = TypeCompiler.Compile(LogRecordSchema);
const checkOperation = TypeCompiler.Compile(RegistryOperationSchema);

/** The value as an operation, such as a part of a snapshot. */
export function isOperation(value: unknown): value is RegistryOperation {
  return checkOperation.Check(value);
}

/** Why `value` is no record that this build understands; undefined where it is one. */
export function recordFault(value: unknown): string | undefined {
  if (check.Check(value)) return undefined;
  const first = check.Errors(value).First();
  return first === undefined ? "not a record" : `${first.path || "/"}: ${first.message}`;
}

/** The value as a record. Ask `recordFault` where it may be none. */
export function isRecord(value: unknown): value is LogRecord {
  return check.Check(value);
}
