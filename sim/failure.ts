/**
 * A failed run as a file: the scenario, the seed, every fault as it was applied, the first
 * violation and the digest. It replays without the draws that led to it, so it survives changes
 * of them, and the shrinker can edit it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type ClusterOptions, SimCluster } from "./cluster.ts";
import type { Violation } from "./checkers/index.ts";
import { FAULTS, type PlannedFault } from "./faults/index.ts";

export const FAILURE_VERSION = 1;

export interface Failure {
  readonly version: typeof FAILURE_VERSION;
  readonly scenario: ClusterOptions;
  readonly faults: readonly PlannedFault[];
  readonly violation: Violation;
  /** Of the run that ends at that violation. */
  readonly digest: string;
}

/** Type of each field; what is missing or of another type is named by its path. */
const SCENARIO = {
  seed: "string",
  masters: "number",
  agents: "number",
  frameworks: "number",
  brokers: "number",
  items: "number",
  profile: "string",
  untilMs: "number",
  faultEveryMs: "number",
} as const;
const FAULT = {
  atMs: "number",
  name: "string",
  lastsMs: "number",
  draw: "number",
  target: "string",
} as const;
const VIOLATION = { id: "string", message: "string", event: "number", atMs: "number" } as const;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** The first field that is not as it must be; undefined when all are. */
function faultIn(
  value: unknown,
  fields: Readonly<Record<string, string>>,
  path: string,
): string | undefined {
  if (!isRecord(value)) return path;
  const wrong = Object.entries(fields).find(([name, type]) => {
    const field = value[name];
    return typeof field !== type || (typeof field === "number" && !(field >= 0));
  });
  return wrong === undefined ? undefined : `${path}.${wrong[0]}: no ${wrong[1]} that is possible`;
}

function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return "no object";
  const { version, faults, scenario, violation } = value;
  if (version !== FAILURE_VERSION) return `version: ${version} is not ${FAILURE_VERSION}`;
  if (!Array.isArray(faults)) return "faults: no list";
  const inFaults = faults.map((fault, index) => faultIn(fault, FAULT, `faults[${index}]`));
  return (
    faultIn(value, { digest: "string" }, "failure") ??
    faultIn(scenario, SCENARIO, "scenario") ??
    faultIn(violation, VIOLATION, "violation") ??
    inFaults.find((fault) => fault !== undefined)
  );
}

function isFailure(value: unknown): value is Failure {
  return faultOf(value) === undefined;
}

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
  if (!isFailure(value)) throw new FailureFileError(`${file}: ${faultOf(value)}`);
  const { profile } = value.scenario;
  if (profile !== "nats" && profile !== "hostile") {
    throw new FailureFileError(`${file}: scenario.profile: ${profile} is neither nats nor hostile`);
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
