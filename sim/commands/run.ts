/**
 * `sim run`: one seed once, with a summary and the digest; a violation leaves a failure file.
 * With `--check-determinism` twice, and the first draw that differs is named.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ClusterOptions, SimCluster } from "../cluster.ts";
import { failureOf, rerun, writeFailure } from "../failure.ts";
import { runExperiment } from "../experiments/run.ts";
import { DrawLog } from "../kernel/draws.ts";
import { CLUSTER_FLAGS, clusterOptions, flagsAgain, parsed } from "../options.ts";
import { optionsOf, readScenario, type Scenario, unmet } from "../scenario.ts";
import { summaryOf } from "../summary.ts";
import { writeTraceFile } from "../trace-file.ts";
import { tracedOf } from "../traced.ts";
import { gridOf } from "../view/grid.ts";
import {
  codeOf,
  EXIT,
  type ExitCode,
  noMore,
  type SimCommand,
  say,
  UsageError,
} from "./command.ts";

const FLAGS = {
  ...{},
  ...CLUSTER_FLAGS,
  seed: { type: "string", default: "1" },
  scenario: { type: "string" },
  trace: { type: "string" },
  failures: { type: "string", default: "." },
  grid: { type: "boolean", default: false },
  charts: { type: "string" },
  "check-determinism": { type: "boolean", default: false },
} as const;

/** Runs twice; the second run stops at the first draw that the first one did not make. */
function checkDeterminism(options: ClusterOptions): ExitCode {
  const draws = new DrawLog();
  const runs = [0, 1].map(() => {
    const cluster: { now?: SimCluster } = {};
    draws.rewind();
    cluster.now = new SimCluster({
      ...{},
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

export function writeTrace(cluster: SimCluster, file: string | undefined): void {
  if (file === undefined) return;
  writeTraceFile(file, tracedOf(cluster));
}

/** Repeats the run by its list of faults, up to the violation, and keeps that as a file. */
function keepFailure(cluster: SimCluster, id: string, folder: string, name?: string): void {
  const { options, swarm } = cluster;
  const failure = failureOf(rerun(options, swarm.applied, [id]), id, name);
  if (failure === undefined) {
    return say(`the list of faults alone does not repeat ${id}; the seed does`);
  }
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `failure-${options.seed.replaceAll(/[^\w-]/g, "_")}.json`);
  writeFailure(file, failure);
  say(`failure   ${file}: ${failure.faults.length} faults, digest ${failure.digest}`);
}

interface Wanted {
  /** Where the trace goes. */
  readonly trace: string | undefined;
  /** Folder of failure files; none: nowhere. */
  readonly failures: string;
  readonly grid: boolean;
  readonly scenario: Scenario | undefined;
}

function runOnce(options: ClusterOptions, { trace, failures, grid, scenario }: Wanted): ExitCode {
  const cluster = new SimCluster(options);
  const beganMs = performance.now();
  const before = process.cpuUsage();
  cluster.run();
  const { user, system } = process.cpuUsage(before);
  const realMs = performance.now() - beganMs;
  say(summaryOf(cluster, { realMs, cpuMs: (user + system) / 1000 }));
  if (grid) process.stdout.write(gridOf(tracedOf(cluster)));
  writeTrace(cluster, trace);
  const [first] = cluster.violations;
  if (first !== undefined && failures !== "none") {
    keepFailure(cluster, first.id, failures, scenario?.name);
  }
  const missed = scenario === undefined ? [] : unmet(scenario, cluster);
  for (const why of missed) say(why);
  const code = codeOf(cluster.violations);
  return code === EXIT.pass && missed.length > 0 ? EXIT.liveness : code;
}

export const RUN: SimCommand = {
  name: "run",
  usage: [
    "[run] [--seed TEXT] [flags of the cluster]   one run: a summary, violations, the digest",
    "  --scenario FILE          what takes part and what is done to it, instead of flags",
    "  --trace FILE             the trace of the run, for `view`",
    "  --grid                   a line for each change, a character for each node",
    "  --failures DIR           where failure-SEED.json of a failed run goes; none: nowhere",
    "run FILE [--charts DIR]      an experiment: its tables; charts and figures go to DIR",
    "  --check-determinism      runs twice and stops at the first draw that differs",
  ],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    const [file, stray] = positionals;
    noMore(stray);
    if (file !== undefined) {
      runExperiment(file, values.charts);
      return EXIT.pass;
    }
    const { seed, trace, failures, grid } = values;
    const scenario = values.scenario === undefined ? undefined : readScenario(values.scenario);
    const again = flagsAgain(values);
    if (scenario !== undefined && again !== "") {
      throw new UsageError(
        `--scenario: it says who takes part and what is done; leave out${again}`,
      );
    }
    const described =
      scenario === undefined
        ? { ...{}, ...clusterOptions(values), seed }
        : optionsOf(scenario, seed);
    const options = { ...{}, ...described, keepTrace: trace !== undefined || grid };
    if (values["check-determinism"]) return checkDeterminism(options);
    return runOnce(options, { trace, failures, grid, scenario });
  },
};
