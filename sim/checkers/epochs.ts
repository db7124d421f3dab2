/**
 * E1: in each epoch one master speaks, and nobody who has followed a higher epoch speaks in a
 * lower one again (P-5.1, P-7). Read from the headers of frames alone.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

export function epochChecker(_world: CheckedWorld, violate: Violate): Checker {
  /** Who speaks in an epoch: node and life. */
  const speakers = new Map<number, string>();
  /** Highest epoch that a client has said it follows. */
  const followed = new Map<string, number>();
  return {
    id: "E1",
    statement: "one master speaks in an epoch, and nobody goes back to a lower one",
    on(observation: Observation): void {
      if (observation.what !== "said") return;
      const { node, frame } = observation;
      const { epoch, speaker } = frame;
      if (epoch === 0) return;
      if (speaker === "master") {
        const who = `${node.name}#${node.life}`;
        const known = speakers.get(epoch) ?? who;
        speakers.set(epoch, known);
        if (known !== who) violate("E1", `${known} and ${who} both speak in epoch ${epoch}`);
        return;
      }
      // Executors speak in their agent's incarnation, operators in none.
      const client = speaker.startsWith("agent.") || speaker.startsWith("framework.");
      if (!client || frame.session === "") return;
      const key = speaker.startsWith("agent.") ? speaker : `${speaker}#${node.life}`;
      const highest = followed.get(key) ?? 0;
      if (epoch < highest) {
        violate("E1", `${key} speaks in epoch ${epoch} after it followed ${highest}`);
      }
      followed.set(key, Math.max(epoch, highest));
    },
  };
}
