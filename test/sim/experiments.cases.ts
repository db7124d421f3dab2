/**
 * The paper's experiments, small: the shape of what they show stays what it is, equal seeds give
 * equal figures, and a document that is wrong says where.
 */
import { readFileSync } from "node:fs";
import t from "tap";
import { parse } from "yaml";
import type { Outcome } from "../../sim/experiments/experiment.ts";
import { EXPERIMENTS, prepared } from "../../sim/experiments/run.ts";

t.setTimeout(400_000);

function outcomeOf(experiment: string, inputs: object, seed = "small"): Outcome {
  const document = { kind: "experiment", version: 1, experiment, seed, inputs };
  return prepared(document, "test").run(() => undefined);
}

const MACHINE = { cpus: 4, memMib: 15360 };

const LOCALITY = {
  nodes: 8,
  machine: MACHINE,
  frameworks: 4,
  blocks: 24,
  copies: 1,
  task: { cpus: 1, memMib: 1024 },
  localS: 5,
  remoteS: 10,
  refuseS: 1,
  delaysS: [0, 5],
};

t.test("locality comes with delay, and jobs get faster", async (t) => {
  const first = outcomeOf("nsdi11/locality", LOCALITY);
  const { scenarios } = first.data as {
    scenarios: { local: number; jobS: number; lost: number }[];
  };
  const [split, none, five] = scenarios;
  // With one copy of each block and a fourth of the machines, chance alone is a fourth.
  t.ok(split && none && five && Math.max(split.local, none.local) < 0.3);
  t.ok(split && five && five.local > 0.95 && split.jobS / five.jobS > 1.2);
  t.same(
    scenarios.map(({ lost }) => lost),
    [0, 0, 0],
  );
  t.match(first.charts.get("locality"), /^<svg /);
});

const MIX = {
  nodes: 8,
  machine: MACHINE,
  windowS: 120,
  facebook: {
    task: { cpus: 1, memMib: 2048 },
    overS: 100,
    bins: [
      { type: "selection (1)", jobs: 4, stages: [{ tasks: 1, taskS: 8, pauseS: 2 }] },
      { type: "selection (4)", jobs: 2, stages: [{ tasks: 16, taskS: 10, pauseS: 2 }] },
    ],
  },
  large: {
    task: { cpus: 1, memMib: 2048 },
    type: "text search",
    jobs: 2,
    stages: [{ tasks: 100, taskS: 8, pauseS: 2 }],
  },
  spark: {
    task: { cpus: 1, memMib: 256 },
    executorMemMib: 3072,
    type: "ALS",
    jobs: 2,
    waitS: 10,
    iterations: 2,
    stages: [{ tasks: 16, taskS: 5, pauseS: 3 }],
  },
  torque: {
    task: { cpus: 1, memMib: 1024 },
    jobs: [{ type: "small tachyon", atS: 5, processes: 4, runS: 30 }],
  },
};

t.test("four frameworks on one cluster hold more of it than in four parts", async (t) => {
  const { data, tables } = outcomeOf("nsdi11/mix", MIX);
  const {
    utilisation,
    shared,
    static: split,
  } = data as {
    utilisation: Record<"cpu" | "memory", { static: number; shared: number }>;
    shared: { endedAtMs: number; lost: number; gangWaitsS: number[] };
    static: { endedAtMs: number; lost: number };
  };
  t.ok(utilisation.cpu.shared > utilisation.cpu.static);
  t.ok(utilisation.memory.shared > utilisation.memory.static);
  t.ok(shared.endedAtMs < split.endedAtMs, "the longest framework ends earlier");
  t.equal(shared.lost + split.lost, 0);
  t.equal(shared.gangWaitsS.length, 1);
  t.equal(tables.length, 3);
});

t.test("a full cluster launches one task more without delay", async (t) => {
  const inputs = {
    frameworks: 4,
    settleS: 5,
    probes: 2,
    probeTaskS: 2,
    pauseS: 1,
    // Who comes anew asks for the leader, however rare its beacons are.
    sizes: [{ agents: 20, taskS: 10, deviationS: 3, beaconS: 30, usageS: 10 }],
  };
  const { data, machine } = outcomeOf("nsdi11/scale", inputs);
  const { sizes } = data as {
    sizes: {
      running: number;
      lost: number;
      probes: Record<"subscribeS" | "taskS" | "allS", number>[];
    }[];
  };
  const [size] = sizes;
  t.ok(size && size.running >= 38, "it is full");
  t.equal(size?.lost, 0);
  for (const probe of size?.probes ?? []) {
    t.ok(probe.subscribeS < 0.1 && probe.taskS < 0.5 && probe.allS < 5);
  }
  const told = ["20 agents: registered and full after", "20 agents: all of it"];
  t.same(Object.keys(machine), told);
  t.same(outcomeOf("nsdi11/scale", inputs).data, data, "the same seed");
  t.strictNotSame(outcomeOf("nsdi11/scale", inputs, "another").data, data);
});

t.test("the documents that are kept are right", async (t) => {
  for (const { name } of EXPERIMENTS) {
    const file = `sim/experiments/${name}.yaml`;
    t.doesNotThrow(() => prepared(parse(readFileSync(file, "utf8")), file), file);
  }
});

t.test("a wrong document names the field, the value and the mend", async (t) => {
  const inputs = { ...LOCALITY, copies: 0 };
  const document = { kind: "experiment", version: 1, experiment: "nsdi11/locality", seed: "1" };
  const wrong: [object, RegExp][] = [
    [{ ...document, inputs }, /inputs\.copies: 0 is not a number from 1 to 10/],
    [{ ...document, inputs: { ...LOCALITY, copy: 3 } }, /inputs\.copy: there is no such field/],
    [{ ...document, inputs: {} }, /inputs\.nodes: is missing/],
    [{ ...document, kind: "scenario", inputs }, /kind: scenario is not "experiment"/],
    [{ ...document, experiment: "x", inputs }, /there is no x; there are nsdi11\/mix/],
    [{ ...document, version: 2, inputs }, /version: 2 is not a number from 1 to 1/],
  ];
  for (const [each, message] of wrong) t.throws(() => prepared(each, "d"), { message });
});
