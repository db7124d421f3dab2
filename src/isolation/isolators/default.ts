/** The isolators that every agent has, in their fixed order. What is not here isolates nobody. */
import type { Isolator } from "../isolator.ts";
import { cpuIsolator } from "./cpu.ts";
import { cpusetIsolator } from "./cpuset.ts";
import { devicesIsolator } from "./devices.ts";
import { gpuIsolator } from "./gpu.ts";
import { hugetlbIsolator } from "./hugetlb.ts";
import { ioIsolator } from "./io.ts";
import { memIsolator } from "./mem.ts";
import { pidsIsolator } from "./pids.ts";

export interface IsolatorOptions {
  /** Processes and threads of a container that names no other bound. */
  readonly pidsMax: number;
  /** Swap of a container that names none, MiB; absent: none. */
  readonly swapMib?: number;
  /** Hold every container to the cpus of its request, not only those with a limit. */
  readonly isQuotaForAll?: boolean;
}

export function defaultIsolators(options: IsolatorOptions): readonly Isolator[] {
  const { pidsMax, swapMib = 0, isQuotaForAll = false } = options;
  return [
    cpuIsolator({ isQuotaForAll }),
    cpusetIsolator,
    memIsolator({ swapMib }),
    pidsIsolator({ max: pidsMax }),
    ioIsolator,
    hugetlbIsolator,
    devicesIsolator,
    gpuIsolator,
  ];
}
