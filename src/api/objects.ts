/**
 * What people see over HTTP and in the command line's JSON: objects with names and units that do
 * not change. Each has a `version`, the id of the operator event that changed it last. These are
 * not the nouns of the wire (`#protocol`): views make these from those.
 */
import { type Static, Type } from "@sinclair/typebox";
import {
  ContainerInfoSchema,
  LimitationSchema,
  oneOf,
  SecretSchema,
  TASK_STATE_NAMES,
  type TaskState,
} from "#protocol";

const Text = Type.String();
const Count = Type.Integer({ minimum: 0 });
/** Milliseconds since 1970. */
const Moment = Type.Number();

/** Amounts: cpus and gpus in units, memory and disk in MiB, ports as text like [31000-31002]. */
export const AmountsSchema = Type.Object({
  cpus: Type.Number(),
  memMib: Type.Number(),
  diskMib: Type.Number(),
  gpus: Type.Number(),
  ports: Type.Optional(Text),
});
export type Amounts = Static<typeof AmountsSchema>;

export const TaskHistoryEntrySchema = Type.Object({
  state: oneOf<TaskState>(TASK_STATE_NAMES),
  atMs: Moment,
  source: Text,
  reason: Type.Optional(Text),
  message: Type.Optional(Text),
  uuid: Type.Optional(Text),
});

/** What a task uses, as its agent measured it last. */
export const UsageSchema = Type.Object({
  cpuMs: Type.Number(),
  memMib: Type.Number(),
  memPeakMib: Type.Optional(Type.Number()),
  pids: Type.Optional(Type.Number()),
});
export type Usage = Static<typeof UsageSchema>;

export const TaskObjectSchema = Type.Object({
  id: Text,
  name: Text,
  frameworkId: Text,
  framework: Text,
  agentId: Text,
  hostname: Text,
  role: Text,
  state: oneOf<TaskState>(TASK_STATE_NAMES),
  reason: Type.Optional(Text),
  message: Type.Optional(Text),
  /** Exit code of the command, 128 + signal where a signal ended it. */
  exitCode: Type.Optional(Type.Integer()),
  limitation: Type.Optional(LimitationSchema),
  resources: AmountsSchema,
  usage: Type.Optional(UsageSchema),
  containerId: Type.Optional(Text),
  cgroup: Type.Optional(Text),
  launchedAtMs: Moment,
  startedAtMs: Type.Optional(Moment),
  endedAtMs: Type.Optional(Moment),
  history: Type.Array(TaskHistoryEntrySchema),
  version: Text,
});
export type TaskObject = Static<typeof TaskObjectSchema>;

/** When a machine is to be away; without a duration that has no end. */
const windowFields = { startMs: Moment, durationMs: Type.Optional(Type.Number()) };

/** A part of an agent that one role alone is offered. */
export const ReservationObjectSchema = Type.Object({
  role: Text,
  /** `STATIC`: by the agent's flags; `DYNAMIC`: by an operation. */
  type: oneOf(["STATIC", "DYNAMIC"] as const),
  principal: Type.Optional(Text),
  amounts: AmountsSchema,
});
export type ReservationObject = Static<typeof ReservationObjectSchema>;

/** Disk that outlives the tasks that mount it. */
export const VolumeObjectSchema = Type.Object({
  id: Text,
  role: Text,
  principal: Type.Optional(Text),
  diskMib: Type.Number(),
  containerPath: Text,
});
export type VolumeObject = Static<typeof VolumeObjectSchema>;

export const AgentObjectSchema = Type.Object({
  id: Text,
  principal: Text,
  hostname: Text,
  condition: Text,
  /** How limits are enforced there: v2, v1, hybrid or none. */
  isolation: Text,
  agentVersion: Text,
  attributes: Type.Record(Text, Text),
  total: AmountsSchema,
  used: AmountsSchema,
  offered: AmountsSchema,
  tasks: Count,
  registeredAtMs: Moment,
  /** The last time that a leader took it up again; absent until one has. */
  reregisteredAtMs: Type.Optional(Moment),
  /** `active`, `deactivated`, `draining`, `drained` or `down`: whether it is offered. */
  activity: oneOf(["active", "deactivated", "draining", "drained", "down"] as const),
  drain: Type.Optional(
    Type.Object({
      markGone: Type.Boolean(),
      maxGracePeriodMs: Type.Optional(Type.Number()),
      sinceMs: Moment,
    }),
  ),
  /** Its machine's maintenance window. */
  unavailability: Type.Optional(Type.Object(windowFields)),
  /** What frameworks said when they were asked to leave it. */
  inverseOffers: Type.Array(
    Type.Object({ frameworkId: Text, answer: oneOf(["UNKNOWN", "ACCEPT", "DECLINE"] as const) }),
  ),
  reservations: Type.Array(ReservationObjectSchema),
  volumes: Type.Array(VolumeObjectSchema),
  /** Operations whose end is not known, or not acknowledged. */
  operations: Type.Array(
    Type.Object({
      id: Text,
      type: Text,
      state: Text,
      frameworkId: Type.Optional(Text),
      resources: Text,
    }),
  ),
  version: Text,
});
export type AgentObject = Static<typeof AgentObjectSchema>;

export const FrameworkObjectSchema = Type.Object({
  id: Text,
  name: Text,
  principal: Text,
  roles: Type.Array(Text),
  suppressedRoles: Type.Array(Text),
  connected: Type.Boolean(),
  active: Type.Boolean(),
  used: AmountsSchema,
  offered: AmountsSchema,
  tasks: Count,
  subscribedAtMs: Moment,
  version: Text,
});
export type FrameworkObject = Static<typeof FrameworkObjectSchema>;

export const OfferObjectSchema = Type.Object({
  id: Text,
  frameworkId: Text,
  framework: Text,
  agentId: Text,
  hostname: Text,
  role: Text,
  resources: AmountsSchema,
  madeAtMs: Moment,
  version: Text,
});
export type OfferObject = Static<typeof OfferObjectSchema>;

/** Amounts by the name of the resource: cpus in units, mem and disk in MiB. */
const ByName = Type.Record(Text, Type.Number());
export type ByName = Static<typeof ByName>;

const quotaFields = {
  /** What the role is kept, whatever others ask for. */
  guarantee: ByName,
  /** What it may have at most; what is not named is not limited. */
  limit: ByName,
  /** Whether others may use, as revocable, what of the guarantee the role does not. */
  lends: Type.Boolean(),
};

/** A role in which frameworks stand, or that has a weight or a quota of its own. */
export const RoleObjectSchema = Type.Object({
  name: Text,
  weight: Type.Number(),
  /** Dominant share of the role and all below it, 0 to 1. */
  share: Type.Number(),
  /** Share ÷ weight, by which roles are served. */
  weightedShare: Type.Number(),
  frameworks: Type.Array(Text),
  used: AmountsSchema,
  offered: AmountsSchema,
  quota: Type.Optional(Type.Object(quotaFields)),
  /** What quota counts: reservations, held or not, and unreserved use, offers included. */
  consumed: ByName,
  version: Text,
});
export type RoleObject = Static<typeof RoleObjectSchema>;

export const QuotaObjectSchema = Type.Object({
  /** Of the role. */
  name: Text,
  ...quotaFields,
  consumed: ByName,
  version: Text,
});
export type QuotaObject = Static<typeof QuotaObjectSchema>;

const AmountsAsked = Type.Record(Text, Type.Number({ minimum: 0 }));

/** The whole quota: what is not named is neither guaranteed nor limited. */
export const QuotaRequestSchema = Type.Object(
  {
    guarantee: Type.Optional(AmountsAsked),
    limit: Type.Optional(AmountsAsked),
    lends: Type.Optional(Type.Boolean()),
    /** Also where the cluster is too small for it, or the role has more than the limit already. */
    force: Type.Optional(Type.Boolean()),
    /** Judge it, and change nothing. */
    dryRun: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type QuotaRequest = Static<typeof QuotaRequestSchema>;

export const WeightObjectSchema = Type.Object({
  /** Of the role. */
  name: Text,
  weight: Type.Number(),
  version: Text,
});
export type WeightObject = Static<typeof WeightObjectSchema>;

export const ClusterStatusSchema = Type.Object({
  cluster: Text,
  /** Version of the build that answers. */
  build: Text,
  masterId: Text,
  leader: Type.Optional(Type.Object({ masterId: Text, epoch: Count })),
  agents: Type.Record(Text, Count),
  frameworks: Count,
  tasks: Type.Record(Text, Count),
  total: AmountsSchema,
  used: AmountsSchema,
  offered: AmountsSchema,
  /** Sentences about what is not as it should be: no root, no leader, memory bus. */
  warnings: Type.Array(Text),
});
export type ClusterStatus = Static<typeof ClusterStatusSchema>;

/** Most instances of one run. */
export const RUN_INSTANCES_MAX = 10_000;

/** What `meseta run` asks for. Amounts as in `AmountsSchema`. */
export const RunRequestSchema = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 200 })),
    argv: Type.Array(Type.String({ maxLength: 128 * 1024 }), { minItems: 1, maxItems: 1024 }),
    instances: Type.Optional(Type.Integer({ minimum: 1, maximum: RUN_INSTANCES_MAX })),
    cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000 })),
    memMib: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1e9 })),
    diskMib: Type.Optional(Type.Number({ minimum: 0, maximum: 1e12 })),
    /** How many ports; their numbers stand in PORT0, PORT1 … */
    ports: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
    role: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    env: Type.Optional(Type.Record(Text, Text)),
    /** Variables to the names of their secrets, which the agent knows. */
    secrets: Type.Optional(Type.Record(Text, SecretSchema.properties.reference.properties.name)),
    container: Type.Optional(ContainerInfoSchema),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    graceMs: Type.Optional(Type.Integer({ minimum: 0 })),
    /** On what other roles lend alone: cheaper to get, and ended when they ask for it back. */
    revocable: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type RunRequest = Static<typeof RunRequestSchema>;

/** How a task ended, as its agent or the master said it. */
export const TaskEndSchema = Type.Object({
  taskId: Text,
  state: oneOf<TaskState>(TASK_STATE_NAMES),
  atMs: Moment,
  reason: Type.Optional(Text),
  message: Type.Optional(Text),
  /** Exit code of the command, 128 + signal where a signal ended it. */
  exitCode: Type.Optional(Type.Integer()),
  limitation: Type.Optional(LimitationSchema),
});
export type TaskEnd = Static<typeof TaskEndSchema>;

export const RunObjectSchema = Type.Object({
  id: Text,
  name: Text,
  frameworkId: Type.Optional(Text),
  role: Text,
  wanted: Count,
  /** How many instances wait for an offer, are placed, run, have ended well, ended badly. */
  waiting: Count,
  placed: Count,
  running: Count,
  finished: Count,
  failed: Count,
  taskIds: Type.Array(Text),
  /** Those of them that have ended, as the framework was told: never missing an end. */
  ended: Type.Array(TaskEndSchema),
  resources: AmountsSchema,
  createdAtMs: Moment,
  /** Why the waiting ones wait, in a sentence with numbers, once that is known. */
  blockedBy: Type.Optional(Text),
  cancelled: Type.Boolean(),
  version: Text,
});
export type RunObject = Static<typeof RunObjectSchema>;

export const WhyObjectSchema = Type.Object({
  name: Text,
  /** What bears the name. */
  kind: oneOf(["run", "framework", "role", "agent", "task"] as const),
  /** Sentences with figures. */
  summary: Text,
  /** How many agents (of an agent: subscriptions) each reason keeps away. */
  counts: Type.Record(Text, Count),
  agents: Type.Array(
    Type.Object({
      agentId: Text,
      hostname: Text,
      /** The first rule that keeps it from being offered; absent: nothing does. */
      reason: Type.Optional(Text),
      detail: Text,
    }),
  ),
  /** Of an agent: each framework in each of its roles. */
  subscriptions: Type.Array(
    Type.Object({
      frameworkId: Text,
      framework: Text,
      role: Text,
      reason: Type.Optional(Text),
      detail: Text,
    }),
  ),
});
export type WhyObject = Static<typeof WhyObjectSchema>;

/** A page of a list; `next` is the cursor of the following page. */
export function pageOf<Item extends ReturnType<typeof Type.Object>>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    next: Type.Optional(Type.String()),
    /** Id of the last operator event that the page has seen. */
    index: Type.String(),
  });
}

/** What a folder of a sandbox holds. */
export const FolderObjectSchema = Type.Object({
  entries: Type.Array(
    Type.Object({
      name: Type.String(),
      kind: oneOf(["file", "directory", "other"] as const),
      bytes: Type.Integer({ minimum: 0 }),
      modifiedMs: Type.Number(),
    }),
  ),
  /** false: the folder holds more than one listing does. */
  isComplete: Type.Boolean(),
});
export type FolderObject = Static<typeof FolderObjectSchema>;

/** RESERVE and UNRESERVE name resources, CREATE and DESTROY one volume. */
export const OperationRequestSchema = Type.Object(
  {
    type: oneOf(["RESERVE", "UNRESERVE", "CREATE", "DESTROY"] as const),
    role: Type.String({ minLength: 1, maxLength: 255 }),
    /** Whose reservation or volume it is; asked only where several could be meant. */
    principal: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    /** As flags of agents name them: cpus:2;mem:512. */
    resources: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
    volume: Type.Optional(
      Type.Object(
        {
          id: Type.String({ minLength: 1, maxLength: 200 }),
          /** Of CREATE; MiB. */
          diskMib: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
          /** Of CREATE: where tasks find it, in their sandbox unless it begins with /. */
          containerPath: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type OperationRequest = Static<typeof OperationRequestSchema>;

const Machines = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
  minItems: 1,
  maxItems: 4096,
});
export const MachinesRequestSchema = Type.Object(
  { machines: Machines },
  { additionalProperties: false },
);

/** The whole schedule: it replaces the one there is. */
export const ScheduleRequestSchema = Type.Object(
  {
    windows: Type.Array(
      Type.Object({ machines: Machines, ...windowFields }, { additionalProperties: false }),
      { maxItems: 256 },
    ),
  },
  { additionalProperties: false },
);

/** A machine that is scheduled for maintenance, or down for it. */
export const MachineObjectSchema = Type.Object({
  name: Text,
  mode: oneOf(["DRAINING", "DOWN"] as const),
  ...windowFields,
  agents: Type.Array(Text),
  /** What frameworks there said when they were asked to leave. */
  answers: Type.Array(
    Type.Object({ frameworkId: Text, answer: oneOf(["UNKNOWN", "ACCEPT", "DECLINE"] as const) }),
  ),
});
export type MachineObject = Static<typeof MachineObjectSchema>;
export const MaintenanceObjectSchema = Type.Object({ machines: Type.Array(MachineObjectSchema) });
