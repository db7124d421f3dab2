/**
 * Operations on this agent's resources (P-8.1): judged once more, written down with their result
 * in one record, then said, again and again until that is acknowledged. An id that is known gets
 * its first answer. The bytes of a destroyed volume go when the record is on disk.
 */
import {
  type ApplyOperation,
  type OperationRecord,
  OPERATIONS_UNACKNOWLEDGED_MAX,
  type OperationState,
  type OperationStatusAcknowledgement,
  type Resource,
  type ResourceOperation,
} from "#protocol";
import { volumeBelow } from "#isolation";
import {
  checkpointedFault,
  checkpointedPart,
  type Converted,
  conversionFault,
  conversionOf,
  type Resources,
} from "#resources";
import type { Effect, Env } from "#runtime";
import { type AgentState, commit, count, retotal, say } from "./state.ts";

/** Longest name of a folder of a role's volumes. */
const FOLDER_LENGTH_MAX = 255;
/** Folder of all persistent volumes, below the root of the agent's disk. */
const VOLUMES = "volumes";

export function applyOperation(
  state: AgentState,
  body: ApplyOperation,
  env: Env,
  out: Effect[],
): void {
  const known = state.model.operations.get(body.operationUuid);
  if (known !== undefined) return tell(state, known, out);
  if (state.model.operations.size >= OPERATIONS_UNACKNOWLEDGED_MAX) {
    // Not written down: said again it may find room.
    const message = `${OPERATIONS_UNACKNOWLEDGED_MAX} operations wait for their acknowledgement`;
    count(out, "operation-refused", "busy");
    return tell(state, recordOf(state, body, { state: "OPERATION_DROPPED", message }), out);
  }
  const judged = judge(state, body.operation);
  const uuid = env.random.uuid();
  if (typeof judged === "string") {
    count(out, "operation-refused", body.operation.type);
    const failed = { state: "OPERATION_FAILED", message: judged, uuid } as const;
    return keep(state, recordOf(state, body, failed), null, out);
  }
  const { total, converted } = judged;
  const convertedResources = converted.toWire();
  const finished = { state: "OPERATION_FINISHED", uuid, convertedResources } as const;
  count(out, "operation-done", body.operation.type);
  keep(state, recordOf(state, body, finished), checkpointedPart(total).toWire(), out);
}

type Said = Omit<OperationRecord["status"], "state"> & { readonly state: OperationState };

function recordOf(
  { config }: AgentState,
  { operationUuid, frameworkId, operationId, operation }: ApplyOperation,
  said: Said,
): OperationRecord {
  const { agentId } = config;
  return {
    operationUuid,
    ...(frameworkId === undefined ? {} : { frameworkId }),
    operation,
    status: { ...{}, ...said, agentId, ...(operationId === undefined ? {} : { operationId }) },
  };
}

/** What the agent has afterwards, or why it cannot be done. */
function judge(
  { total, used, model }: AgentState,
  operation: ResourceOperation,
): { readonly total: Resources; readonly converted: Resources } | string {
  const fault = conversionFault(operation);
  if (fault !== undefined) return fault;
  const { consumed, converted } = conversionOf(operation);
  const free = total.subtract(used);
  if (!free.contains(consumed)) return `resources: ${consumed} is needed, ${free} is free here`;
  const after = total.subtract(consumed).add(converted);
  const large = checkpointedFault(after);
  if (large !== undefined) return large;
  if (operation.type !== "CREATE") return { total: after, converted };
  return volumesFault({ total, doomed: model.doomed }, converted) ?? { total: after, converted };
}

function volumesFault(
  { total, doomed }: { readonly total: Resources; readonly doomed: ReadonlySet<string> },
  volumes: Converted["converted"],
): string | undefined {
  const taken = new Set([...total].flatMap(folderOf));
  for (const volume of volumes) {
    const id = volume.disk?.persistence?.id;
    for (const path of folderOf(volume)) {
      if (taken.has(path)) return `persistent volume ${id} is there already`;
      if (doomed.has(path))
        return `the bytes of the last volume ${id} are being removed; again later`;
      if (path.split("/").some((name) => name.length > FOLDER_LENGTH_MAX)) {
        return "resources: the role's name is too long for the name of a folder";
      }
    }
  }
  return undefined;
}

/** Folder of a volume below the root of the agent's disk; none for what is no volume. */
function folderOf({ disk, reservations }: Resource): string[] {
  const id = disk?.persistence?.id;
  const role = reservations?.at(-1)?.role;
  if (id === undefined || role === undefined) return [];
  return [`${VOLUMES}/${volumeBelow(role, id)}`];
}

/** Written down with what it has made of the resources, then said. */
function keep(
  state: AgentState,
  operation: OperationRecord,
  checkpointed: readonly Resource[] | null,
  out: Effect[],
): void {
  const { type, resources } = operation.operation;
  const doomed = checkpointed !== null && type === "DESTROY" ? resources.flatMap(folderOf) : [];
  commit(state, { k: "operation", operation, checkpointed, doomed });
  if (checkpointed !== null) retotal(state);
  tell(state, operation, out);
  state.operationsRetryMs = state.config.updateRetryMs;
  out.push({ kind: "timer", name: "operations", inMs: state.operationsRetryMs });
}

function tell(state: AgentState, operation: OperationRecord, out: Effect[]): void {
  say(state, { kind: "OperationStatusUpdate", body: operation }, out);
}

/** Statuses that nobody has acknowledged are said again, ever more slowly. */
export function resendOperations(state: AgentState, env: Env, out: Effect[]): void {
  const { operations } = state.model;
  if (operations.size === 0) return;
  if (env.lifecycle === "running") {
    for (const operation of operations.values()) tell(state, operation, out);
    count(out, "operation-resent", "not-acknowledged");
  }
  const { updateRetryMs, updateRetryMsMax } = state.config;
  const doubled = Math.max(updateRetryMs, state.operationsRetryMs * 2);
  state.operationsRetryMs = Math.min(doubled, updateRetryMsMax);
  out.push({ kind: "timer", name: "operations", inMs: state.operationsRetryMs });
}

export function operationAcknowledged(
  state: AgentState,
  { operationUuid, statusUuid }: OperationStatusAcknowledgement,
  out: Effect[],
): void {
  const operation = state.model.operations.get(operationUuid);
  if (operation?.status.uuid !== statusUuid) {
    return count(out, "acknowledgement-ignored", "unknown-operation");
  }
  commit(state, { k: "operation-gone", operationUuid });
}

/** Removes the folders of volumes that are no more, once it is on disk that they are (P-1.5). */
export function removeDoomed(state: AgentState, out: Effect[]): void {
  if (state.journal.after !== undefined) return;
  for (const path of state.model.doomed) {
    if (state.removing.has(path)) continue;
    state.removing.set(path, "under-way");
    const token = `${VOLUME_TOKEN}${path}`;
    out.push({ kind: "write", token, mode: "remove", path, bytes: new Uint8Array(0) });
  }
}

const VOLUME_TOKEN = "volume/";

/** What could not be removed is tried again at each look at the disk. */
export function removeAgain(state: AgentState): void {
  for (const [path, how] of state.removing) if (how === "failed") state.removing.delete(path);
}

/** Whether the token is that of a removed folder. */
export function volumeRemoved(
  state: AgentState,
  token: string,
  removed: boolean,
  out: Effect[],
): boolean {
  if (!token.startsWith(VOLUME_TOKEN)) return false;
  const path = token.slice(VOLUME_TOKEN.length);
  count(out, "volume-removed", removed ? "ok" : "failed");
  if (removed) {
    state.removing.delete(path);
    commit(state, { k: "volume-gone", path });
  } else state.removing.set(path, "failed");
  return true;
}
