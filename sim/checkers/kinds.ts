/**
 * N2: nobody is sent a kind that it did not name in its Hello (P-3.7), so that clients of the
 * version before this one are never told what they cannot understand.
 */
import { KINDS, type Kind } from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** What carries the sessions themselves is named by nobody. */
function isSystem(kind: Kind): boolean {
  return "system" in KINDS[kind];
}

export function kindChecker(_world: CheckedWorld, violate: Violate): Checker {
  /** Kinds that the client of a session named. */
  const named = new Map<string, ReadonlySet<string>>();
  return {
    id: "N2",
    statement: "nobody is sent a kind that it did not name",
    sees: { said: "all" },
    on(observation: Observation): void {
      if (observation.what !== "said") return;
      const { speaker, session, messages, subject } = observation.frame;
      if (speaker !== "master") {
        for (const message of messages) {
          if (message.kind !== "Hello") continue;
          named.set(message.body.session, new Set(message.body.kinds));
        }
        return;
      }
      if (session === "") return;
      const kinds = named.get(session);
      for (const { kind } of messages) {
        if (kinds === undefined || kinds.has(kind) || isSystem(kind)) continue;
        violate("N2", `${subject} is sent ${kind}, which it did not name`);
      }
    },
  };
}
