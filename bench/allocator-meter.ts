/** What a workload of the allocator is, and the clock that its phases are measured with. */

/** Milliseconds of one phase, once per round. */
export type Phase = {
  readonly name: string;
  readonly cpuMs: number[];
  readonly wallMs: number[];
  /** Offers, tasks or calls, summed over the rounds. */
  count: number;
};

export type Size = {
  readonly agents: number;
  readonly frameworks: number;
  readonly rounds: number;
};

export type Workload = {
  readonly name: string;
  readonly about: string;
  readonly size: Size;
  readonly run: (meter: Meter, size: Size) => void;
};

/** Sums phases up; a phase may be measured many times. */
export class Meter {
  readonly phases = new Map<string, Phase>();

  time<T>(name: string, work: () => T, countOf?: (result: T) => number): T {
    const phase = this.phases.get(name) ?? { name, cpuMs: [], wallMs: [], count: 0 };
    this.phases.set(name, phase);
    const cpu = process.cpuUsage();
    const wallMs = performance.now();
    const result = work();
    const { user, system } = process.cpuUsage(cpu);
    phase.wallMs.push(performance.now() - wallMs);
    phase.cpuMs.push((user + system) / 1000);
    phase.count += countOf?.(result) ?? 0;
    return result;
  }
}
