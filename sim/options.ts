/** The flags that describe a run: their names, defaults and checks. Runs nothing. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import type { ClusterOptions } from "./cluster.ts";
import { UsageError } from "./commands/command.ts";
import { FAULTS } from "./faults/index.ts";

/** Help of the flags below. */
export const CLUSTER_USAGE: readonly string[] = [
  "  --until 10m              virtual length of a run",
  "  --masters 3 --agents 20 --frameworks 3 --brokers 3   who takes part",
  "  --items 670              work items of each framework",
  "  --profile nats|hostile   what the bus may do to messages",
  "  --faults-every 1900ms    mean time between faults; 0s: only the leader is killed",
  "  --only a,b               faults that may be drawn",
  "  --stop-at R1,U1          ends a run, and the runs of a swarm, when one of these is violated",
];

/** The default cluster: what `run` repeats of a swarm needs the seed only. */
export const CLUSTER_FLAGS = {
  until: { type: "string", default: "10m" },
  masters: { type: "string", default: "3" },
  agents: { type: "string", default: "20" },
  frameworks: { type: "string", default: "3" },
  brokers: { type: "string", default: "3" },
  items: { type: "string", default: "670" },
  profile: { type: "string", default: "nats" },
  "faults-every": { type: "string", default: "1900ms" },
  only: { type: "string" },
  "stop-at": { type: "string" },
} as const;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** "10m" in milliseconds. @throws UsageError */
export function duration(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new UsageError(`--${flag}: ${text} is no duration; write 500ms, 20s, 10m or 2h`);
  }
  return Number(match[1]) * unit;
}

/** A whole number from `least` to `most`. @throws UsageError */
export function count(text: string, flag: string, least: number, most = 10_000): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`--${flag}: ${text} is not between ${least} and ${most}`);
  }
  return value;
}

/** The values of a command's flags; nothing else is accepted. */
export function parsed<Flags extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Flags,
) {
  return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
}

type Values = ReturnType<typeof parseArgs<{ options: typeof CLUSTER_FLAGS }>>["values"];

/** What the flags say of the cluster; the seed and what is kept are the command's affair. */
export function clusterOptions(values: Values): Omit<ClusterOptions, "seed"> {
  const { profile, only, "stop-at": stopAt } = values;
  if (profile !== "nats" && profile !== "hostile") {
    throw new UsageError(`--profile: ${profile} is neither nats nor hostile`);
  }
  const onlyFaults = only?.split(",");
  const unknown = onlyFaults?.find((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new UsageError(`--only: there is no fault ${unknown}`);
  return {
    masters: count(values.masters, "masters", 1),
    agents: count(values.agents, "agents", 0),
    frameworks: count(values.frameworks, "frameworks", 0),
    brokers: count(values.brokers, "brokers", 1),
    items: count(values.items, "items", 0),
    profile,
    untilMs: duration(values.until, "until"),
    faultEveryMs: duration(values["faults-every"], "faults-every"),
    ...(onlyFaults === undefined ? {} : { onlyFaults }),
    ...(stopAt === undefined ? {} : { stopAt: stopAt.split(",") }),
  };
}

/** The flags of a command line that differ from the defaults, to say it again. */
export function flagsAgain(values: Readonly<Record<string, string | boolean | undefined>>): string {
  return Object.entries(CLUSTER_FLAGS)
    .filter(([name, flag]) => values[name] !== ("default" in flag ? flag.default : undefined))
    .map(([name]) => ` --${name} ${values[name]}`)
    .join("");
}
