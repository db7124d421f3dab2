/**
 * What an isolator is: a pure module that turns a container and a machine into a fragment of a
 * launch plan. It writes nothing; only the launcher does.
 */
import type { CgroupMode } from "./cgroups/mounts.ts";
import type { CgroupValues } from "./cgroups/driver.ts";
import type { ContainerSpec } from "./container.ts";
import type { Inside } from "#runtime";

/** What the isolators must know of the machine; probed once at the start. */
export interface Machine {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroupMode: CgroupMode;
  /** Whether the agent may change users and write cgroups. */
  readonly isRoot: boolean;
}

/** A part of a launch plan. What two fragments say differently is a contradiction. */
export interface Fragment {
  readonly cgroups?: Partial<CgroupValues>;
  readonly env?: Readonly<Record<string, string>>;
  readonly oomScoreAdj?: number;
  /** Lists are put together in the order of the isolators; `inside.ts` says what contradicts. */
  readonly inside?: Partial<Inside>;
  /** Why the container cannot be had on this machine: field, value, what there is instead. */
  readonly refused?: string;
}

export interface Isolator {
  /** Mesos' name, as in `--isolation`: `cgroups/cpu`. */
  readonly name: string;
  fragment(container: ContainerSpec, machine: Machine): Fragment;
}
