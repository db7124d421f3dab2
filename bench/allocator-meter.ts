/**
 * What the allocator's benchmark measures with: phases of a workload in processor and wall time,
 * and how large a run of it is. Knows no workload.
 */

/** Milliseconds of one phase, once each time that it was gone through. */
export type Phase = {
  readonly name: string;
  readonly cpuMs: number[];
  readonly wallMs: number[];
  /** Offers, tasks or calls of each time. */
  readonly counts: number[];
};

export type Size = {
  readonly agents: number;
  readonly frameworks: number;
  readonly rounds: number;
};

/** What the original needed: milliseconds of processor, or microseconds for each counted thing. */
export type OriginalPhase = { readonly ms: number } | { readonly usEach: number };

/** One size at which a workload is run, and what it is compared with there. */
export type Point = Size & {
  /** By phase, unscaled, of `reference/allocator-workloads.md`. */
  readonly original?: Readonly<Record<string, OriginalPhase>>;
  /** Peak memory of the original's process. */
  readonly originalMib?: number;
  /** Milliseconds that the median of a phase must stay below, scaled like the original's. */
  readonly belowMs?: Readonly<Record<string, number>>;
  /** MiB above an empty process that must not be exceeded. */
  readonly belowMib?: number;
  /** Things a second, through all the phases named, that must be reached. */
  readonly atLeast?: { readonly phases: readonly string[]; readonly perSecond: number };
};

export type Workload = {
  readonly name: string;
  readonly about: string;
  readonly points: readonly Point[];
  /** Why nothing is asked of it: it is shown beside the original and not judged. */
  readonly told?: string;
  /**
   * The median cycle is flat in frameworks: at the same number of agents none is more than this
   * many times that with the fewest frameworks.
   */
  readonly flatMost?: number;
  readonly run: (meter: Meter, size: Size) => void;
};

/** Collects phases; one may be gone through many times. */
export class Meter {
  readonly phases = new Map<string, Phase>();
  /** What a workload has to say beside its times. */
  readonly notes: string[] = [];
  /** In all phases. */
  cpuMs = 0;

  time<T>(name: string, work: () => T, countOf?: (result: T) => number): T {
    const phase = this.phases.get(name) ?? { name, cpuMs: [], wallMs: [], counts: [] };
    this.phases.set(name, phase);
    const cpu = process.cpuUsage();
    const wallMs = performance.now();
    const result = work();
    const { user, system } = process.cpuUsage(cpu);
    phase.wallMs.push(performance.now() - wallMs);
    const cpuMs = (user + system) / 1000;
    phase.cpuMs.push(cpuMs);
    this.cpuMs += cpuMs;
    phase.counts.push(countOf?.(result) ?? 0);
    return result;
  }
}

const WARM_UP_ROUNDS = 2;
const MEASURED_ROUNDS = 7;

/**
 * The loop by which figures of another machine are scaled to this one: the least processor time of
 * some rounds. That machine needed 60 ms.
 */
export function referenceMs(): number {
  const map = new Map<string, { a: number; b: number }>();
  const list = new Float64Array(1 << 20);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < WARM_UP_ROUNDS + MEASURED_ROUNDS; i++) {
    const cpu = process.cpuUsage();
    referenceRound(map, list);
    const { user, system } = process.cpuUsage(cpu);
    if (i >= WARM_UP_ROUNDS) least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

function referenceRound(map: Map<string, { a: number; b: number }>, list: Float64Array): number {
  map.clear();
  for (let i = 0; i < 200_000; i++) map.set(`k${i % 50_000}`, { a: i, b: i * 2 });
  let sum = 0;
  for (const value of map.values()) sum += value.a;
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < list.length; i++) {
      const value = (list[i] ?? 0) * 1.0000001 + 1;
      list[i] = value;
      sum += value;
    }
  }
  return sum;
}
