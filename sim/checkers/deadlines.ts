/**
 * F2: a framework that is away is given up when its failover timeout has passed by cluster time, no
 * earlier, however often the leader changed meanwhile (P-6.3). Read from the log alone.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedRecords } from "./committed.ts";

export function deadlineChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedRecords(world);
  const timeouts = new Map<string, number>();
  /** Cluster time since when a framework is away. */
  const away = new Map<string, number>();
  return {
    id: "F2",
    statement: "no framework is given up before its failover timeout has passed in cluster time",
    sees: {},
    on: (_observation: Observation) => undefined,
    recount(): void {
      for (const { clusterTimeMs, operations } of committed.fresh()) {
        for (const operation of operations) {
          switch (operation.kind) {
            case "FrameworkAdmitted":
            case "FrameworkUpdated":
              timeouts.set(operation.frameworkId, operation.info.failoverTimeoutMs);
              break;
            case "FrameworkDisconnected":
              away.set(operation.frameworkId, operation.sinceMs ?? clusterTimeMs);
              break;
            case "FrameworkReturned":
              away.delete(operation.frameworkId);
              break;
            case "FrameworkCompleted": {
              const { frameworkId, why } = operation;
              const timeoutMs = timeouts.get(frameworkId);
              if (why !== "failover-timeout" || timeoutMs === undefined) break;
              const sinceMs = away.get(frameworkId) ?? clusterTimeMs;
              if (clusterTimeMs - sinceMs >= timeoutMs) break;
              const after = `${clusterTimeMs - sinceMs} ms, its timeout is ${timeoutMs} ms`;
              violate("F2", `${frameworkId} is given up after ${after}`);
              break;
            }
            default:
              break;
          }
        }
      }
    },
  };
}
