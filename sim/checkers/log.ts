/** L1: what the log has acknowledged stands where it was acknowledged, for ever. */
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

function same(one: Uint8Array, two: Uint8Array): boolean {
  if (one === two) return true;
  if (one.length !== two.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== two[index]) return false;
  return true;
}

/** A full comparison costs as much as the log is long: made every so many recounts. */
const COMPARE_EVERY = 40;

export function logChecker(world: CheckedWorld, violate: Violate): Checker {
  let recounts = 0;
  const compare = (): void => {
    for (const [position, record] of world.log.acknowledged) {
      const found = world.log.record(position);
      if (found === undefined) violate("L1", `the acknowledged record ${position} is gone`);
      else if (!same(found, record)) violate("L1", `record ${position} has changed`);
    }
  };
  return {
    id: "L1",
    statement: "acknowledged records of the log stay as they are",
    sees: {},
    on: () => undefined,
    recount(): void {
      recounts += 1;
      if (recounts % COMPARE_EVERY === 0) compare();
    },
    settled: compare,
  };
}
