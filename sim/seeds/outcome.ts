/** How one seed ended, as a plain record: what a worker tells, and what the report is made of. */
import { type ClusterOptions, SimCluster } from "../cluster.ts";
import type { Violation } from "../checkers/index.ts";

export interface SeedOutcome {
  readonly seed: string;
  readonly digest: string;
  readonly events: number;
  readonly virtualMs: number;
  /** Processor time of the run, in ms: of the thread and of its collector. */
  readonly cpuMs: number;
  /** Tasks that ended as their scripts must. */
  readonly tasks: number;
  /** Tasks that were launched for them: what was lost on the way was tried again. */
  readonly launched: number;
  readonly faults: number;
  readonly leaders: number;
  /** How often each rare branch was reached, by its name. */
  readonly sometimes: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** Why the simulator itself failed; then nothing else counts. */
  readonly crash?: string;
}

/** Runs one seed to its end. @throws whatever the simulator itself fails with. */
export function runSeed(options: ClusterOptions): SeedOutcome {
  const before = process.cpuUsage();
  const cluster = new SimCluster(options);
  cluster.run();
  const { user, system } = process.cpuUsage(before);
  const works = [...cluster.works.values()];
  return {
    seed: options.seed,
    digest: cluster.trace.digest(),
    events: cluster.world.events,
    virtualMs: cluster.nowMs,
    cpuMs: (user + system) / 1000,
    tasks: works.reduce((sum, work) => sum + work.size - [...work.unfinished()].length, 0),
    launched: works.reduce((sum, work) => sum + work.launched, 0),
    faults: cluster.swarm.applied.length,
    leaders: cluster.leaders.length,
    sometimes: Object.fromEntries(cluster.sometimes.counts),
    violations: cluster.violations,
  };
}

/** The record of a seed that brought the simulator down. */
export function crashed(seed: string, why: string): SeedOutcome {
  const nothing = { events: 0, virtualMs: 0, cpuMs: 0, tasks: 0, launched: 0 };
  return {
    seed,
    digest: "",
    ...nothing,
    faults: 0,
    leaders: 0,
    sometimes: {},
    violations: [],
    crash: why,
  };
}
