/**
 * A failed run as a file: the scenario, the seed, every fault as it was applied, the first
 * violation and the digest. It replays without the draws that led to it, so it survives changes
 * of them, and the shrinker can edit it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type ClusterOptions, SimCluster } from "./cluster.ts";
import { FAULTS } from "./faults/index.ts";

export const FAILURE_VERSION = 1;

const Count = Type.Integer({ minimum: 0 });

const FailureSchema = Type.Object({
  version: Type.Literal(FAILURE_VERSION),
  scenario: Type.Object({
    seed: Type.String(),
    masters: Count,
    agents: Count,
    frameworks: Count,
    brokers: Count,
    items: Count,
    profile: Type.Union([Type.Literal("nats"), Type.Literal("hostile")]),
    untilMs: Type.Number({ minimum: 0 }),
    faultEveryMs: Type.Number({ minimum: 0 }),
  }),
  faults: Type.Array(
    Type.Object({
      atMs: Type.Number({ minimum: 0 }),
      name: Type.String(),
      lastsMs: Type.Number({ minimum: 0 }),
      draw: Count,
      target: Type.String(),
    }),
  ),
  violation: Type.Object({
    id: Type.String(),
    message: Type.String(),
    event: Count,
    atMs: Type.Number(),
  }),
  /** Of the run that ends at that violation. */
  digest: Type.String(),
});

export type Failure = Static<typeof FailureSchema>;

const CHECK = TypeCompiler.Compile(FailureSchema);

/** A file that is no failure: the message names what is wrong with it. */
export class FailureFileError extends Error {}

/** The run again with the same faults, up to the first violation of `ids`. */
export function rerun(
  scenario: ClusterOptions,
  faults: Failure["faults"],
  ids: readonly string[],
): SimCluster {
  const cluster = new SimCluster({ ...scenario, plan: faults, stopAt: ids });
  cluster.run();
  return cluster;
}

/** What a run that failed has to say; undefined where nothing was violated. */
export function failureOf(cluster: SimCluster): Failure | undefined {
  const [violation] = cluster.violations;
  if (violation === undefined) return undefined;
  const { seed, masters, agents, frameworks, brokers, items } = cluster.options;
  const { profile, untilMs, faultEveryMs } = cluster.options;
  return {
    version: FAILURE_VERSION,
    scenario: {
      seed,
      masters,
      agents,
      frameworks,
      brokers,
      items,
      profile,
      untilMs,
      faultEveryMs,
    },
    faults: cluster.swarm.applied.filter(({ atMs }) => atMs <= violation.atMs),
    violation,
    digest: cluster.trace.digest(),
  };
}

export function writeFailure(file: string, failure: Failure): void {
  writeFileSync(file, `${JSON.stringify(failure, undefined, 2)}\n`);
}

/** @throws FailureFileError when the file is none, or names a fault that does not exist. */
export function readFailure(file: string): Failure {
  const value = parsed(file);
  if (!CHECK.Check(value)) {
    const error = CHECK.Errors(value).First();
    throw new FailureFileError(`${file}: ${error?.path ?? ""}: ${error?.message ?? "is wrong"}`);
  }
  const unknown = value.faults.find(({ name }) => !FAULTS.some((one) => one.name === name));
  if (unknown !== undefined) throw new FailureFileError(`${file}: no fault ${unknown.name}`);
  return value;
}

function parsed(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FailureFileError(`${file}: ${why}`);
  }
}
