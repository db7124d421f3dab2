/**
 * What the executor library owns: who it is, its tasks, and the updates that its agent has not
 * acknowledged. All of it lives in memory; an executor that ends has ended its tasks.
 */
import type {
  AgentInfo,
  ContainerId,
  Epoch,
  ExecutorId,
  ExecutorInfo,
  FrameworkId,
  FrameworkInfo,
  KillPolicy,
  Principal,
  TaskGroupInfo,
  TaskId,
  TaskInfo,
  TaskStatus,
  Uuid,
} from "#protocol";

/** Most updates that wait for their acknowledgement; further ones are refused to the author. */
export const UPDATES_UNACKNOWLEDGED_MAX = 1_024;
/** Most tasks at a time that no acknowledged update has told of yet. */
export const TASKS_UNACKNOWLEDGED_MAX = 1_024;
/** Most task ids remembered, so that a launch that comes twice is one. */
export const TASKS_REMEMBERED_MAX = 16_384;

export interface ExecutorConfig {
  /** Principal of the agent whose executor this is. */
  readonly agent: Principal;
  readonly containerId: ContainerId;
  readonly frameworkId: FrameworkId;
  readonly executorId: ExecutorId;
  /** How long the agent may be away before the executor ends itself. Default 15 min. */
  readonly recoveryTimeoutMs?: number;
  /** Longest random wait before a subscription. Default 1 s. */
  readonly subscribeBackoffMsMax?: number;
  /** Time between a shutdown and the end. Default 5 s. */
  readonly shutdownGraceMs?: number;
  /** How long `stop` waits for acknowledgements. Default 60 s. */
  readonly acknowledgeWaitMs?: number;
}

/** What the author of an executor is told, in order. */
export type ExecutorLibraryEvent =
  | {
      readonly kind: "subscribed";
      readonly executor: ExecutorInfo;
      readonly framework: FrameworkInfo;
      readonly agent: AgentInfo;
    }
  /** The agent is away; tasks go on, updates are kept. */
  | { readonly kind: "disconnected" }
  | { readonly kind: "launch"; readonly task: TaskInfo }
  | { readonly kind: "launch-group"; readonly taskGroup: TaskGroupInfo }
  | { readonly kind: "kill"; readonly taskId: TaskId; readonly killPolicy?: KillPolicy }
  /** The agent has the update on its disk. */
  | { readonly kind: "acknowledged"; readonly taskId: TaskId; readonly uuid: Uuid }
  | { readonly kind: "message"; readonly data: Uint8Array }
  /** End all tasks, say so, and stop: the process is ended when `graceMs` is over. */
  | { readonly kind: "shutdown"; readonly why: string; readonly graceMs: number }
  | { readonly kind: "error"; readonly message: string }
  /** An update that was not taken: too many wait. It may be tried again. */
  | { readonly kind: "refused"; readonly update: TaskUpdate; readonly why: string };

/** What an author says of a task; the rest is added here. */
export type TaskUpdate = Pick<TaskStatus, "taskId" | "state"> &
  Partial<Pick<TaskStatus, "message" | "reason" | "data" | "healthy" | "labels" | "exitCode">>;

/** What the author says to the actor. */
export type ExecutorCall =
  | { readonly kind: "update"; readonly update: TaskUpdate }
  | { readonly kind: "say"; readonly data: Uint8Array }
  | { readonly kind: "finish" };

export class ExecutorState {
  readonly config: Required<ExecutorConfig>;
  /** The highest epoch in which the agent spoke; what is said carries it. */
  epoch: Epoch = 0;
  subscribed = false;
  everSubscribed = false;
  shuttingDown = false;
  /** The author is through; the end waits for acknowledgements. */
  finishing = false;
  /** Launched, and no update of it acknowledged. */
  readonly tasks = new Map<TaskId, TaskInfo>();
  readonly remembered = new Set<TaskId>();
  /** Not acknowledged, oldest first. */
  readonly updates = new Map<Uuid, TaskStatus>();
  /** Of those, not yet said in this session. */
  readonly unsent = new Set<Uuid>();

  constructor(config: ExecutorConfig) {
    this.config = {
      recoveryTimeoutMs: 900_000,
      subscribeBackoffMsMax: 1_000,
      shutdownGraceMs: 5_000,
      acknowledgeWaitMs: 60_000,
      ...config,
    };
  }
}
