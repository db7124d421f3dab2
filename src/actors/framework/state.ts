/**
 * What a framework driver owns: who it is, the leader it follows, its open calls, its tasks as
 * it last heard of them, and the offers it holds. Plain records; nobody else keeps a reference.
 */
import type {
  Kind,
  AgentId,
  BodyOf,
  Epoch,
  FrameworkId,
  FrameworkInfo,
  Incarnation,
  InstanceId,
  MessageId,
  MessageOf,
  InverseOffer,
  InverseOfferId,
  Offer,
  OfferId,
  OperationId,
  OperationStatus,
  Principal,
  SubscriptionToken,
  TaskId,
  TaskState,
  TaskStatus,
  Uuid,
} from "#protocol";

/** Calls that wait for their answer; further ones are answered `busy` at once. */
export const CALLS_PENDING_MAX = 4096;
/** Live tasks that the driver reconciles by itself; further ones are the framework's affair. */
export const TASKS_TRACKED_MAX = 200_000;

export interface FrameworkConfig {
  readonly principal: Principal;
  /** One running copy of the scheduler; two copies have two instances and one framework id. */
  readonly instance: InstanceId;
  readonly info: FrameworkInfo;
  /** The id of an earlier subscription; absent for a new framework. */
  readonly frameworkId?: FrameworkId;
  readonly suppressedRoles?: readonly string[];
  /**
   * Live tasks that the framework remembers from an earlier life; reconciled with its others on
   * every subscription (P-5.3).
   */
  readonly knownTasks?: readonly { readonly taskId: TaskId; readonly agentId?: AgentId }[];
  /**
   * true: an update is acknowledged as soon as the scheduler was told. false: the scheduler says
   * when, by `acknowledge`, after it has made the update durable.
   */
  readonly acknowledgeForMe: boolean;
  /** How often this framework has been started, as far as it knows (P-4.3). Default 1. */
  readonly incarnation?: Incarnation;
  /** Longest wait between two attempts to subscribe. Default 15 s. */
  readonly subscribeBackoffMsMax?: number;
  /** How often tasks without an answer are asked for again, at most. Default 15 min. */
  readonly reconcileIntervalMsMax?: number;
  /**
   * Kinds that the driver does not name to masters, as one of an older version would not (P-3.7):
   * nobody sends it these. Default none.
   */
  readonly unnamedKinds?: readonly Kind[];
  /** Silence of the leader after which another is looked for. Default 75 s. */
  readonly masterSilenceMsMax?: number;
}

/** What the scheduler is told, in order. Numbers of calls are those the call returned. */
export type SchedulerEvent =
  | {
      readonly kind: "subscribed";
      readonly frameworkId: FrameworkId;
      readonly epoch: Epoch;
      readonly masterId: string;
    }
  /** The leader is away: all offers are void; the driver subscribes again by itself. */
  | { readonly kind: "disconnected"; readonly why: string }
  | { readonly kind: "offers"; readonly offers: readonly Offer[] }
  | { readonly kind: "rescind"; readonly offerId: OfferId; readonly reason: string | undefined }
  | { readonly kind: "update"; readonly status: TaskStatus }
  /** What came of an operation that was given an id. */
  | { readonly kind: "operation"; readonly status: OperationStatus }
  /** Agents that will be away: can the framework leave them? Advisory. */
  | { readonly kind: "inverse-offers"; readonly inverseOffers: readonly InverseOffer[] }
  | { readonly kind: "rescind-inverse-offer"; readonly inverseOfferId: InverseOfferId }
  | { readonly kind: "message"; readonly body: BodyOf<"MESSAGE"> }
  | { readonly kind: "failure"; readonly body: BodyOf<"FAILURE"> }
  | {
      readonly kind: "answer";
      readonly call: MessageId;
      readonly of: CallKind;
      readonly answer: BodyOf<"ANSWER">;
    }
  /** Nothing more will come. */
  | { readonly kind: "ended"; readonly reason: string; readonly message: string };

/** The calls of a framework that the leader answers. */
export type CallKind =
  | "ACCEPT"
  | "DECLINE"
  | "REVIVE"
  | "SUPPRESS"
  | "KILL"
  | "SHUTDOWN"
  | "ACKNOWLEDGE"
  | "RECONCILE"
  | "MESSAGE"
  | "UPDATE_FRAMEWORK"
  | "TEARDOWN"
  | "ACKNOWLEDGE_OPERATION_STATUS"
  | "RECONCILE_OPERATIONS"
  | "ACCEPT_INVERSE_OFFERS"
  | "DECLINE_INVERSE_OFFERS";

export type CallMessage = MessageOf<CallKind>;

/** What the scheduler says to the driver; a local message. */
export type SchedulerCall =
  | { readonly kind: "call"; readonly number: MessageId; readonly message: CallMessage }
  | { readonly kind: "stop"; readonly teardown: boolean };

/** Kinds that are safe to say again to another leader (P-5.3): they name what is wanted. */
export const REPEATED_ACROSS_EPOCHS: ReadonlySet<CallKind> = new Set<CallKind>([
  "KILL",
  "SHUTDOWN",
  "REVIVE",
  "SUPPRESS",
  "UPDATE_FRAMEWORK",
  "TEARDOWN",
]);

/** Calls that the leader answers; the others are done when they are said. */
export const ANSWERED: ReadonlySet<CallKind> = new Set<CallKind>([
  "ACCEPT",
  "KILL",
  "SHUTDOWN",
  "REVIVE",
  "SUPPRESS",
  "UPDATE_FRAMEWORK",
  "TEARDOWN",
]);

export interface PendingCall {
  readonly message: CallMessage;
  /** Epoch that it was first said in; 0: not yet said. */
  epoch: Epoch;
  sent: boolean;
}

export interface TrackedTask {
  agentId: AgentId | undefined;
  state: TaskState;
  /** Acknowledged last; the same update again is acknowledged again and not told twice. */
  acknowledged: Uuid | undefined;
  /** Asked for since the subscription and not answered yet. */
  asked: boolean;
}

export interface TrackedOperation {
  readonly agentId: AgentId | undefined;
  /** Asked for since the subscription and not answered yet. */
  asked: boolean;
}

/** What the driver knows of the leader it follows. */
export interface Leader {
  epoch: Epoch;
  masterId: string;
  windowMs: number;
  intervalMs: number;
  heardAtMs: number;
}

export class FrameworkState {
  readonly config: FrameworkConfig;
  frameworkId: FrameworkId | undefined;
  nonce: Uuid | undefined;
  token: SubscriptionToken | undefined;
  leader: Leader | undefined;
  /**
   * Whether a session is asked for or has begun; `none` from the moment the leader is lost, although
   * mail of that session may still wait behind what told of its end.
   */
  session: "none" | "asked" | "open" = "none";
  /** Epoch that the server of the present session speaks in. */
  sessionEpoch: Epoch = 0;
  /** Epoch of the last subscription; 0 before the first. */
  subscribedEpoch: Epoch = 0;
  heartbeatIntervalMs = 15_000;
  attempts = 0;
  info: FrameworkInfo;
  readonly suppressedRoles: Set<string>;
  readonly pending = new Map<MessageId, PendingCall>();
  readonly tasks = new Map<TaskId, TrackedTask>();
  readonly offers = new Map<OfferId, Offer>();
  /** Operations that are not over, as far as it was told. */
  readonly operations = new Map<OperationId, TrackedOperation>();
  /** Statuses that were acknowledged last, by operation. */
  readonly operationsAcknowledged = new Map<OperationId, Uuid>();
  reconcileWaitMs = 0;
  /** Set by `stop`: ends when the answer to TEARDOWN has come, or at once. */
  stopping: "no" | "leave" | "teardown" = "no";

  constructor(config: FrameworkConfig) {
    this.config = config;
    this.frameworkId = config.frameworkId;
    this.info = config.info;
    this.suppressedRoles = new Set(config.suppressedRoles ?? []);
    for (const { taskId, agentId } of config.knownTasks ?? []) {
      this.tasks.set(taskId, {
        agentId,
        state: "TASK_STAGING",
        acknowledged: undefined,
        asked: false,
      });
    }
  }
}
