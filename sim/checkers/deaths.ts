/** X1: no actor dies of a fault of its own code; what its disk did to it is another matter. */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Words by which an actor names its environment as what it died of. */
const ENVIRONMENT = /disk|write|fsync|sync failed|EIO/i;

export function deathChecker(_world: CheckedWorld, violate: Violate): Checker {
  return {
    id: "X1",
    statement: "no actor dies of a fault of its own code",
    on(observation: Observation): void {
      if (observation.what !== "actor-ended" || observation.kind !== "died") return;
      if (ENVIRONMENT.test(observation.why)) return;
      violate("X1", `${observation.node.name} died: ${observation.why}`);
    },
  };
}
