/**
 * The flight recorder of a daemon: each life of its actor is recorded in a file of its own. Owns
 * when entries are handed on and what is said when a recording ends early; without it the actor
 * is started as it is.
 */
import { join } from "node:path";
import { openRecordingPlace, processSecrecy, RecordingFile, type RecordingPlace } from "#adapters";
import type { Config } from "#config";
import {
  headOf,
  type LifeParts,
  type Recipe,
  recordLife,
  type RecordTape,
  type Surroundings,
} from "#recording";
import type { Clock, Logger, RunningActor, Timer } from "#runtime";
import { buildVersion } from "./build.ts";

/** What a kill may cost: turns that were not handed on yet. */
export const RECORDING_FLUSH_MS = 250;
const FOLDER = "recordings";

/** What the settings say of recordings; undefined: nothing is recorded. */
export type RecorderSettings = Pick<RecordingPlace, "lifeBytes" | "totalBytes"> & {
  /** Folder of the recordings of all actors. */
  readonly dir: string;
};

/** @throws Error when the bounds contradict each other. */
export function recorderSettings(config: Config, dataDir: string): RecorderSettings | undefined {
  if (!config.boolean("record")) return undefined;
  const lifeBytes = config.bytes("record-life-size");
  const totalBytes = config.bytes("record-size");
  if (totalBytes < lifeBytes) {
    throw new Error(
      `--record-size: ${totalBytes} bytes do not hold one recording of --record-life-size ` +
        `${lifeBytes}; raise the first or lower the second`,
    );
  }
  return { dir: config.text("record-dir") ?? join(dataDir, FOLDER), lifeBytes, totalBytes };
}

export interface RecorderOptions {
  readonly settings: RecorderSettings;
  /** Of the actor, such as `agent-1`. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Recording {
  readonly tape: RecordTape;
  readonly file: RecordingFile;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #place: RecordingPlace;
  readonly #secrecy = processSecrecy();
  #lives = 0;
  #current: Recording | undefined;
  #timer: Timer | undefined;
  /** Turns that earlier lives did not record. */
  #missed = 0;
  #broken: string | undefined;

  private constructor(options: RecorderOptions, place: RecordingPlace) {
    this.#options = options;
    this.#place = place;
  }

  /** @throws Error in one sentence when the directory cannot be used. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const { settings, name } = options;
    const place = { ...settings, dir: join(settings.dir, name) };
    await openRecordingPlace(place);
    options.logger.log("info", `records what comes in, to ${place.dir}`);
    return new Recorder(options, place);
  }

  /** Why nothing is recorded now, for `status`; undefined while everything is. */
  get broken(): string | undefined {
    return this.#broken;
  }

  *counts(): Iterable<readonly [string, string, number]> {
    yield ["recording", "turns", this.#current?.tape.turns ?? 0];
    yield ["recording", "missed", this.#missed + (this.#current?.tape.missed ?? 0)];
  }

  /** Starts the next life, recorded. */
  start<State>(
    recipe: Recipe,
    surroundings: Surroundings,
    begin: (surroundings: Surroundings) => LifeParts<State>,
  ): RunningActor<State> {
    const { clock, name } = this.#options;
    this.#missed += this.#current?.tape.missed ?? 0;
    this.#lives += 1;
    this.#broken = undefined;
    const facts = { name, life: this.#lives, startedAtMs: clock.wallMs(), build: buildVersion() };
    const file = new RecordingFile(this.#place, headOf({ ...facts, recipe }, surroundings));
    const { actor, tape } = recordLife({
      surroundings,
      secrecy: this.#secrecy,
      sink: file,
      begin,
      onEnd: ({ kind, why }) => this.#ended(kind, why, file.path),
    });
    this.#current = { tape, file };
    this.#flushSoon();
    return actor;
  }

  /** Everything recorded is in the file, and nothing more is. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#current?.tape.finish({ kind: "stopped", why: "the process leaves" });
    await this.#current?.file.drained();
  }

  #ended(kind: string, why: string, path: string): void {
    const { logger } = this.#options;
    if (kind === "over" || kind === "stopped") {
      return logger.log("info", `the recording ${path} ends: ${why}`);
    }
    const sentence = `not recorded any more, until the next start: ${why}`;
    this.#broken = sentence;
    logger.log(kind === "full" ? "warn" : "error", sentence, { recording: path });
  }

  #flushSoon(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(RECORDING_FLUSH_MS, () => {
      this.#current?.tape.cut();
      if (this.#current?.tape.ended === undefined) this.#flushSoon();
    });
  }
}

/** Starts a life, recorded where there is a recorder. */
export function startRecorded<State>(
  recorder: Recorder | undefined,
  recipe: Recipe,
  surroundings: Surroundings,
  begin: (surroundings: Surroundings) => LifeParts<State>,
): RunningActor<State> {
  if (recorder !== undefined) return recorder.start(recipe, surroundings, begin);
  return begin(surroundings).main;
}
