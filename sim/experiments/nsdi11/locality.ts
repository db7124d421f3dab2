/**
 * The paper's test of data locality (§6.3): sixteen Hadoops scan one shared file, each in a static
 * partition of its own, or all on one cluster with delays of different length.
 */
import { Seed } from "../../kernel/prng.ts";
import type { MachineSize } from "../../machine-size.ts";
import { type Experiment, mean, type Outcome, percent, shown } from "../experiment.ts";
import type { Fields } from "../fields.ts";
import { barsSvg } from "../svg.ts";
import { type Placement, place } from "./blocks.ts";
import { machineOf, needOf } from "./mix-inputs.ts";
import { LOCALITY } from "./paper.ts";
import type { Need } from "./scheduler.ts";
import { ScanScheduler } from "./scan-scheduler.ts";
import { type Participant, runShared } from "./shared-run.ts";

interface LocalityInputs {
  readonly nodes: number;
  readonly machine: MachineSize;
  readonly frameworks: number;
  readonly blocks: number;
  readonly copies: number;
  readonly need: Need;
  readonly localMs: number;
  readonly remoteMs: number;
  readonly refuseMs: number;
  readonly delaysS: readonly number[];
}

interface Scenario {
  readonly name: string;
  /** Part of all tasks that read their own node's disk. */
  readonly local: number;
  readonly jobS: number;
  readonly lost: number;
}

function inputsOf(fields: Fields): LocalityInputs {
  return {
    nodes: fields.whole("nodes", 1, 10_000),
    machine: machineOf(fields.child("machine")),
    frameworks: fields.whole("frameworks", 1, 1_000),
    blocks: fields.whole("blocks", 1, 100_000),
    copies: fields.whole("copies", 1, 10),
    need: needOf(fields.child("task")),
    localMs: fields.seconds("localS", 0.1, 3_600),
    remoteMs: fields.seconds("remoteS", 0.1, 3_600),
    refuseMs: fields.seconds("refuseS", 0, 3_600),
    delaysS: fields.wholes("delaysS", 0, 3_600),
  };
}

interface Group {
  /** Numbers of the frameworks that run together on one cluster. */
  readonly frameworks: readonly number[];
  /** Their nodes, as the whole cluster counts them. */
  readonly first: number;
  readonly nodes: number;
}

/** Names of the agents of a cluster, as the testbed gives them. */
function agentNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `agent-${index + 1}`);
}

/**
 * The file as a cluster of some of the nodes sees it: its agents have names of their own, and
 * copies on other nodes are on nobody's disk.
 */
function seenBy(file: Placement, { first, nodes }: Group, all: readonly string[]): Placement {
  const names = new Map(all.slice(first, first + nodes).map((name, at) => [name, at + 1]));
  return file.map((holders) =>
    holders.flatMap((holder) => {
      const number = names.get(holder);
      return number === undefined ? [] : [`agent-${number}`];
    }),
  );
}

function runGroup(
  inputs: LocalityInputs,
  seed: string,
  { group, file, delayMs }: { group: Group; file: Placement; delayMs: number },
): ScanScheduler[] {
  const { need, localMs, remoteMs, refuseMs, machine } = inputs;
  const schedulers: ScanScheduler[] = [];
  runShared({ seed, agents: group.nodes, machine }, (nowMs, bed) =>
    group.frameworks.map((number): Participant => {
      const name = `hadoop-${number}`;
      const chance = bed.world.seed.stream(`scan:${name}`);
      const scheduler = new ScanScheduler({
        name,
        need,
        file,
        localMs,
        remoteMs,
        delayMs,
        refuseMs,
        chance,
        nowMs,
      });
      schedulers.push(scheduler);
      return {
        name,
        scheduler,
        begin: () => scheduler.later(0, () => scheduler.begin()),
        done: () => scheduler.endedAtMs !== undefined,
      };
    }),
  );
  return schedulers;
}

function scenarioOf(name: string, schedulers: readonly ScanScheduler[]): Scenario {
  const local = schedulers.reduce((sum, one) => sum + one.local, 0);
  const remote = schedulers.reduce((sum, one) => sum + one.remote, 0);
  const times = schedulers.map(({ begunAtMs = 0, endedAtMs = 0 }) => endedAtMs - begunAtMs);
  return {
    name,
    local: local / (local + remote),
    jobS: mean(times) / 1_000,
    lost: schedulers.reduce((sum, one) => sum + one.lost, 0),
  };
}

/** Five or six nodes each, as evenly as nodes allow. */
function partitions({ nodes, frameworks }: LocalityInputs): Group[] {
  return Array.from({ length: frameworks }, (_, index) => {
    const first = Math.floor((index * nodes) / frameworks);
    const next = Math.floor(((index + 1) * nodes) / frameworks);
    return { frameworks: [index + 1], first, nodes: next - first };
  });
}

function run(inputs: LocalityInputs, seed: string, say: (line: string) => void): Outcome {
  const all = agentNames(inputs.nodes);
  const whole: Group = {
    frameworks: Array.from({ length: inputs.frameworks }, (_, index) => index + 1),
    first: 0,
    nodes: inputs.nodes,
  };
  const scenarios: Scenario[] = [];
  const add = (scenario: Scenario): void => {
    say(`${scenario.name}: ${percent(scenario.local, 1)} local, ${shown(scenario.jobS, 0)} s`);
    scenarios.push(scenario);
  };
  const file = fileOf(inputs, seed, all);
  const split = partitions(inputs).flatMap((group) =>
    runGroup(inputs, seed, { group, file: seenBy(file, group, all), delayMs: 0 }),
  );
  add(scenarioOf("static partitions", split));
  for (const delayS of inputs.delaysS) {
    const schedulers = runGroup(inputs, seed, { group: whole, file, delayMs: delayS * 1_000 });
    add(scenarioOf(delayS === 0 ? "shared, no delay" : `shared, ${delayS} s delay`, schedulers));
  }
  return outcomeOf(scenarios);
}

function paperOf(name: string): string {
  if (name === "static partitions") return LOCALITY.static;
  if (name === "shared, no delay") return LOCALITY.none;
  if (name === "shared, 1 s delay") return LOCALITY.oneSecond;
  return name === "shared, 5 s delay" ? LOCALITY.fiveSeconds : "—";
}

function outcomeOf(scenarios: readonly Scenario[]): Outcome {
  const [split] = scenarios;
  const base = split?.jobS ?? Number.NaN;
  const format = (value: number): string => percent(value);
  const longest = Math.ceil(Math.max(...scenarios.map(({ jobS }) => jobS)) / 100) * 100;
  return {
    tables: [
      {
        title: "Tasks that read their own node's disk, and the time of a job (Figure 6)",
        columns: ["scenario", "paper: local", "here: local", "job s", "speed-up", "paper"],
        rows: scenarios.map(({ name, local, jobS }) => [
          name,
          paperOf(name),
          percent(local, 1),
          shown(jobS, 0),
          shown(base / jobS),
          name === "shared, 5 s delay" ? shown(LOCALITY.speedup, 1) : "—",
        ]),
      },
    ],
    charts: new Map([
      [
        "locality",
        barsSvg([
          {
            title: "Tasks that read their own node's disk",
            groups: scenarios.map(({ name }) => name),
            y: { label: "part of all tasks", max: 1, step: 0.25, format },
            series: [
              { name: "paper, where it gives a number", values: [0.18, undefined, 0.9, 0.95] },
              { name: "here", values: scenarios.map(({ local }) => local) },
            ],
          },
          {
            title: "Mean running time of a job",
            groups: scenarios.map(({ name }) => name),
            y: {
              label: "seconds",
              max: longest,
              step: longest / 4,
              format: (value) => shown(value, 0),
            },
            series: [{ name: "here", values: scenarios.map(({ jobS }) => jobS) }],
          },
        ]),
      ],
    ]),
    data: { scenarios },
    machine: {},
  };
}

/** The same file in every scenario of one seed. */
function fileOf(inputs: LocalityInputs, seed: string, nodes: readonly string[]): Placement {
  const chance = new Seed(seed, () => undefined).stream("file");
  return place(inputs.blocks, nodes, { copies: inputs.copies, chance });
}

export const LOCALITY_EXPERIMENT: Experiment = {
  name: "nsdi11/locality",
  prepare(fields, seed) {
    const inputs = inputsOf(fields);
    return (say) => run(inputs, seed, say);
  },
};
