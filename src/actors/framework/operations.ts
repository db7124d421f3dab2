/**
 * Operations on resources that the framework wants to hear of: known from the ACCEPT on, asked
 * for after every subscription, done when their end is told and acknowledged (mesos.md §3.4).
 */
import {
  type AgentId,
  type BodyOf,
  isOperationOver,
  MASTER_PEER,
  type OperationId,
  OPERATIONS_PER_RECONCILE_MAX,
  type OperationStatus,
} from "#protocol";
import type { Effect } from "#runtime";
import type { FrameworkState } from "./state.ts";
import { tellScheduler } from "./tell.ts";

/** Operations that the driver reconciles by itself; further ones are the framework's affair. */
export const OPERATIONS_TRACKED_MAX = 10_000;

export function trackOperation(
  state: FrameworkState,
  operationId: OperationId,
  agentId: AgentId | undefined,
): void {
  if (state.operations.size >= OPERATIONS_TRACKED_MAX) return;
  state.operations.set(operationId, { agentId, asked: false });
}

/** Told once, acknowledged as often as it comes. */
export function operationUpdated(
  state: FrameworkState,
  status: OperationStatus,
  out: Effect[],
): void {
  const { operationId, uuid } = status;
  if (operationId === undefined) {
    return void out.push({ kind: "count", name: "ignored", reason: "operation-without-id" });
  }
  const tracked = state.operations.get(operationId);
  if (uuid !== undefined && state.operationsAcknowledged.get(operationId) === uuid) {
    out.push({ kind: "count", name: "ignored", reason: "operation-status-repeated" });
    return sayAcknowledgement(status, out);
  }
  // Nobody knows it yet, so the question stands.
  if (tracked !== undefined) tracked.asked = status.state === "OPERATION_RECOVERING";
  out.push(tellScheduler({ kind: "operation", status }));
  if (uuid === undefined) {
    if (isOperationOver(status.state) || status.state === "OPERATION_UNKNOWN") {
      state.operations.delete(operationId);
    }
  } else if (state.config.acknowledgeForMe) acknowledgeOperation(state, status, out);
}

/** The scheduler has made the status durable, or does not want to. */
export function acknowledgeOperation(
  state: FrameworkState,
  status: Pick<OperationStatus, "operationId" | "agentId" | "uuid">,
  out: Effect[],
): void {
  const { operationId, uuid } = status;
  if (operationId === undefined || uuid === undefined) return;
  state.operations.delete(operationId);
  state.operationsAcknowledged.set(operationId, uuid);
  for (const oldest of state.operationsAcknowledged.keys()) {
    if (state.operationsAcknowledged.size <= OPERATIONS_TRACKED_MAX) break;
    state.operationsAcknowledged.delete(oldest);
  }
  sayAcknowledgement(status, out);
}

function sayAcknowledgement(
  { operationId, agentId, uuid }: Pick<OperationStatus, "operationId" | "agentId" | "uuid">,
  out: Effect[],
): void {
  if (operationId === undefined || agentId === undefined || uuid === undefined) return;
  const body = { agentId, operationId, uuid };
  out.push({
    kind: "send",
    to: MASTER_PEER,
    message: { kind: "ACKNOWLEDGE_OPERATION_STATUS", body },
  });
}

/** A subscription has begun: every operation that is not over is asked for. */
export function askOperations(state: FrameworkState): void {
  for (const operation of state.operations.values()) operation.asked = true;
}

/** Asks for those that have not been answered; whether any are left. */
export function reconcileOperations(state: FrameworkState, room: number, out: Effect[]): boolean {
  const open = [...state.operations].filter(([, { asked }]) => asked);
  const operations: BodyOf<"RECONCILE_OPERATIONS">["operations"] = open
    .slice(0, OPERATIONS_PER_RECONCILE_MAX)
    .map(([operationId, { agentId }]) => {
      return agentId === undefined ? { operationId } : { operationId, agentId };
    });
  if (operations.length > 0 && room > 0) {
    const body = { operations };
    out.push({ kind: "send", to: MASTER_PEER, message: { kind: "RECONCILE_OPERATIONS", body } });
  }
  return open.length > 0;
}
