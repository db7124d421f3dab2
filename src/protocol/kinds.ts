/**
 * Every kind of message: its schema and who may say it to whom. A kind that does not stand here
 * is refused at the door. New kinds are added at the end of their dialect; none is renamed.
 */
import type { TSchema } from "@sinclair/typebox";
import { EventBatchSchema } from "./events.ts";
import * as agent from "./messages/agent.ts";
import * as executor from "./messages/executor.ts";
import * as framework from "./messages/framework.ts";
import * as join from "./messages/join.ts";
import * as leader from "./messages/leader.ts";
import * as operator from "./messages/operator.ts";
import type { Role, Speaker } from "./subjects.ts";

export interface KindRule<Schema extends TSchema = TSchema> {
  readonly schema: Schema;
  readonly from: readonly Speaker[];
  readonly to: readonly Speaker[];
  /** Hello, Come, heartbeat, probe and Closed have a lane of their own (P-3.6). */
  readonly system?: true;
}

type Roles = readonly Role[];
/** Executors are clients of their agent, all others of the master. */
const ANY: Roles = ["master", "agent", "framework", "executor"];
const CLIENTS: Roles = ["agent", "framework", "executor"];
const SERVERS: Roles = ["master", "agent"];

function say<S extends TSchema>(from: Role, to: Role, schema: S): KindRule<S> {
  return { schema, from: [from], to: [to] };
}

const fromAgent = <S extends TSchema>(schema: S) => say("agent", "master", schema);
const toAgent = <S extends TSchema>(schema: S) => say("master", "agent", schema);
const call = <S extends TSchema>(schema: S) => say("framework", "master", schema);
const event = <S extends TSchema>(schema: S) => say("master", "framework", schema);
const fromExecutor = <S extends TSchema>(schema: S) => say("executor", "agent", schema);
const toExecutor = <S extends TSchema>(schema: S) => say("agent", "executor", schema);
const fromOperator = <S extends TSchema>(schema: S) => say("operator", "master", schema);

function system<S extends TSchema>(from: Roles, to: Roles, schema: S): KindRule<S> {
  return { schema, from, to, system: true };
}

export const KINDS = {
  Hello: system(CLIENTS, SERVERS, leader.HelloSchema),
  Come: system(SERVERS, CLIENTS, leader.ComeSchema),
  Probe: system(ANY, ANY, leader.ProbeSchema),
  Heartbeat: system(ANY, ANY, leader.HeartbeatSchema),
  Closed: system(ANY, ANY, leader.ClosedSchema),
  Beacon: { schema: leader.BeaconSchema, from: ["master"], to: ANY },

  RegisterAgent: fromAgent(agent.RegisterAgentSchema),
  StatusUpdate: fromAgent(agent.StatusUpdateSchema),
  ExitedExecutor: fromAgent(agent.ExitedExecutorSchema),
  ExecutorToFramework: fromAgent(agent.AgentFrameworkMessageSchema),
  AgentUsage: fromAgent(agent.AgentUsageSchema),
  AgentRegistered: toAgent(agent.AgentRegisteredSchema),
  AgentRefused: toAgent(agent.AgentRefusedSchema),
  RunTask: toAgent(agent.RunTaskSchema),
  RunTaskGroup: toAgent(agent.RunTaskGroupSchema),
  KillTask: toAgent(agent.KillTaskSchema),
  ShutdownFramework: toAgent(agent.ShutdownFrameworkSchema),
  ShutdownExecutor: toAgent(agent.ShutdownExecutorSchema),
  StatusUpdateAcknowledgement: toAgent(agent.StatusUpdateAcknowledgementSchema),
  ReconcileTasks: toAgent(agent.ReconcileTasksSchema),
  FrameworkToExecutor: toAgent(agent.AgentFrameworkMessageSchema),
  OpenStream: toAgent(agent.OpenStreamSchema),
  CloseStream: toAgent(agent.CloseStreamSchema),
  UpdateTask: toAgent(agent.UpdateTaskSchema),
  ApplyOperation: toAgent(agent.ApplyOperationSchema),
  OperationStatusUpdate: fromAgent(agent.OperationStatusUpdateSchema),
  OperationStatusAcknowledgement: toAgent(agent.OperationStatusAcknowledgementSchema),
  DrainAgent: toAgent(agent.DrainAgentSchema),
  ReactivateAgent: toAgent(agent.ReactivateAgentSchema),

  SUBSCRIBE: call(framework.SubscribeSchema),
  TEARDOWN: call(framework.TeardownSchema),
  ACCEPT: call(framework.AcceptSchema),
  DECLINE: call(framework.DeclineSchema),
  REVIVE: call(framework.RolesSchema),
  SUPPRESS: call(framework.RolesSchema),
  KILL: call(framework.KillSchema),
  SHUTDOWN: call(framework.ShutdownSchema),
  ACKNOWLEDGE: call(framework.AcknowledgeSchema),
  RECONCILE: call(framework.ReconcileSchema),
  MESSAGE: {
    schema: framework.MessageSchema,
    from: ["framework", "master"],
    to: ["master", "framework"],
  },
  UPDATE_FRAMEWORK: call(framework.UpdateFrameworkSchema),
  ANSWER: event(framework.AnswerSchema),
  SUBSCRIBED: event(framework.SubscribedSchema),
  OFFERS: event(framework.OffersSchema),
  RESCIND: event(framework.RescindSchema),
  UPDATE: event(framework.UpdateSchema),
  FAILURE: event(framework.FailureSchema),
  ERROR: event(framework.ErrorSchema),
  ACKNOWLEDGE_OPERATION_STATUS: call(framework.AcknowledgeOperationStatusSchema),
  RECONCILE_OPERATIONS: call(framework.ReconcileOperationsSchema),
  UPDATE_OPERATION_STATUS: event(framework.UpdateOperationStatusSchema),
  ACCEPT_INVERSE_OFFERS: call(framework.AnswerInverseOffersSchema),
  DECLINE_INVERSE_OFFERS: call(framework.AnswerInverseOffersSchema),
  INVERSE_OFFERS: event(framework.InverseOffersSchema),
  RESCIND_INVERSE_OFFER: event(framework.RescindInverseOfferSchema),

  EXECUTOR_SUBSCRIBE: fromExecutor(executor.ExecutorSubscribeSchema),
  EXECUTOR_UPDATE: fromExecutor(executor.ExecutorUpdateSchema),
  EXECUTOR_MESSAGE: {
    schema: executor.ExecutorMessageSchema,
    from: ["executor", "agent"],
    to: ["agent", "executor"],
  },
  EXECUTOR_SUBSCRIBED: toExecutor(executor.ExecutorSubscribedSchema),
  EXECUTOR_LAUNCH: toExecutor(executor.ExecutorLaunchSchema),
  EXECUTOR_LAUNCH_GROUP: toExecutor(executor.ExecutorLaunchGroupSchema),
  EXECUTOR_KILL: toExecutor(executor.ExecutorKillSchema),
  EXECUTOR_ACKNOWLEDGED: toExecutor(executor.ExecutorAcknowledgedSchema),
  EXECUTOR_SHUTDOWN: toExecutor(executor.ExecutorShutdownSchema),
  EXECUTOR_ERROR: toExecutor(executor.ExecutorErrorSchema),

  OPERATOR_TEARDOWN: fromOperator(operator.OperatorTeardownSchema),
  OPERATOR_KILL: fromOperator(operator.OperatorKillSchema),
  OPERATOR_EXPLAIN: fromOperator(operator.OperatorExplainSchema),
  OPERATOR_OPEN_STREAM: fromOperator(operator.OperatorOpenStreamSchema),
  OPERATOR_CLOSE_STREAM: fromOperator(operator.OperatorCloseStreamSchema),
  OPERATOR_SET_LOG_LEVEL: fromOperator(operator.OperatorSetLogLevelSchema),
  OPERATOR_SNAPSHOT: fromOperator(operator.OperatorSnapshotSchema),
  OPERATOR_ANSWER: say("master", "operator", operator.OperatorAnswerSchema),
  OPERATOR_UPDATE_QUOTA: fromOperator(operator.OperatorUpdateQuotaSchema),
  OPERATOR_REMOVE_QUOTA: fromOperator(operator.OperatorRemoveQuotaSchema),
  OPERATOR_UPDATE_WEIGHT: fromOperator(operator.OperatorUpdateWeightSchema),
  OPERATOR_TRANSFER: fromOperator(operator.OperatorTransferSchema),
  OPERATOR_UPDATE_TASK: fromOperator(operator.OperatorUpdateTaskSchema),
  EVENT_BATCH: say("master", "operator", EventBatchSchema),
  OPERATOR_APPLY_OPERATION: fromOperator(operator.OperatorApplyOperationSchema),
  OPERATOR_DRAIN_AGENT: fromOperator(operator.OperatorDrainAgentSchema),
  OPERATOR_DEACTIVATE_AGENT: fromOperator(operator.OperatorAgentSchema),
  OPERATOR_REACTIVATE_AGENT: fromOperator(operator.OperatorAgentSchema),
  OPERATOR_MARK_AGENT_GONE: fromOperator(operator.OperatorAgentSchema),
  OPERATOR_SCHEDULE_MAINTENANCE: fromOperator(operator.OperatorScheduleMaintenanceSchema),
  OPERATOR_START_MAINTENANCE: fromOperator(operator.OperatorMachinesSchema),
  OPERATOR_STOP_MAINTENANCE: fromOperator(operator.OperatorMachinesSchema),
  OPERATOR_WHITELIST: fromOperator(operator.OperatorWhitelistSchema),

  /** An agent that renews its credential asks as a joiner does, outside its session. */
  Join: { schema: join.JoinSchema, from: ["joiner"], to: ["registrar"] },
  Joined: { schema: join.JoinedSchema, from: ["registrar"], to: ["joiner"] },
  JoinRefused: { schema: join.JoinRefusedSchema, from: ["registrar"], to: ["joiner"] },
  /** So does an agent that asks for its executors. */
  SignExecutors: { schema: join.SignExecutorsSchema, from: ["joiner"], to: ["registrar"] },
  ExecutorsSigned: { schema: join.ExecutorsSignedSchema, from: ["registrar"], to: ["joiner"] },
} as const satisfies Record<string, KindRule>;

export type Kind = keyof typeof KINDS;
/** What people and gateways ask the leader for; it answers each with an OPERATOR_ANSWER. */
export type OperatorCallKind = Exclude<Extract<Kind, `OPERATOR_${string}`>, "OPERATOR_ANSWER">;

export function isKind(text: string): text is Kind {
  return Object.hasOwn(KINDS, text);
}
