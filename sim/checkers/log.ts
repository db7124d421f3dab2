/** L1: what the log has acknowledged stands where it was acknowledged, for ever. */
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

function same(one: Uint8Array, two: Uint8Array): boolean {
  return one.length === two.length && one.every((byte, index) => byte === two[index]);
}

export function logChecker(world: CheckedWorld, violate: Violate): Checker {
  return {
    id: "L1",
    statement: "acknowledged records of the log stay as they are",
    on: () => undefined,
    recount(): void {
      for (const [position, record] of world.log.acknowledged) {
        const found = world.log.record(position);
        if (found === undefined) violate("L1", `the acknowledged record ${position} is gone`);
        else if (!same(found, record)) violate("L1", `record ${position} has changed`);
      }
    },
  };
}
