/** `sim swarm`: many seeds in child processes, a line for each, failures grouped. */
import { writeFileSync } from "node:fs";
import { CLUSTER_FLAGS, clusterOptions, count, duration, flagsAgain, parsed } from "../options.ts";
import type { SeedOutcome } from "../seeds/outcome.ts";
import { pageOf } from "../seeds/page.ts";
import { runSeeds } from "../seeds/pool.ts";
import {
  failureLines,
  groupLine,
  groupsOf,
  mainOf,
  seedLine,
  sometimesOf,
  speedOf,
  totalLines,
} from "../seeds/report.ts";
import { codeOf, EXIT, type ExitCode, noMore, type SimCommand, say } from "./command.ts";

const JOBS_MAX = 256;

const FLAGS = {
  ...{},
  ...CLUSTER_FLAGS,
  seeds: { type: "string", default: "50" },
  from: { type: "string", default: "1" },
  seed: { type: "string" },
  jobs: { type: "string", default: "1" },
  budget: { type: "string" },
  "fail-fast": { type: "boolean", default: false },
  report: { type: "string" },
  counts: { type: "string" },
} as const;

/** The gravest of two codes: a broken statement before one that was only not reached. */
function graver(one: ExitCode, other: ExitCode): ExitCode {
  if (one === EXIT.pass || other === EXIT.pass) return one === EXIT.pass ? other : one;
  return one < other ? one : other;
}

function codeOfSeed({ crash, violations }: SeedOutcome): ExitCode {
  return crash === undefined ? codeOf(violations) : EXIT.crash;
}

function seedNames(prefix: string | undefined, from: number, seeds: number): string[] {
  return Array.from({ length: seeds }, (_, index) =>
    prefix === undefined ? String(from + index) : `${prefix}-${from + index}`,
  );
}

async function swarm(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parsed(args, FLAGS);
  noMore(positionals[0]);
  const options = clusterOptions(values);
  const { stopAt = [] } = options;
  const from = count(values.from, "from", 0, Number.MAX_SAFE_INTEGER);
  const seeds = seedNames(values.seed, from, count(values.seeds, "seeds", 1, 1_000_000));
  const budgetMs =
    values.budget === undefined ? Number.POSITIVE_INFINITY : duration(values.budget, "budget");
  const outcomes: SeedOutcome[] = [];
  const beganMs = performance.now();
  const given = await runSeeds({
    seeds,
    options,
    jobs: count(values.jobs, "jobs", 1, JOBS_MAX),
    budgetMs,
    onOutcome(outcome) {
      outcomes.push(outcome);
      say(seedLine(outcome, stopAt));
      const stops = stopAt.includes(mainOf(outcome, stopAt)?.id ?? "");
      return stops || (values["fail-fast"] && codeOfSeed(outcome) !== EXIT.pass);
    },
  });
  const replay = (seed: string): string => `meseta sim run --seed ${seed}${flagsAgain(values)}`;
  const failures = failureLines(outcomes, stopAt, replay);
  const groups = groupsOf(outcomes, stopAt);
  for (const line of failures) say(line);
  for (const group of groups) say(groupLine(group));
  for (const line of totalLines(outcomes)) say(line);
  if (given < seeds.length) say(`${seeds.length - given} seeds were not run`);
  // Not on stdout: it differs from run to run.
  const speed = speedOf(outcomes, performance.now() - beganMs);
  process.stderr.write(`${speed}\n`);
  if (values.report !== undefined) {
    writeFileSync(values.report, pageOf({ outcomes, groups, failures, speed }));
  }
  if (values.counts !== undefined) {
    const counts = { seeds: outcomes.length, sometimes: sometimesOf(outcomes) };
    writeFileSync(values.counts, `${JSON.stringify(counts, undefined, 2)}\n`);
  }
  return outcomes.map(codeOfSeed).reduce(graver, EXIT.pass);
}

export const SWARM: SimCommand = {
  name: "swarm",
  usage: [
    "swarm [--seeds 50] [--from 1] [--jobs 1] [flags of the cluster]   many seeds, a line each",
    "  --seed TEXT              seeds are called TEXT-1, TEXT-2, … instead of 1, 2, …",
    "  --budget 10m             begins no seed after this time; those that run are waited for",
    "  --fail-fast              ends with the first seed that fails",
    "  --report FILE            the same as a page of HTML",
    "  --counts FILE            how often each rare branch was reached; `list` reads it",
  ],
  run: swarm,
};
