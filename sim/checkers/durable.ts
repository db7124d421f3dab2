/**
 * S1: durable first, then said (P-1.5). What an agent says of an update stands on its disk,
 * synced, in the instant in which the update leaves.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** The update is near the journal's end, so the search begins there. */
function holds({ buffer, byteOffset, length }: Uint8Array, text: string): boolean {
  return Buffer.from(buffer, byteOffset, length).lastIndexOf(text) >= 0;
}

export function durableChecker(world: CheckedWorld, violate: Violate): Checker {
  /** Updates that were found on disk when they were said first. */
  const known = new Set<string>();
  return {
    id: "S1",
    statement: "an update stands on its agent's disk before it is said",
    on(observation: Observation): void {
      if (observation.what !== "said") return;
      const { speaker, messages } = observation.frame;
      if (!speaker.startsWith("agent.")) return;
      for (const message of messages) {
        if (message.kind !== "StatusUpdate") continue;
        const { uuid, taskId, state } = message.body.status;
        if (uuid === undefined || known.has(uuid)) continue;
        known.add(uuid);
        const principal = speaker.slice("agent.".length);
        const journal = world.journal(principal);
        if (journal !== undefined && holds(journal, uuid)) continue;
        violate("S1", `${principal} says that ${taskId} is ${state} before its journal has it`);
      }
    },
  };
}
