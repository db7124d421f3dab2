/**
 * The simulator's command: runs one seed or many, repeats and shrinks failures, prints what
 * happened and the digest of everything, and ends with the code of its outcome.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterOptions, SimCluster } from "./cluster.ts";
import { FailureFileError, failureOf, readFailure, rerun, writeFailure } from "./failure.ts";
import { FAULTS } from "./faults/index.ts";
import { DrawLog } from "./kernel/draws.ts";
import { type Command, parse, USAGE, UsageError } from "./options.ts";
import { shrink } from "./shrink.ts";
import { summaryOf } from "./summary.ts";
import { traceLine } from "./trace.ts";

/** Codes of the command, by outcome. */
export const EXIT = {
  pass: 0,
  invariant: 1,
  liveness: 2,
  nondeterminism: 3,
  usage: 4,
  crash: 5,
} as const;

/** Statements that speak of the end of a run only. */
const LIVENESS: ReadonlySet<string> = new Set(["LV"]);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs twice; the second run stops at the first draw that the first one did not make. */
function checkDeterminism(options: ClusterOptions): number {
  const draws = new DrawLog();
  const runs = [0, 1].map(() => {
    const cluster: { now?: SimCluster } = {};
    draws.rewind();
    cluster.now = new SimCluster({
      ...options,
      heard: (stream, value) => draws.heard(stream, value, cluster.now?.nowMs ?? 0),
    });
    cluster.now.run();
    return cluster.now.trace.digest();
  });
  say(`draws ${draws.length}`);
  say(`digest ${runs[0]}`);
  if (runs[0] === runs[1]) return EXIT.pass;
  say(`digest ${runs[1]} in the second run, with equal draws`);
  return EXIT.nondeterminism;
}

function runOnce({ options, traceFile, failures }: Command & { kind: "run" }): number {
  const cluster = new SimCluster(options);
  const beganMs = performance.now();
  const before = process.cpuUsage();
  cluster.run();
  const { user, system } = process.cpuUsage(before);
  const realMs = performance.now() - beganMs;
  say(summaryOf(cluster, { realMs, cpuMs: (user + system) / 1000 }));
  writeTrace(cluster, traceFile);
  const [first] = cluster.violations;
  if (first !== undefined && failures !== undefined) keepFailure(cluster, first.id, failures);
  return codeOf(cluster);
}

function writeTrace(cluster: SimCluster, file: string | undefined): void {
  if (file === undefined) return;
  writeFileSync(file, `${cluster.trace.records().map(traceLine).join("\n")}\n`);
}

/** Repeats the run by its list of faults, up to the violation, and keeps that as a file. */
function keepFailure({ options, swarm }: SimCluster, id: string, folder: string): void {
  const failure = failureOf(rerun(options, swarm.applied, [id]));
  if (failure === undefined) {
    return say(`the list of faults alone does not repeat ${id}; the seed does`);
  }
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `failure-${options.seed.replaceAll(/[^\w-]/g, "_")}.json`);
  writeFailure(file, failure);
  say(`failure   ${file}: ${failure.faults.length} faults, digest ${failure.digest}`);
}

function codeOf({ violations }: Pick<SimCluster, "violations">): number {
  if (violations.length === 0) return EXIT.pass;
  return violations.every(({ id }) => LIVENESS.has(id)) ? EXIT.liveness : EXIT.invariant;
}

/** Many seeds, a line for each: how it ended. */
function runMany({ options, seeds }: Command & { kind: "swarm" }): number {
  let worst: number = EXIT.pass;
  for (let run = 1; run <= seeds; run++) {
    const seed = `${options.seed}-${run}`;
    const cluster = new SimCluster({ ...options, seed });
    cluster.run();
    const code = codeOf(cluster);
    const last = cluster.violations.find(({ id }) => options.stopAt?.includes(id));
    const first = last ?? cluster.violations[0];
    const { events } = cluster.world;
    if (first === undefined) say(`seed ${seed}: passed, ${events} events`);
    else say(`seed ${seed}: ${first.id} at ${first.atMs.toFixed(0)} ms: ${first.message}`);
    if (code !== EXIT.pass && (worst === EXIT.pass || code < worst)) worst = code;
    if (last !== undefined) break;
  }
  return worst;
}

/** Repeats a failure; 3 when the same statement is violated in another run than it was then. */
function replay({ file, traceFile }: Command & { kind: "replay" }): number {
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
  return codeOf(cluster);
}

function shrunk({ file, out, budget }: Command & { kind: "shrink" }): number {
  const failure = readFailure(file);
  const { failure: small, runs } = shrink(failure, budget, ({ faults, scenario }) =>
    say(`${faults.length} faults, ${scenario.agents} agents, ${scenario.items} items`),
  );
  writeFailure(out, small);
  say(`${out}: ${small.faults.length} of ${failure.faults.length} faults after ${runs} runs`);
  return EXIT.pass;
}

function perform(command: Command): number {
  switch (command.kind) {
    case "help":
      say(USAGE);
      return EXIT.pass;
    case "list":
      for (const { name, statement } of FAULTS) say(`${name.padEnd(18)} ${statement}`);
      return EXIT.pass;
    case "determinism":
      return checkDeterminism(command.options);
    case "run":
      return runOnce(command);
    case "swarm":
      return runMany(command);
    case "replay":
      return replay(command);
    case "shrink":
      return shrunk(command);
  }
}

/** The command; answers with its exit code. */
export function main(args: readonly string[]): number {
  try {
    return perform(parse(args));
  } catch (error) {
    if (DrawLog.isDivergence(error)) {
      say(error.message);
      return EXIT.nondeterminism;
    }
    if (error instanceof FailureFileError) {
      process.stderr.write(`${error.message}\n`);
      return EXIT.usage;
    }
    const usage = error instanceof UsageError || (error instanceof TypeError && "code" in error);
    process.stderr.write(`${usage && error instanceof Error ? error.message : stackOf(error)}\n`);
    if (usage) process.stderr.write(`${USAGE}\n`);
    return usage ? EXIT.usage : EXIT.crash;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

process.exitCode = main(process.argv.slice(2));
