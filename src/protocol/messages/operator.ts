/**
 * Calls of people and gateways to the leader: one request, one reply, outside sessions. Reads
 * are answered by views; here is only what changes something, `explain`, and what agents hold.
 */
import { type Static, Type } from "@sinclair/typebox";
import {
  AgentIdSchema,
  FrameworkIdSchema,
  KillPolicySchema,
  MasterIdSchema,
  oneOf,
  QuantitiesSchema,
  ResourcesSchema,
  RoleSchema,
  TaskIdSchema,
  UnavailabilitySchema,
} from "../entities.ts";
import { ResourceOperationSchema } from "../operations.ts";
import { CALL_REASONS, PLACEMENT_REASONS, WIRE_REASONS } from "../refusals.ts";
import { OpenStreamSchema } from "./agent.ts";

const Sentence = Type.String({ maxLength: 4096 });

export const OperatorTeardownSchema = Type.Object({ frameworkId: FrameworkIdSchema });
export type OperatorTeardown = Static<typeof OperatorTeardownSchema>;

export const OperatorKillSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  taskId: TaskIdSchema,
  killPolicy: Type.Optional(KillPolicySchema),
});
export type OperatorKill = Static<typeof OperatorKillSchema>;

/** What a running task is to have from here on, in thousandths; what is not named stays. */
export const OperatorUpdateTaskSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  taskId: TaskIdSchema,
  amounts: QuantitiesSchema,
});
export type OperatorUpdateTask = Static<typeof OperatorUpdateTaskSchema>;

/**
 * The role's quota from here on, whole: what is not named is neither guaranteed nor limited.
 * Answered when the log has it; a dry run is judged and answered, and changes nothing.
 */
export const OperatorUpdateQuotaSchema = Type.Object({
  role: RoleSchema,
  guarantee: QuantitiesSchema,
  limit: QuantitiesSchema,
  /** Others may use, as revocable, what of the guarantee the role does not. */
  lends: Type.Boolean(),
  /** Also where the cluster is too small for it, or the role has more than the limit already. */
  force: Type.Boolean(),
  dryRun: Type.Boolean(),
});
export type OperatorUpdateQuota = Static<typeof OperatorUpdateQuotaSchema>;

export const OperatorRemoveQuotaSchema = Type.Object({ role: RoleSchema });
export type OperatorRemoveQuota = Static<typeof OperatorRemoveQuotaSchema>;

/** 1 is the weight of a role that none was set for. */
export const OperatorUpdateWeightSchema = Type.Object({
  role: RoleSchema,
  weight: Type.Number({ exclusiveMinimum: 0 }),
});
export type OperatorUpdateWeight = Static<typeof OperatorUpdateWeightSchema>;

/** The leader gives the lead to whoever stands by; only if it is the master that is named. */
export const OperatorTransferSchema = Type.Object({ masterId: Type.Optional(MasterIdSchema) });
export type OperatorTransfer = Static<typeof OperatorTransferSchema>;

/**
 * Why nothing is offered: of a role's or framework's demand, agent by agent. With an agent alone:
 * of that agent, framework by framework.
 */
export const OperatorExplainSchema = Type.Object({
  frameworkId: Type.Optional(FrameworkIdSchema),
  role: Type.Optional(RoleSchema),
  demand: Type.Optional(ResourcesSchema),
  agentId: Type.Optional(AgentIdSchema),
});
export type OperatorExplain = Static<typeof OperatorExplainSchema>;

export const ExplanationSchema = Type.Object({
  agents: Type.Array(
    Type.Object({
      agentId: AgentIdSchema,
      reason: Type.Optional(oneOf(PLACEMENT_REASONS)),
      /** With numbers: needs cpus 100, free 4. */
      detail: Sentence,
    }),
    { maxItems: 1000 },
  ),
  /** Of one agent: who is offered it in which role, or why not. */
  subscriptions: Type.Optional(
    Type.Array(
      Type.Object({
        frameworkId: FrameworkIdSchema,
        role: RoleSchema,
        reason: Type.Optional(oneOf(PLACEMENT_REASONS)),
        detail: Sentence,
      }),
      { maxItems: 1000 },
    ),
  ),
  /** How many agents each reason kept away; `offered` counts those without one. */
  counts: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
  summary: Sentence,
});
export type Explanation = Static<typeof ExplanationSchema>;

/**
 * RESERVE, UNRESERVE, CREATE, DESTROY on an agent's resources. Answered when the agent has done
 * it, or, where it is away, when the log has it as intent (P-8.1).
 */
export const OperatorApplyOperationSchema = Type.Composite([
  Type.Object({ agentId: AgentIdSchema }),
  ResourceOperationSchema,
]);
export type OperatorApplyOperation = Static<typeof OperatorApplyOperationSchema>;

/** One agent, as DEACTIVATE_AGENT, REACTIVATE_AGENT and MARK_AGENT_GONE name it. */
export const OperatorAgentSchema = Type.Object({ agentId: AgentIdSchema });
export type OperatorAgent = Static<typeof OperatorAgentSchema>;

export const OperatorDrainAgentSchema = Type.Object({
  agentId: AgentIdSchema,
  maxGracePeriodMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
  markGone: Type.Boolean(),
});
export type OperatorDrainAgent = Static<typeof OperatorDrainAgentSchema>;

/** Most windows of a schedule, and machines of one window or call. */
export const MAINTENANCE_WINDOWS_MAX = 256;
export const MACHINES_MAX = 4096;
const Hostnames = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
  minItems: 1,
  maxItems: MACHINES_MAX,
});

export const MaintenanceWindowSchema = Type.Object({
  hostnames: Hostnames,
  unavailability: UnavailabilitySchema,
});
export type MaintenanceWindow = Static<typeof MaintenanceWindowSchema>;

/** Replaces the whole schedule; an empty one ends all maintenance that is not under way. */
export const OperatorScheduleMaintenanceSchema = Type.Object({
  windows: Type.Array(MaintenanceWindowSchema, { maxItems: MAINTENANCE_WINDOWS_MAX }),
});
export type OperatorScheduleMaintenance = Static<typeof OperatorScheduleMaintenanceSchema>;

/** Machines that go down for their maintenance, or are back from it. */
export const OperatorMachinesSchema = Type.Object({ hostnames: Hostnames });
export type OperatorMachines = Static<typeof OperatorMachinesSchema>;

/** Only agents on these hosts are offered from here on; absent: all. */
export const OperatorWhitelistSchema = Type.Object({ hostnames: Type.Optional(Hostnames) });
export type OperatorWhitelist = Static<typeof OperatorWhitelistSchema>;

/** Gateway → leader: have the agent send a log over the stream of that id. */
export const OperatorOpenStreamSchema = Type.Composite([
  OpenStreamSchema,
  Type.Object({ agentId: AgentIdSchema }),
]);
export type OperatorOpenStream = Static<typeof OperatorOpenStreamSchema>;

export const OperatorCloseStreamSchema = Type.Object({
  agentId: AgentIdSchema,
  streamId: Type.String({ maxLength: 255 }),
});
export type OperatorCloseStream = Static<typeof OperatorCloseStreamSchema>;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const OperatorSetLogLevelSchema = Type.Object({ level: oneOf(LOG_LEVELS) });
export type OperatorSetLogLevel = Static<typeof OperatorSetLogLevelSchema>;

/** Gateway → leader: publish a snapshot of the operator events' state now. */
export const OperatorSnapshotSchema = Type.Object({});

/** The leader's reply; `result` is the Explanation where one was asked for. */
export const OperatorAnswerSchema = Type.Object({
  accepted: Type.Boolean(),
  epoch: Type.Integer({ minimum: 0 }),
  reason: Type.Optional(Type.Union([oneOf(CALL_REASONS), oneOf(WIRE_REASONS)])),
  message: Type.Optional(Sentence),
  explanation: Type.Optional(ExplanationSchema),
  /** Number within the epoch of the operator event that tells of the change. */
  event: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type OperatorAnswer = Static<typeof OperatorAnswerSchema>;
