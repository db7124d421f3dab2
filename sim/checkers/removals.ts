/**
 * A2: many agents that fall silent at once are more likely a fault of the net than of all of them. A
 * leader gives up no more than max(3, 10 %) of them a minute, the rest waits (P-6.1). Counted from
 * the log, by cluster time.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedRecords } from "./committed.ts";

/** Half of the rule's minute: a record may be late, and then stands closer to the next one. */
const WINDOW_MS = 30_000;
const REMOVALS_MIN = 3;
const REMOVALS_SHARE = 0.1;

export function removalChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedRecords(world);
  /** Principals of agents, by the agent's id. */
  const known = new Map<string, string>();
  let epoch = -1;
  let removedAtMs: number[] = [];
  return {
    id: "A2",
    statement: "a leader gives up no more than max(3, 10 %) of the agents a minute",
    sees: {},
    on: (_observation: Observation) => undefined,
    recount(): void {
      for (const { epoch: of, clusterTimeMs, operations } of committed.fresh()) {
        if (of !== epoch) removedAtMs = [];
        epoch = of;
        // Whoever comes on an empty disk displaces its earlier self, which is not silent (P-4.2).
        const come = new Set<string>();
        for (const operation of operations) {
          if (operation.kind !== "AgentAdmitted") continue;
          known.set(operation.agentId, operation.principal);
          come.add(operation.principal);
        }
        for (const operation of operations) {
          if (operation.kind !== "AgentMarkedUnreachable") continue;
          if (come.has(known.get(operation.agentId) ?? "")) continue;
          removedAtMs = removedAtMs.filter((atMs) => clusterTimeMs - atMs < WINDOW_MS);
          removedAtMs.push(clusterTimeMs);
          const most = Math.max(REMOVALS_MIN, Math.floor(known.size * REMOVALS_SHARE));
          if (removedAtMs.length <= most) continue;
          const sum = `${removedAtMs.length} of ${known.size} agents within ${WINDOW_MS} ms`;
          violate("A2", `epoch ${epoch} gives up ${sum}, at most ${most} may be`);
        }
      }
    },
  };
}
