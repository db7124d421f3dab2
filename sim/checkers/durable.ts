/**
 * S1: durable first, then said (P-1.5). What an agent says of an update, to the master or to the
 * executor that made it, stands on its disk, synced, in the instant in which the word leaves.
 */
import type { OperationRecord } from "#protocol";
import { type Observation, TO_EXECUTOR } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** The update is near the journal's end, so the search begins there. */
function holds({ buffer, byteOffset, length }: Uint8Array, text: string): boolean {
  return Buffer.from(buffer, byteOffset, length).lastIndexOf(text) >= 0;
}

export function durableChecker(world: CheckedWorld, violate: Violate): Checker {
  /** Updates that were found on disk when they were said first. */
  const known = new Set<string>();
  /**
   * Updates that were acknowledged to their executor while the journal did not have them. One that
   * was dropped may be; one that is told to the master afterwards was not dropped.
   */
  const early = new Set<string>();
  const acknowledged = (principal: string, uuid: string): void => {
    if (known.has(uuid)) return;
    const journal = world.journal(principal);
    if (journal === undefined || !holds(journal, uuid)) early.add(uuid);
  };
  /** What came of an operation is on disk before it is said (P-8.1). */
  const operationSaid = (speaker: string, { operationUuid, status }: OperationRecord): void => {
    const { uuid } = status;
    if (uuid === undefined || known.has(uuid)) return;
    known.add(uuid);
    const principal = speaker.slice("agent.".length);
    const journal = world.journal(principal);
    if (journal !== undefined && holds(journal, uuid)) return;
    violate("S1", `${principal} says ${status.state} of ${operationUuid}, not in its journal`);
  };
  return {
    id: "S1",
    statement: "an update stands on its agent's disk before it is said",
    sees: { said: ["agent", "to-executor"] },
    kinds: ["EXECUTOR_ACKNOWLEDGED", "OperationStatusUpdate", "StatusUpdate"],
    on(observation: Observation): void {
      if (observation.what !== "said") return;
      const { speaker, messages } = observation.frame;
      if (speaker.startsWith(TO_EXECUTOR)) {
        const principal = speaker.slice(TO_EXECUTOR.length);
        for (const message of messages) {
          if (message.kind === "EXECUTOR_ACKNOWLEDGED") acknowledged(principal, message.body.uuid);
        }
      }
      if (!speaker.startsWith("agent.")) return;
      for (const message of messages) {
        if (message.kind === "OperationStatusUpdate") operationSaid(speaker, message.body);
        if (message.kind !== "StatusUpdate") continue;
        const { uuid, taskId, state } = message.body.status;
        if (uuid === undefined || known.has(uuid)) continue;
        known.add(uuid);
        const principal = speaker.slice("agent.".length);
        if (early.has(uuid)) {
          violate(
            "S1",
            `${principal} acknowledged ${state} of ${taskId} before its journal had it`,
          );
        }
        const journal = world.journal(principal);
        if (journal !== undefined && holds(journal, uuid)) continue;
        violate("S1", `${principal} says that ${taskId} is ${state} before its journal has it`);
      }
    },
  };
}
