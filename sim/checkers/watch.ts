/**
 * Who looks at what: hands each observation to the checkers that it is of interest to, by what it
 * is and, of frames, by whose they are. Judges nothing; most frames concern few.
 */
import type { Observation } from "../observation.ts";
import { TO_EXECUTOR } from "../observation.ts";
import type { Checker, Speaker } from "./checker.ts";

type What = Observation["what"];
type BySpeaker = Record<Speaker, readonly Checker[]>;

/** By the first letters: peers begin with their role. */
function speakerOf(peer: string): Speaker {
  switch (peer.charCodeAt(0)) {
    case 109:
      return "master";
    case 97:
      return peer.startsWith(TO_EXECUTOR) ? "to-executor" : "agent";
    case 102:
      return "framework";
    case 101:
      return "executor";
    default:
      return "operator";
  }
}

function bySpeaker(checkers: readonly Checker[], what: What): BySpeaker {
  const of = (speaker: Speaker): Checker[] =>
    checkers.filter(({ sees }) => {
      const speakers = sees === undefined ? "all" : sees[what];
      return speakers === "all" || speakers?.includes(speaker) === true;
    });
  const [master, agent, framework] = [of("master"), of("agent"), of("framework")];
  const [executor, operator] = [of("executor"), of("operator")];
  return { master, agent, framework, executor, operator, "to-executor": of("to-executor") };
}

export class Watch {
  readonly #said: BySpeaker;
  readonly #unsent: BySpeaker;
  readonly #heard: BySpeaker;
  readonly #others = new Map<What, readonly Checker[]>();

  constructor(checkers: readonly Checker[]) {
    this.#said = bySpeaker(checkers, "said");
    this.#unsent = bySpeaker(checkers, "unsent");
    this.#heard = bySpeaker(checkers, "heard");
    for (const what of ["started", "ended", "told", "read", "fault", "actor-ended"] as const) {
      this.#others.set(
        what,
        checkers.filter(({ sees }) => sees === undefined || sees[what] !== undefined),
      );
    }
  }

  tell(observation: Observation): void {
    for (const checker of this.#concerned(observation)) checker.on(observation);
  }

  #concerned(observation: Observation): readonly Checker[] {
    switch (observation.what) {
      case "said":
        return this.#said[speakerOf(observation.frame.speaker)];
      case "unsent":
        return this.#unsent[speakerOf(observation.frame.speaker)];
      case "heard":
        // What carries nothing that anybody reads was news when it was said, by its header.
        if (observation.frame.messages.length === 0) return NOBODY;
        return this.#heard[speakerOf(observation.frame.speaker)];
      default:
        return this.#others.get(observation.what) ?? NOBODY;
    }
  }
}

const NOBODY: readonly Checker[] = [];
