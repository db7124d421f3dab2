/**
 * What the replicated log replays to, and the one function that changes it. Leader, standby,
 * restore, tools and simulator share `apply`; every version is an immutable value that readers
 * may keep. Holds no tasks, offers or heartbeats: the agents are the authority on those.
 */
import { castDraft, type Draft, enableMapSet, produce } from "immer";
import type {
  AgentId,
  AgentInfo,
  Epoch,
  FrameworkId,
  FrameworkInfo,
  Incarnation,
  MaintenanceWindow,
  MasterId,
  Position,
  Principal,
  ResourceOperation,
  Uuid,
  WireQuantities,
} from "#protocol";
import { LayeredMap } from "./layered-map.ts";
import { type LogRecord, MASTERS_KNOWN_MAX, type RegistryOperation } from "./records.ts";

enableMapSet();

/** Most frameworks remembered as completed; beyond it the oldest are forgotten. */
export const FRAMEWORKS_COMPLETED_MAX = 10_000;
/** Most agents remembered as unreachable, and as gone; beyond it the oldest are forgotten. */
export const AGENTS_ABSENT_MAX = 102_400;

export type AgentCondition = "admitted" | "unreachable" | "gone";

/** An operator's word that an agent is to be emptied. */
export interface RegisteredDrain {
  readonly maxGracePeriodMs: number | undefined;
  readonly markGone: boolean;
  /** Wall clock when it began, and when it was over. */
  readonly atMs: number;
  readonly drainedAtMs: number | undefined;
}

/** An operator's operation that its agent has not answered yet. */
export interface RegisteredOperation {
  readonly operationUuid: Uuid;
  readonly agentId: AgentId;
  readonly operation: ResourceOperation;
}

export interface RegisteredAgent {
  readonly agentId: AgentId;
  readonly principal: Principal;
  readonly incarnation: Incarnation;
  readonly bootId: string;
  readonly info: AgentInfo;
  readonly condition: AgentCondition;
  /** Wall clock when it became unreachable or gone. */
  readonly sinceMs: number | undefined;
  /** Nothing of it is offered. */
  readonly deactivated: boolean;
  readonly drain: RegisteredDrain | undefined;
}

export interface RegisteredFramework {
  readonly frameworkId: FrameworkId;
  readonly principal: Principal;
  readonly nonce: Uuid;
  readonly info: FrameworkInfo;
  /** Cluster time at which it was last found disconnected; undefined while it is not. */
  readonly disconnectedAtMs: number | undefined;
}

export interface CompletedFramework {
  readonly frameworkId: FrameworkId;
  readonly principal: Principal;
  readonly nonce: Uuid;
  readonly why: "teardown" | "operator" | "failover-timeout";
}

/** Amounts in thousandths. */
export interface RegisteredQuota {
  readonly role: string;
  readonly guarantee: WireQuantities;
  /** What is not named is not limited; 0 is a limit like any other. */
  readonly limit: WireQuantities;
  readonly lends: boolean;
}

/** A snapshot that the log holds (P-7.7). */
export interface RegisteredSnapshot {
  readonly position: Position;
  /** Cluster time when it was announced. */
  readonly atMs: number;
}

export interface Registry {
  readonly logId: string | undefined;
  readonly generation: number;
  readonly epoch: Epoch;
  readonly leader: MasterId | undefined;
  /** Who gave the lead away, while nobody has it. */
  readonly yieldedBy: MasterId | undefined;
  /** Version of records that every master must know (P-7.8). */
  readonly minimumVersion: number;
  /** Who ever led, with the version of records that it knew then. */
  readonly masters: ReadonlyMap<MasterId, number>;
  readonly snapshot: RegisteredSnapshot | undefined;
  /** The one before: the log may begin behind it. */
  readonly snapshotBefore: RegisteredSnapshot | undefined;
  /** First position that is kept. */
  readonly keptFrom: Position;
  /** Cluster time of the last record (P-6.3). */
  readonly clusterTimeMs: number;
  /** Tens of thousands come one after the other: a Map would be copied for each record (0130). */
  readonly agents: LayeredMap<AgentId, RegisteredAgent>;
  readonly frameworks: ReadonlyMap<FrameworkId, RegisteredFramework>;
  /** In the order of completion. */
  readonly completed: ReadonlyMap<FrameworkId, CompletedFramework>;
  /** Of roles whose weight is not 1. */
  readonly weights: ReadonlyMap<string, number>;
  readonly quotas: ReadonlyMap<string, RegisteredQuota>;
  /** When machines are to be away; hostnames in lower case. */
  readonly windows: readonly MaintenanceWindow[];
  /** Machines that are away now. */
  readonly down: ReadonlySet<string>;
  /** The only hosts whose agents are offered; undefined: all. */
  readonly whitelist: readonly string[] | undefined;
  /** Operators' operations, in the order in which they came. */
  readonly operations: ReadonlyMap<Uuid, RegisteredOperation>;
}

export const EMPTY_REGISTRY: Registry = {
  logId: undefined,
  generation: 0,
  epoch: 0,
  leader: undefined,
  yieldedBy: undefined,
  minimumVersion: 1,
  masters: new Map(),
  snapshot: undefined,
  snapshotBefore: undefined,
  keptFrom: 1,
  clusterTimeMs: 0,
  agents: LayeredMap.of<AgentId, RegisteredAgent>([]),
  frameworks: new Map(),
  completed: new Map(),
  weights: new Map(),
  quotas: new Map(),
  windows: [],
  down: new Set(),
  whitelist: undefined,
  operations: new Map(),
};

/** The registry after a record. Operations on what is not there change nothing. */
export function apply(registry: Registry, record: LogRecord): Registry {
  return applyAll(registry, [record]);
}

/** The same for a run of records at once: replay pays for one copy, not for one each. */
export function applyAll(registry: Registry, records: readonly LogRecord[]): Registry {
  const changing = records.filter(changesMoreThanTime);
  if (changing.length > 0) {
    return produce(registry, (draft) => {
      draft.clusterTimeMs = timeAfter(registry, records);
      for (const record of changing) operateAll(draft, record);
    });
  }
  // Most records are proofs of lead: the time goes on, which is no reason for a draft.
  const clusterTimeMs = timeAfter(registry, records);
  if (clusterTimeMs === registry.clusterTimeMs) return registry;
  return Object.freeze({ ...{}, ...registry, clusterTimeMs });
}

function changesMoreThanTime({ operations }: LogRecord): boolean {
  return operations.some(({ kind }) => kind !== "Proof" && kind !== "SnapshotChunk");
}

function timeAfter({ clusterTimeMs }: Registry, records: readonly LogRecord[]): number {
  return records.reduce((ms, record) => Math.max(ms, record.clusterTimeMs), clusterTimeMs);
}

function operateAll(draft: Draft<Registry>, record: LogRecord): void {
  for (const operation of record.operations) operate(draft, operation, record);
}

function operate(draft: Draft<Registry>, operation: RegistryOperation, record: LogRecord): void {
  switch (operation.kind) {
    case "LogCreated":
      draft.logId = operation.logId;
      draft.generation = operation.generation;
      draft.minimumVersion = operation.minimumVersion ?? 1;
      return;
    case "LeaderElected":
      return electLeader(draft, operation, record.epoch);
    case "LeadYielded":
      draft.leader = undefined;
      draft.yieldedBy = operation.masterId;
      return;
    case "MinimumVersion":
      draft.minimumVersion = Math.max(draft.minimumVersion, operation.version);
      return;
    case "SnapshotTaken":
      draft.snapshotBefore = draft.snapshot;
      draft.snapshot = { position: operation.position, atMs: record.clusterTimeMs };
      return;
    case "LogTruncated":
      draft.keptFrom = Math.max(draft.keptFrom, operation.before);
      return;
    case "Proof":
    case "SnapshotChunk":
      return;
    case "AgentAdmitted":
      return admitAgent(draft, operation);
    case "AgentUpdated":
      return describeAgent(draft, operation, false);
    case "AgentMarkedReachable":
      return describeAgent(draft, operation, true);
    case "AgentMarkedUnreachable":
      return loseAgent(draft, operation.agentId, "unreachable", operation.atMs);
    case "AgentMarkedGone":
      return loseAgent(draft, operation.agentId, "gone", operation.atMs);
    case "AgentRemoved":
      dropOperations(draft, operation.agentId);
      setAgents(draft, agentsOf(draft).without(operation.agentId));
      return;
    case "FrameworkAdmitted":
      return admitFramework(draft, operation);
    case "FrameworkUpdated":
      return updateFramework(draft, operation.frameworkId, { info: kept(operation.info) });
    case "FrameworkDisconnected":
      return updateFramework(draft, operation.frameworkId, {
        disconnectedAtMs: operation.sinceMs ?? record.clusterTimeMs,
      });
    case "FrameworkReturned":
      return updateFramework(draft, operation.frameworkId, { disconnectedAtMs: undefined });
    case "FrameworkCompleted":
      return completeFramework(draft, operation);
    case "FrameworkRemembered":
      return rememberCompleted(draft, operation);
    case "WeightSet":
      if (operation.weight === 1) draft.weights.delete(operation.role);
      else draft.weights.set(operation.role, operation.weight);
      return;
    case "QuotaSet":
      return setQuota(draft, operation);
    case "QuotaRemoved":
      draft.quotas.delete(operation.role);
      return;
    case "AgentDeactivated":
    case "AgentDraining":
    case "AgentDrained":
    case "AgentReactivated":
      return changeActivity(draft, operation);
    case "MaintenanceScheduled":
    case "MachinesDown":
    case "MachinesUp":
    case "WhitelistSet":
      return maintain(draft, operation);
    case "OperationOpened":
      return openOperation(draft, operation);
    case "OperationClosed":
      draft.operations.delete(operation.operationUuid);
      return;
  }
}

/** What came with a record is nobody's to change. Said here, so that immer need not walk all of it. */
function kept<Value extends object>(value: Value): Value {
  return Object.freeze(value);
}

/** Drafts are made of Maps, not of this: it is a value, and a new one takes its place. */
function agentsOf(draft: Draft<Registry>): Registry["agents"] {
  // immer's types make a draft of every class; it makes one of none that is not marked for it.
  return draft.agents as unknown as Registry["agents"];
}

function setAgents(draft: Draft<Registry>, agents: Registry["agents"]): void {
  draft.agents = castDraft(agents);
}

/** The agent, new or in the place where it stands. */
function putAgent(draft: Draft<Registry>, agent: RegisteredAgent): void {
  setAgents(draft, agentsOf(draft).with(agent.agentId, kept(agent)));
}

function setQuota(draft: Draft<Registry>, { role, guarantee, limit, lends }: Of<"QuotaSet">): void {
  draft.quotas.set(role, castDraft<RegisteredQuota>({ role, guarantee, limit, lends }));
}

function openOperation(
  draft: Draft<Registry>,
  { operationUuid, agentId, operation }: Of<"OperationOpened">,
): void {
  const opened: RegisteredOperation = { operationUuid, agentId, operation: kept(operation) };
  if (agentsOf(draft).has(agentId)) draft.operations.set(operationUuid, castDraft(opened));
}

function maintain(
  draft: Draft<Registry>,
  operation: Of<"MaintenanceScheduled" | "MachinesDown" | "MachinesUp" | "WhitelistSet">,
): void {
  switch (operation.kind) {
    case "MaintenanceScheduled":
      draft.windows = castDraft(operation.windows);
      return;
    case "MachinesDown":
      for (const hostname of operation.hostnames) draft.down.add(hostname);
      return;
    case "WhitelistSet":
      draft.whitelist = castDraft(operation.hostnames);
      return;
    case "MachinesUp":
      return raiseMachines(draft, operation.hostnames);
  }
}

function changeActivity(
  draft: Draft<Registry>,
  operation: Of<"AgentDeactivated" | "AgentDraining" | "AgentDrained" | "AgentReactivated">,
): void {
  const agent = agentsOf(draft).get(operation.agentId);
  if (agent === undefined || agent.condition === "gone") return;
  switch (operation.kind) {
    case "AgentDeactivated":
      return putAgent(draft, { ...{}, ...agent, deactivated: true });
    case "AgentDraining": {
      const { maxGracePeriodMs, markGone, atMs } = operation;
      const drain = kept({ maxGracePeriodMs, markGone, atMs, drainedAtMs: undefined });
      return putAgent(draft, { ...{}, ...agent, drain });
    }
    case "AgentDrained": {
      const { drain } = agent;
      if (drain === undefined || drain.drainedAtMs !== undefined) return;
      return putAgent(draft, {
        ...{},
        ...agent,
        drain: kept({ ...{}, ...drain, drainedAtMs: operation.atMs }),
      });
    }
    case "AgentReactivated":
      return putAgent(draft, { ...{}, ...agent, deactivated: false, drain: undefined });
  }
}

/** Back from maintenance: out of the schedule, and windows that are empty with them. */
function raiseMachines(draft: Draft<Registry>, hostnames: readonly string[]): void {
  const up = new Set(hostnames);
  for (const hostname of up) draft.down.delete(hostname);
  for (const window of draft.windows) {
    window.hostnames = window.hostnames.filter((hostname) => !up.has(hostname));
  }
  draft.windows = draft.windows.filter((window) => window.hostnames.length > 0);
}

/** Nobody will do them any more. */
function dropOperations(draft: Draft<Registry>, agentId: AgentId): void {
  for (const [operationUuid, operation] of draft.operations) {
    if (operation.agentId === agentId) draft.operations.delete(operationUuid);
  }
}

type Of<Kind extends RegistryOperation["kind"]> = Extract<RegistryOperation, { kind: Kind }>;

function electLeader(draft: Draft<Registry>, operation: Of<"LeaderElected">, epoch: Epoch): void {
  const { masterId, version = 1 } = operation;
  draft.epoch = epoch;
  draft.leader = masterId;
  draft.yieldedBy = undefined;
  // The one that led last stands last, so that forgetting begins with the oldest.
  draft.masters.delete(masterId);
  draft.masters.set(masterId, version);
  for (const oldest of draft.masters.keys()) {
    if (draft.masters.size <= MASTERS_KNOWN_MAX) return;
    draft.masters.delete(oldest);
  }
}

/** An agent that is gone never returns, whoever admits it. */
function admitAgent(draft: Draft<Registry>, operation: Of<"AgentAdmitted">): void {
  const { agentId, principal, incarnation, bootId, info } = operation;
  if (agentsOf(draft).get(agentId)?.condition === "gone") return;
  putAgent(draft, {
    agentId,
    principal,
    incarnation,
    bootId,
    info: kept(info),
    condition: "admitted",
    sinceMs: undefined,
    deactivated: false,
    drain: undefined,
  });
}

function describeAgent(
  draft: Draft<Registry>,
  operation: Of<"AgentUpdated"> | Of<"AgentMarkedReachable">,
  reachable: boolean,
): void {
  const agent = agentsOf(draft).get(operation.agentId);
  if (agent === undefined || agent.condition === "gone") return;
  const { incarnation, bootId, info } = operation;
  const described = { ...{}, ...agent, incarnation, bootId, info: kept(info) };
  if (!reachable) return putAgent(draft, described);
  putAgent(draft, { ...{}, ...described, condition: "admitted", sinceMs: undefined });
}

function loseAgent(
  draft: Draft<Registry>,
  agentId: AgentId,
  condition: "unreachable" | "gone",
  atMs: number,
): void {
  const agent = agentsOf(draft).get(agentId);
  if (agent === undefined || agent.condition === condition || agent.condition === "gone") return;
  if (condition === "gone") dropOperations(draft, agentId);
  // The one lost last stands last, so that forgetting begins with the oldest.
  setAgents(draft, agentsOf(draft).without(agentId));
  putAgent(draft, { ...{}, ...agent, condition, sinceMs: atMs });
  forgetAbsent(draft, condition);
}

function forgetAbsent(draft: Draft<Registry>, condition: AgentCondition): void {
  let agents = agentsOf(draft);
  if (agents.size <= AGENTS_ABSENT_MAX) return;
  const absent = [...agents.values()].filter((agent) => agent.condition === condition);
  const surplus = absent.length - AGENTS_ABSENT_MAX;
  for (const { agentId } of absent.slice(0, Math.max(0, surplus))) agents = agents.without(agentId);
  setAgents(draft, agents);
}

function admitFramework(draft: Draft<Registry>, operation: Of<"FrameworkAdmitted">): void {
  const { frameworkId, principal, nonce, info } = operation;
  if (draft.completed.has(frameworkId)) return;
  draft.frameworks.set(
    frameworkId,
    castDraft<RegisteredFramework>({
      frameworkId,
      principal,
      nonce,
      info: kept(info),
      disconnectedAtMs: undefined,
    }),
  );
}

function updateFramework(
  draft: Draft<Registry>,
  frameworkId: FrameworkId,
  fields: Partial<Pick<RegisteredFramework, "info" | "disconnectedAtMs">>,
): void {
  const framework = draft.frameworks.get(frameworkId);
  if (framework !== undefined) Object.assign(framework, fields);
}

function completeFramework(draft: Draft<Registry>, operation: Of<"FrameworkCompleted">): void {
  const { frameworkId, why } = operation;
  const framework = draft.frameworks.get(frameworkId);
  if (framework === undefined) return;
  const { principal, nonce } = framework;
  draft.frameworks.delete(frameworkId);
  rememberCompleted(draft, { frameworkId, principal, nonce, why });
}

function rememberCompleted(draft: Draft<Registry>, framework: CompletedFramework): void {
  const { frameworkId, principal, nonce, why } = framework;
  draft.completed.set(frameworkId, { frameworkId, principal, nonce, why });
  for (const oldest of draft.completed.keys()) {
    if (draft.completed.size <= FRAMEWORKS_COMPLETED_MAX) return;
    draft.completed.delete(oldest);
  }
}
