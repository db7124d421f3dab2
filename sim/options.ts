/** The flags of the simulator's command: their names, defaults and checks. Runs nothing. */
import { parseArgs } from "node:util";
import type { ClusterOptions } from "./cluster.ts";
import { FAULTS } from "./faults/index.ts";

export const USAGE = `usage: npm run sim -- [run] [--seed TEXT] [--until 10m] [options]
       npm run sim -- swarm [--seed TEXT] --seeds N [options]   seeds TEXT-1 … TEXT-N, a line each
       npm run sim -- replay FAILURE      repeats a failed run to its first violation
       npm run sim -- shrink FAILURE [-o FILE] [--budget 500]   leaves out what it does not need
       npm run sim -- list                the faults
  --masters 3 --agents 10 --frameworks 2 --brokers 3   who takes part
  --items 200              work items of each framework
  --profile nats|hostile   what the bus may do to messages
  --faults-every 20s       mean time between faults; 0s: only the leader is killed
  --only a,b               faults that may be drawn
  --stop-at R1,U1          ends a run, and the runs of a swarm, when one of these is violated
  --trace FILE             every record of the run, one a line
  --failures DIR           where failure-SEED.json of a failed run goes; none: nowhere
  --check-determinism      runs twice and stops at the first draw that differs`;

/** What was asked for makes no sense; the message names the flag. */
export class UsageError extends Error {}

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
  "stop-at": { type: "string" },
  trace: { type: "string" },
  failures: { type: "string", default: "." },
  seeds: { type: "string" },
  output: { type: "string", short: "o", default: "small.json" },
  budget: { type: "string", default: "500" },
  "check-determinism": { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

export type Command =
  | { readonly kind: "help" | "list" }
  | { readonly kind: "determinism"; readonly options: ClusterOptions }
  | {
      readonly kind: "run";
      readonly options: ClusterOptions;
      readonly traceFile: string | undefined;
      /** Folder of failure files; undefined: none are written. */
      readonly failures: string | undefined;
    }
  | { readonly kind: "swarm"; readonly options: ClusterOptions; readonly seeds: number }
  | { readonly kind: "replay"; readonly file: string; readonly traceFile: string | undefined }
  | {
      readonly kind: "shrink";
      readonly file: string;
      readonly out: string;
      readonly budget: number;
    };

/** What the arguments ask for. @throws UsageError, or the TypeError of parseArgs. */
export function parse(args: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: true,
    allowPositionals: true,
  });
  const [command = "run", file, ...more] = positionals;
  if (values.help) return { kind: "help" };
  if (values.list || command === "list") return { kind: "list" };
  const takesFile = command === "replay" || command === "shrink";
  const stray = takesFile ? more[0] : file;
  if (stray !== undefined) throw new UsageError(`${stray}: no more arguments are expected here`);
  const traceFile = values.trace;
  if (takesFile) {
    if (file === undefined) throw new UsageError(`${command}: name the file of a failure`);
    if (command === "replay") return { kind: "replay", file, traceFile };
    return { kind: "shrink", file, out: values.output, budget: count(values.budget, "budget", 1) };
  }
  if (command !== "run" && command !== "swarm") {
    throw new UsageError(`${command}: there is no such command`);
  }
  const options = clusterOptions(values);
  if (values["check-determinism"]) return { kind: "determinism", options };
  if (command === "swarm" || values.seeds !== undefined) {
    return { kind: "swarm", options, seeds: count(values.seeds ?? "50", "seeds", 1) };
  }
  const failures = values.failures === "none" ? undefined : values.failures;
  return { kind: "run", options, traceFile, failures };
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

function clusterOptions(values: Values): ClusterOptions {
  const { profile, only, "stop-at": stopAt } = values;
  if (profile !== "nats" && profile !== "hostile") {
    throw new UsageError(`--profile: ${profile} is neither nats nor hostile`);
  }
  const onlyFaults = only?.split(",");
  const unknown = onlyFaults?.find((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new UsageError(`--only: there is no fault ${unknown}`);
  return {
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
    ...(stopAt === undefined ? {} : { stopAt: stopAt.split(",") }),
  };
}
