/**
 * The paper's scalability test (§6.5): frameworks keep a large cluster full of short tasks, and a
 * framework that comes anew runs one task: what it takes beyond that task's own length is the
 * overhead. Each size is a run of its own in this process.
 */
import { type Experiment, mean, type Outcome, shown } from "../experiment.ts";
import type { Fields } from "../fields.ts";
import { Meter } from "../meter.ts";
import { panelsSvg } from "../svg.ts";
import { START_SPREAD_MS, Testbed } from "../testbed.ts";
import { LAUNCH_OVERHEAD_S_MAX } from "./paper.ts";
import { LoadScheduler, ProbeScheduler, SCALE_NEED } from "./scale-work.ts";

/** Two tasks fit on each agent. */
const MACHINE = {
  cpusMilli: 2 * SCALE_NEED.cpusMilli,
  memMib: 2 * SCALE_NEED.memMib,
};
const STEP_MS = 1_000;
const TELL_MS = 10_000;
/** A cluster that is not full by then will not be. */
const FILL_MS_MAX = 1_800_000;
const MIB = 1024 * 1024;

type Say = (line: string) => void;

interface Size {
  readonly agents: number;
  readonly taskMs: { readonly mean: number; readonly deviation: number };
  readonly beaconIntervalMs: number;
  readonly usageIntervalMs: number;
  /** Over how long agents are started. */
  readonly startSpreadMs: number;
}

interface ScaleInputs {
  readonly sizes: readonly Size[];
  readonly frameworks: number;
  readonly settleMs: number;
  readonly probes: number;
  readonly probeTaskMs: number;
  /** From the end of one probe to the next. */
  readonly pauseMs: number;
}

function inputsOf(fields: Fields): ScaleInputs {
  return {
    sizes: fields.children("sizes").map((size) => ({
      agents: size.whole("agents", 1, 200_000),
      taskMs: {
        mean: size.seconds("taskS", 1, 86_400),
        deviation: size.seconds("deviationS", 0, 86_400),
      },
      beaconIntervalMs: size.seconds("beaconS", 0.1, 60),
      usageIntervalMs: size.seconds("usageS", 1, 3_600),
      startSpreadMs: size.has("startS") ? size.seconds("startS", 1, 3_600) : START_SPREAD_MS,
    })),
    frameworks: fields.whole("frameworks", 1, 10_000),
    settleMs: fields.seconds("settleS", 0, 3_600),
    probes: fields.whole("probes", 1, 1_000),
    probeTaskMs: fields.seconds("probeTaskS", 0.1, 3_600),
    pauseMs: fields.seconds("pauseS", 0, 3_600),
  };
}

/** One probe: what each part of its overhead took, in seconds. */
interface Probed {
  readonly subscribeS: number;
  readonly offerS: number;
  readonly taskS: number;
  readonly allS: number;
}

/** What a size showed of the cluster: the same for equal seeds. */
interface Shown {
  readonly agents: number;
  readonly taskS: number;
  readonly beaconS: number;
  readonly usageS: number;
  readonly filledS: number;
  readonly running: number;
  readonly startedPerS: number;
  readonly lost: number;
  readonly probes: readonly Probed[];
}

/** Time of this machine, in seconds. */
interface Spent {
  /** Of all threads. */
  readonly processorS: number;
  readonly clockS: number;
}

/** What a size took of this machine. */
interface Took {
  readonly registered: Spent;
  /** From the settled cluster on. */
  readonly full: Spent;
  readonly virtualS: number;
  /** From the first process to the end of the last probe. */
  readonly whole: Spent;
  readonly wholeVirtualS: number;
  readonly leaderBusy: number;
  readonly longestTurnMs: number;
  readonly residentMib: number;
}

/** Spent by this process since `before`. */
function spent(before: Spent = { processorS: 0, clockS: 0 }): Spent {
  const { user, system } = process.cpuUsage();
  return {
    processorS: (user + system) / 1_000_000 - before.processorS,
    clockS: performance.now() / 1_000 - before.clockS,
  };
}

class ScaleRun {
  readonly #inputs: ScaleInputs;
  readonly #size: Size;
  readonly #bed: Testbed;
  readonly #loads: LoadScheduler[] = [];
  readonly #say: Say;
  #tellAtMs = TELL_MS;

  constructor(inputs: ScaleInputs, size: Size, options: { seed: string; say: Say }) {
    const { seed, say } = options;
    this.#say = say;
    const { agents, beaconIntervalMs, usageIntervalMs, startSpreadMs } = size;
    this.#inputs = inputs;
    this.#size = size;
    const settings = { beaconIntervalMs, usageIntervalMs, startSpreadMs };
    const parts = { masters: 1, brokers: 1, agents, machine: MACHINE };
    this.#bed = new Testbed({ seed, ...parts, ...settings });
  }

  run(): { readonly shown: Shown; readonly took: Took } {
    const { world } = this.#bed;
    const began = spent();
    this.#bed.start();
    this.#addLoads();
    const filledMs = this.#fill();
    const registered = spent(began);
    this.#advance(this.#inputs.settleMs);
    const [leader] = this.#bed.masters;
    if (leader === undefined) throw new Error("a testbed has a master");
    const meter = new Meter(leader.node);
    const launchedBefore = this.#launched();
    const [settledMs, settled] = [world.nowMs, spent()];
    const probes = Array.from({ length: this.#inputs.probes }, (_, index) => this.#probe(index));
    const virtualS = (world.nowMs - settledMs) / 1_000;
    const { agents, taskMs, beaconIntervalMs, usageIntervalMs } = this.#size;
    return {
      shown: {
        agents,
        taskS: taskMs.mean / 1_000,
        beaconS: beaconIntervalMs / 1_000,
        usageS: usageIntervalMs / 1_000,
        filledS: filledMs / 1_000,
        running: this.#loads.reduce((sum, one) => sum + one.liveTasks, 0),
        startedPerS: (this.#launched() - launchedBefore) / virtualS,
        lost: this.#loads.reduce((sum, one) => sum + one.lost, 0),
        probes,
      },
      took: {
        registered,
        full: spent(settled),
        virtualS,
        whole: spent(began),
        wholeVirtualS: world.nowMs / 1_000,
        leaderBusy: meter.busyMs / 1_000 / virtualS,
        longestTurnMs: meter.longestMs,
        // In KiB, and of all of the process so far: no look in between can miss it.
        residentMib: process.resourceUsage().maxRSS / 1024,
      },
    };
  }

  #launched(): number {
    return this.#loads.reduce((sum, one) => sum + one.launched, 0);
  }

  #addLoads(): void {
    const { world } = this.#bed;
    for (let number = 1; number <= this.#inputs.frameworks; number++) {
      const name = `load-${number}`;
      const chance = world.seed.stream(`work:${name}`);
      const load = new LoadScheduler({ name, chance, taskMs: this.#size.taskMs });
      this.#loads.push(load);
      this.#bed.addFramework(name, load);
    }
  }

  #advance(byMs: number): void {
    const { world } = this.#bed;
    const untilMs = world.nowMs + byMs;
    while (world.nowMs < untilMs) {
      world.runUntil(Math.min(untilMs, world.nowMs + STEP_MS));
      if (world.nowMs >= this.#tellAtMs) this.#tell();
    }
  }

  /** A large cluster takes minutes: how far it is. */
  #tell(): void {
    const { nowMs } = this.#bed.world;
    this.#tellAtMs = nowMs + TELL_MS;
    const tasks = this.#loads.reduce((sum, one) => sum + one.liveTasks, 0);
    const took = `${spentText(spent())}, ${shown(process.memoryUsage.rss() / MIB, 0)} MiB`;
    this.#say(`${this.#size.agents} agents, ${nowMs / 1_000} s: ${tasks} tasks, ${took}`);
  }

  /** Until all slots are taken but the few that change hands; answers when that was. */
  #fill(): number {
    const { world } = this.#bed;
    const wanted = 2 * this.#size.agents * 0.98;
    while (this.#loads.reduce((sum, one) => sum + one.liveTasks, 0) < wanted) {
      if (world.nowMs > FILL_MS_MAX) throw new Error("the cluster did not fill up");
      this.#advance(STEP_MS);
    }
    return world.nowMs;
  }

  #probe(index: number): Probed {
    const { world } = this.#bed;
    const { probeTaskMs, pauseMs } = this.#inputs;
    const name = `probe-${index + 1}`;
    const probe = new ProbeScheduler(name, probeTaskMs, () => world.nowMs);
    const member = this.#bed.addFramework(name, probe);
    while (probe.endedAtMs === undefined) {
      if (world.nowMs - probe.startedAtMs > FILL_MS_MAX) throw new Error(`${name} never ended`);
      this.#advance(STEP_MS);
    }
    const { startedAtMs, subscribedAtMs = 0, offeredAtMs = 0, endedAtMs } = probe;
    this.#advance(pauseMs);
    member.crash("the probe is over");
    return {
      subscribeS: (subscribedAtMs - startedAtMs) / 1_000,
      offerS: (offeredAtMs - subscribedAtMs) / 1_000,
      taskS: (endedAtMs - offeredAtMs - probeTaskMs) / 1_000,
      allS: (endedAtMs - startedAtMs - probeTaskMs) / 1_000,
    };
  }
}

function meanOf(probes: readonly Probed[], part: keyof Probed): number {
  return mean(probes.map((probe) => probe[part]));
}

function outcomeOf(results: readonly { readonly shown: Shown; readonly took: Took }[]): Outcome {
  const sizes = results.map((one) => one.shown);
  const paper = `< ${LAUNCH_OVERHEAD_S_MAX} s`;
  return {
    tables: [
      {
        title: "What one task takes beyond its own length (Figure 8), means, seconds",
        columns: ["agents", "tasks/s", "paper", "here: all", "subscribe", "offer", "task", "most"],
        rows: sizes.map(({ agents, probes, startedPerS }) => [
          String(agents),
          shown(startedPerS, 0),
          paper,
          shown(meanOf(probes, "allS")),
          shown(meanOf(probes, "subscribeS")),
          shown(meanOf(probes, "offerS"), 3),
          shown(meanOf(probes, "taskS"), 3),
          shown(Math.max(...probes.map(({ allS }) => allS))),
        ]),
      },
      {
        title: "What the simulation took of this machine, the full cluster",
        columns: [
          "agents",
          "task s",
          "beacon s",
          "usage s",
          "virtual s",
          "processor s",
          "× real time",
          "clock s",
          "× real time",
          "resident MiB",
          "leader busy",
          "longest turn ms",
        ],
        rows: results.map(({ shown: { agents, taskS, beaconS, usageS }, took }) => [
          String(agents),
          shown(taskS, 0),
          shown(beaconS, 0),
          shown(usageS, 0),
          shown(took.virtualS, 0),
          shown(took.full.processorS, 0),
          shown(took.virtualS / took.full.processorS),
          shown(took.full.clockS, 0),
          shown(took.virtualS / took.full.clockS),
          shown(took.residentMib, 0),
          `${shown(took.leaderBusy * 100, 0)} %`,
          shown(took.longestTurnMs, 0),
        ]),
      },
    ],
    charts: new Map([["scale", chartOf(sizes)]]),
    data: { sizes },
    machine: Object.fromEntries(
      results.flatMap(({ shown: { agents, filledS }, took }) => [
        [
          `${agents} agents: registered and full after`,
          `${shown(filledS, 0)} s, ${spentText(took.registered)}`,
        ],
        [`${agents} agents: all of it`, wholeText(took)],
      ]),
    ),
  };
}

function spentText({ processorS, clockS }: Spent): string {
  return `${shown(processorS, 0)} s of processor, ${shown(clockS, 0)} s by the clock`;
}

function wholeText({ wholeVirtualS, whole }: Took): string {
  const times = `${shown(wholeVirtualS / whole.processorS)} × real time by the processor`;
  const byClock = `${shown(wholeVirtualS / whole.clockS)} × by the clock`;
  return `${shown(wholeVirtualS, 0)} s, ${spentText(whole)}: ${times}, ${byClock}`;
}

function chartOf(sizes: readonly Shown[]): string {
  const most = Math.max(...sizes.map(({ agents }) => agents));
  const points = (of: (size: Shown) => number) =>
    sizes.map((size): [number, number] => [size.agents, of(size)]);
  const top = Math.max(2, ...sizes.map(({ probes }) => Math.ceil(meanOf(probes, "allS"))));
  return panelsSvg([
    {
      title: "What one task takes beyond its own length",
      x: { label: "agents", max: most, step: most / 5, format: (value) => shown(value, 0) },
      y: { label: "seconds", max: top, step: top / 4, format: (value) => shown(value, 1) },
      kind: "lines",
      series: [
        { name: "all of it", points: points(({ probes }) => meanOf(probes, "allS")) },
        {
          name: "without the subscription",
          points: points(({ probes }) => meanOf(probes, "allS") - meanOf(probes, "subscribeS")),
        },
        {
          name: "below this in the paper",
          points: [
            [0, LAUNCH_OVERHEAD_S_MAX],
            [most, LAUNCH_OVERHEAD_S_MAX],
          ],
          dashed: true,
        },
      ],
    },
  ]);
}

function run(inputs: ScaleInputs, seed: string, say: Say): Outcome {
  const results = inputs.sizes.map((size) => {
    const result = new ScaleRun(inputs, size, { seed, say }).run();
    const { probes, running } = result.shown;
    say(`${size.agents} agents, ${running} tasks: ${shown(meanOf(probes, "allS"))} s of overhead`);
    return result;
  });
  return outcomeOf(results);
}

export const SCALE: Experiment = {
  name: "nsdi11/scale",
  prepare(fields, seed) {
    const inputs = inputsOf(fields);
    return (say) => run(inputs, seed, say);
  },
};
