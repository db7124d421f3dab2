/**
 * The paper's macrobenchmark (§6.1): four frameworks share a cluster, against the same four with
 * a quarter of it each. A static partition is a cluster of its own, with masters of its own.
 */
import type { Experiment, Outcome, Table } from "../experiment.ts";
import { mean, percent, shown } from "../experiment.ts";
import { type Axis, type Panel, panelsSvg, type Series } from "../svg.ts";
import { facebookOf, largeOf, type MixInputs, mixInputs, sparkOf, torqueOf } from "./mix-inputs.ts";
import { FRAMEWORKS, GANG_WAIT_S, JOBS, UTILISATION_GAIN } from "./paper.ts";
import { type Held, type Participant, type RunResult, runShared } from "./shared-run.ts";
import type { Testbed } from "../testbed.ts";

interface Measured {
  readonly framework: string;
  readonly type: string;
  readonly seconds: number;
}

interface Scenario {
  readonly jobs: readonly Measured[];
  readonly held: ReadonlyMap<string, Held>;
  readonly endedAtMs: number;
  readonly lost: number;
  /** How long gangs waited for their last process. */
  readonly gangWaitsS: readonly number[];
}

type Maker = (nowMs: () => number, bed: Testbed) => readonly Participant[];

function scenarioOf(
  inputs: MixInputs,
  seed: string,
  { agents, only }: { readonly agents: number; readonly only?: string },
): Scenario {
  const jobs: Measured[] = [];
  const gangWaitsS: number[] = [];
  let lost = 0;
  let collect: () => void = () => undefined;
  const make: Maker = (nowMs, bed) => {
    const streams = (name: string) => bed.world.seed.stream(`mix:${name}`);
    const staged = [
      facebookOf(inputs, nowMs, streams),
      largeOf(inputs, nowMs, streams),
      sparkOf(inputs, nowMs, streams),
    ];
    const torque = torqueOf(inputs, nowMs);
    const all = [...staged, torque].filter(({ name }) => only === undefined || name === only);
    collect = () => {
      for (const { name, scheduler } of all) {
        lost += scheduler.lost;
        for (const job of scheduler.jobs) {
          const type = "kind" in job ? job.kind.type : job.type;
          const seconds = ((job.endedAtMs ?? 0) - job.submittedAtMs) / 1_000;
          jobs.push({ framework: name, type, seconds });
          if ("begunAtMs" in job) {
            gangWaitsS.push(((job.begunAtMs ?? 0) - job.submittedAtMs) / 1_000);
          }
        }
      }
    };
    return all;
  };
  const result: RunResult = runShared({ seed, agents, machine: inputs.machine }, make);
  collect();
  return { jobs, held: result.held, endedAtMs: result.endedAtMs, lost, gangWaitsS };
}

/** Four clusters of a quarter of the nodes, one framework each, as one scenario. */
function partitioned(inputs: MixInputs, seed: string, say: (line: string) => void): Scenario {
  const parts = FRAMEWORKS.map(({ name }) => {
    const part = scenarioOf(inputs, seed, { agents: inputs.nodes / 4, only: name });
    say(`static partition of ${name}: ${shown(part.endedAtMs / 1_000, 0)} s`);
    return part;
  });
  return {
    jobs: parts.flatMap(({ jobs }) => jobs),
    held: new Map(parts.flatMap(({ held }) => [...held])),
    endedAtMs: Math.max(...parts.map(({ endedAtMs }) => endedAtMs)),
    lost: parts.reduce((sum, { lost }) => sum + lost, 0),
    gangWaitsS: parts.flatMap(({ gangWaitsS }) => gangWaitsS),
  };
}

/** Part of the whole that all frameworks hold, second by second, for `seconds`. */
function shares(
  { held }: Scenario,
  of: "cpusMilli" | "memMib",
  { whole, seconds }: { readonly whole: number; readonly seconds: number },
): number[] {
  return Array.from({ length: seconds }, (_, second) => {
    let sum = 0;
    for (const one of held.values()) sum += one[of][second] ?? 0;
    return sum / whole;
  });
}

function sumOf({ jobs }: Scenario, framework: string): number {
  return jobs
    .filter((job) => job.framework === framework)
    .reduce((sum, { seconds }) => sum + seconds, 0);
}

function meanOf({ jobs }: Scenario, framework: string, type: string): number | undefined {
  const found = jobs.filter((job) => job.framework === framework && job.type === type);
  return found.length === 0 ? undefined : mean(found.map(({ seconds }) => seconds));
}

function frameworkTable(split: Scenario, shared: Scenario): Table {
  return {
    title: "Sum of the execution times of each framework's jobs (Table 4)",
    columns: [
      "framework",
      "paper: static s",
      "Mesos s",
      "speed-up",
      "here: static s",
      "Meseta s",
      "speed-up",
    ],
    rows: FRAMEWORKS.map(({ name, title, staticS, sharedS, speedup }) => {
      const [ours, together] = [sumOf(split, name), sumOf(shared, name)];
      return [
        title,
        shown(staticS, 0),
        shown(sharedS, 0),
        shown(speedup),
        shown(ours, 0),
        shown(together, 0),
        shown(ours / together),
      ];
    }),
  };
}

function jobTable(split: Scenario, shared: Scenario): Table {
  return {
    title: "Mean execution time of a job by its type (Table 5)",
    columns: ["framework", "job", "paper: static s", "speed-up", "here: static s", "speed-up"],
    rows: JOBS.map(({ framework, type, staticS, speedup }) => {
      const ours = meanOf(split, framework, type);
      const together = meanOf(shared, framework, type);
      const gain = ours === undefined || together === undefined ? undefined : ours / together;
      return [framework, type, shown(staticS, 0), shown(speedup), shown(ours, 0), shown(gain)];
    }),
  };
}

interface Utilisation {
  readonly cpu: { readonly split: readonly number[]; readonly shared: readonly number[] };
  readonly memory: { readonly split: readonly number[]; readonly shared: readonly number[] };
}

function utilisationOf(inputs: MixInputs, split: Scenario, shared: Scenario): Utilisation {
  const seconds = inputs.windowMs / 1_000;
  const cpus = { whole: inputs.nodes * inputs.machine.cpusMilli, seconds };
  const memory = { whole: inputs.nodes * inputs.machine.memMib, seconds };
  return {
    cpu: { split: shares(split, "cpusMilli", cpus), shared: shares(shared, "cpusMilli", cpus) },
    memory: { split: shares(split, "memMib", memory), shared: shares(shared, "memMib", memory) },
  };
}

function utilisationTable({ cpu, memory }: Utilisation, shared: Scenario): Table {
  const row = (what: string, paper: number, { split, shared: together }: Utilisation["cpu"]) => {
    const [before, after] = [mean(split), mean(together)];
    const gain = `+${shown((after - before) * 100, 1)} points`;
    return [what, `+${shown(paper * 100, 0)} %`, percent(before), percent(after), gain];
  };
  const wait = `${shown(mean(shared.gangWaitsS), 1)} s`;
  return {
    title: "Utilisation over the window (Figure 4), and the wait of a gang",
    columns: ["what", "paper", "here: static", "Meseta", "difference"],
    rows: [
      row("CPU held by running tasks", UTILISATION_GAIN.cpu, cpu),
      row("memory held by them", UTILISATION_GAIN.memory, memory),
      ["Torque waits for its 24 tasks", `${GANG_WAIT_S} s`, "—", wait, "—"],
    ],
  };
}

/** Means of so many seconds, so that a chart stays readable. */
const CHART_S = 10;

function pointsOf(values: readonly number[]): [number, number][] {
  const points: [number, number][] = [];
  for (let second = 0; second + CHART_S <= values.length; second += CHART_S) {
    points.push([second, mean(values.slice(second, second + CHART_S))]);
  }
  return points;
}

function utilisationChart({ cpu, memory }: Utilisation, windowMs: number): string {
  const x = timeAxis(windowMs);
  const y: Axis = { label: "part of the cluster", max: 1, step: 0.25, format: (at) => percent(at) };
  const panel = (title: string, { split, shared }: Utilisation["cpu"]): Panel => ({
    title,
    x,
    y,
    kind: "lines",
    series: [
      { name: "one cluster, shared", points: pointsOf(shared) },
      { name: "static partitions", points: pointsOf(split), dashed: true },
    ],
  });
  return panelsSvg([
    panel("CPU held by running tasks", cpu),
    panel("Memory held by running tasks and executors", memory),
  ]);
}

function timeAxis(windowMs: number): Axis {
  const max = windowMs / 1_000;
  return { label: "seconds since the work began", max, step: max > 600 ? 300 : max / 4 };
}

function sharesChart(inputs: MixInputs, scenarios: readonly [string, Scenario][]): string {
  const whole = inputs.nodes * inputs.machine.cpusMilli;
  const seconds = inputs.windowMs / 1_000;
  const y: Axis = { label: "CPUs held", max: 1, step: 0.25, format: (at) => percent(at) };
  const panels = scenarios.map(([title, { held }]): Panel => {
    const series = FRAMEWORKS.map(({ name, title: label }): Series => {
      const values = Array.from(
        { length: seconds },
        (_, second) => (held.get(name)?.cpusMilli[second] ?? 0) / whole,
      );
      return { name: label, points: pointsOf(values) };
    });
    return { title, x: timeAxis(inputs.windowMs), y, kind: "areas", series };
  });
  return panelsSvg(panels);
}

function run(inputs: MixInputs, seed: string, say: (line: string) => void): Outcome {
  const split = partitioned(inputs, seed, say);
  const shared = scenarioOf(inputs, seed, { agents: inputs.nodes });
  say(`shared: ${shown(shared.endedAtMs / 1_000, 0)} s`);
  const utilisation = utilisationOf(inputs, split, shared);
  return {
    tables: [
      frameworkTable(split, shared),
      jobTable(split, shared),
      utilisationTable(utilisation, shared),
    ],
    charts: new Map([
      ["mix-utilisation", utilisationChart(utilisation, inputs.windowMs)],
      [
        "mix-shares",
        sharesChart(inputs, [
          ["One cluster, shared", shared],
          ["Static partitions", split],
        ]),
      ],
    ]),
    data: {
      static: { jobs: split.jobs, endedAtMs: split.endedAtMs, lost: split.lost },
      shared: {
        jobs: shared.jobs,
        endedAtMs: shared.endedAtMs,
        lost: shared.lost,
        gangWaitsS: shared.gangWaitsS,
      },
      utilisation: {
        cpu: { static: mean(utilisation.cpu.split), shared: mean(utilisation.cpu.shared) },
        memory: { static: mean(utilisation.memory.split), shared: mean(utilisation.memory.shared) },
      },
    },
    machine: {},
  };
}

export const MIX: Experiment = {
  name: "nsdi11/mix",
  prepare(fields, seed) {
    const inputs = mixInputs(fields);
    return (say) => run(inputs, seed, say);
  },
};
