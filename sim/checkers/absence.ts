/**
 * A1: absence is no evidence (P-6.2). A leader offers nothing of an agent, and says of none of its
 * tasks that nobody knows it, before that agent has registered in its epoch or the log has said
 * that it is lost.
 */
import type { AnyMessage, TaskStatus } from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";

/** Frames of one batch leave one after another: what rests on a registration may overtake it. */
const TOLERANCE_MS = 250;

/** Words for a task of which nothing is known. */
const UNKNOWN: ReadonlySet<string> = new Set(["TASK_UNKNOWN", "TASK_GONE"]);

export function absenceChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedOperations(world);
  /** Agents as the log has them. */
  const admitted = new Set<string>();
  /**
   * Epochs in which an agent was registered: a leader whose machine slept speaks on in its own for
   * a moment (P-7.3), of agents that another has registered since.
   */
  const registered = new Map<string, Set<number>>();
  const isRegistered = (agentId: string, epoch: number): boolean =>
    registered.get(agentId)?.has(epoch) === true;
  /** What was said before its agent was heard of; with how it reads if the agent stays away. */
  let early: { agentId: string; epoch: number; atMs: number; violation: string }[] = [];
  const read = (): void => {
    for (const operation of committed.fresh()) {
      if (operation.kind === "AgentAdmitted" || operation.kind === "AgentMarkedReachable") {
        admitted.add(operation.agentId);
      }
      const isLost = operation.kind === "AgentMarkedUnreachable";
      if (isLost || operation.kind === "AgentMarkedGone") admitted.delete(operation.agentId);
    }
  };
  const update = (status: TaskStatus, epoch: number): void => {
    const { state, agentId, taskId, reason, source } = status;
    if (source !== "SOURCE_MASTER" || reason !== "REASON_RECONCILIATION") return;
    if (agentId === undefined || !UNKNOWN.has(state)) return;
    read();
    if (!admitted.has(agentId) || isRegistered(agentId, epoch)) return;
    const violation = `${taskId} is said to be ${state} while its agent ${agentId} is only absent`;
    early.push({ agentId, epoch, atMs: world.nowMs, violation });
  };
  const judge = (message: AnyMessage, epoch: number): void => {
    switch (message.kind) {
      case "AgentRegistered": {
        const { agentId } = message.body;
        const epochs = registered.get(agentId) ?? new Set<number>();
        registered.set(agentId, epochs.add(epoch));
        return;
      }
      case "OFFERS":
        for (const { agentId, offerId } of message.body.offers) {
          if (isRegistered(agentId, epoch)) continue;
          const violation = `${offerId} is made before ${agentId} has registered in epoch ${epoch}`;
          early.push({ agentId, epoch, atMs: world.nowMs, violation });
        }
        return;
      case "UPDATE":
        return update(message.body.status, epoch);
      default:
        return;
    }
  };
  return {
    id: "A1",
    statement: "nothing is offered or given up of an agent that is only absent",
    sees: { said: ["master"], unsent: ["master"] },
    kinds: ["AgentRegistered", "OFFERS", "UPDATE"],
    on(observation: Observation): void {
      const { what } = observation;
      if (what !== "said" && what !== "unsent") return;
      const { messages, epoch, speaker } = observation.frame;
      if (speaker !== "master") return;
      for (const message of messages) {
        // Registered it is, though the word of it reached nobody; what else nobody heard is no claim.
        if (what === "said" || message.kind === "AgentRegistered") judge(message, epoch);
      }
    },
    recount(): void {
      const dueMs = world.nowMs - TOLERANCE_MS;
      for (const { agentId, epoch, atMs, violation } of early) {
        if (atMs <= dueMs && !isRegistered(agentId, epoch)) violate("A1", violation);
      }
      early = early.filter(({ agentId, epoch, atMs }) => {
        return atMs > dueMs && !isRegistered(agentId, epoch);
      });
    },
  };
}
