/**
 * `cgroups/cpu`: shares by request; a quota when the task has a cpu limit or the agent enforces
 * quotas for all (`--cgroups_enable_cfs`). Revocable cpus weigh a hundredth (Mesos).
 */
import type { Isolator } from "../isolator.ts";

/** The least that can be asked for (Mesos' MIN_CPUS), thousandths of a cpu. */
export const CPU_MILLI_MIN = 10;
const MILLI = 1_000;

export interface CpuOptions {
  /** Hold every container to its request, not only those with a limit. */
  readonly isQuotaForAll: boolean;
}

export function cpuIsolator(options: CpuOptions): Isolator {
  return {
    name: "cgroups/cpu",
    fragment({ resources, limits }) {
      const cpuMilli = resources.cpuMilli + resources.cpuMilliRevocable;
      if (cpuMilli > 0 && cpuMilli < CPU_MILLI_MIN) {
        const least = CPU_MILLI_MIN / MILLI;
        return { refused: `cpus: ${cpuMilli / MILLI} is below ${least}, the least there is` };
      }
      // As in Mesos the whole container is of low priority as soon as a part of it is revocable.
      const revocable = resources.cpuMilliRevocable > 0;
      const limitMilli = limits.cpuMilli ?? (options.isQuotaForAll ? cpuMilli : null);
      return { cgroups: { cpu: { cpuMilli, revocable, limitMilli } } };
    },
  };
}
