/**
 * `sim replay`: a failed run again by its list of faults, up to the violation; or an actor of a
 * daemon again from its recording. The file says which of the two it is.
 */
import { readFailure, rerun } from "../failure.ts";
import { count, parsed } from "../options.ts";
import { replayRecording } from "../recording/command.ts";
import { isRecording } from "../recording/file.ts";
import {
  codeOf,
  EXIT,
  type ExitCode,
  onlyFile,
  type SimCommand,
  say,
  UsageError,
} from "./command.ts";
import { writeTrace } from "./run.ts";

const FLAGS = {
  trace: { type: "string" },
  "from-event": { type: "string" },
  "to-event": { type: "string" },
  verbose: { type: "boolean", default: false },
} as const;

/** 3 when the same statement is violated in another run than it was then. */
function replay(file: string, traceFile: string | undefined): ExitCode {
  const { scenario, faults, violation, digest } = readFailure(file);
  const options = { ...{}, ...scenario, keepTrace: traceFile !== undefined };
  const cluster = rerun(options, faults, [violation.id]);
  writeTrace(cluster, traceFile);
  const found = cluster.violations.find(({ id }) => id === violation.id);
  say(`expected  ${violation.id} at ${violation.atMs.toFixed(0)} ms: ${violation.message}`);
  if (found === undefined) say("found     nothing: it holds now");
  else say(`found     ${found.id} at ${found.atMs.toFixed(0)} ms: ${found.message}`);
  say(`digest    ${cluster.trace.digest()}, then ${digest}`);
  if (found !== undefined && cluster.trace.digest() !== digest) return EXIT.nondeterminism;
  return codeOf(cluster.violations);
}

function eventNumber(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : count(text, flag, 1, Number.MAX_SAFE_INTEGER);
}

export const REPLAY: SimCommand = {
  name: "replay",
  usage: [
    "replay FAILURE [--trace FILE]   repeats a failed run to its first violation",
    "replay RECORDING [--verbose] [--from-event N] [--to-event N] [--trace FILE]   an actor again",
  ],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    const file = onlyFile(positionals, "a failure or a recording");
    const fromEvent = eventNumber(values["from-event"], "from-event");
    const toEvent = eventNumber(values["to-event"], "to-event");
    const { verbose, trace } = values;
    if (isRecording(file)) {
      return replayRecording({
        file,
        fromEvent: fromEvent ?? 1,
        toEvent,
        verbose: verbose || fromEvent !== undefined,
        traceFile: trace,
      });
    }
    if (verbose || fromEvent !== undefined || toEvent !== undefined) {
      throw new UsageError(`${file}: --verbose, --from-event and --to-event are for recordings`);
    }
    return replay(file, trace);
  },
};
