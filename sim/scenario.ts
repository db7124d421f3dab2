/**
 * Scenarios: what takes part, what is done to it and when, what must have been reached, as YAML
 * or JSON. Validated with the line, the field, the value and what is allowed. A scenario and a
 * seed are one run, to the last byte. Runs nothing itself.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type Document, LineCounter, parseDocument } from "yaml";
import type { ClusterOptions } from "./cluster.ts";
import { FAULTS, type FaultProgram, type ScheduledFault, selectorFault } from "./faults/index.ts";
import { Seed } from "./kernel/prng.ts";
import { SOMETIMES, type SometimesName } from "./sometimes.ts";

export const SCENARIO_VERSION = 1;
/** Where the hand-written ones are. */
const FOLDER = fileURLToPath(new URL("../../sim/scenarios/", import.meta.url));

/** Fixed, or drawn from the seed between two bounds. */
const Count = Type.Union([
  Type.Integer({ minimum: 0, maximum: 100_000 }),
  Type.Object(
    { min: Type.Integer({ minimum: 0 }), max: Type.Integer({ minimum: 0 }) },
    { additionalProperties: false },
  ),
]);
const Time = Type.String({ pattern: "^\\d+(\\.\\d+)?(ms|s|m|h)$" });
const Names = Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })]);

const FaultSchema = Type.Object(
  {
    at: Time,
    do: Type.String(),
    on: Type.Optional(Names),
    to: Type.Optional(Names),
    by: Type.Optional(Type.Number()),
    for: Type.Optional(Time),
  },
  { additionalProperties: false },
);

const PhaseSchema = Type.Object(
  {
    until: Time,
    faults: Type.Union([Type.Literal("swarm"), Type.Array(FaultSchema)]),
    every: Type.Optional(Time),
    only: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    budget: Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: 1 }))),
  },
  { additionalProperties: false },
);

const ScenarioSchema = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]*$" }),
    version: Type.Literal(SCENARIO_VERSION),
    story: Type.String({ minLength: 1 }),
    topology: Type.Object(
      {
        masters: Count,
        agents: Count,
        frameworks: Count,
        brokers: Count,
        /** `present`: no master is of the version before this one; else that is drawn. */
        versions: Type.Optional(Type.Literal("present")),
      },
      { additionalProperties: false },
    ),
    network: Type.Object(
      {
        profile: Type.Union([Type.Literal("nats"), Type.Literal("hostile"), Type.Literal("drawn")]),
      },
      { additionalProperties: false },
    ),
    workload: Type.Object(
      { kind: Type.Union([Type.Literal("batch"), Type.Literal("backlog")]), items: Count },
      { additionalProperties: false },
    ),
    phases: Type.Array(PhaseSchema, { minItems: 1 }),
    converge: Time,
    expect: Type.Optional(
      Type.Object(
        {
          reach: Type.Optional(Type.Array(Type.String())),
          leaders: Type.Optional(Type.Integer({ minimum: 1 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

export type Scenario = Static<typeof ScenarioSchema>;

/** A file that is no scenario; the message names line, field, value and what is allowed. */
export class ScenarioError extends Error {}

/** All hand-written scenarios, sorted. */
export function scenarioFiles(): string[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
  return names.sort().map((name) => FOLDER + name);
}

/** @throws ScenarioError when it cannot be read, or says what makes no sense. */
export function readScenario(file: string): Scenario {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ScenarioError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseScenario(text, file);
}

/** @param file its name, for messages. @throws ScenarioError */
export function parseScenario(text: string, file: string): Scenario {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken !== undefined) throw new ScenarioError(`${file}: ${broken.message}`);
  const value: unknown = document.toJS();
  const fail = (path: readonly (string | number)[], why: string): never => {
    const line = lineOf(document, lines, path);
    throw new ScenarioError(`${file}:${line}: ${path.join(".") || "scenario"}: ${why}`);
  };
  if (!Value.Check(ScenarioSchema, value)) {
    const error = Value.Errors(ScenarioSchema, value).First();
    const path = (error?.path ?? "").split("/").slice(1).map(keyOf);
    const said = JSON.stringify(error?.value);
    const allowed = allowedBy(error?.schema);
    return fail(path, `${said}: ${error?.message ?? "invalid"}${allowed}`);
  }
  judge(value, fail);
  return value;
}

function keyOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** What a schema says of its values; a union says it of each alternative. */
function allowedBy(schema: unknown): string {
  if (typeof schema !== "object" || schema === null) return "";
  const one = (part: unknown): string => {
    const { const: fixed, type, pattern } = part as { [key: string]: unknown };
    if (fixed !== undefined) return JSON.stringify(fixed);
    return pattern === undefined ? String(type) : `a text like ${String(pattern)}`;
  };
  const { anyOf } = schema as { readonly anyOf?: readonly unknown[] };
  const words = anyOf === undefined ? [one(schema)] : anyOf.map(one);
  return `; allowed: ${words.join(" or ")}`;
}

function lineOf(
  document: Document,
  lines: LineCounter,
  path: readonly (string | number)[],
): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    const range = (node as { readonly range?: readonly number[] } | undefined)?.range;
    if (range?.[0] !== undefined) return lines.linePos(range[0]).line;
  }
  return 1;
}

type Fail = (path: readonly (string | number)[], why: string) => never;

/** What a schema cannot say: names that must exist, times that must follow each other. */
function judge({ phases, expect }: Scenario, fail: Fail): void {
  let endMs = 0;
  phases.forEach(({ until, faults, only, budget }, phase) => {
    const path = ["phases", phase];
    if (msOf(until) <= endMs) fail([...path, "until"], `${until}: the phase before ends later`);
    endMs = msOf(until);
    for (const name of [...(only ?? []), ...Object.keys(budget ?? {})]) {
      judgeFault(name, [...path, only?.includes(name) === true ? "only" : "budget"], fail);
    }
    if (faults === "swarm") return;
    faults.forEach((fault, index) => {
      const where = [...path, "faults", index];
      judgeFault(fault.do, [...where, "do"], fail);
      if (msOf(fault.at) > endMs) fail([...where, "at"], `${fault.at}: its phase ends at ${until}`);
      for (const side of ["on", "to"] as const) {
        const wrong = listOf(fault[side] ?? [])
          .map(selectorFault)
          .find((why) => why !== undefined);
        if (wrong !== undefined) fail([...where, side], wrong);
      }
    });
  });
  expect?.reach?.forEach((name, index) => {
    if (name in SOMETIMES) return;
    const names = Object.keys(SOMETIMES).join(", ");
    fail(["expect", "reach", index], `${name}: no such rare branch; there are ${names}`);
  });
}

function judgeFault(name: string, path: readonly (string | number)[], fail: Fail): void {
  if (FAULTS.some((fault) => fault.name === name)) return;
  fail(path, `${name}: no such fault; there are ${FAULTS.map((fault) => fault.name).join(", ")}`);
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function msOf(text: string): number {
  const [, number = "0", unit = "ms"] = /^([\d.]+)(\w+)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit] ?? 1);
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}

/** Mean time between faults of a phase that says nothing of it. */
const EVERY_DEFAULT = "5s";

function scheduledOf(fault: Static<typeof FaultSchema>): ScheduledFault {
  return {
    atMs: msOf(fault.at),
    name: fault.do,
    ...(fault.on === undefined ? {} : { on: listOf(fault.on) }),
    ...(fault.to === undefined ? {} : { to: listOf(fault.to) }),
    ...(fault.by === undefined ? {} : { by: fault.by }),
    ...(fault.for === undefined ? {} : { lastsMs: msOf(fault.for) }),
  };
}

function programOf({ phases }: Scenario): FaultProgram {
  const scheduled: ScheduledFault[] = [];
  const drawn: FaultProgram["drawn"][number][] = [];
  let fromMs = 0;
  for (const { until, faults, every = EVERY_DEFAULT, only, budget } of phases) {
    if (faults === "swarm") {
      drawn.push({
        fromMs,
        untilMs: msOf(until),
        everyMs: msOf(every),
        ...(only === undefined ? {} : { only }),
        ...(budget === undefined ? {} : { budget }),
      });
    } else scheduled.push(...faults.map(scheduledOf));
    fromMs = msOf(until);
  }
  return { scheduled, drawn };
}

/** The run of a scenario under a seed. What the scenario leaves open, the seed decides. */
export function optionsOf(scenario: Scenario, seed: string): ClusterOptions {
  const chance = new Seed(seed, () => undefined).once(`scenario:${scenario.name}`);
  const count = (of: Static<typeof Count>): number =>
    typeof of === "number" ? of : chance.between(of.min, Math.max(of.min, of.max));
  const { masters, agents, frameworks, brokers } = scenario.topology;
  const { profile } = scenario.network;
  const drawnProfile = chance.pick(["nats", "hostile"] as const) ?? "nats";
  const healMs = Math.max(...scenario.phases.map(({ until }) => msOf(until)));
  return {
    seed,
    masters: Math.max(1, count(masters)),
    agents: count(agents),
    frameworks: count(frameworks),
    brokers: Math.max(1, count(brokers)),
    items: count(scenario.workload.items),
    workload: scenario.workload.kind,
    profile: profile === "drawn" ? drawnProfile : profile,
    healMs,
    untilMs: healMs + msOf(scenario.converge),
    faultEveryMs: 0,
    ...(scenario.topology.versions === "present" ? { presentVersions: true } : {}),
    program: programOf(scenario),
  };
}

/** What of `expect` the run has not done; empty when all was. */
export function unmet(
  { expect }: Scenario,
  run: {
    readonly sometimes: { readonly counts: ReadonlyMap<SometimesName, number> };
    readonly leaders: readonly unknown[];
  },
): string[] {
  const reach = (expect?.reach ?? []) as readonly SometimesName[];
  const missed = reach.filter((name) => (run.sometimes.counts.get(name) ?? 0) === 0);
  const wrong = missed.map((name) => `expect.reach: ${name} was not reached`);
  const { leaders } = expect ?? {};
  if (leaders !== undefined && run.leaders.length < leaders) {
    wrong.push(`expect.leaders: ${run.leaders.length} have led, not ${leaders}`);
  }
  return wrong;
}
