/**
 * The simulator's command: runs one seed, prints what happened and the digest of everything, and
 * ends with the code of its outcome. `--check-determinism` runs it twice.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type ClusterOptions, SimCluster } from "./cluster.ts";
import { FAULTS } from "./faults/index.ts";
import { DrawLog } from "./kernel/draws.ts";
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

const USAGE = `usage: npm run sim -- [--seed TEXT] [--until 10m] [options]
  --masters 3 --agents 10 --frameworks 2 --brokers 3   who takes part
  --items 200              work items of each framework
  --profile nats|hostile   what the bus may do to messages
  --faults-every 20s       mean time between faults; 0s: only the leader is killed
  --only a,b               faults that may be drawn; --list shows them
  --trace FILE             every record of the run, one a line
  --seeds N                N runs with the seeds SEED-1 … SEED-N, one line for each
  --check-determinism      runs twice and stops at the first draw that differs`;

class UsageError extends Error {}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** "10m" in milliseconds. */
function duration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new UsageError(`--${option}: ${text} is no duration; write 500ms, 20s, 10m or 2h`);
  }
  return Number(match[1]) * unit;
}

function count(text: string, option: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > 10_000) {
    throw new UsageError(`--${option}: ${text} is not between ${least} and 10000`);
  }
  return value;
}

const OPTIONS = {
  seed: { type: "string", default: "1" },
  until: { type: "string", default: "10m" },
  masters: { type: "string", default: "3" },
  agents: { type: "string", default: "10" },
  frameworks: { type: "string", default: "2" },
  brokers: { type: "string", default: "3" },
  items: { type: "string", default: "200" },
  profile: { type: "string", default: "nats" },
  "faults-every": { type: "string", default: "20s" },
  only: { type: "string" },
  trace: { type: "string" },
  seeds: { type: "string" },
  "check-determinism": { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

function parse(args: readonly string[]) {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true });
  const { profile, only } = values;
  if (profile !== "nats" && profile !== "hostile") {
    throw new UsageError(`--profile: ${profile} is neither nats nor hostile`);
  }
  const onlyFaults = only?.split(",");
  const unknown = onlyFaults?.find((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new UsageError(`--only: there is no fault ${unknown}`);
  const options: ClusterOptions = {
    seed: values.seed,
    masters: count(values.masters, "masters", 1),
    agents: count(values.agents, "agents", 0),
    frameworks: count(values.frameworks, "frameworks", 0),
    brokers: count(values.brokers, "brokers", 1),
    items: count(values.items, "items", 0),
    profile,
    untilMs: duration(values.until, "until"),
    faultEveryMs: duration(values["faults-every"], "faults-every"),
    keepTrace: values.trace !== undefined,
    ...(onlyFaults === undefined ? {} : { onlyFaults }),
  };
  return { options, values };
}

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

function runOnce(options: ClusterOptions, traceFile: string | undefined): number {
  const cluster = new SimCluster(options);
  const beganMs = performance.now();
  const before = process.cpuUsage();
  cluster.run();
  const { user, system } = process.cpuUsage(before);
  const realMs = performance.now() - beganMs;
  say(summaryOf(cluster, { realMs, cpuMs: (user + system) / 1000 }));
  if (traceFile !== undefined) {
    writeFileSync(traceFile, `${cluster.trace.records().map(traceLine).join("\n")}\n`);
  }
  return codeOf(cluster);
}

function codeOf({ violations }: SimCluster): number {
  if (violations.length === 0) return EXIT.pass;
  return violations.every(({ id }) => LIVENESS.has(id)) ? EXIT.liveness : EXIT.invariant;
}

/** Many seeds, a line for each: how it ended, and the command that repeats it. */
function runMany(options: ClusterOptions, runs: number): number {
  let worst: number = EXIT.pass;
  for (let run = 1; run <= runs; run++) {
    const seed = `${options.seed}-${run}`;
    const cluster = new SimCluster({ ...options, seed });
    cluster.run();
    const code = codeOf(cluster);
    const [first] = cluster.violations;
    const { events } = cluster.world;
    if (first === undefined) say(`seed ${seed}: passed, ${events} events`);
    else say(`seed ${seed}: ${first.id} at ${first.atMs.toFixed(0)} ms: ${first.message}`);
    if (code !== EXIT.pass && (worst === EXIT.pass || code < worst)) worst = code;
  }
  return worst;
}

/** The command; answers with its exit code. */
export function main(args: readonly string[]): number {
  try {
    const { options, values } = parse(args);
    if (values.help) say(USAGE);
    else if (values.list) {
      for (const { name, statement } of FAULTS) say(`${name.padEnd(18)} ${statement}`);
    } else if (values["check-determinism"]) return checkDeterminism(options);
    else if (values.seeds !== undefined) return runMany(options, count(values.seeds, "seeds", 1));
    else return runOnce(options, values.trace);
    return EXIT.pass;
  } catch (error) {
    if (DrawLog.isDivergence(error)) {
      say(error.message);
      return EXIT.nondeterminism;
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
