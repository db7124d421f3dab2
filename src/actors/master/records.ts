/**
 * The entities of the cluster as the leader sees them: agents, tasks, executors, frameworks,
 * offers. Plain records, owned and mutated by the master's step functions alone.
 */
import type {
  AgentId,
  AgentInfo,
  BodyOf,
  ContainerId,
  ExecutorId,
  ExecutorInfo,
  FrameworkId,
  FrameworkInfo,
  Incarnation,
  KillPolicy,
  MessageId,
  OfferId,
  OperationId,
  OperationStatus,
  Peer,
  Principal,
  ResourceOperation,
  SubscriptionToken,
  TaskId,
  TaskInfo,
  TaskState,
  TaskStatus,
  Uuid,
} from "#protocol";
import type { Resources } from "#resources";
import type { Sums } from "./sums.ts";

/** How the master sees an agent in its own epoch. */
export type AgentCondition =
  /** It has registered with this leader and its session is open. */
  | "registered"
  /** It has registered with this leader; its session ended, which is no loss. */
  | "disconnected"
  /** The registry has it; it has not registered with this leader yet (P-6.2). */
  | "absent"
  | "unreachable"
  | "gone";

export interface ExecutorRecord {
  readonly executorId: ExecutorId;
  readonly frameworkId: FrameworkId;
  readonly info: ExecutorInfo;
  readonly role: string;
  /** With allocation role; held in the allocator until the executor exits. */
  readonly resources: Resources;
}

/** An operation on an agent's resources whose status somebody waits for (P-8.1). */
export interface OpenOperation {
  readonly operationUuid: Uuid;
  /** Undefined: an operator's. */
  readonly frameworkId: FrameworkId | undefined;
  /** The framework's own name for it; without one it wants no feedback. */
  readonly operationId: OperationId | undefined;
  readonly operation: ResourceOperation;
  status: OperationStatus;
  /** Whether it was counted here before the agent had done it; undefined: that is settled. */
  counted: boolean | undefined;
}

export interface AgentRecord {
  readonly agentId: AgentId;
  readonly principal: Principal;
  readonly peer: Peer;
  info: AgentInfo;
  incarnation: Incarnation;
  condition: AgentCondition;
  /** Monotonic time since when it is in this condition. */
  sinceMs: number;
  registeredAtMs: number;
  reregisteredAtMs: number | undefined;
  /** Its last session was ended by the Hello of another one. */
  displaced: boolean;
  /** A record that removes it is under way. */
  leaving: boolean;
  readonly tasks: Set<TaskRecord>;
  /** By framework and executor id. */
  readonly executors: Map<string, ExecutorRecord>;
  readonly offers: Set<OfferId>;
  /** Sum of the resources of its offers. */
  offered: Resources;
  readonly operations: Map<Uuid, OpenOperation>;
}

export interface TaskRecord {
  readonly taskId: TaskId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly executorId: ExecutorId;
  /** Changes when it is resized. */
  info: TaskInfo;
  readonly role: string;
  /** With allocation role. */
  resources: Resources;
  /** State it is really in, as far as the master knows. */
  state: TaskState;
  /** State of the update that the framework was told last. */
  statusUpdateState: TaskState | undefined;
  /** Whether the allocator counts its resources as used. */
  holds: boolean;
  /** Head of the agent's queue that nobody has acknowledged yet. */
  unacknowledged: TaskStatus | undefined;
  /** A kill that is wanted; said again whenever the agent registers. */
  kill:
    | {
        readonly killPolicy: KillPolicy | undefined;
        /** The role that asks for what it lent to the task. */
        readonly preemptedFor: string | undefined;
      }
    | undefined;
  statuses: TaskStatus[];
  containerId: ContainerId | undefined;
  readonly launchedAtMs: number;
  unreachableAtMs: number | undefined;
}

export interface FrameworkRecord {
  readonly frameworkId: FrameworkId;
  /** Undefined for one that only agents told of: whoever subscribes first ties it. */
  principal: Principal | undefined;
  peer: Peer | undefined;
  info: FrameworkInfo;
  /** Its session is open and it has subscribed in it. */
  connected: boolean;
  /** Whether the allocator knows it. */
  allocated: boolean;
  /** What its subscription was given, and what it said when it came. */
  token: SubscriptionToken;
  claimed: SubscriptionToken;
  suppressedRoles: Set<string>;
  readonly tasks: Map<TaskId, TaskRecord>;
  readonly offers: Set<OfferId>;
  readonly offered: Sums;
  readonly used: Sums;
  /** First answers by the number of the call; undefined while it is being decided. */
  readonly answers: Map<MessageId, BodyOf<"ANSWER">>;
  /** Calls up to this number were answered and forgotten. */
  answersForgotten: MessageId;
  /** Operations that it wants to hear of, by its own names for them. */
  readonly operations: Map<OperationId, OpenOperation>;
  /** What its window kept back. */
  readonly owed: Map<TaskId, TaskStatus>;
  /** Messages said to it in this batch, which `env.room` does not know yet. */
  said: number;
  subscribedAtMs: number;
  /** Monotonic time since when its session is over. */
  disconnectedMs: number | undefined;
  /** A record that completes it is under way. */
  completing: boolean;
  /** It is completed; its tasks are being killed and nobody is told of them. */
  ended: boolean;
}

export interface OfferRecord {
  readonly offerId: OfferId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly role: string;
  readonly resources: Resources;
  readonly madeAtMs: number;
  readonly madeAtWallMs: number;
}

export type OfferEnd = "accepted" | "declined" | "rescinded" | "expired";

export function executorKey(frameworkId: FrameworkId, executorId: ExecutorId): string {
  return `${frameworkId}/${executorId}`;
}

export function isPartitionAware(framework: FrameworkRecord): boolean {
  return framework.info.capabilities.includes("PARTITION_AWARE");
}
