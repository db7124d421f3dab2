/**
 * What an isolator is: a pure module that turns a container and a machine into a fragment of a
 * launch plan. It writes nothing; only the launcher does.
 */
import type { CgroupMode } from "./cgroups/mounts.ts";
import type { CgroupValues } from "./cgroups/driver.ts";
import type { ContainerSpec } from "./container.ts";
import type { Inside, Quotas } from "#runtime";
import type { Watch } from "./watch.ts";

/** What the isolators must know of the machine; probed once at the start. */
export interface Machine {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroupMode: CgroupMode;
  /** Whether the agent may change users and write cgroups. */
  readonly isRoot: boolean;
  /** Absent: nobody looked, and nothing of it is handed out. */
  readonly hardware?: Hardware;
}

/** A device that tasks may be granted, by the path that they ask for. */
export interface GrantableDevice {
  readonly path: string;
  /** `c` or `b`, and `major:minor`. */
  readonly node: string;
}

export interface Gpu {
  readonly index: number;
  /** What opening it takes: `c 195:0`. */
  readonly nodes: readonly string[];
}

/** What a machine is made of, for the isolators that hand out parts of it. */
export interface Hardware {
  /** Memory nodes with their cpus. A machine without NUMA is one node. */
  readonly nodes: readonly { readonly node: number; readonly cpus: readonly number[] }[];
  /** Sizes of huge pages, as in the kernel's file names: `2MB`. */
  readonly hugePages: readonly string[];
  /** Name (`vda`) to `major:minor` of each block device. */
  readonly blockDevices: Readonly<Record<string, string>>;
  readonly devices: readonly GrantableDevice[];
  readonly gpus: readonly Gpu[];
}

/** A part of a launch plan. What two fragments say differently is a contradiction. */
export interface Fragment {
  readonly cgroups?: Partial<CgroupValues>;
  readonly env?: Readonly<Record<string, string>>;
  readonly oomScoreAdj?: number;
  /** Lists are put together in the order of the isolators; `inside.ts` says what contradicts. */
  readonly inside?: Partial<Inside>;
  /** What the file system is to bound; of one isolator alone. */
  readonly quotas?: Quotas;
  /** What is to be measured of it while it runs, as the kernel does not bound it. */
  readonly watch?: Watch;
  /** Why the container cannot be had on this machine: field, value, what there is instead. */
  readonly refused?: string;
}

export interface Isolator {
  /** Mesos' name, as in `--isolation`: `cgroups/cpu`. */
  readonly name: string;
  fragment(container: ContainerSpec, machine: Machine): Fragment;
}
