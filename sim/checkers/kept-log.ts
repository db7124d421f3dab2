/**
 * L2: what can still be read of a log that was truncated says what all of it said. A reader that
 * begins where the log begins now comes to the registry that one has who read every record.
 */
import { isDeepStrictEqual } from "node:util";
import { Follower, type Registry } from "#replication";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

const ENTRIES_AT_ONCE = 512;

/** All but when snapshots were taken: who begins from one does not know of those before. */
function held({ snapshot: _taken, snapshotBefore: _before, keptFrom: _from, ...rest }: Registry) {
  return rest;
}

export function keptLogChecker(world: CheckedWorld, violate: Violate): Checker {
  const whole = new Follower();
  let comparedFirst = 1;
  const readOn = (reader: Follower): string | undefined => {
    while (reader.next <= world.log.wholeEnd) {
      const entries = [];
      for (
        let at = reader.next;
        at <= world.log.wholeEnd && entries.length < ENTRIES_AT_ONCE;
        at++
      ) {
        const record = world.log.record(at);
        if (record !== undefined) entries.push({ position: at, record });
      }
      const fed = reader.feed(entries);
      if (fed.kind === "stop") return fed.why;
    }
    return reader.fault;
  };
  const compare = (): void => {
    const { first } = world.log;
    if (first === 1) return;
    const late = new Follower();
    late.restart(first);
    const fault = readOn(late);
    if (fault !== undefined) return violate("L2", `nobody can begin at ${first}: ${fault}`);
    if (readOn(whole) !== undefined) return;
    if (isDeepStrictEqual(held(late.registry), held(whole.registry))) return;
    violate("L2", `a reader that begins at ${first} knows another cluster than one that read all`);
  };
  return {
    id: "L2",
    statement: "a truncated log says what the whole log said",
    sees: {},
    on: () => undefined,
    recount(): void {
      if (world.log.first === comparedFirst) return;
      comparedFirst = world.log.first;
      compare();
    },
    settled: compare,
  };
}
