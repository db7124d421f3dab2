/** The isolators that every agent has, in their fixed order. What is not here isolates nobody. */
import type { Isolator } from "../isolator.ts";
import { cpuIsolator } from "./cpu.ts";
import { cpusetIsolator } from "./cpuset.ts";
import { devicesIsolator } from "./devices.ts";
import { type DiskOptions, diskIsolator } from "./disk.ts";
import { gpuIsolator } from "./gpu.ts";
import { hugetlbIsolator } from "./hugetlb.ts";
import { ioIsolator } from "./io.ts";
import { memIsolator } from "./mem.ts";
import { pidsIsolator } from "./pids.ts";
import { type PortsOptions, portsIsolator } from "./ports.ts";

export interface IsolatorOptions {
  /** Processes and threads of a container that names no other bound. */
  readonly pidsMax: number;
  /** Swap of a container that names none, MiB; absent: none. */
  readonly swapMib?: number;
  /** Hold every container to the cpus of its request, not only those with a limit. */
  readonly isQuotaForAll?: boolean;
  /** Absent: nobody bounds the disk of a task. */
  readonly disk?: DiskOptions;
  /** Absent: ports are promises. */
  readonly ports?: PortsOptions;
}

export function defaultIsolators(options: IsolatorOptions): readonly Isolator[] {
  const { pidsMax, swapMib = 0, isQuotaForAll = false, disk, ports } = options;
  return [
    cpuIsolator({ isQuotaForAll }),
    cpusetIsolator,
    memIsolator({ swapMib }),
    pidsIsolator({ max: pidsMax }),
    ioIsolator,
    hugetlbIsolator,
    devicesIsolator,
    gpuIsolator,
    ...(disk === undefined ? [] : [diskIsolator(disk)]),
    ...(ports === undefined ? [] : [portsIsolator(ports)]),
  ];
}
