/**
 * Operator events: what views and pages are told. Ids are `<epoch>.<number>`; an epoch begins
 * with RESET and a snapshot in parts, so a reader that missed something asks for a snapshot.
 */
import { type Static, Type } from "@sinclair/typebox";
import {
  AgentIdSchema,
  AgentInfoSchema,
  ContainerIdSchema,
  ExecutorIdSchema,
  FrameworkIdSchema,
  FrameworkInfoSchema,
  OfferIdSchema,
  oneOf,
  PrincipalSchema,
  QuantitiesSchema,
  ResourcesSchema,
  RoleSchema,
  TaskIdSchema,
  TaskInfoSchema,
  TaskStatusSchema,
  UnavailabilitySchema,
  UuidSchema,
} from "./entities.ts";
import { AgentUsageSchema } from "./messages/agent.ts";
import { OPERATION_STATES, ResourceOperationSchema } from "./operations.ts";
import { TASK_STATE_NAMES, type TaskState } from "./task-states.ts";

const Wall = Type.Number();
const Milliseconds = Type.Number({ minimum: 0 });

export const AGENT_CONDITIONS = ["registered", "disconnected", "unreachable", "gone"] as const;

export const AgentViewSchema = Type.Object({
  info: AgentInfoSchema,
  principal: PrincipalSchema,
  condition: oneOf(AGENT_CONDITIONS),
  registeredAtMs: Wall,
  reregisteredAtMs: Type.Optional(Wall),
  used: ResourcesSchema,
  offered: ResourcesSchema,
  /** Nothing of it is offered: an operator's word, until it is taken back. */
  deactivated: Type.Optional(Type.Boolean()),
  drain: Type.Optional(
    Type.Object({
      state: oneOf(["DRAINING", "DRAINED"] as const),
      markGone: Type.Boolean(),
      maxGracePeriodMs: Type.Optional(Milliseconds),
      sinceMs: Wall,
    }),
  ),
  /** Its machine's maintenance window. */
  unavailability: Type.Optional(UnavailabilitySchema),
  /** The machine is down for maintenance: its agent is not admitted. */
  down: Type.Optional(Type.Boolean()),
  /** What frameworks said to the inverse offers of this window. */
  inverseOffers: Type.Optional(
    Type.Array(
      Type.Object({
        frameworkId: FrameworkIdSchema,
        answer: oneOf(["UNKNOWN", "ACCEPT", "DECLINE"] as const),
      }),
    ),
  ),
  /** Operations that its agent has not done yet, or whose status nobody has acknowledged. */
  operations: Type.Optional(
    Type.Array(
      Type.Object({
        operationUuid: UuidSchema,
        frameworkId: Type.Optional(FrameworkIdSchema),
        operation: ResourceOperationSchema,
        state: oneOf(OPERATION_STATES),
      }),
    ),
  ),
});
export type AgentView = Static<typeof AgentViewSchema>;

export const FrameworkViewSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  info: FrameworkInfoSchema,
  principal: Type.String({ maxLength: 255 }),
  connected: Type.Boolean(),
  active: Type.Boolean(),
  suppressedRoles: Type.Array(RoleSchema),
  subscribedAtMs: Wall,
  used: ResourcesSchema,
  offered: ResourcesSchema,
});
export type FrameworkView = Static<typeof FrameworkViewSchema>;

export const TaskViewSchema = Type.Object({
  info: TaskInfoSchema,
  frameworkId: FrameworkIdSchema,
  executorId: Type.Optional(ExecutorIdSchema),
  containerId: Type.Optional(ContainerIdSchema),
  role: RoleSchema,
  state: oneOf<TaskState>(TASK_STATE_NAMES),
  /** One entry per run of equal states, oldest first, at most 32. */
  statuses: Type.Array(TaskStatusSchema, { maxItems: 32 }),
  launchedAtMs: Wall,
});
export type TaskView = Static<typeof TaskViewSchema>;

export const OfferViewSchema = Type.Object({
  offerId: OfferIdSchema,
  frameworkId: FrameworkIdSchema,
  agentId: AgentIdSchema,
  role: RoleSchema,
  resources: ResourcesSchema,
  madeAtMs: Wall,
});
export type OfferView = Static<typeof OfferViewSchema>;

export const QuotaViewSchema = Type.Object({
  guarantee: QuantitiesSchema,
  /** What is not named is not limited. */
  limit: QuantitiesSchema,
  lends: Type.Boolean(),
});
export type QuotaView = Static<typeof QuotaViewSchema>;

/** A role in which frameworks stand, or that has a weight or a quota of its own. */
export const RoleViewSchema = Type.Object({
  role: RoleSchema,
  weight: Type.Number(),
  /** Dominant share of the role and all below it. */
  share: Type.Number(),
  weightedShare: Type.Optional(Type.Number()),
  frameworks: Type.Array(FrameworkIdSchema),
  used: ResourcesSchema,
  offered: ResourcesSchema,
  quota: Type.Optional(QuotaViewSchema),
  /** What quota counts: reservations, held or not, and unreserved use, offers included. */
  consumed: Type.Optional(QuantitiesSchema),
});
export type RoleView = Static<typeof RoleViewSchema>;

/** Times of one kind: `total` and `sumMs` of all there were, the rest of the last `count`. */
export const TimerViewSchema = Type.Object({
  total: Type.Integer({ minimum: 1 }),
  sumMs: Milliseconds,
  lastMs: Milliseconds,
  count: Type.Integer({ minimum: 1 }),
  minMs: Milliseconds,
  maxMs: Milliseconds,
  p50Ms: Milliseconds,
  p90Ms: Milliseconds,
  p95Ms: Milliseconds,
  p99Ms: Milliseconds,
  p999Ms: Milliseconds,
  p9999Ms: Milliseconds,
});
export type TimerView = Static<typeof TimerViewSchema>;

/** Roles whose filters are told one by one; those of all others are told together. */
export const FILTER_ROLES_MAX = 1000;

/** What the leader's allocator does, for people (mesos.md §19). */
export const AllocatorViewSchema = Type.Object({
  /** Runs since this master leads. */
  runs: Type.Integer({ minimum: 0 }),
  /** How long they took; absent before the first. */
  runTimes: Type.Optional(TimerViewSchema),
  /** From what asked for a run until it began. */
  latencies: Type.Optional(TimerViewSchema),
  /** Of the agents that it knows, and what of it is offered or allocated. */
  total: QuantitiesSchema,
  taken: QuantitiesSchema,
  /** Refusals in force by role, and of all roles that are not told one by one. */
  filters: Type.Array(Type.Object({ role: RoleSchema, active: Type.Integer({ minimum: 0 }) }), {
    maxItems: FILTER_ROLES_MAX,
  }),
  otherFilters: Type.Integer({ minimum: 0 }),
});
export type AllocatorView = Static<typeof AllocatorViewSchema>;

/** One change. Kinds with a Mesos v1 operator event bear its name. */
export const OperatorEventSchema = Type.Union([
  Type.Object({ type: Type.Literal("RESET"), leader: Type.String() }),
  /** Marks the end of a snapshot that RESET began. */
  Type.Object({ type: Type.Literal("SNAPSHOT_END") }),
  Type.Object({ type: Type.Literal("AGENT_ADDED"), agent: AgentViewSchema }),
  Type.Object({ type: Type.Literal("AGENT_UPDATED"), agent: AgentViewSchema }),
  Type.Object({ type: Type.Literal("AGENT_REMOVED"), agentId: AgentIdSchema }),
  Type.Object({ type: Type.Literal("FRAMEWORK_ADDED"), framework: FrameworkViewSchema }),
  Type.Object({ type: Type.Literal("FRAMEWORK_UPDATED"), framework: FrameworkViewSchema }),
  Type.Object({ type: Type.Literal("FRAMEWORK_REMOVED"), frameworkId: FrameworkIdSchema }),
  Type.Object({ type: Type.Literal("TASK_ADDED"), task: TaskViewSchema }),
  Type.Object({
    type: Type.Literal("TASK_UPDATED"),
    frameworkId: FrameworkIdSchema,
    taskId: TaskIdSchema,
    state: oneOf<TaskState>(TASK_STATE_NAMES),
    status: TaskStatusSchema,
  }),
  Type.Object({
    type: Type.Literal("TASK_REMOVED"),
    frameworkId: FrameworkIdSchema,
    taskId: TaskIdSchema,
  }),
  Type.Object({ type: Type.Literal("OFFER_ADDED"), offer: OfferViewSchema }),
  Type.Object({
    type: Type.Literal("OFFER_REMOVED"),
    offerId: OfferIdSchema,
    why: oneOf(["accepted", "declined", "rescinded", "expired"] as const),
  }),
  Type.Object({ type: Type.Literal("ROLE_UPDATED"), role: RoleViewSchema }),
  Type.Object({ type: Type.Literal("ROLE_REMOVED"), role: RoleSchema }),
  /** What containers use now, as their agent measured it; the last word on each counts. */
  Type.Object({
    type: Type.Literal("USAGE_UPDATED"),
    containers: AgentUsageSchema.properties.containers,
  }),
  Type.Object({
    type: Type.Literal("COUNTERS"),
    counters: Type.Record(Type.String(), Type.Number()),
  }),
  Type.Object({ type: Type.Literal("ALLOCATOR_UPDATED"), allocator: AllocatorViewSchema }),
  /** The whole schedule, and the machines that are down. */
  Type.Object({
    type: Type.Literal("MAINTENANCE_UPDATED"),
    windows: Type.Array(
      Type.Object({
        hostnames: Type.Array(Type.String({ maxLength: 255 })),
        unavailability: UnavailabilitySchema,
      }),
    ),
    down: Type.Array(Type.String({ maxLength: 255 })),
  }),
]);
export type OperatorEvent = Static<typeof OperatorEventSchema>;

/** Most events in one published batch. */
export const EVENTS_PER_BATCH_MAX = 256;

/** What is published on an event subject: consecutive events from `<epoch>.<first>` on. */
export const EventBatchSchema = Type.Object({
  epoch: Type.Integer({ minimum: 0 }),
  first: Type.Integer({ minimum: 1 }),
  atMs: Wall,
  events: Type.Array(OperatorEventSchema, { maxItems: EVENTS_PER_BATCH_MAX }),
});
export type EventBatch = Static<typeof EventBatchSchema>;
