/**
 * What a master owns: its place in the log, and the cluster as it knows it. Mutated in place by
 * this actor's step functions alone; what is replicated is in `registry` and changes only when a
 * record has come back committed (P-1.7).
 */
import type { Allocator } from "#allocator";
import type {
  AgentId,
  AnyMessage,
  BodyOf,
  CallReason,
  Epoch,
  FrameworkId,
  Incarnation,
  InverseOfferId,
  MessageId,
  OfferId,
  OperationRecord,
  Peer,
  PlacementReason,
  Principal,
  SessionId,
  Uuid,
  WireReason,
  WireUnavailability,
} from "#protocol";
import {
  Barrier,
  type Candidacy,
  type ClusterTime,
  Follower,
  type Head,
  type Lead,
  type Registry,
  type RegistryOperation,
  type SnapshotReader,
  versionOf,
  type Witness,
  type Writer,
} from "#replication";
import { type Effect, type Env, invariant, type Token } from "#runtime";
import type { MasterSettings } from "./config.ts";
import { Owners } from "./owners.ts";
import type { Publisher } from "./publish.ts";
import { RunTimes } from "./run-times.ts";
import type { AgentRecord, FrameworkRecord, OfferEnd, OfferRecord, TaskRecord } from "./records.ts";

/** Answers kept per framework so that a repeated call gets its first answer (P-5.2). */
export const ANSWERS_PER_FRAMEWORK_MAX = 4096;
/** Updates that a framework's full window keeps back, one per task. */
export const UPDATES_OWED_MAX = 100_000;
/** Ended offers remembered, so that a late ACCEPT hears what became of them. */
export const OFFERS_ENDED_MAX = 4096;
/** Different statuses kept of one task, oldest first. */
export const STATUSES_PER_TASK_MAX = 32;
/** Clients that wait to be called; one beyond is refused and says Hello again. */
export const HELLOS_WAITING_MAX = 20_000;
/** Tasks of one agent's registration. */
export const TASKS_PER_AGENT_MAX = 50_000;
/** Most custom executors without tasks that one agent may report. */
export const EXECUTORS_PER_AGENT_MAX = 10_000;
/** Calls that wait for a record to be committed; further ones are refused as busy. */
export const PROMISED_MAX = 10_000;
/** Displaced instances remembered; the oldest beyond it may speak once before they are told. */
export const DISPLACED_MAX = 4096;
/** Unreachable tasks kept per framework; the oldest beyond it are forgotten. */
export const UNREACHABLE_TASKS_MAX = 1000;

/** Operators' operations that the log holds open, and that wait to stand in it. */
export const OPERATIONS_OPEN_MAX = 10_000;
/** Records of drains, maintenance and operators' operations came with this version (P-7.8). */
export const OPERATIONS_VERSION = 3;

/** Somebody who said Hello and waits for `come`. */
export interface Greeting {
  readonly peer: Peer;
  readonly session: SessionId;
  readonly incarnation: Incarnation;
  readonly identity: string | undefined;
  /** Until then another process may show that it is the one that is registered. */
  contestedUntilMs: number | undefined;
}

/** Parts of an agent's registration as they come in, and while its record is under way. */
export interface Registration {
  readonly peer: Peer;
  readonly principal: Principal;
  readonly first: BodyOf<"RegisterAgent">;
  readonly tasks: BodyOf<"RegisterAgent">["tasks"];
  readonly frameworks: BodyOf<"RegisterAgent">["frameworks"];
  readonly executors: NonNullable<BodyOf<"RegisterAgent">["executors"]>;
  readonly operations: OperationRecord[];
  parts: number;
  /** All parts are here. */
  whole: boolean;
}

/** A subscription that waits for its framework's admission. */
export interface Subscription {
  readonly peer: Peer;
  readonly principal: Principal;
  readonly frameworkId: FrameworkId;
  readonly body: BodyOf<"SUBSCRIBE">;
}

/** Somebody who is answered when a record about a framework is committed. */
export interface Promised {
  readonly frameworkId: FrameworkId;
  readonly by: RegistryOperation["kind"];
  readonly to:
    | { readonly peer: Peer; readonly id: MessageId }
    | { readonly reply: string; readonly id: MessageId };
}

export type RoleOperation = Extract<RegistryOperation, { readonly role: string }>;

/** An operation on a role under way, and who is answered when it is committed. */
export interface RoleCall {
  readonly operation: RoleOperation;
  readonly reply: string;
  readonly id: MessageId;
}

/** An operator who waits until an agent has done something. */
export interface OperationCall {
  readonly agentId: AgentId;
  readonly reply: string;
  readonly id: MessageId;
}

/** A read that waits for a proof of lead. */
export interface WaitingRead {
  readonly reply: string;
  readonly id: MessageId;
  readonly question: BodyOf<"OPERATOR_EXPLAIN">;
}

/** A snapshot under way. */
export interface Snapshotting {
  readonly head: Head;
  readonly registry: Registry;
  readonly chunks: Iterator<RegistryOperation>;
  readonly reader: SnapshotReader;
  written: number;
  /** All chunks are written. */
  whole: boolean;
  /** Position of the last chunk. */
  last: number;
  /** Token of the read back under way. */
  reading: string | undefined;
}

export class MasterState {
  readonly settings: MasterSettings;
  readonly allocator: Allocator;
  /** A lock held by the log's adapter proves the lead. */
  readonly exclusive: boolean;

  readonly follower: Follower;
  registry: Registry;
  candidacy: Candidacy | undefined;
  writer: Writer | undefined;
  lead: Lead | undefined;
  clusterTime: ClusterTime | undefined;
  /** This actor keeps on a disk what it has seen of the log (P-7.4). */
  readonly hasDisk: boolean;
  /** The disk has said what was seen in earlier lives. */
  witnessKnown = false;
  /** What earlier lives have seen: a log is judged by it before it is led. */
  witness: Witness | undefined;
  /** The one under way to the disk, and the last that came there. */
  witnessWriting: Witness | undefined;
  witnessWritten: Witness | undefined;
  witnessWrittenMs = Number.NEGATIVE_INFINITY;
  /** Why the log is not to be trusted; this life ends as soon as another copy was asked for. */
  distrusts: string | undefined;
  snapshotting: Snapshotting | undefined;
  /** Hears of new records without asking. */
  following = false;
  /** It is giving the lead away: mute, and nothing more is proposed than that. */
  yielding = false;
  /** When the last record of somebody else was received; undefined before any. */
  heardMs: number | undefined;
  caughtUp = false;
  /** Whether the predecessor may still speak, as it was found when the campaign began. */
  quiet = false;
  campaigns = 0;
  muted = false;
  reading: Token | undefined;
  readonly barrier = new Barrier<WaitingRead>();
  /** Agents and frameworks that a record under way will change. */
  readonly proposedAgents = new Set<AgentId>();
  readonly owners = new Owners();

  readonly agents = new Map<AgentId, AgentRecord>();
  readonly agentsByPeer = new Map<Peer, AgentRecord>();
  readonly frameworks = new Map<FrameworkId, FrameworkRecord>();
  readonly frameworksByPeer = new Map<Peer, FrameworkRecord>();
  readonly offers = new Map<OfferId, OfferRecord>();
  readonly offersEnded = new Map<OfferId, OfferEnd>();
  /** It listens and has said that it leads; before, whoever asks hears it with everybody (P-3.8). */
  announced = false;
  /** Clients that asked who leads, since the last sweep. */
  seekers = 0;
  readonly greetings = new Map<Peer, Greeting>();
  /** Those that were called and have not registered yet, with the time they were called. */
  readonly coming = new Map<Peer, number>();
  readonly registrations = new Map<Peer, Registration>();
  readonly subscriptions = new Map<Peer, Subscription>();
  /** Instances whose framework was taken over by another one (P-4.4). */
  readonly displaced = new Set<Peer>();
  readonly proposedFrameworks = new Set<FrameworkId>();
  promised: Promised[] = [];
  /** Operations on roles under way, in the order in which they were proposed. */
  readonly roleCalls: RoleCall[] = [];
  /** Operators who wait for a record, by what they ordered. */
  readonly orders = new Map<RegistryOperation, Pick<OperationCall, "reply" | "id">>();
  /** Agents whose drain is not over. */
  readonly draining = new Set<AgentId>();
  /** Maintenance windows by machine; follows the registry. */
  readonly windows = new Map<string, WireUnavailability>();
  /** Inverse offers that nobody has answered. */
  readonly inverseOffers = new Map<
    InverseOfferId,
    { readonly frameworkId: FrameworkId; readonly agentId: AgentId }
  >();
  inverseOffersMade = 0;
  /** What frameworks said to them last, by agent. */
  readonly leaving = new Map<AgentId, Map<FrameworkId, "UNKNOWN" | "ACCEPT" | "DECLINE">>();
  /** Operators who wait for their operation, by its id. */
  readonly operationCalls = new Map<Uuid, OperationCall>();
  /** Operators' operations whose end is under way to the log. */
  readonly closing = new Set<Uuid>();
  /** Agents that are to register anew, since what was counted of them is not so. */
  readonly toClose = new Set<Peer>();
  /** Tasks that are to give back what was lent to them, and when they are killed. */
  readonly notices = new Map<TaskRecord, { readonly lender: string; readonly untilMs: number }>();
  /** Agents of the registry that this leader has neither heard of nor given up (P-6.2). */
  readonly missing = new Set<AgentId>();
  offersMade = 0;
  subscriptionsMade = 0;
  /** Updates that the batch in hand has said to frameworks. */
  updatesSaid = 0;
  /** Since when this master leads, monotonic; deadlines of silence never reach before it. */
  leadingMs = 0;
  /** After standing still, silence is counted from here (P-6.1). */
  judgeFromMs = 0;
  /** Until then no agent can have been silent or away for too long. */
  overdueFromMs = Number.NEGATIVE_INFINITY;
  /** When agents were removed within the last minute, and whether it was said that others wait. */
  removals: { atMs: number[]; said: boolean } = { atMs: [], said: false };
  /** Who is still to hear a heartbeat in the round under way. */
  heartbeats: Iterator<Peer, void> | undefined;
  /** Something changed that may make new offers possible. */
  allocationWanted = false;
  readonly runTimes = new RunTimes();
  readonly publisher: Publisher;

  constructor(
    settings: MasterSettings,
    allocator: Allocator,
    publisher: Publisher,
    { exclusive, hasDisk = false }: { readonly exclusive: boolean; readonly hasDisk?: boolean },
  ) {
    this.settings = settings;
    this.allocator = allocator;
    this.publisher = publisher;
    this.exclusive = exclusive;
    this.hasDisk = hasDisk;
    this.witness = settings.witness;
    this.follower = new Follower(settings.witness?.position, settings.recordVersion);
    this.registry = this.follower.registry;
  }

  get epoch(): Epoch {
    return this.writer?.epoch ?? 0;
  }

  get head(): Head {
    return this.writer?.head ?? this.follower.head;
  }
}

/** One input's turn: the state, what the host knows, and what is to happen. */
export interface Turn {
  readonly state: MasterState;
  readonly env: Env;
  readonly out: Effect[];
}

/** Says something over the session with `to`. */
export function say({ out }: Turn, to: Peer, message: AnyMessage): void {
  out.push({ kind: "send", to, message });
}

/** Counts what was not done, under its reason. */
export function refuse(
  { out }: Turn,
  reason: CallReason | WireReason | PlacementReason,
  name = "refusals",
): void {
  out.push({ kind: "count", name, reason });
}

export function note(
  { out }: Turn,
  level: "debug" | "info" | "warn" | "error",
  sentence: string,
  fields: Readonly<Record<string, string | number | boolean>> = {},
): void {
  out.push({ kind: "log", level, sentence, fields });
}

/** Proposes operations for the record that this batch appends; false when the log is too busy. */
export function propose({ state }: Turn, ...operations: RegistryOperation[]): boolean {
  const { writer } = state;
  if (writer === undefined || state.yielding) return false;
  const { minimumVersion } = state.registry;
  for (const operation of operations) {
    const raises = operation.kind === "MinimumVersion" || operation.kind === "LogCreated";
    // A master that does not know the kind would have to stop where it stands (P-7.8).
    invariant(raises || versionOf(operation) <= minimumVersion, "every master knows the kind", {
      kind: operation.kind,
    });
  }
  return operations.every((operation) => writer.propose(operation));
}

/** A framework's id from the nonce of its first subscription (P-4.4). */
export function frameworkIdOf(nonce: Uuid): FrameworkId {
  return `f-${nonce}` as FrameworkId;
}
