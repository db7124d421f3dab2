/**
 * What Hindman et al. measured (NSDI 2011), as far as this project knows it. The figures were
 * written down from the published paper by hand; README.md of this folder says of each how it was
 * checked. Nothing here is measured by us.
 */

export interface PaperFramework {
  /** Name of the framework in our inputs. */
  readonly name: string;
  readonly title: string;
  /** Sum of the execution times of its jobs, in seconds (Table 4). */
  readonly staticS: number;
  readonly sharedS: number;
  readonly speedup: number;
}

/** Table 4: 96 nodes, against four static partitions of 24. */
export const FRAMEWORKS: readonly PaperFramework[] = [
  { name: "facebook", title: "Facebook Hadoop mix", staticS: 7235, sharedS: 6319, speedup: 1.14 },
  { name: "large", title: "Large Hadoop mix", staticS: 3143, sharedS: 1494, speedup: 2.1 },
  { name: "spark", title: "Spark", staticS: 1684, sharedS: 1338, speedup: 1.26 },
  { name: "torque", title: "Torque / MPI", staticS: 3210, sharedS: 3352, speedup: 0.96 },
];

export interface PaperJobs {
  readonly framework: string;
  readonly type: string;
  readonly jobs: number;
  /** Mean execution time in the static partition, in seconds (Table 5). */
  readonly staticS: number;
  readonly speedup: number;
}

/** Table 5, with the numbers of jobs of Table 3. */
export const JOBS: readonly PaperJobs[] = [
  { framework: "facebook", type: "selection (1)", jobs: 38, staticS: 24, speedup: 0.84 },
  { framework: "facebook", type: "text search (2)", jobs: 18, staticS: 31, speedup: 0.9 },
  { framework: "facebook", type: "aggregation (3)", jobs: 14, staticS: 82, speedup: 0.94 },
  { framework: "facebook", type: "selection (4)", jobs: 12, staticS: 65, speedup: 1.4 },
  { framework: "facebook", type: "aggregation (5)", jobs: 6, staticS: 192, speedup: 1.26 },
  { framework: "facebook", type: "selection (6)", jobs: 6, staticS: 136, speedup: 1.71 },
  { framework: "facebook", type: "text search (7)", jobs: 4, staticS: 137, speedup: 2.14 },
  { framework: "facebook", type: "join (8)", jobs: 2, staticS: 662, speedup: 1.35 },
  { framework: "large", type: "text search", jobs: 10, staticS: 314, speedup: 2.21 },
  { framework: "spark", type: "ALS", jobs: 5, staticS: 337, speedup: 1.36 },
  { framework: "torque", type: "small tachyon", jobs: 6, staticS: 261, speedup: 0.91 },
  { framework: "torque", type: "large tachyon", jobs: 2, staticS: 822, speedup: 0.88 },
];

/** §6.1: how much higher utilisation was on Mesos, in percentage points of the cluster. */
export const UTILISATION_GAIN = { cpu: 0.1, memory: 0.17 };
/** §6.1: how long a Torque job waited for its 24 tasks, on average. */
export const GANG_WAIT_S = 12;

/** §6.3: share of map tasks that read their block from their own node. */
export const LOCALITY = {
  static: "18 %",
  none: "between (bar without a number)",
  oneSecond: "above 90 %",
  fiveSeconds: "95 %",
  /** Running time of a job in a static partition over that with 5 s of delay. */
  speedup: 1.7,
};

/** §6.5: what a single 10 s task took beyond 10 s stayed below this, up to 50,000 agents. */
export const LAUNCH_OVERHEAD_S_MAX = 1;

/** §6.6: until all slaves and frameworks were connected to the second master. */
export const RECOVERY_S = { least: 4, most: 8 };
