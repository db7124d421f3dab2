/**
 * V2: no master that ever led meets a record of a version that it does not read (P-7.8): new kinds
 * wait until each of them has announced that it knows them.
 */
import type { Observation } from "../observation.ts";
import { opened } from "../opened.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";

export function versionChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedOperations(world);
  /** Version that each master announced when it was elected last. */
  const announced = new Map<string, number>();
  return {
    id: "V2",
    statement: "no master that ever led meets a record of a version that it does not read",
    sees: { read: "all" },
    on(observation: Observation): void {
      if (observation.what !== "read") return;
      const { node, entries } = observation;
      for (const { record, position } of entries) {
        const found = opened(record);
        if (found.kind !== "record" || found.record.v === 1) continue;
        for (const operation of committed.fresh()) {
          if (operation.kind !== "LeaderElected") continue;
          announced.set(operation.masterId, operation.version ?? 1);
        }
        const reads = announced.get(node.name);
        if (reads === undefined || found.record.v <= reads) continue;
        const has = `record ${position} has version ${found.record.v}`;
        violate("V2", `${node.name} said that it reads version ${reads}, and ${has}`);
      }
    },
  };
}
