/**
 * A failed run as a file: what took part, every fault as it was applied, the first violation and
 * the digests. It replays without the draws that led to it, so it survives changes of them, and
 * the shrinker can edit it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type ClusterOptions, SimCluster } from "./cluster.ts";
import type { Violation } from "./checkers/index.ts";
import { FAULTS, type PlannedFault } from "./faults/index.ts";
import { codeVersion } from "./version.ts";

export const FAILURE_VERSION = 2;

/** What a failure file keeps of the options of its run. */
export type FailureScenario = Pick<
  ClusterOptions,
  | "seed"
  | "masters"
  | "agents"
  | "frameworks"
  | "brokers"
  | "items"
  | "profile"
  | "untilMs"
  | "workload"
  | "healMs"
  | "onlyItems"
  | "cutMs"
>;

export interface Failure {
  readonly version: typeof FAILURE_VERSION;
  /** Name of the scenario that it comes from; absent: flags alone. */
  readonly name?: string;
  readonly scenario: FailureScenario;
  readonly faults: readonly PlannedFault[];
  readonly violation: Violation;
  /** Of the run that ends at that violation. */
  readonly digest: string;
  /** Digest after each thousand records, shortened: where two runs part is found by bisection. */
  readonly marks: readonly string[];
  /** Of the code that failed: another one may not. */
  readonly commit: string;
  readonly packageVersion: string;
}

type Fields = Readonly<Record<string, string>>;

/** Type of each field; what is missing or of another type is named by its path. */
const SCENARIO: Fields = {
  seed: "string",
  masters: "number",
  agents: "number",
  frameworks: "number",
  brokers: "number",
  items: "number",
  profile: "string",
  untilMs: "number",
};
const FAULT: Fields = { atMs: "number", name: "string", lastsMs: "number" };
const VIOLATION: Fields = { id: "string", message: "string", event: "number", atMs: "number" };
const FAILURE: Fields = { digest: "string", commit: "string", packageVersion: "string" };

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** The first field that is not as it must be; undefined when all are. */
function faultIn(value: unknown, fields: Fields, path: string): string | undefined {
  if (!isRecord(value)) return path;
  const wrong = Object.entries(fields).find(([name, type]) => {
    const field = value[name];
    return typeof field !== type || (typeof field === "number" && !(field >= 0));
  });
  return wrong === undefined ? undefined : `${path}.${wrong[0]}: no ${wrong[1]} that is possible`;
}

function namesFault(value: unknown, path: string): string | undefined {
  const fits = Array.isArray(value) && value.every((name) => typeof name === "string");
  return fits ? undefined : `${path}: no list of names`;
}

function plannedFault(value: unknown, path: string): string | undefined {
  const fault = faultIn(value, FAULT, path);
  if (fault !== undefined || !isRecord(value)) return fault;
  const { name, on, to = [], by = 0 } = value;
  if (!FAULTS.some((one) => one.name === name)) return `${path}.name: no fault ${String(name)}`;
  if (typeof by !== "number") return `${path}.by: no number`;
  return namesFault(on, `${path}.on`) ?? namesFault(to, `${path}.to`);
}

function scenarioFault(value: unknown): string | undefined {
  const fault = faultIn(value, SCENARIO, "scenario");
  if (fault !== undefined || !isRecord(value)) return fault;
  const { profile, workload = "batch", onlyItems = [] } = value;
  if (workload !== "batch" && workload !== "backlog") {
    return `scenario.workload: ${String(workload)} is neither batch nor backlog`;
  }
  if (profile !== "nats" && profile !== "hostile") {
    return `scenario.profile: ${String(profile)} is neither nats nor hostile`;
  }
  return namesFault(onlyItems, "scenario.onlyItems");
}

function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return "no object";
  const { version, faults, scenario, violation, marks } = value;
  if (version !== FAILURE_VERSION) {
    return `version: ${String(version)} is not ${FAILURE_VERSION}; let its seed fail once more`;
  }
  if (!Array.isArray(faults)) return "faults: no list";
  const inFaults = faults.map((fault, index) => plannedFault(fault, `faults[${index}]`));
  return (
    faultIn(value, FAILURE, "failure") ??
    namesFault(marks, "marks") ??
    scenarioFault(scenario) ??
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
  scenario: FailureScenario & Pick<ClusterOptions, "keepTrace">,
  faults: Failure["faults"],
  ids: readonly string[],
): SimCluster {
  const cluster = new SimCluster({
    ...{},
    ...scenario,
    faultEveryMs: 0,
    plan: faults,
    stopAt: ids,
  });
  cluster.run();
  return cluster;
}

/**
 * What a run that failed has to say of its first violation, or of the first of `id`; undefined
 * where there is none.
 */
export function failureOf(cluster: SimCluster, id?: string, name?: string): Failure | undefined {
  const violation = cluster.violations.find((one) => id === undefined || one.id === id);
  if (violation === undefined) return undefined;
  const { seed, masters, agents, frameworks, brokers, items } = cluster.options;
  const { profile, untilMs, workload, healMs, onlyItems, cutMs } = cluster.options;
  return {
    version: FAILURE_VERSION,
    ...(name === undefined ? {} : { name }),
    scenario: {
      seed,
      masters,
      agents,
      frameworks,
      brokers,
      items,
      profile,
      untilMs,
      ...(workload === undefined ? {} : { workload }),
      ...(healMs === undefined ? {} : { healMs }),
      ...(onlyItems === undefined ? {} : { onlyItems }),
      ...(cutMs === undefined ? {} : { cutMs }),
    },
    faults: cluster.swarm.applied.filter(({ atMs }) => atMs <= violation.atMs),
    violation,
    digest: cluster.trace.digest(),
    marks: cluster.trace.marks.map(({ sha256 }) => sha256.slice(0, 16)),
    ...codeVersion(),
  };
}

export function writeFailure(file: string, failure: Failure): void {
  writeFileSync(file, `${JSON.stringify(failure, undefined, 2)}\n`);
}

/** @throws FailureFileError when the file is none, or names a fault that does not exist. */
export function readFailure(file: string): Failure {
  const value = parsed(file);
  if (!isFailure(value)) throw new FailureFileError(`${file}: ${faultOf(value)}`);
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
