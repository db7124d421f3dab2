/**
 * W1: what a master says of agents and frameworks stands in the log by then (P-1.7): that an
 * agent is registered, that a framework is subscribed, that an agent's tasks are unreachable. An
 * agent that the log says to be gone is never registered again (P-4.2).
 */
import type { AnyMessage } from "#protocol";
import type { RegistryOperation } from "#replication";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedRecords } from "./committed.ts";

export function promiseChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedRecords(world);
  const admitted = new Set<string>();
  const frameworks = new Set<string>();
  /** Agents that were unreachable or gone at some time: what is said of them may be late. */
  const lost = new Set<string>();
  /** Agents that are gone for good, by the epoch in which the log was told so. */
  const gone = new Map<string, number>();
  const read = (): void => {
    for (const { epoch, operations } of committed.fresh()) {
      for (const operation of operations) apply(operation, epoch);
    }
  };
  const apply = (operation: RegistryOperation, epoch: number): void => {
    if (operation.kind === "AgentAdmitted") admitted.add(operation.agentId);
    if (operation.kind === "FrameworkAdmitted") frameworks.add(operation.frameworkId);
    if (operation.kind === "AgentMarkedUnreachable") lost.add(operation.agentId);
    if (operation.kind !== "AgentMarkedGone") return;
    lost.add(operation.agentId);
    gone.set(operation.agentId, epoch);
  };
  const judge = (message: AnyMessage, master: string, epoch: number): void => {
    switch (message.kind) {
      case "AgentRegistered": {
        const { agentId } = message.body;
        // A leader that was succeeded may not know yet what its successor was told.
        if (epoch >= (gone.get(agentId) ?? Number.POSITIVE_INFINITY)) {
          violate("W1", `${master} says that ${agentId} is registered; the log says it is gone`);
        }
        if (admitted.has(agentId)) return;
        return violate("W1", `${master} says that ${agentId} is registered; the log does not`);
      }
      case "SUBSCRIBED": {
        const { frameworkId } = message.body;
        if (frameworks.has(frameworkId)) return;
        return violate("W1", `${master} says that ${frameworkId} is subscribed; the log does not`);
      }
      case "UPDATE": {
        const { state, agentId, taskId, source } = message.body.status;
        const isLost = state === "TASK_UNREACHABLE" && source === "SOURCE_MASTER";
        if (!isLost || agentId === undefined || lost.has(agentId)) return;
        return violate("W1", `${master} says that ${taskId} is unreachable; the log does not`);
      }
      default:
        return;
    }
  };
  return {
    id: "W1",
    statement: "what a master says of agents and frameworks stands in the log by then",
    sees: { said: ["master"] },
    kinds: ["AgentRegistered", "SUBSCRIBED", "UPDATE"],
    on(observation: Observation): void {
      if (observation.what !== "said" || observation.frame.speaker !== "master") return;
      const { node, frame } = observation;
      read();
      for (const message of frame.messages) judge(message, node.name, frame.epoch);
    },
  };
}
