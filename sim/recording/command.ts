/** `sim replay RECORDING`: an actor of a daemon again, event by event, compared at every mark. */
import { closeSync, openSync, writeSync } from "node:fs";
import { canonicalRecord, type TraceRecord } from "#runtime";
import { createHash } from "node:crypto";
import { EXIT, type ExitCode, say } from "../commands/command.ts";
import { RecordingReader } from "./file.ts";
import { replay, type ReplayedEvent, type ReplayResult } from "./replay.ts";
import { effectText, eventLines, EventTexts } from "./show.ts";

export interface ReplayCommand {
  readonly file: string;
  readonly fromEvent: number;
  readonly toEvent: number | undefined;
  readonly verbose: boolean;
  /** Where the events go as a trace for the viewer. */
  readonly traceFile: string | undefined;
}

/** 3 when the replay diverges from what was recorded. */
export function replayRecording(command: ReplayCommand): ExitCode {
  const reader = new RecordingReader(command.file);
  const { head } = reader;
  say(
    `recording ${head.name}, life ${head.life}, since ` +
      `${new Date(head.startedAtMs).toISOString()}, build ${head.build}`,
  );
  const trace = command.traceFile === undefined ? undefined : new TraceFile(command.traceFile);
  const texts = new EventTexts(head);
  const { toEvent } = command;
  const looks = command.verbose || trace !== undefined;
  trace?.write(texts.header());
  const show = (event: ReplayedEvent): void => {
    const record = texts.record(event);
    if (event.n < command.fromEvent) return;
    if (command.verbose) for (const line of eventLines(record)) say(line);
    trace?.record(record);
  };
  const beganMs = performance.now();
  try {
    const result = replay({
      head,
      blocks: reader.blocks(),
      ...(toEvent === undefined ? {} : { toEvent }),
      ...(looks ? { onEvent: show, describe: effectText } : {}),
    });
    trace?.end();
    report(result, reader, performance.now() - beganMs);
    return result.divergence === undefined ? EXIT.pass : EXIT.nondeterminism;
  } finally {
    reader.close();
  }
}

function report(result: ReplayResult, { end }: RecordingReader, tookMs: number): void {
  const { events, marks, digest, divergence, parts } = result;
  say(`replayed  ${events} events, ${marks} marks, in ${(tookMs / 1_000).toFixed(1)} s`);
  for (const { name, lifecycle } of namesOf(parts)) say(`state     ${name} is ${lifecycle}`);
  if (divergence !== undefined) {
    say(`diverged  at event ${divergence.event}`);
    say(`recorded  ${divergence.recorded}`);
    say(`replayed  ${divergence.replayed}`);
    return;
  }
  if (end?.kind === "torn") say(`end       at byte ${end.offset}: ${end.why}`);
  else if (end !== undefined) say(`end       ${end.kind}: ${end.why}`);
  say(`digest    ${digest === "" ? "none: no mark was reached" : `${digest}, as recorded`}`);
}

function namesOf(parts: ReplayResult["parts"]): { name: string; lifecycle: string }[] {
  return (parts?.all ?? []).map((one) => ({ name: one.name, lifecycle: one.lifecycle() }));
}

/** Lines of a trace, written as they come. */
class TraceFile {
  readonly #file: number;
  readonly #hash = createHash("sha256");
  #last = 0;

  constructor(path: string) {
    this.#file = openSync(path, "w", 0o600);
  }

  write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  record(record: TraceRecord): void {
    this.#hash.update(`${canonicalRecord(record)}\n`);
    this.#last = record.n;
    this.write(record);
  }

  end(): void {
    this.write({ end: { n: this.#last, sha256: this.#hash.digest("hex") } });
    closeSync(this.#file);
  }
}
