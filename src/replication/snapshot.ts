/**
 * Snapshots of the registry: the operations that make it anew, cut into chunks that are records of
 * the log themselves, and the reader that puts one together again (P-7.7). It appends nothing.
 */
import { decodeValue, encodePlain, type MasterId, type Position } from "#protocol";
import type { Head } from "./chain.ts";
import {
  isOperation,
  type LogRecord,
  type RegistryOperation,
  SNAPSHOT_CHUNK_BYTES,
} from "./records.ts";
import { applyAll, EMPTY_REGISTRY, type RegisteredAgent, type Registry } from "./registry.ts";

type Taken = Extract<RegistryOperation, { kind: "SnapshotTaken" }>;
type Chunk = Extract<RegistryOperation, { kind: "SnapshotChunk" }>;

/** Parts of one chunk at most; a record's bytes are scanned with a limit on their items. */
const PARTS_PER_CHUNK_MAX = 1024;

/** What makes the registry anew, applied to an empty one; what its head says is not in it. */
export function* operationsOf(registry: Registry): Generator<RegistryOperation> {
  for (const framework of registry.completed.values()) {
    yield { kind: "FrameworkRemembered", ...framework };
  }
  for (const agent of registry.agents.values()) {
    const { agentId, principal, incarnation, bootId, info, condition, sinceMs = 0 } = agent;
    yield { kind: "AgentAdmitted", agentId, principal, incarnation, bootId, info };
    if (condition === "unreachable") {
      yield { kind: "AgentMarkedUnreachable", agentId, atMs: sinceMs };
    }
    yield* activityOf(agent);
    if (condition === "gone") yield { kind: "AgentMarkedGone", agentId, atMs: sinceMs };
  }
  for (const framework of registry.frameworks.values()) {
    const { frameworkId, principal, nonce, info, disconnectedAtMs: sinceMs } = framework;
    yield { kind: "FrameworkAdmitted", frameworkId, principal, nonce, info };
    if (sinceMs !== undefined) yield { kind: "FrameworkDisconnected", frameworkId, sinceMs };
  }
  for (const [role, weight] of registry.weights) yield { kind: "WeightSet", role, weight };
  for (const quota of registry.quotas.values()) yield { kind: "QuotaSet", ...quota };
  const { windows, down, operations, whitelist } = registry;
  if (whitelist !== undefined) yield { kind: "WhitelistSet", hostnames: [...whitelist] };
  if (windows.length > 0) yield { kind: "MaintenanceScheduled", windows: [...windows] };
  for (const hostname of down) yield { kind: "MachinesDown", hostnames: [hostname] };
  for (const operation of operations.values()) yield { kind: "OperationOpened", ...operation };
}

/** What operators have said of an agent. */
function* activityOf({
  agentId,
  deactivated,
  drain,
}: RegisteredAgent): Generator<RegistryOperation> {
  if (deactivated) yield { kind: "AgentDeactivated", agentId };
  if (drain === undefined) return;
  const { maxGracePeriodMs, markGone, atMs, drainedAtMs } = drain;
  const grace = maxGracePeriodMs === undefined ? {} : { maxGracePeriodMs };
  yield { kind: "AgentDraining", agentId, ...grace, markGone, atMs };
  if (drainedAtMs !== undefined) yield { kind: "AgentDrained", agentId, atMs: drainedAtMs };
}

/** The chunks of the registry as it is at `position`, each made when it is asked for. */
export function* chunksOf(registry: Registry, position: Position): Generator<Chunk> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let index = 0;
  for (const operation of operationsOf(registry)) {
    const part = encodePlain(operation);
    const full = bytes + part.length > SNAPSHOT_CHUNK_BYTES || parts.length >= PARTS_PER_CHUNK_MAX;
    if (full && parts.length > 0) {
      yield { kind: "SnapshotChunk", of: position, index, parts };
      index += 1;
      parts = [];
      bytes = 0;
    }
    parts.push(part);
    bytes += part.length;
  }
  yield { kind: "SnapshotChunk", of: position, index, parts };
}

/** The announcement of a snapshot of `registry`, which is what the log held at `head`. */
export function takenOf(registry: Registry, head: Head, chunks: number): Taken {
  return {
    kind: "SnapshotTaken",
    position: head.validPosition,
    hash: head.hash,
    logId: head.logId ?? "",
    generation: head.generation,
    epoch: head.epoch,
    clusterTimeMs: registry.clusterTimeMs,
    minimumVersion: registry.minimumVersion,
    masters: [...registry.masters].map(([masterId, version]) => ({ masterId, version })),
    chunks,
  };
}

/** Head and registry that a snapshot stands for. */
export interface Restored {
  readonly head: Head;
  readonly registry: Registry;
}

/** Operations of chunks' parts; undefined where one of them is none that this build knows. */
export function operationsIn(parts: readonly Uint8Array[]): RegistryOperation[] | undefined {
  const operations: RegistryOperation[] = [];
  for (const part of parts) {
    const decoded = decodeValue(part);
    if (decoded.fault !== undefined || !isOperation(decoded.value)) return undefined;
    operations.push(decoded.value);
  }
  return operations;
}

/** The registry from the operations that make it and from what the announcement says. */
export function restoredFrom(taken: Taken, operations: RegistryOperation[]): Restored {
  const { position, hash, logId, generation, epoch, clusterTimeMs, minimumVersion } = taken;
  const masters = taken.masters.map(({ masterId, version }) => [masterId, version] as const);
  const leader = masters.at(-1)?.[0];
  const record: LogRecord = {
    v: minimumVersion,
    epoch,
    writer: leader ?? ("snapshot" as MasterId),
    id: "snapshot",
    clusterTimeMs,
    wallMs: 0,
    previous: "",
    operations,
  };
  const registry: Registry = {
    ...{},
    ...applyAll(EMPTY_REGISTRY, [record]),
    logId,
    generation,
    epoch,
    leader,
    minimumVersion,
    masters: new Map(masters),
    clusterTimeMs,
  };
  const head = { position, validPosition: position, hash, logId, generation, epoch };
  return { head, registry };
}

/**
 * Collects chunks as records pass, and puts a snapshot together when it is announced. Several may
 * be under way in turn: a leader that ends leaves its own unfinished.
 */
export class SnapshotReader {
  #epoch = 0;
  #of: Position = 0;
  #parts: Uint8Array[] = [];
  #chunks = 0;

  /** The snapshot that `record` completes; undefined where it completes none. */
  take(record: LogRecord): Restored | undefined {
    let restored: Restored | undefined;
    for (const operation of record.operations) {
      if (operation.kind === "SnapshotChunk") this.#add(record.epoch, operation);
      if (operation.kind === "SnapshotTaken") restored = this.#complete(record.epoch, operation);
    }
    return restored;
  }

  /** Chunks of the snapshot in hand that have passed in order. */
  get chunks(): number {
    return this.#chunks;
  }

  #add(epoch: number, { of, index, parts }: Chunk): void {
    if (index === 0) {
      this.#epoch = epoch;
      this.#of = of;
      this.#parts = [];
      this.#chunks = 0;
    }
    if (epoch !== this.#epoch || of !== this.#of || index !== this.#chunks) return;
    this.#parts.push(...parts);
    this.#chunks += 1;
  }

  #complete(epoch: number, taken: Taken): Restored | undefined {
    const whole =
      epoch === this.#epoch && taken.position === this.#of && taken.chunks === this.#chunks;
    const operations = whole ? operationsIn(this.#parts) : undefined;
    return operations === undefined ? undefined : restoredFrom(taken, operations);
  }
}
