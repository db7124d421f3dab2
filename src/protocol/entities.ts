/**
 * The nouns that messages, HTTP and disk share, as schemas; the types come from the schemas.
 * Fields are those of the Mesos v1 API in camel case. Quantities are integer thousandths, so
 * that sums are exact everywhere.
 */
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import {
  type AgentId,
  type ContainerId,
  type ExecutorId,
  type FrameworkId,
  ID_LENGTH_MAX,
  ID_PATTERN,
  type InstanceId,
  type InverseOfferId,
  type MasterId,
  type OfferId,
  type OperationId,
  type Principal,
  type TaskId,
  type Uuid,
} from "./ids.ts";
import { TaskControlsSchema } from "./controls.ts";
import { ContainerInfoSchema, SecretSchema } from "./containers.ts";
import {
  STATUS_REASON_NAMES,
  STATUS_SOURCE_NAMES,
  type StatusReason,
  type StatusSource,
} from "./status-reasons.ts";
import { TASK_STATE_NAMES, type TaskState } from "./task-states.ts";

function id<Id extends string>() {
  return Type.Unsafe<Id>(Type.String({ pattern: ID_PATTERN, maxLength: ID_LENGTH_MAX }));
}

/** One of a closed list of words. */
export function oneOf<Word extends string>(words: readonly Word[]) {
  return Type.Unsafe<Word>(Type.Union(words.map((word) => Type.Literal(word))));
}

export const AgentIdSchema = id<AgentId>();
export const FrameworkIdSchema = id<FrameworkId>();
export const ExecutorIdSchema = id<ExecutorId>();
export const TaskIdSchema = id<TaskId>();
export const OfferIdSchema = id<OfferId>();
export const OperationIdSchema = id<OperationId>();
export const InverseOfferIdSchema = id<InverseOfferId>();
export const ContainerIdSchema = id<ContainerId>();
export const PrincipalSchema = id<Principal>();
export const InstanceIdSchema = id<InstanceId>();
export const MasterIdSchema = id<MasterId>();
export const StreamIdSchema = id<string>();
export const UuidSchema = Type.Unsafe<Uuid>(
  Type.String({ pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" }),
);

/** Longest role name; a path of roles such as eng/web/blue. */
export const ROLE_LENGTH_MAX = 255;
export const RoleSchema = Type.String({ minLength: 1, maxLength: ROLE_LENGTH_MAX });
const Text = Type.String({ maxLength: 4096 });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Milliseconds = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** At most `maxItems` of `item`. */
function list<Item extends TSchema>(item: Item, maxItems: number) {
  return Type.Array(item, { maxItems });
}

export const LabelSchema = Type.Object({ key: Text, value: Type.Optional(Text) });
export type Label = Static<typeof LabelSchema>;
export const LabelsSchema = list(LabelSchema, 256);

/** Amounts of scalars by name, in thousandths; one entry for each name. */
export const QuantitiesSchema = list(
  Type.Object({ name: Type.String({ minLength: 1, maxLength: 255 }), milli: Count }),
  32,
);
export type WireQuantities = Static<typeof QuantitiesSchema>;

export const ReservationSchema = Type.Object({
  type: oneOf(["STATIC", "DYNAMIC"] as const),
  role: RoleSchema,
  principal: Type.Optional(Text),
  labels: Type.Optional(LabelsSchema),
});
export type Reservation = Static<typeof ReservationSchema>;

export const DiskSchema = Type.Object({
  persistence: Type.Optional(Type.Object({ id: id<string>(), principal: Type.Optional(Text) })),
  volume: Type.Optional(
    Type.Object({
      containerPath: Text,
      hostPath: Type.Optional(Text),
      mode: oneOf(["RW", "RO"] as const),
    }),
  ),
  source: Type.Optional(
    Type.Object({
      type: oneOf(["PATH", "MOUNT", "BLOCK", "RAW"] as const),
      root: Type.Optional(Text),
      vendor: Type.Optional(Text),
      id: Type.Optional(Text),
      metadata: Type.Optional(LabelsSchema),
      profile: Type.Optional(Text),
    }),
  ),
});
export type Disk = Static<typeof DiskSchema>;

/** One resource with everything that is said of it (mesos.md §10.2). */
export const ResourceSchema = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 128 }),
  type: oneOf(["SCALAR", "RANGES", "SET"] as const),
  scalar: Type.Optional(Type.Object({ milli: Count })),
  ranges: Type.Optional(
    Type.Object({ range: list(Type.Object({ begin: Count, end: Count }), 1024) }),
  ),
  set: Type.Optional(Type.Object({ item: list(Text, 1024) })),
  providerId: Type.Optional(Text),
  allocationInfo: Type.Optional(Type.Object({ role: RoleSchema })),
  reservations: Type.Optional(list(ReservationSchema, 16)),
  disk: Type.Optional(DiskSchema),
  revocable: Type.Optional(Type.Object({})),
  shared: Type.Optional(Type.Object({})),
});
export type Resource = Static<typeof ResourceSchema>;
export const ResourcesSchema = list(ResourceSchema, 256);

export const AttributeSchema = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 128 }),
  type: oneOf(["SCALAR", "RANGES", "TEXT"] as const),
  scalar: Type.Optional(Type.Object({ milli: Type.Integer() })),
  ranges: Type.Optional(
    Type.Object({ range: list(Type.Object({ begin: Count, end: Count }), 1024) }),
  ),
  text: Type.Optional(Text),
});
export type Attribute = Static<typeof AttributeSchema>;

export const EnvironmentSchema = Type.Object({
  variables: list(
    Type.Object({
      name: Type.String({ minLength: 1, maxLength: 4096 }),
      /** Empty for a secret. */
      value: Type.String(),
      type: Type.Optional(oneOf(["VALUE", "SECRET"] as const)),
      secret: Type.Optional(SecretSchema),
    }),
    1024,
  ),
});

/** Longest argument list and longest text of a command, in entries and characters. */
export const COMMAND_ARGUMENTS_MAX = 1024;
export const COMMAND_VALUE_LENGTH_MAX = 128 * 1024;

export const CommandInfoSchema = Type.Object({
  /** true: `/bin/sh -c value`; false: `value` is the file, `arguments` the whole argv. */
  shell: Type.Boolean(),
  value: Type.String({ maxLength: COMMAND_VALUE_LENGTH_MAX }),
  arguments: Type.Optional(
    list(Type.String({ maxLength: COMMAND_VALUE_LENGTH_MAX }), COMMAND_ARGUMENTS_MAX),
  ),
  environment: Type.Optional(EnvironmentSchema),
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
});
export type CommandInfo = Static<typeof CommandInfoSchema>;

export const EXECUTOR_TYPES = ["DEFAULT", "CUSTOM"] as const;

export const ExecutorInfoSchema = Type.Object({
  executorId: ExecutorIdSchema,
  type: Type.Optional(oneOf(EXECUTOR_TYPES)),
  name: Type.Optional(Text),
  command: Type.Optional(CommandInfoSchema),
  container: Type.Optional(ContainerInfoSchema),
  resources: ResourcesSchema,
  labels: Type.Optional(LabelsSchema),
  shutdownGracePeriodMs: Type.Optional(Milliseconds),
});
export type ExecutorInfo = Static<typeof ExecutorInfoSchema>;

export const KillPolicySchema = Type.Object({ gracePeriodMs: Milliseconds });
export type KillPolicy = Static<typeof KillPolicySchema>;

export const TaskInfoSchema = Type.Object({
  name: Type.String({ maxLength: 1024 }),
  taskId: TaskIdSchema,
  agentId: AgentIdSchema,
  resources: ResourcesSchema,
  /** `cpus` and `mem` in thousandths; -1 stands for no limit (TASK_RESOURCE_LIMITS). */
  limits: Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: -1 }))),
  executor: Type.Optional(ExecutorInfoSchema),
  command: Type.Optional(CommandInfoSchema),
  container: Type.Optional(ContainerInfoSchema),
  controls: Type.Optional(TaskControlsSchema),
  killPolicy: Type.Optional(KillPolicySchema),
  maxCompletionTimeMs: Type.Optional(Milliseconds),
  labels: Type.Optional(LabelsSchema),
  data: Type.Optional(Type.Uint8Array({ maxByteLength: 64 * 1024 })),
});
export type TaskInfo = Static<typeof TaskInfoSchema>;

/** Most tasks of one group. */
export const TASK_GROUP_LENGTH_MAX = 64;
export const TaskGroupInfoSchema = Type.Object({
  tasks: Type.Array(TaskInfoSchema, { minItems: 1, maxItems: TASK_GROUP_LENGTH_MAX }),
});
export type TaskGroupInfo = Static<typeof TaskGroupInfoSchema>;

export const FRAMEWORK_CAPABILITIES = [
  "REVOCABLE_RESOURCES",
  "TASK_KILLING_STATE",
  "GPU_RESOURCES",
  "SHARED_RESOURCES",
  "PARTITION_AWARE",
  "MULTI_ROLE",
  "RESERVATION_REFINEMENT",
  "REGION_AWARE",
] as const;
export type FrameworkCapability = (typeof FRAMEWORK_CAPABILITIES)[number];

export const FrameworkInfoSchema = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  user: Type.String({ maxLength: 64 }),
  /** Roles subscribed to; every framework is multi-role. */
  roles: list(RoleSchema, 64),
  /** How long the framework may be away before its tasks are killed. */
  failoverTimeoutMs: Milliseconds,
  checkpoint: Type.Boolean(),
  capabilities: list(Type.Union([oneOf(FRAMEWORK_CAPABILITIES), Text]), 64),
  hostname: Type.Optional(Text),
  webuiUrl: Type.Optional(Text),
  labels: Type.Optional(LabelsSchema),
});
export type FrameworkInfo = Static<typeof FrameworkInfoSchema>;

export const AGENT_CAPABILITIES = [
  "MULTI_ROLE",
  "HIERARCHICAL_ROLE",
  "RESERVATION_REFINEMENT",
  "RESOURCE_PROVIDER",
  "RESIZE_VOLUME",
  "AGENT_OPERATION_FEEDBACK",
  "AGENT_DRAINING",
  "TASK_RESOURCE_LIMITS",
] as const;
export type AgentCapability = (typeof AGENT_CAPABILITIES)[number];

export const AgentInfoSchema = Type.Object({
  agentId: AgentIdSchema,
  hostname: Type.String({ minLength: 1, maxLength: 255 }),
  resources: ResourcesSchema,
  attributes: list(AttributeSchema, 256),
  capabilities: list(Type.Union([oneOf(AGENT_CAPABILITIES), Text]), 64),
  version: Type.String({ maxLength: 64 }),
  /** How limits are enforced on this machine: v2, v1, hybrid or none. */
  isolation: Type.String({ maxLength: 16 }),
});
export type AgentInfo = Static<typeof AgentInfoSchema>;

/** A maintenance window; without a duration it has no end. */
export const UnavailabilitySchema = Type.Object({
  /** Wall clock, ms since 1970. */
  startMs: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  durationMs: Type.Optional(Milliseconds),
});
export type WireUnavailability = Static<typeof UnavailabilitySchema>;

export const OfferSchema = Type.Object({
  offerId: OfferIdSchema,
  frameworkId: FrameworkIdSchema,
  agentId: AgentIdSchema,
  hostname: Text,
  resources: ResourcesSchema,
  attributes: list(AttributeSchema, 256),
  allocationRole: RoleSchema,
  /** The agent is to be away then. */
  unavailability: Type.Optional(UnavailabilitySchema),
});
export type Offer = Static<typeof OfferSchema>;

/** Asks for all of an agent back before a window begins; advisory (mesos.md §18). */
export const InverseOfferSchema = Type.Object({
  inverseOfferId: InverseOfferIdSchema,
  frameworkId: FrameworkIdSchema,
  agentId: AgentIdSchema,
  unavailability: UnavailabilitySchema,
});
export type InverseOffer = Static<typeof InverseOfferSchema>;

export const FiltersSchema = Type.Object({ refuseMs: Milliseconds });
export type Filters = Static<typeof FiltersSchema>;

export const ContainerStatusSchema = Type.Object({
  containerId: ContainerIdSchema,
  /** Path of the container's cgroup below the hierarchy's mount; absent without cgroups. */
  cgroup: Type.Optional(Text),
  executorPid: Type.Optional(Count),
});

/** What a limit took: resource, limit and peak, in the words of the kernel's counters. */
export const LimitationSchema = Type.Object({
  resource: Type.String({ maxLength: 64 }),
  limitBytes: Type.Optional(Count),
  peakBytes: Type.Optional(Count),
  detail: Type.Optional(Text),
});
export type Limitation = Static<typeof LimitationSchema>;

export const TaskStatusSchema = Type.Object({
  taskId: TaskIdSchema,
  state: oneOf<TaskState>(TASK_STATE_NAMES),
  message: Type.Optional(Text),
  source: oneOf<StatusSource>(STATUS_SOURCE_NAMES),
  reason: Type.Optional(oneOf<StatusReason>(STATUS_REASON_NAMES)),
  data: Type.Optional(Type.Uint8Array({ maxByteLength: 64 * 1024 })),
  agentId: Type.Optional(AgentIdSchema),
  executorId: Type.Optional(ExecutorIdSchema),
  /** Wall clock of who made it, ms since 1970. */
  timestampMs: Type.Number(),
  /** Present exactly where an acknowledgement is wanted. */
  uuid: Type.Optional(UuidSchema),
  healthy: Type.Optional(Type.Boolean()),
  labels: Type.Optional(LabelsSchema),
  containerStatus: Type.Optional(ContainerStatusSchema),
  unreachableTimeMs: Type.Optional(Type.Number()),
  limitation: Type.Optional(LimitationSchema),
  /** Exit code of the command, 128 + signal where a signal ended it. */
  exitCode: Type.Optional(Type.Integer()),
});
export type TaskStatus = Static<typeof TaskStatusSchema>;

/** A task as agents report it when they register: what runs, and how far its updates are. */
export const TaskRecordSchema = Type.Object({
  info: TaskInfoSchema,
  frameworkId: FrameworkIdSchema,
  executorId: ExecutorIdSchema,
  containerId: ContainerIdSchema,
  /** State that the framework was sent last and acknowledged or not. */
  statusUpdateState: Type.Optional(oneOf<TaskState>(TASK_STATE_NAMES)),
  /** State it is really in. */
  state: oneOf<TaskState>(TASK_STATE_NAMES),
  status: Type.Optional(TaskStatusSchema),
});
export type TaskRecord = Static<typeof TaskRecordSchema>;
