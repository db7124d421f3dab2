/**
 * V1: what an agent has said to be done to its resources is so in each of its later registrations,
 * whoever leads and however often it was restarted; what is reserved is offered to its role alone;
 * and no operation of an operator stays open with an agent that is there (P-8.1).
 */
import type { AnyMessage, OperationRecord } from "#protocol";
import { checkpointedPart, conversionOf, isAllocatableTo, Resources } from "#resources";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";

interface AgentBook {
  /** What exists by the operations that it has said to be done. */
  made: Resources;
  readonly done: Set<string>;
}

export function reservationChecker(world: CheckedWorld, violate: Violate): Checker {
  const books = new Map<string, AgentBook>();
  const committed = new CommittedOperations(world);
  const open = new Map<string, string>();
  const admitted = new Set<string>();
  const bookOf = (agentId: string): AgentBook => {
    const book = books.get(agentId) ?? { made: Resources.EMPTY, done: new Set<string>() };
    books.set(agentId, book);
    return book;
  };
  const said = ({ operationUuid, operation, status }: OperationRecord): void => {
    if (status.agentId === undefined || status.state !== "OPERATION_FINISHED") return;
    const book = bookOf(status.agentId);
    if (book.done.has(operationUuid)) return;
    book.done.add(operationUuid);
    const { consumed, converted } = conversionOf(operation);
    book.made = checkpointedPart(book.made.subtract(consumed).add(converted));
  };
  const judge = (message: AnyMessage): void => {
    switch (message.kind) {
      case "OperationStatusUpdate":
        return said(message.body);
      case "RegisterAgent": {
        const { agent, operations = [], part } = message.body;
        for (const each of operations) said(each);
        if (part > 0) return;
        // Its operations may stand in a later part.
        return void registering.set(
          agent.agentId,
          checkpointedPart(Resources.fromWire(agent.resources)),
        );
      }
      case "OFFERS":
        for (const { resources, allocationRole, offerId } of message.body.offers) {
          const other = resources.find(
            (each) => !isAllocatableTo(each.reservations, allocationRole),
          );
          if (other === undefined) continue;
          violate("V1", `${offerId} to ${allocationRole} has ${other.name} of another role`);
        }
        return;
      default:
        return;
    }
  };
  const registering = new Map<string, Resources>();
  const compare = (): void => {
    for (const [agentId, has] of registering) {
      const { made } = bookOf(agentId);
      if (!has.equals(made)) {
        violate("V1", `${agentId} registers with ${has}, by its operations it has ${made}`);
      }
    }
    registering.clear();
  };
  const read = (): void => {
    for (const operation of committed.fresh()) {
      switch (operation.kind) {
        case "OperationOpened":
          open.set(operation.operationUuid, operation.agentId);
          break;
        case "OperationClosed":
          open.delete(operation.operationUuid);
          break;
        case "AgentAdmitted":
        case "AgentMarkedReachable":
          admitted.add(operation.agentId);
          break;
        case "AgentMarkedUnreachable":
        case "AgentMarkedGone":
          admitted.delete(operation.agentId);
          break;
        default:
      }
    }
  };
  return {
    id: "V1",
    statement:
      "reservations and volumes survive restarts and failovers, and go to their role alone",
    sees: { said: ["master", "agent"], unsent: ["master", "agent"] },
    kinds: ["OperationStatusUpdate", "RegisterAgent", "OFFERS"],
    on(observation: Observation): void {
      if (observation.what !== "said" && observation.what !== "unsent") return;
      for (const message of observation.frame.messages) judge(message);
      // The last part of a registration is said within the same drain, in frames that follow.
      const last = observation.frame.messages.at(-1);
      if (registering.size === 0 || last?.kind !== "RegisterAgent") return;
      if (last.body.part + 1 === last.body.parts) compare();
    },
    recount: read,
    settled(): void {
      read();
      for (const [operationUuid, agentId] of open) {
        if (!admitted.has(agentId)) continue;
        violate("V1", `operation ${operationUuid} is open, and its agent ${agentId} is there`);
      }
    },
  };
}
