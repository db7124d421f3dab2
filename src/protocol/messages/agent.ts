/** What agents and the leader say to each other. */
import { type Static, Type } from "@sinclair/typebox";
import {
  AgentIdSchema,
  AgentInfoSchema,
  ContainerIdSchema,
  ExecutorIdSchema,
  ExecutorInfoSchema,
  FrameworkIdSchema,
  FrameworkInfoSchema,
  KillPolicySchema,
  oneOf,
  OperationIdSchema,
  PrincipalSchema,
  ResourcesSchema,
  RoleSchema,
  StreamIdSchema,
  TaskGroupInfoSchema,
  TaskIdSchema,
  TaskInfoSchema,
  TaskRecordSchema,
  TaskStatusSchema,
  UuidSchema,
} from "../entities.ts";
import { OperationRecordSchema, ResourceOperationSchema } from "../operations.ts";
import { CALL_REASONS } from "../refusals.ts";
import { TASK_STATE_NAMES, type TaskState } from "../task-states.ts";

const Count = Type.Integer({ minimum: 0 });
const Sentence = Type.String({ maxLength: 4096 });

/** Most tasks in one part of a registration; a larger agent sends several parts. */
export const REGISTER_TASKS_MAX = 256;

/** Most operations that an agent keeps until their status is acknowledged. */
export const OPERATIONS_UNACKNOWLEDGED_MAX = 256;

/** Agent → leader, after Come: everything it has. The last part has `part + 1 === parts`. */
export const RegisterAgentSchema = Type.Object({
  agent: AgentInfoSchema,
  bootId: Type.String({ maxLength: 128 }),
  incarnation: Count,
  part: Count,
  parts: Type.Integer({ minimum: 1, maximum: 10_000 }),
  tasks: Type.Array(TaskRecordSchema, { maxItems: REGISTER_TASKS_MAX }),
  /** Frameworks that these tasks belong to, so that a new leader knows them. */
  frameworks: Type.Array(
    Type.Object({ frameworkId: FrameworkIdSchema, info: FrameworkInfoSchema }),
    { maxItems: REGISTER_TASKS_MAX },
  ),
  /** Custom executors that run though all of their tasks have ended. Absent: none. */
  executors: Type.Optional(
    Type.Array(Type.Object({ frameworkId: FrameworkIdSchema, executor: ExecutorInfoSchema }), {
      maxItems: REGISTER_TASKS_MAX,
    }),
  ),
  /** Operations whose status nobody has acknowledged. Absent: none. */
  operations: Type.Optional(
    Type.Array(OperationRecordSchema, { maxItems: OPERATIONS_UNACKNOWLEDGED_MAX }),
  ),
});
export type RegisterAgent = Static<typeof RegisterAgentSchema>;

/** Leader → agent, after the admission record is committed. */
export const AgentRegisteredSchema = Type.Object({
  agentId: AgentIdSchema,
  heartbeatIntervalMs: Type.Integer({ minimum: 100 }),
});
export type AgentRegistered = Static<typeof AgentRegisteredSchema>;

/** Leader → agent: it is not admitted, and why. */
export const AgentRefusedSchema = Type.Object({
  reason: oneOf(CALL_REASONS),
  message: Sentence,
  /** true: do not come back with this work directory. */
  final: Type.Boolean(),
});
export type AgentRefused = Static<typeof AgentRefusedSchema>;

/**
 * Whether the leader has counted a custom executor that is to be begun with this; false: it counts on
 * one that runs. What an agent begins otherwise would be paid for by nobody. Absent: the agent sees.
 */
const LaunchExecutorSchema = Type.Optional(Type.Boolean());

export const RunTaskSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  framework: FrameworkInfoSchema,
  task: TaskInfoSchema,
  launchExecutor: LaunchExecutorSchema,
});
export type RunTask = Static<typeof RunTaskSchema>;

export const RunTaskGroupSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  framework: FrameworkInfoSchema,
  executor: ExecutorInfoSchema,
  taskGroup: TaskGroupInfoSchema,
  launchExecutor: LaunchExecutorSchema,
});
export type RunTaskGroup = Static<typeof RunTaskGroupSchema>;

export const KillTaskSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  taskId: TaskIdSchema,
  killPolicy: Type.Optional(KillPolicySchema),
  /** The role that asks for what it lent: the task ends as preempted. */
  preemptedFor: Type.Optional(RoleSchema),
});
export type KillTask = Static<typeof KillTaskSchema>;

/** Leader → agent: what a task that runs is to have from here on, whole. */
export const UpdateTaskSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  taskId: TaskIdSchema,
  resources: ResourcesSchema,
});
export type UpdateTask = Static<typeof UpdateTaskSchema>;

export const ShutdownFrameworkSchema = Type.Object({ frameworkId: FrameworkIdSchema });
export type ShutdownFramework = Static<typeof ShutdownFrameworkSchema>;

export const ShutdownExecutorSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  executorId: ExecutorIdSchema,
});
export type ShutdownExecutor = Static<typeof ShutdownExecutorSchema>;

/** Agent → leader: the head of a task's queue. Sent again until acknowledged (P-5.4). */
export const StatusUpdateSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  status: TaskStatusSchema,
  /** State the task is really in, which may be ahead of `status`. */
  latestState: oneOf<TaskState>(TASK_STATE_NAMES),
});
export type StatusUpdate = Static<typeof StatusUpdateSchema>;

export const StatusUpdateAcknowledgementSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  taskId: TaskIdSchema,
  uuid: UuidSchema,
});
export type StatusUpdateAcknowledgement = Static<typeof StatusUpdateAcknowledgementSchema>;

/** Leader → agent: say what you know of these; unknown ones are answered as dropped. */
export const ReconcileTasksSchema = Type.Object({
  tasks: Type.Array(Type.Object({ frameworkId: FrameworkIdSchema, taskId: TaskIdSchema }), {
    maxItems: 1024,
  }),
});
export type ReconcileTasks = Static<typeof ReconcileTasksSchema>;

export const ExitedExecutorSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  executorId: ExecutorIdSchema,
  /** Wait status as the shell would say it: code, or 128 + signal. */
  status: Type.Integer(),
});
export type ExitedExecutor = Static<typeof ExitedExecutorSchema>;

/** Either way between a framework and an executor: best effort. */
export const AgentFrameworkMessageSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  executorId: ExecutorIdSchema,
  data: Type.Uint8Array({ maxByteLength: 128 * 1024 }),
});
export type AgentFrameworkMessage = Static<typeof AgentFrameworkMessageSchema>;

/** A log with its rotated files as one; a file, or what a folder holds, of the sandbox. */
export const STREAM_FILES = ["stdout", "stderr", "file", "folder"] as const;
/** Longest path below a sandbox, in characters. */
export const SANDBOX_PATH_LENGTH_MAX = 1024;

/** Leader → agent: send the bytes of a task's log over the stream of that id. */
export const OpenStreamSchema = Type.Object({
  streamId: StreamIdSchema,
  frameworkId: FrameworkIdSchema,
  taskId: TaskIdSchema,
  file: oneOf(STREAM_FILES),
  /** Of `file` and `folder`, below the sandbox; empty: the sandbox itself. */
  path: Type.Optional(Type.String({ maxLength: SANDBOX_PATH_LENGTH_MAX })),
  /** Negative counts from the end. */
  offset: Type.Integer(),
  follow: Type.Boolean(),
});
export type OpenStream = Static<typeof OpenStreamSchema>;

export const CloseStreamSchema = Type.Object({ streamId: StreamIdSchema });
export type CloseStream = Static<typeof CloseStreamSchema>;

/** Agent → leader: measured use of its containers, for people. Best effort. */
export const AgentUsageSchema = Type.Object({
  containers: Type.Array(
    Type.Object({
      containerId: ContainerIdSchema,
      taskId: TaskIdSchema,
      frameworkId: FrameworkIdSchema,
      cpuUsageMs: Type.Number(),
      memBytes: Type.Number(),
      memPeakBytes: Type.Optional(Type.Number()),
      pids: Type.Optional(Type.Number()),
    }),
    { maxItems: 1024 },
  ),
});
export type AgentUsage = Static<typeof AgentUsageSchema>;

/** Leader → agent: do this to your resources. The same id again gets the first answer (P-8.1). */
export const ApplyOperationSchema = Type.Object({
  operationUuid: UuidSchema,
  /** Absent: an operator's. */
  frameworkId: Type.Optional(FrameworkIdSchema),
  /** The framework's own name for it. */
  operationId: Type.Optional(OperationIdSchema),
  operation: ResourceOperationSchema,
});
export type ApplyOperation = Static<typeof ApplyOperationSchema>;

/** Agent → leader: what came of an operation, on disk. Sent again until acknowledged. */
export const OperationStatusUpdateSchema = OperationRecordSchema;
export type OperationStatusUpdate = Static<typeof OperationStatusUpdateSchema>;

export const OperationStatusAcknowledgementSchema = Type.Object({
  operationUuid: UuidSchema,
  statusUuid: UuidSchema,
});
export type OperationStatusAcknowledgement = Static<typeof OperationStatusAcknowledgementSchema>;

/** Leader → agent: kill what runs, and run nothing more until ReactivateAgent or another session. */
export const DrainAgentSchema = Type.Object({
  /** Most that a task may take to end; absent: what its own policy says. */
  maxGracePeriodMs: Type.Optional(Count),
  /** Tasks end as gone by the operator. */
  markGone: Type.Boolean(),
});
export type DrainAgent = Static<typeof DrainAgentSchema>;

/** Leader → agent: the drain is over or called off; kills that were said go on. */
export const ReactivateAgentSchema = Type.Object({});

export const AgentPrincipalSchema = PrincipalSchema;
