/**
 * X1: no actor dies of a fault of its own code; what its disk did to it is another matter.
 * X3: whose messages have killed an actor twice is heard no more in that process (P-1.4).
 */
import { POISON_DEATHS } from "#runtime";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Words by which an actor names its environment as what it died of. */
const ENVIRONMENT = /disk|write|fsync|sync failed|EIO/i;

export function deathChecker(_world: CheckedWorld, violate: Violate): Checker {
  return {
    id: "X1",
    statement: "no actor dies of a fault of its own code",
    sees: { "actor-ended": "all" },
    on(observation: Observation): void {
      if (observation.what !== "actor-ended" || observation.kind !== "died") return;
      if (ENVIRONMENT.test(observation.why)) return;
      violate("X1", `${observation.node.name} died: ${observation.why}`);
    },
  };
}

/** Deaths are counted for each life of a process: its supervisor goes with it. */
export function poisonChecker(_world: CheckedWorld, violate: Violate): Checker {
  const deaths = new Map<string, number>();
  return {
    id: "X3",
    statement: "nobody's messages kill more than two lives of an actor",
    sees: { "actor-ended": "all" },
    on(observation: Observation): void {
      if (observation.what !== "actor-ended" || observation.by === undefined) return;
      const { node, by } = observation;
      const key = `${node.name} ${node.life} ${by}`;
      const count = (deaths.get(key) ?? 0) + 1;
      deaths.set(key, count);
      if (count > POISON_DEATHS) violate("X3", `${by} has killed ${node.name} ${count} times`);
    },
  };
}
