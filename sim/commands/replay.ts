/** `sim replay`: a failed run again by its list of faults, up to the violation. */
import { readFailure, rerun } from "../failure.ts";
import { parsed } from "../options.ts";
import { codeOf, EXIT, type ExitCode, onlyFile, type SimCommand, say } from "./command.ts";
import { writeTrace } from "./run.ts";

const FLAGS = { trace: { type: "string" } } as const;

/** 3 when the same statement is violated in another run than it was then. */
function replay(file: string, traceFile: string | undefined): ExitCode {
  const { scenario, faults, violation, digest } = readFailure(file);
  const options = { ...scenario, keepTrace: traceFile !== undefined };
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

export const REPLAY: SimCommand = {
  name: "replay",
  usage: ["replay FAILURE [--trace FILE]   repeats a failed run to its first violation"],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    return replay(onlyFile(positionals, "a failure"), values.trace);
  },
};
