/**
 * What follows when an operation has come back committed: whatever is sent, offered or answered
 * derives from what is applied (P-1.7). The registry itself has changed before.
 */
import type { RegistryOperation } from "#replication";
import { agentLost } from "./absence.ts";
import { agentSettled } from "./agents.ts";
import { answer, frameworkUpdated } from "./calls.ts";
import { frameworkCompleted, frameworkSettled } from "./frameworks.ts";
import { leadYielded } from "./speech.ts";
import { answerOperator } from "./operator.ts";
import { activitySettled } from "./drain.ts";
import { applyWhitelist, maintenanceSettled } from "./maintenance.ts";
import { orderSettled } from "./orders.ts";
import { operationClosed, operationOpened } from "./operations.ts";
import { roleSettled } from "./quota.ts";
import { chunkCommitted, snapshotTaken, truncate } from "./snapshots.ts";
import type { Turn } from "./state.ts";

export function committed(turn: Turn, operation: RegistryOperation): void {
  switch (operation.kind) {
    case "LogCreated":
    case "LeaderElected":
    case "MinimumVersion":
    case "FrameworkRemembered":
    case "Proof":
      return;
    case "LeadYielded":
      return leadYielded(turn);
    case "SnapshotChunk":
      return chunkCommitted(turn);
    case "SnapshotTaken":
      return snapshotTaken(turn);
    case "LogTruncated":
      return truncate(turn);
    case "AgentMarkedUnreachable":
      agentLost(turn, operation.agentId, "unreachable");
      return agentSettled(turn, operation.agentId);
    case "AgentMarkedGone":
      agentLost(turn, operation.agentId, "gone");
      turn.state.draining.delete(operation.agentId);
      agentSettled(turn, operation.agentId);
      return orderSettled(turn, operation);
    case "AgentAdmitted":
      turn.state.owners.admitted(operation.agentId, operation.principal, turn.state.registry);
      return agentSettled(turn, operation.agentId);
    case "OperationOpened":
      return operationOpened(turn, operation.operationUuid);
    case "OperationClosed":
      return operationClosed(turn, operation.operationUuid);
    case "AgentDeactivated":
    case "AgentDraining":
    case "AgentDrained":
    case "AgentReactivated":
      activitySettled(turn, operation.agentId);
      return orderSettled(turn, operation);
    case "MaintenanceScheduled":
    case "MachinesDown":
    case "MachinesUp":
      maintenanceSettled(turn);
      return orderSettled(turn, operation);
    case "WhitelistSet":
      applyWhitelist(turn);
      return orderSettled(turn, operation);
    case "AgentUpdated":
    case "AgentMarkedReachable":
    case "AgentRemoved":
      return agentSettled(turn, operation.agentId);
    case "FrameworkCompleted":
      frameworkCompleted(turn, operation.frameworkId);
      keepPromises(turn, operation);
      return frameworkSettled(turn, operation.frameworkId);
    case "FrameworkUpdated":
      frameworkUpdated(turn, operation.frameworkId);
      keepPromises(turn, operation);
      return frameworkSettled(turn, operation.frameworkId);
    case "FrameworkAdmitted":
    case "FrameworkDisconnected":
    case "FrameworkReturned":
      return frameworkSettled(turn, operation.frameworkId);
    case "WeightSet":
    case "QuotaSet":
    case "QuotaRemoved":
      return roleSettled(turn, operation, ({ reply, id }, given) => {
        answerOperator(turn, reply, id, given);
      });
  }
}

/** Answers who waited for this very record. */
function keepPromises(
  turn: Turn,
  { kind, frameworkId }: Extract<RegistryOperation, { kind: `Framework${string}` }>,
): void {
  const { state } = turn;
  const kept = state.promised.filter(
    (each) => each.by === kind && each.frameworkId === frameworkId,
  );
  if (kept.length === 0) return;
  state.promised = state.promised.filter((each) => !kept.includes(each));
  for (const { to } of kept) {
    if ("peer" in to) answer(turn, to.peer, to.id, { accepted: true });
    else answerOperator(turn, to.reply, to.id, { accepted: true });
  }
}
