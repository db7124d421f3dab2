/**
 * L3: nobody leads a log that does not hold what its own disk has seen of it (P-7.4), or in which
 * a record does not follow the one before it (P-7.5). Read from masters' disks, from the log and
 * from whoever speaks as a leader.
 */
import { parseWitness } from "#actors/master";
import { EMPTY_HEAD, type Head, judge } from "#replication";
import type { Observation } from "../observation.ts";
import { opened } from "../opened.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Where the chain of the log breaks, looked for once up to each position. */
class Chain {
  readonly #log: CheckedWorld["log"];
  #head: Head = EMPTY_HEAD;
  broken: string | undefined;

  constructor(log: CheckedWorld["log"]) {
    this.#log = log;
  }

  readOn(): void {
    while (this.broken === undefined && this.#head.position < this.#log.end) {
      const position = this.#head.position + 1;
      const bytes = this.#log.record(position);
      if (bytes === undefined) return;
      const judged = judge(this.#head, position, bytes);
      // Asked once more here: the product's own check may be what is tried.
      const follows = judged.kind !== "next" || judged.record.previous === this.#head.hash;
      if (judged.kind === "stop") this.broken = judged.why;
      else if (follows) this.#head = judged.head;
      else this.broken = `position ${position} does not follow the one before`;
    }
  }
}

export function ledLogChecker(world: CheckedWorld, violate: Violate): Checker {
  /** What each master's disk has said of the log: hash by position. */
  const witnessed = new Map<string, Map<number, string>>();
  const last = new Map<string, Uint8Array>();
  const chain = new Chain(world.log);
  /** Epochs that began before the chain broke: who leads there may not have read of it yet. */
  const begun = new Set<number>();
  const judged = new Map<string, number>();
  const missing = (master: string): string | undefined => {
    for (const [position, hash] of witnessed.get(master) ?? []) {
      const bytes = world.log.record(position);
      const found = bytes === undefined ? undefined : opened(bytes);
      if (found?.kind === "record" && found.hash === hash) continue;
      return `it does not hold record ${position} as its disk has seen it`;
    }
    return undefined;
  };
  return {
    id: "L3",
    statement: "nobody leads a log that is not what its disk has seen, or whose chain is broken",
    sees: { said: ["master"] },
    on(observation: Observation): void {
      if (observation.what !== "said" || observation.frame.speaker !== "master") return;
      const { node, frame } = observation;
      const { epoch } = frame;
      // Who stands by asks whether somebody leads, in no epoch.
      if (epoch === 0 || judged.get(node.name) === epoch) return;
      judged.set(node.name, epoch);
      if (chain.broken === undefined) begun.add(epoch);
      const why = missing(node.name) ?? (begun.has(epoch) ? undefined : chain.broken);
      if (why !== undefined) violate("L3", `${node.name} leads in epoch ${epoch}: ${why}`);
    },
    recount(): void {
      chain.readOn();
      for (const [master, bytes] of world.witnesses()) {
        if (last.get(master) === bytes) continue;
        last.set(master, bytes);
        const witness = parseWitness(bytes);
        if (witness === undefined) continue;
        const known = witnessed.get(master) ?? new Map<number, string>();
        witnessed.set(master, known.set(witness.position, witness.hash));
      }
    },
  };
}
