/**
 * One life of an actor, recorded: its ports go over a tape, and what the process itself says to
 * it becomes a turn. The actor does not know. Owns the head of the recording; the sink owns where
 * it goes.
 */
import type { ActorEnd, LocalMessage, RunningActor } from "#runtime";
import { factsOf } from "./facts.ts";
import { RECORDING_VERSION, type RecordingEnd } from "./format.ts";
import {
  type LifeParts,
  type Recipe,
  type Surroundings,
  surroundingsPresent,
  type SurroundingsPresent,
  tapedSurroundings,
} from "./lives.ts";
import { blanks, pseudonyms, Redactor, type Secrecy } from "./redact.ts";
import { type RecordingSink, RecordTape } from "./record-tape.ts";
import { TAG } from "./tape.ts";

/** The beginning of a recording: all that a replay must know before the first entry. */
export interface RecordingHead {
  readonly version: typeof RECORDING_VERSION;
  /** Who it is, such as `agent-1`. */
  readonly name: string;
  /** Which life of the actor in this process, from 1. */
  readonly life: number;
  readonly startedAtMs: number;
  readonly build: string;
  readonly recipe: Recipe;
  readonly present: SurroundingsPresent;
}

export interface RecordOptions<State> {
  readonly surroundings: Surroundings;
  readonly secrecy: Secrecy;
  readonly sink: RecordingSink;
  /** Makes the actor on what it is given, as without a recording. */
  begin(surroundings: Surroundings): LifeParts<State>;
  onEnd(end: RecordingEnd): void;
}

export interface RecordedLife<State> {
  /** The actor, for whoever supervises it. */
  readonly actor: RunningActor<State>;
  readonly tape: RecordTape;
}

export function headOf(
  facts: Pick<RecordingHead, "name" | "life" | "startedAtMs" | "build" | "recipe">,
  surroundings: Surroundings,
): RecordingHead {
  return { version: RECORDING_VERSION, ...facts, present: surroundingsPresent(surroundings) };
}

export function recordLife<State>(options: RecordOptions<State>): RecordedLife<State> {
  const { surroundings, secrecy, sink, onEnd } = options;
  const { ports, poisonous: _poisonous, ...behind } = surroundings;
  let parts: LifeParts<State> | undefined;
  const tape = new RecordTape({
    ports,
    sink,
    onEnd,
    blank: new Redactor(blanks, secrecy.find),
    facts: () => parts?.all.map(factsOf) ?? [],
  });
  const taped = tapedSurroundings(
    tape,
    surroundingsPresent(surroundings),
    { ...{}, ...behind, logger: ports.logger },
    new Redactor(pseudonyms(secrecy), secrecy.find),
  );
  let recorded: RecordedActor<State> | undefined;
  tape.outside(TAG.start, null, () => {
    parts = options.begin(taped);
    recorded = new RecordedActor(parts.main, tape);
  });
  if (recorded === undefined) throw new Error("the actor was not begun");
  return { actor: recorded, tape };
}

/** The actor as its process has it: whatever is said to it is a turn. */
class RecordedActor<State> implements RunningActor<State> {
  readonly #inner: RunningActor<State>;
  readonly #tape: RecordTape;
  readonly #listeners: ((end: ActorEnd) => void)[] = [];
  #end: ActorEnd | undefined;

  constructor(inner: RunningActor<State>, tape: RecordTape) {
    this.#inner = inner;
    this.#tape = tape;
    inner.onEnd((end) => {
      this.#end = end;
      tape.finish({ kind: "over", why: `the actor ${end.kind}: ${end.why}` });
      for (const listener of this.#listeners.splice(0)) listener(end);
    });
  }

  get name(): string {
    return this.#inner.name;
  }

  get state(): State {
    return this.#inner.state;
  }

  get counters(): RunningActor<State>["counters"] {
    return this.#inner.counters;
  }

  get alive(): boolean {
    return this.#inner.alive;
  }

  lifecycle(): string {
    return this.#inner.lifecycle();
  }

  served(): boolean {
    return this.#inner.served();
  }

  tell(by: string, message: LocalMessage): void {
    this.#tape.outside(TAG.told, { by, message }, () => this.#inner.tell(by, message));
  }

  connect(name: string, actor: { tell(by: string, message: LocalMessage): void }): void {
    this.#inner.connect(name, actor);
  }

  stop(done: () => void): void {
    this.#tape.outside(TAG.stop, null, () => this.#inner.stop(done));
  }

  kill(): void {
    this.#tape.outside(TAG.kill, null, () => this.#inner.kill());
    this.#tape.finish({ kind: "stopped", why: "the process ended the actor" });
  }

  onEnd(listener: (end: ActorEnd) => void): void {
    const end = this.#end;
    if (end === undefined) this.#listeners.push(listener);
    else listener(end);
  }
}
