/**
 * Executes a recorded actor again: the production code of its head's recipe on ports that answer
 * from the recording, event by event, with the digest compared at every mark. Owns the order;
 * knows neither files nor people.
 */
import {
  asItIs,
  blanks,
  EntryFault,
  factsOf,
  type LifeParts,
  type Recipe,
  type RecordingHead,
  Redactor,
  startLife,
  type Surroundings,
  TAG,
  tapedSurroundings,
} from "#recording";
import type { Logger, LocalMessage } from "#runtime";
import type { RecordedBlock } from "./file.ts";
import { type Divergence, Diverged, ReplayTape, type Turn } from "./replay-tape.ts";

/** One event of the actor, as it is shown. */
export interface ReplayedEvent {
  /** From 1. */
  readonly n: number;
  /** Monotonic time of its process. */
  readonly atMs: number;
  readonly turn: Exclude<Turn, { what: "mark" }>;
  readonly effects: readonly string[];
}

export interface ReplayOptions {
  readonly head: RecordingHead;
  readonly blocks: Iterable<RecordedBlock>;
  /** The last event that is executed. */
  readonly toEvent?: number;
  /** Told each event with its effects; absent: nobody looks, and effects are not described. */
  readonly onEvent?: (event: ReplayedEvent) => void;
  /** How an effect is described. */
  readonly describe?: (what: string, args: readonly unknown[]) => string | undefined;
  /** What makes the actor; the recipe's own code when absent. */
  readonly start?: (recipe: Recipe, surroundings: Surroundings) => LifeParts;
}

export interface ReplayResult {
  readonly events: number;
  readonly marks: number;
  /** At the last mark; both are equal where nothing diverged. */
  readonly digest: string;
  readonly recordedDigest: string;
  readonly divergence: Divergence | undefined;
  /** The actor as it is now, for who wants to look. */
  readonly parts: LifeParts | undefined;
}

const find = (bytes: Uint8Array, part: Uint8Array): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(part);

export function replay(options: ReplayOptions): ReplayResult {
  const run = new Replay(options);
  run.all();
  return run.result();
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #tape = new ReplayTape(new Redactor(blanks, find));
  readonly #surroundings: Surroundings;
  #parts: LifeParts | undefined;
  #effects: string[] = [];
  #events = 0;
  #marks = 0;
  #digest = "";
  #recordedDigest = "";

  constructor(options: ReplayOptions) {
    this.#options = options;
    const { head, onEvent, describe } = options;
    const logger = onEvent === undefined ? silent : this.#logger();
    this.#surroundings = tapedSurroundings(this.#tape, head.present, { logger }, asItIs({ find }));
    if (onEvent === undefined) return;
    this.#tape.onAsk = (what, args) => {
      const text = describe === undefined ? what : describe(what, args);
      if (text !== undefined) this.#effects.push(text);
    };
  }

  all(): void {
    const { blocks, toEvent = Number.POSITIVE_INFINITY } = this.#options;
    try {
      for (const block of blocks) {
        this.#tape.load(block.entries);
        while (!this.#tape.atEnd) if (!this.#turn(toEvent)) return;
        this.#recordedDigest = block.digest;
        this.#digest = this.#tape.blockEnds();
        if (this.#digest !== block.digest) {
          this.#tape.diverge(`the digest ${block.digest}`, `the digest ${this.#digest}`);
        }
      }
    } catch (error) {
      if (error instanceof EntryFault) this.#tape.unreadable(error.message);
      else if (!(error instanceof Diverged)) throw error;
    }
  }

  result(): ReplayResult {
    return {
      events: this.#events,
      marks: this.#marks,
      digest: this.#digest,
      recordedDigest: this.#recordedDigest,
      divergence: this.#tape.divergence,
      parts: this.#parts,
    };
  }

  /** false: that was the last one that is wanted. */
  #turn(toEvent: number): boolean {
    const turn = this.#tape.next(this.#events + 1);
    if (turn.what === "mark") {
      this.#tape.mark(turn.facts, this.#parts?.all.map(factsOf) ?? []);
      this.#marks += 1;
      return true;
    }
    this.#events += 1;
    this.#effects = [];
    const event = this.#events;
    const arrived = turn.what === "call" ? arrivalOf(turn.value) : undefined;
    this.#execute(turn);
    const atMs = arrived ?? this.#tape.nowUs / 1_000;
    this.#options.onEvent?.({ n: event, atMs, turn, effects: this.#effects });
    if (this.#tape.divergence !== undefined) throw new Diverged("in this turn");
    return this.#events < toEvent;
  }

  #execute(turn: Exclude<Turn, { what: "mark" }>): void {
    try {
      if (turn.what === "call") return turn.run();
      this.#outside(turn.tag, turn.value);
    } catch (error) {
      // What an actor throws past its host in production is recorded as the end of its process.
      if (this.#tape.divergence === undefined) throw error;
    }
  }

  #outside(tag: number, value: unknown): void {
    if (tag === TAG.start) {
      const { start = startLife, head } = this.#options;
      this.#parts = start(head.recipe, this.#surroundings);
      return;
    }
    const main = this.#parts?.main;
    if (tag === TAG.told) {
      const { by, message } = value as { readonly by: string; readonly message: LocalMessage };
      main?.tell(by, message);
    } else if (tag === TAG.stop) main?.stop(() => undefined);
    else main?.kill();
  }

  /** What the actor logs is an effect that is shown. */
  #logger(): Logger {
    const logger: Logger = {
      level: "trace",
      log: (level, sentence) => void this.#effects.push(`log ${level}: ${sentence}`),
      child: () => logger,
      setLevel: () => undefined,
    };
    return logger;
  }
}

const silent: Logger = {
  level: "error",
  log: () => undefined,
  child: () => silent,
  setLevel: () => undefined,
};

function arrivalOf(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null || !("arrivedAtMs" in value)) return undefined;
  return typeof value.arrivedAtMs === "number" ? value.arrivedAtMs : undefined;
}
