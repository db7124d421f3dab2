/**
 * Who looks at what: hands each observation to the checkers that it is of interest to, by what it
 * is and, of frames, by whose they are and what they carry. Judges nothing; most frames concern few.
 */
import type { Kind } from "#protocol";
import type { Observation, SeenFrame } from "../observation.ts";
import { TO_EXECUTOR } from "../observation.ts";
import type { Checker, Speaker } from "./checker.ts";

type What = Observation["what"];
type BySpeaker = Record<Speaker, Lookers>;

/** Who looks at the frames of one speaker, each list in the order of all checkers. */
interface Lookers {
  readonly all: readonly Checker[];
  /** Those whom every frame concerns, whatever it carries. */
  readonly always: readonly Checker[];
  /** Those whom a frame of nothing but this kind concerns, where they are more. */
  readonly byKind: ReadonlyMap<Kind, readonly Checker[]>;
}

function lookers(all: readonly Checker[]): Lookers {
  const named = new Set(all.flatMap(({ kinds = [] }) => kinds));
  const concerned = (kind: Kind): Checker[] =>
    all.filter(({ kinds }) => kinds === undefined || kinds.includes(kind));
  return {
    all,
    always: all.filter(({ kinds }) => kinds === undefined),
    byKind: new Map([...named].map((kind) => [kind, concerned(kind)])),
  };
}

/** Nearly all frames carry one kind; of the others some look at more than concerns them. */
function atFrame({ all, always, byKind }: Lookers, { messages }: SeenFrame): readonly Checker[] {
  const kind = messages[0]?.kind;
  if (kind === undefined) return always;
  for (const message of messages) if (message.kind !== kind) return all;
  return byKind.get(kind) ?? always;
}

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
  const of = (speaker: Speaker): Lookers =>
    lookers(
      checkers.filter(({ sees }) => {
        const speakers = sees === undefined ? "all" : sees[what];
        return speakers === "all" || speakers?.includes(speaker) === true;
      }),
    );
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
        return atFrame(this.#said[speakerOf(observation.frame.speaker)], observation.frame);
      case "unsent":
        return atFrame(this.#unsent[speakerOf(observation.frame.speaker)], observation.frame);
      case "heard":
        // What carries nothing that anybody reads was news when it was said, by its header.
        if (observation.frame.messages.length === 0) return NOBODY;
        return atFrame(this.#heard[speakerOf(observation.frame.speaker)], observation.frame);
      default:
        return this.#others.get(observation.what) ?? NOBODY;
    }
  }
}

const NOBODY: readonly Checker[] = [];
