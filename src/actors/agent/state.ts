/**
 * What the agent owns: its settings, the model that its journal holds, and what lives only as
 * long as this process: the leader it obeys, who waits for what, open streams.
 */
import {
  type AgentId,
  type AnyMessage,
  type Attribute,
  type ContainerId,
  encodePlain,
  type Epoch,
  type ExecutorId,
  type Incarnation,
  isTerminal,
  MASTER_PEER,
  type Peer,
  type Principal,
  type Resource,
  type StreamCredits,
  type TaskInfo,
} from "#protocol";
import { Resources, withCheckpointed } from "#resources";
import type { ContainerUser, Effect, StreamFile } from "#runtime";
import { ISOLATOR_ACTOR, type IsolatorRequest } from "#isolation";
import { type AgentRecord, apply, Checkpoint, type TaskKey } from "./checkpoint.ts";
import { JournalWriter } from "./journal.ts";

/** Where the agent's own files are, below the root of its disk. */
export const META_PATH = "agent/meta";
export const JOURNAL_PATH = "agent/journal";

/** What an agent must be told; the rest has defaults (`AGENT_DEFAULTS`). */
export interface AgentIdentity {
  readonly principal: Principal;
  /** One per work directory, made with it; the checkpoint refuses another (P-4.2). */
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly resources: readonly Resource[];
  readonly attributes: readonly Attribute[];
  readonly version: string;
  /** How limits are enforced here: v2, v1, hybrid or none. */
  readonly isolation: string;
  /** Cgroup path of this agent below every hierarchy; absent where there are none. */
  readonly cgroup?: string;
  /** Absolute path of the folder that is the root of the agent's disk. */
  readonly workDir: string;
  /**
   * Users by name, where the agent may change users; null: everything runs as the agent itself.
   * Undefined for a name that this machine does not know.
   */
  readonly userOf: ((name: string) => ContainerUser | undefined) | null;
  /** What every task finds in its environment, beneath its own; PATH at least. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Takes the way to this agent for one custom executor more (P-4.5); a sentence where there is none
   * at present. Null: this agent has no custom executors.
   */
  readonly executorAccess: ((owner: ExecutorOwner) => ExecutorAccess | string) | null;
}

/** Who a custom executor runs as: they alone may read its credential. */
export interface ExecutorOwner {
  /** Null: the agent's own user. */
  readonly user: ContainerUser | null;
  /** Whether its ids are those of a user namespace. */
  readonly userNamespace: boolean;
}

/** By what one custom executor reaches its agent; it is given once. */
export interface ExecutorAccess {
  /** Its container's: the broker vouches for this name, so it comes with the credential. */
  readonly containerId: ContainerId;
  /** Folder of this machine that holds the credential; null: none is needed. */
  readonly credentialDir: string | null;
}

/** Mesos' defaults (mesos.md §2) where Mesos has the setting. All in milliseconds. */
export const AGENT_DEFAULTS = {
  /** `registration_backoff_factor`, doubled after each try up to the maximum. */
  registrationBackoffMs: 1_000,
  registrationBackoffMsMax: 60_000,
  /** 5 missed intervals of 15 s. */
  masterSilenceMs: 75_000,
  /** Time until an update that nobody acknowledged is sent again; doubled up to the maximum. */
  updateRetryMs: 10_000,
  updateRetryMsMax: 600_000,
  /** Grace of a kill where neither call nor task names one. */
  killGraceMs: 3_000,
  executorRegistrationTimeoutMs: 60_000,
  /**
   * Mesos waits 2 s (at most 15 s), for its agent calls those who should come. Ours notice at their
   * next heartbeat, after 5 s, that nobody knows their session.
   */
  executorReregistrationTimeoutMs: 10_000,
  executorShutdownGraceMs: 5_000,
  /** Told to executors: how long they wait for an agent that is away. */
  recoveryTimeoutMs: 900_000,
  /** `gc_delay`, `disk_watch_interval`. */
  gcDelayMs: 604_800_000,
  gcIntervalMs: 60_000,
  /** `gc_disk_headroom`: the part of the disk that sandboxes leave free. */
  gcDiskHeadroom: 0.1,
  /** From this part of the disk in use on nothing new is launched; what runs is let be. */
  launchDiskUsedMax: 0.99,
  usageIntervalMs: 10_000,
  /** How often a followed log is looked at, and when a stream without a reader is closed. */
  followIntervalMs: 250,
  streamIdleMs: 60_000,
  /** What a command task costs beyond itself: nothing, its executor is the agent (Mesos: 0.1). */
  commandOverheadCpuMilli: 0,
  commandOverheadMemMib: 0,
} as const;

export type AgentSettings = { readonly [Name in keyof typeof AGENT_DEFAULTS]: number };
export type AgentConfig = AgentIdentity & AgentSettings;

/** What `agent/meta` holds; replaced whole. */
export interface Meta {
  readonly v: 1;
  readonly agentId: AgentId;
  readonly incarnation: Incarnation;
  /** The highest epoch ever obeyed (P-4.3). */
  readonly epoch: Epoch;
  /** The log as last witnessed (P-7.4); empty before the first beacon. */
  readonly logId: string;
  readonly generation: number;
  readonly position: number;
  readonly hash: string;
}

export interface Registration {
  /** Epoch and window of the leader that is being registered with. */
  epoch: Epoch;
  windowMs: number;
  backoffMs: number;
  /** When the present wait for the leader began, for judging silence. */
  sinceMs: number;
  heartbeatIntervalMs: number;
  /** Register has been sent in this session; commands are obeyed from its answer on. */
  refusedUntilMs: number;
  /** Who leads is not asked again before. */
  seekFromMs: number;
  /** The leader will never take this work directory: the agent ends with what runs here. */
  refusedForGood: boolean;
}

/** One log that somebody reads. */
export interface OpenLog {
  readonly streamId: string;
  readonly containerId: ContainerId;
  readonly file: StreamFile;
  readonly follow: boolean;
  readonly credits: StreamCredits;
  offset: number;
  reading: boolean;
  /** The writer had ended when the read in hand began. */
  ending: boolean;
  lastCreditMs: number;
}

/** A custom executor as this process sees it. */
export interface ExecutorLink {
  /** It has subscribed in this session. */
  subscribed: boolean;
}

export class AgentState {
  readonly config: AgentConfig;
  /** What its flags say, and what operations have made of it. */
  total: Resources;
  /** What tasks that have not ended and executors use of it. */
  used: Resources = Resources.EMPTY;
  model = new Checkpoint();
  readonly journal = new JournalWriter(JOURNAL_PATH);
  meta: Meta;
  /** Number of the last write of `agent/meta`; null when it is durable. */
  metaToken: string | null = null;
  metaWrites = 0;
  metaFailures = 0;
  bootId = "";
  /** Read and not yet compared: null until the journal has been read. */
  recovering: "reading-meta" | "writing-meta" | "reading-journal" | "comparing" | "done" =
    "reading-meta";
  readonly registration: Registration;
  /** Heads that wait for room or for a leader. */
  readonly unsent = new Set<TaskKey>();
  /** Pause before statuses of operations are sent again. */
  operationsRetryMs = 0;
  /** Folders of destroyed volumes that the disk was asked to remove. */
  readonly removing = new Map<string, "under-way" | "failed">();
  /** The leader drains this agent, in this session. */
  draining: { readonly maxGracePeriodMs?: number; readonly markGone: boolean } | undefined;
  /** Pause before the head of a queue is sent again. */
  readonly retryMs = new Map<TaskKey, number>();
  readonly links = new Map<ContainerId, ExecutorLink>();
  readonly logs = new Map<string, OpenLog>();
  /** Part of the disk in use, 0 to 1, as the process says (`DiskUsage`). */
  diskUsed = 0;

  constructor(config: AgentConfig) {
    this.config = config;
    this.total = Resources.fromWire(config.resources);
    this.meta = {
      v: 1,
      agentId: config.agentId,
      incarnation: 0,
      epoch: 0,
      logId: "",
      generation: 0,
      position: 0,
      hash: "",
    };
    this.registration = {
      epoch: 0,
      windowMs: 0,
      backoffMs: config.registrationBackoffMs,
      sinceMs: 0,
      heartbeatIntervalMs: 15_000,
      refusedUntilMs: 0,
      seekFromMs: 0,
      refusedForGood: false,
    };
  }
}

/** What the process tells the agent about the disk of the work directory. */
export interface DiskUsage {
  readonly kind: "DiskUsage";
  /** Part in use, 0 to 1. */
  readonly used: number;
}

/** Changes the model and puts the record where the batch's one write will take it. */
export function commit(state: AgentState, record: AgentRecord): void {
  apply(state.model, record);
  state.journal.add(encodePlain(record));
}

/** To the leader, once everything decided so far is durable (P-1.5). */
export function say(state: AgentState, message: AnyMessage, out: Effect[]): void {
  sayTo(state, MASTER_PEER, message, out);
}

export function sayTo(state: AgentState, to: Peer, message: AnyMessage, out: Effect[]): void {
  const after = state.journal.after;
  out.push({ kind: "send", to, message, ...(after === undefined ? {} : { after }) });
}

/** To the isolator, once everything decided so far is durable: a launch above all. */
export function ask(state: AgentState, request: IsolatorRequest, out: Effect[]): void {
  const after = state.journal.after;
  const message = request;
  out.push({
    kind: "tell",
    to: ISOLATOR_ACTOR,
    message,
    ...(after === undefined ? {} : { after }),
  });
}

export function count(out: Effect[], name: string, reason: string): void {
  out.push({ kind: "count", name, reason });
}

/** The executor of a task that names none is called like the task (Mesos' command executor). */
export function executorIdOf(task: TaskInfo): ExecutorId {
  return task.executor?.executorId ?? (task.taskId as string as ExecutorId);
}

/** Offers name the role they were made to; what the agent has does not. */
export function reserve(state: AgentState, resources: readonly Resource[]): void {
  state.used = state.used.add(Resources.fromWire(resources).unallocate());
}

export function release(state: AgentState, resources: readonly Resource[]): void {
  state.used = state.used.subtract(Resources.fromWire(resources).unallocate());
}

/** The total anew, after a replay or an operation. False where the flags do not have it any more. */
export function retotal(state: AgentState): boolean {
  const configured = Resources.fromWire(state.config.resources);
  const total = withCheckpointed(configured, Resources.fromWire(state.model.checkpointed));
  if (total !== undefined) state.total = total;
  return total !== undefined;
}

/** After a replay: everything that has not ended, anew. */
export function recount(state: AgentState): void {
  state.used = Resources.EMPTY;
  for (const { manner, state: is, info } of state.model.tasks.values()) {
    if (manner !== "refused" && !isTerminal(is)) reserve(state, info.resources);
  }
  for (const { info } of state.model.executors.values()) reserve(state, info.resources);
}
