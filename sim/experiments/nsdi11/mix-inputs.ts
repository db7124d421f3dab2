/** Reads the inputs of the mix of frameworks, and makes the frameworks of one run of it. */
import type { Chance } from "../../kernel/prng.ts";
import type { MachineSize } from "../../machine-size.ts";
import type { Fields } from "../fields.ts";
import { GangScheduler } from "./gang-scheduler.ts";
import type { JobKind, Stage } from "./job.ts";
import { JobsScheduler } from "./jobs-scheduler.ts";
import type { Need } from "./scheduler.ts";
import type { Participant } from "./shared-run.ts";

const HOUR_S = 3_600;

export interface MixInputs {
  readonly nodes: number;
  readonly machine: MachineSize;
  /** Utilisation is compared over this time from the beginning. */
  readonly windowMs: number;
  readonly facebook: {
    readonly need: Need;
    readonly overMs: number;
    readonly bins: readonly { readonly kind: JobKind; readonly jobs: number }[];
  };
  readonly large: { readonly need: Need; readonly jobs: number; readonly kind: JobKind };
  readonly spark: {
    readonly need: Need;
    readonly executorMemMib: number;
    readonly jobs: number;
    readonly waitMs: number;
    readonly kind: JobKind;
  };
  readonly torque: {
    readonly need: Need;
    readonly jobs: readonly {
      readonly type: string;
      readonly atMs: number;
      readonly processes: number;
      readonly runMs: number;
    }[];
  };
}

export function needOf(fields: Fields): Need {
  return {
    cpusMilli: fields.number("cpus", 0.1, 64) * 1_000,
    memMib: fields.whole("memMib", 32, 1_048_576),
  };
}

export function machineOf(fields: Fields): MachineSize {
  return {
    cpusMilli: fields.number("cpus", 1, 1_024) * 1_000,
    memMib: fields.whole("memMib", 64, 16_777_216),
  };
}

function stagesOf(fields: Fields): Stage[] {
  const repeat = fields.has("iterations") ? fields.whole("iterations", 1, 1_000) : 1;
  const stages = fields.children("stages").map((stage) => ({
    tasks: stage.whole("tasks", 1, 100_000),
    taskMs: stage.seconds("taskS", 0.1, HOUR_S),
    pauseMs: stage.seconds("pauseS", 0, HOUR_S),
  }));
  return Array.from({ length: repeat }, () => stages).flat();
}

function kindOf(fields: Fields): JobKind {
  return { type: fields.text("type"), stages: stagesOf(fields) };
}

export function mixInputs(fields: Fields): MixInputs {
  const facebook = fields.child("facebook");
  const large = fields.child("large");
  const spark = fields.child("spark");
  const torque = fields.child("torque");
  return {
    nodes: fields.whole("nodes", 4, 10_000),
    machine: machineOf(fields.child("machine")),
    windowMs: fields.seconds("windowS", 1, HOUR_S),
    facebook: {
      need: needOf(facebook.child("task")),
      overMs: facebook.seconds("overS", 1, HOUR_S),
      bins: facebook
        .children("bins")
        .map((bin) => ({ kind: kindOf(bin), jobs: bin.whole("jobs", 1, 1_000) })),
    },
    large: {
      need: needOf(large.child("task")),
      jobs: large.whole("jobs", 1, 1_000),
      kind: kindOf(large),
    },
    spark: {
      need: needOf(spark.child("task")),
      executorMemMib: spark.whole("executorMemMib", 1, 1_048_576),
      jobs: spark.whole("jobs", 1, 1_000),
      waitMs: spark.seconds("waitS", 0, HOUR_S),
      kind: kindOf(spark),
    },
    torque: {
      need: needOf(torque.child("task")),
      jobs: torque.children("jobs").map((job) => ({
        type: job.text("type"),
        atMs: job.seconds("atS", 0, HOUR_S),
        processes: job.whole("processes", 1, 10_000),
        runMs: job.seconds("runS", 1, HOUR_S),
      })),
    },
  };
}

export type Clock = () => number;
/** Streams of chance by name. */
export type Streams = (name: string) => Chance;

export interface JobsParticipant extends Participant {
  readonly scheduler: JobsScheduler;
}

export interface GangParticipant extends Participant {
  readonly scheduler: GangScheduler;
}

/** When each job of the mix comes, the same in every scenario of one seed. */
function arrivals({ facebook }: MixInputs, chance: Chance): { atMs: number; kind: JobKind }[] {
  const kinds = facebook.bins.flatMap(({ kind, jobs }) => Array.from({ length: jobs }, () => kind));
  const gaps = kinds.map(() => chance.exponential(1_000));
  const all = gaps.reduce((sum, gap) => sum + gap, 0);
  let at = 0;
  return chance.shuffled(kinds).map((kind, index) => {
    at += gaps[index] ?? 0;
    return { atMs: Math.round((at / all) * facebook.overMs), kind };
  });
}

export function facebookOf(inputs: MixInputs, nowMs: Clock, streams: Streams): JobsParticipant {
  const { need } = inputs.facebook;
  const chance = streams("facebook");
  const scheduler = new JobsScheduler({
    name: "facebook",
    need,
    executorMemMib: 0,
    chance,
    nowMs,
  });
  const coming = arrivals(inputs, streams("arrivals"));
  return {
    name: "facebook",
    scheduler,
    begin: () => {
      for (const { atMs, kind } of coming) scheduler.later(atMs, () => scheduler.submit(kind));
    },
    done: () => scheduler.jobs.filter(isOver).length === coming.length,
  };
}

/** One job after another, as a script does that waits for each and then a while. */
function inSequence(
  scheduler: JobsScheduler,
  { name, jobs, waitMs, kind }: { name: string; jobs: number; waitMs: number; kind: JobKind },
): JobsParticipant {
  scheduler.onJobEnd = () => {
    if (scheduler.jobs.length < jobs) scheduler.later(waitMs, () => scheduler.submit(kind));
  };
  return {
    name,
    scheduler,
    begin: () => scheduler.later(0, () => scheduler.submit(kind)),
    done: () => scheduler.jobs.filter(isOver).length === jobs,
  };
}

export function largeOf({ large }: MixInputs, nowMs: Clock, streams: Streams): JobsParticipant {
  const { need, jobs, kind } = large;
  const chance = streams("large");
  const scheduler = new JobsScheduler({ name: "large", need, executorMemMib: 0, chance, nowMs });
  return inSequence(scheduler, { name: "large", jobs, waitMs: 0, kind });
}

export function sparkOf({ spark }: MixInputs, nowMs: Clock, streams: Streams): JobsParticipant {
  const { need, executorMemMib, jobs, waitMs, kind } = spark;
  const chance = streams("spark");
  const scheduler = new JobsScheduler({ name: "spark", need, executorMemMib, chance, nowMs });
  return inSequence(scheduler, { name: "spark", jobs, waitMs, kind });
}

export function torqueOf({ torque }: MixInputs, nowMs: Clock): GangParticipant {
  const scheduler = new GangScheduler({ name: "torque", need: torque.need, nowMs });
  return {
    name: "torque",
    scheduler,
    begin: () => {
      for (const { type, atMs, processes, runMs } of torque.jobs) {
        scheduler.later(atMs, () => scheduler.submit(type, processes, runMs));
      }
    },
    done: () => scheduler.jobs.filter(isOver).length === torque.jobs.length,
  };
}

function isOver({ endedAtMs }: { readonly endedAtMs: number | undefined }): boolean {
  return endedAtMs !== undefined;
}
