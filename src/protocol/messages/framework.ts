/** Calls of frameworks and events of the leader, named as in the Mesos v1 scheduler API. */
import { type Static, Type } from "@sinclair/typebox";
import {
  AgentIdSchema,
  ExecutorIdSchema,
  ExecutorInfoSchema,
  FiltersSchema,
  FrameworkIdSchema,
  FrameworkInfoSchema,
  InverseOfferIdSchema,
  InverseOfferSchema,
  KillPolicySchema,
  OfferIdSchema,
  OfferSchema,
  oneOf,
  OperationIdSchema,
  RoleSchema,
  TaskGroupInfoSchema,
  TaskIdSchema,
  TaskInfoSchema,
  TaskStatusSchema,
  UuidSchema,
} from "../entities.ts";
import { OfferedOperationSchema, OperationStatusSchema } from "../operations.ts";
import { CALL_REASONS, WIRE_REASONS } from "../refusals.ts";

const Sentence = Type.String({ maxLength: 4096 });
/** Most offers in one call, operations in one ACCEPT, tasks in one LAUNCH, tasks in RECONCILE. */
export const OFFERS_PER_CALL_MAX = 256;
export const OPERATIONS_PER_ACCEPT_MAX = 256;
export const TASKS_PER_LAUNCH_MAX = 1024;
export const TASKS_PER_RECONCILE_MAX = 1024;

/** Who subscribed last: the higher (epoch, count) wins (P-4.4). */
export const SubscriptionTokenSchema = Type.Object({
  epoch: Type.Integer({ minimum: 0 }),
  count: Type.Integer({ minimum: 0 }),
});
export type SubscriptionToken = Static<typeof SubscriptionTokenSchema>;

export const SubscribeSchema = Type.Object({
  frameworkInfo: FrameworkInfoSchema,
  /** Absent: a new framework; its id comes from the nonce, so asking twice answers the same. */
  frameworkId: Type.Optional(FrameworkIdSchema),
  nonce: UuidSchema,
  suppressedRoles: Type.Array(RoleSchema, { maxItems: 64 }),
  /** Token of the subscription that this one continues; absent: a failover that displaces. */
  token: Type.Optional(SubscriptionTokenSchema),
});
export type Subscribe = Static<typeof SubscribeSchema>;

export const TeardownSchema = Type.Object({});

export const OperationSchema = Type.Union([
  Type.Object({
    type: Type.Literal("LAUNCH"),
    taskInfos: Type.Array(TaskInfoSchema, { minItems: 1, maxItems: TASKS_PER_LAUNCH_MAX }),
  }),
  Type.Object({
    type: Type.Literal("LAUNCH_GROUP"),
    executor: ExecutorInfoSchema,
    taskGroup: TaskGroupInfoSchema,
  }),
  OfferedOperationSchema,
]);
export type OfferOperation = Static<typeof OperationSchema>;

const OfferIds = Type.Array(OfferIdSchema, { minItems: 1, maxItems: OFFERS_PER_CALL_MAX });

export const AcceptSchema = Type.Object({
  offerIds: OfferIds,
  operations: Type.Array(OperationSchema, { maxItems: OPERATIONS_PER_ACCEPT_MAX }),
  filters: Type.Optional(FiltersSchema),
});
export type Accept = Static<typeof AcceptSchema>;

export const DeclineSchema = Type.Object({
  offerIds: OfferIds,
  filters: Type.Optional(FiltersSchema),
  /** Why, in the words of the placement reasons; shown to people. */
  reason: Type.Optional(Sentence),
});
export type Decline = Static<typeof DeclineSchema>;

/** No roles: all of the framework's. */
export const RolesSchema = Type.Object({ roles: Type.Array(RoleSchema, { maxItems: 64 }) });
export type Roles = Static<typeof RolesSchema>;

export const KillSchema = Type.Object({
  taskId: TaskIdSchema,
  agentId: Type.Optional(AgentIdSchema),
  killPolicy: Type.Optional(KillPolicySchema),
});
export type Kill = Static<typeof KillSchema>;

export const ShutdownSchema = Type.Object({
  executorId: ExecutorIdSchema,
  agentId: AgentIdSchema,
});
export type Shutdown = Static<typeof ShutdownSchema>;

export const AcknowledgeSchema = Type.Object({
  agentId: AgentIdSchema,
  taskId: TaskIdSchema,
  uuid: UuidSchema,
});
export type Acknowledge = Static<typeof AcknowledgeSchema>;

/** No tasks: implicit, everything known of the framework's live tasks. */
export const ReconcileSchema = Type.Object({
  tasks: Type.Array(Type.Object({ taskId: TaskIdSchema, agentId: Type.Optional(AgentIdSchema) }), {
    maxItems: TASKS_PER_RECONCILE_MAX,
  }),
});
export type Reconcile = Static<typeof ReconcileSchema>;

export const MessageSchema = Type.Object({
  agentId: AgentIdSchema,
  executorId: ExecutorIdSchema,
  data: Type.Uint8Array({ maxByteLength: 128 * 1024 }),
});
export type Message = Static<typeof MessageSchema>;

export const UpdateFrameworkSchema = Type.Object({
  frameworkInfo: FrameworkInfoSchema,
  suppressedRoles: Type.Array(RoleSchema, { maxItems: 64 }),
});
export type UpdateFramework = Static<typeof UpdateFrameworkSchema>;

/** The leader's answer to a call with an id; `re` of its message is that id (P-5.2). */
export const AnswerSchema = Type.Object({
  accepted: Type.Boolean(),
  reason: Type.Optional(Type.Union([oneOf(CALL_REASONS), oneOf(WIRE_REASONS)])),
  message: Type.Optional(Sentence),
});
export type Answer = Static<typeof AnswerSchema>;

export const SubscribedSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  token: SubscriptionTokenSchema,
  heartbeatIntervalMs: Type.Integer({ minimum: 100 }),
  masterId: Type.String({ maxLength: 255 }),
});
export type Subscribed = Static<typeof SubscribedSchema>;

export const OffersSchema = Type.Object({
  offers: Type.Array(OfferSchema, { minItems: 1, maxItems: OFFERS_PER_CALL_MAX }),
});
export type Offers = Static<typeof OffersSchema>;

export const RescindSchema = Type.Object({
  offerId: OfferIdSchema,
  reason: Type.Optional(Sentence),
});
export type Rescind = Static<typeof RescindSchema>;

export const UpdateSchema = Type.Object({ status: TaskStatusSchema });
export type Update = Static<typeof UpdateSchema>;

export const FailureSchema = Type.Object({
  agentId: Type.Optional(AgentIdSchema),
  /** Absent: the agent itself was lost. */
  executorId: Type.Optional(ExecutorIdSchema),
  status: Type.Optional(Type.Integer()),
});
export type Failure = Static<typeof FailureSchema>;

/** The framework must stop; it may subscribe anew only where `reason` allows it. */
export const ErrorSchema = Type.Object({ reason: oneOf(CALL_REASONS), message: Sentence });
export type FrameworkError = Static<typeof ErrorSchema>;

/** Most operations in one RECONCILE_OPERATIONS, inverse offers in one call or event. */
export const OPERATIONS_PER_RECONCILE_MAX = 1024;
export const INVERSE_OFFERS_MAX = 256;

export const AcknowledgeOperationStatusSchema = Type.Object({
  agentId: AgentIdSchema,
  operationId: OperationIdSchema,
  uuid: UuidSchema,
});
export type AcknowledgeOperationStatus = Static<typeof AcknowledgeOperationStatusSchema>;

/** What is known of these operations comes back as UPDATE_OPERATION_STATUS. */
export const ReconcileOperationsSchema = Type.Object({
  operations: Type.Array(
    Type.Object({ operationId: OperationIdSchema, agentId: Type.Optional(AgentIdSchema) }),
    { minItems: 1, maxItems: OPERATIONS_PER_RECONCILE_MAX },
  ),
});
export type ReconcileOperations = Static<typeof ReconcileOperationsSchema>;

export const UpdateOperationStatusSchema = Type.Object({ status: OperationStatusSchema });
export type UpdateOperationStatus = Static<typeof UpdateOperationStatusSchema>;

/** The answer to inverse offers: will it leave before the window begins? Advisory. */
export const AnswerInverseOffersSchema = Type.Object({
  inverseOfferIds: Type.Array(InverseOfferIdSchema, { minItems: 1, maxItems: INVERSE_OFFERS_MAX }),
  filters: Type.Optional(FiltersSchema),
});
export type AnswerInverseOffers = Static<typeof AnswerInverseOffersSchema>;

export const InverseOffersSchema = Type.Object({
  inverseOffers: Type.Array(InverseOfferSchema, { minItems: 1, maxItems: INVERSE_OFFERS_MAX }),
});
export type InverseOffers = Static<typeof InverseOffersSchema>;

export const RescindInverseOfferSchema = Type.Object({ inverseOfferId: InverseOfferIdSchema });
export type RescindInverseOffer = Static<typeof RescindInverseOfferSchema>;
