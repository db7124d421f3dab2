/**
 * E1: in each epoch one master speaks, nobody who has followed a higher epoch speaks in a lower
 * one again (P-5.1, P-7), and a master that has read of another's election speaks no more
 * (P-1.2). Read from the headers of frames and from the log's answers.
 */
import type { LogEntry } from "#runtime";
import { lifeOf, type Observation } from "../observation.ts";
import { opened } from "../opened.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Whether the record begins a later epoch. */
function electsAfter({ record }: LogEntry, epoch: number): boolean {
  const found = opened(record);
  if (found.kind !== "record" || found.record.epoch <= epoch) return false;
  return found.record.operations.some(({ kind }) => kind === "LeaderElected");
}

export function epochChecker(_world: CheckedWorld, violate: Violate): Checker {
  /** Who speaks in an epoch: node and life. */
  const speakers = new Map<number, string>();
  /** Highest epoch that a client has said it follows, by its life. */
  const followed = new Map<string, number>();
  /** The same of agents over all their lives: from Register on it stands on their disk (P-4.3). */
  const kept = new Map<string, number>();
  /** As which agent a principal said Hello last. */
  const identities = new Map<string, string>();
  /** Epoch in which a master spoke last, and the one in which it read that it is replaced. */
  const spoken = new Map<string, number>();
  const fenced = new Map<string, number>();
  return {
    id: "E1",
    statement: "one master speaks in an epoch, nobody goes back to a lower one, fences hold",
    sees: {
      said: ["master", "agent", "framework"],
      read: "all",
      "actor-ended": "all",
    },
    on(observation: Observation): void {
      if (observation.what === "read") {
        const who = lifeOf(observation.node);
        const epoch = spoken.get(who);
        if (epoch === undefined || fenced.get(who) === epoch) return;
        if (observation.entries.some((entry) => electsAfter(entry, epoch))) fenced.set(who, epoch);
        return;
      }
      if (observation.what === "actor-ended") {
        // The next driver in the process knows as little of epochs as one in another process.
        return void followed.delete(lifeOf(observation.node));
      }
      if (observation.what !== "said") return;
      const { node, frame } = observation;
      const { epoch, speaker } = frame;
      if (epoch === 0) return;
      if (speaker === "master") {
        const who = lifeOf(node);
        const known = speakers.get(epoch);
        if (known === undefined) speakers.set(epoch, who);
        if (spoken.get(who) !== epoch) spoken.set(who, epoch);
        if (fenced.get(who) === epoch) {
          violate("E1", `${who} speaks in epoch ${epoch} after it read of another election`);
        }
        if (known !== undefined && known !== who) {
          violate("E1", `${known} and ${who} both speak in epoch ${epoch}`);
        }
        return;
      }
      // Executors speak in their agent's incarnation, operators in none.
      const client = speaker.startsWith("agent.") || speaker.startsWith("framework.");
      if (!client || frame.session === "") return;
      const life = lifeOf(node);
      for (const message of frame.messages) {
        const identity = message.kind === "Hello" ? message.body.identity : undefined;
        if (identity === undefined || identities.get(speaker) === identity) continue;
        // Another agent under the same name, on an empty disk.
        identities.set(speaker, identity);
        kept.delete(speaker);
      }
      const highest = Math.max(followed.get(life) ?? 0, kept.get(speaker) ?? 0);
      if (epoch < highest) {
        const who = speaker.startsWith("agent.") ? speaker : life;
        violate("E1", `${who} speaks in epoch ${epoch} after it followed ${highest}`);
      }
      followed.set(life, Math.max(epoch, highest));
      const binds = frame.messages.some(({ kind }) => kind !== "Hello");
      if (binds && speaker.startsWith("agent.")) kept.set(speaker, Math.max(epoch, highest));
    },
  };
}
