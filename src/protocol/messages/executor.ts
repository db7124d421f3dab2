/** What executors and their agent say to each other, named as in the Mesos v1 executor API. */
import { type Static, Type } from "@sinclair/typebox";
import {
  AgentInfoSchema,
  ContainerIdSchema,
  ExecutorIdSchema,
  ExecutorInfoSchema,
  FrameworkIdSchema,
  FrameworkInfoSchema,
  KillPolicySchema,
  TaskGroupInfoSchema,
  TaskIdSchema,
  TaskInfoSchema,
  TaskStatusSchema,
  UuidSchema,
} from "../entities.ts";

const Data = Type.Uint8Array({ maxByteLength: 128 * 1024 });

export const ExecutorSubscribeSchema = Type.Object({
  frameworkId: FrameworkIdSchema,
  executorId: ExecutorIdSchema,
  unacknowledgedTasks: Type.Array(TaskInfoSchema, { maxItems: 1024 }),
  unacknowledgedUpdates: Type.Array(TaskStatusSchema, { maxItems: 1024 }),
});
export type ExecutorSubscribe = Static<typeof ExecutorSubscribeSchema>;

export const ExecutorUpdateSchema = Type.Object({ status: TaskStatusSchema });
export type ExecutorUpdate = Static<typeof ExecutorUpdateSchema>;

export const ExecutorMessageSchema = Type.Object({ data: Data });
export type ExecutorMessage = Static<typeof ExecutorMessageSchema>;

export const ExecutorSubscribedSchema = Type.Object({
  executorInfo: ExecutorInfoSchema,
  frameworkInfo: FrameworkInfoSchema,
  frameworkId: FrameworkIdSchema,
  agentInfo: AgentInfoSchema,
  containerId: ContainerIdSchema,
});
export type ExecutorSubscribed = Static<typeof ExecutorSubscribedSchema>;

export const ExecutorLaunchSchema = Type.Object({ task: TaskInfoSchema });
export type ExecutorLaunch = Static<typeof ExecutorLaunchSchema>;

export const ExecutorLaunchGroupSchema = Type.Object({ taskGroup: TaskGroupInfoSchema });
export type ExecutorLaunchGroup = Static<typeof ExecutorLaunchGroupSchema>;

export const ExecutorKillSchema = Type.Object({
  taskId: TaskIdSchema,
  killPolicy: Type.Optional(KillPolicySchema),
});
export type ExecutorKill = Static<typeof ExecutorKillSchema>;

export const ExecutorAcknowledgedSchema = Type.Object({ taskId: TaskIdSchema, uuid: UuidSchema });
export type ExecutorAcknowledged = Static<typeof ExecutorAcknowledgedSchema>;

export const ExecutorShutdownSchema = Type.Object({});

export const ExecutorErrorSchema = Type.Object({ message: Type.String({ maxLength: 4096 }) });
export type ExecutorError = Static<typeof ExecutorErrorSchema>;
