/**
 * The interface that the three cgroup drivers share, the values they write and the names they
 * use. A driver computes paths and ordered writes; it touches no file.
 */
import type { CgroupPlan, CgroupStep, ContainerUsage } from "#runtime";
import type { CgroupMode, Hierarchies } from "./mounts.ts";
import { isRaised, type Limit } from "./values.ts";

/** Name of the directory below each hierarchy that belongs to Meseta. */
export const CGROUP_ROOT_DEFAULT = "meseta";

/**
 * The cgroup in which the launcher and its shims live, beside the containers. `=` may not occur
 * in an id, so no container can have this name.
 */
export const LAUNCHER_CGROUP = "=launcher";

/** Bytes and operations in a second of one block device; null leaves that one alone. */
export interface IoLimit {
  /** `major:minor`. */
  readonly device: string;
  readonly readBps: number | null;
  readonly writeBps: number | null;
  readonly readIops: number | null;
  readonly writeIops: number | null;
}

/**
 * What a container may use, in the units of the kernel; null or absent leaves the controller
 * alone. A container joins the hierarchies of the absent ones only where it must (v1).
 */
export interface CgroupValues {
  readonly cpu: {
    readonly cpuMilli: number;
    readonly revocable: boolean;
    /** Thousandths of a cpu that may never be exceeded; null writes no quota. */
    readonly limitMilli: Limit | null;
  } | null;
  readonly memory: {
    readonly softBytes: number;
    readonly hardBytes: Limit;
    /** From here on it is slowed down and reclaimed, never killed; v2 only. */
    readonly highBytes?: Limit;
    /** Swap beside its memory. `optional`: a kernel without swap accounting does not matter. */
    readonly swap?: { readonly bytes: Limit; readonly optional: boolean };
  } | null;
  readonly pids: { readonly max: Limit } | null;
  /** Lists as the kernel writes them: `0-1,4`. */
  readonly cpuset?: { readonly cpus: string; readonly mems: string };
  readonly io?: readonly IoLimit[];
  /** `size` as in the names of the kernel's files: `2MB`, `1GB`. */
  readonly hugetlb?: readonly { readonly size: string; readonly bytes: number }[];
  /** All that may be opened or made, as the kernel writes it: `c 1:3 rwm`. */
  readonly devices?: readonly string[];
}

/** Every cpu and every memory node of a machine: what a v1 cpuset must hold before anyone joins. */
export interface CpusetRoot {
  readonly cpus: string;
  readonly mems: string;
}

/**
 * What stands in the kernel's files after an update: a hard limit that was asked down is still the
 * higher one, and what is asked next must not lower it.
 */
export function standing(before: CgroupValues, next: CgroupValues): CgroupValues {
  const { memory } = next;
  if (memory === null || before.memory === null) return next;
  const { hardBytes } = before.memory;
  if (isRaised(hardBytes, memory.hardBytes)) return next;
  return { ...{}, ...next, memory: { ...{}, ...memory, hardBytes } };
}

/** One file to read for usage and how its text becomes fields. */
export interface UsageFile {
  readonly path: string;
  readonly parse: (text: string) => Partial<ContainerUsage>;
}

export interface CgroupPlace {
  /** Directory below each hierarchy, usually `meseta`. */
  readonly root: string;
  readonly agentId: string;
}

export interface CgroupDriver {
  readonly mode: CgroupMode;
  /** This agent's own directories, `<mount>/<root>/<agentId>`: all it may ever touch. */
  readonly directories: readonly string[];
  /** Makes `directories` and enables what containers need; once per start. */
  agentSteps(): readonly CgroupStep[];
  /** `cgroup.procs` files into which the launcher is moved, out of the agent's own cgroup. */
  launcherJoin(): readonly string[];
  /** Everything about one container's cgroups, limits written before anybody joins. */
  plan(containerId: string, values: CgroupValues): CgroupPlan;
  /** Writes that take a live container from one set of limits to another. */
  update(containerId: string, before: CgroupValues, next: CgroupValues): readonly CgroupStep[];
  usageFiles(containerId: string): readonly UsageFile[];
}

/** A required write: when it fails, the launch or the update fails. */
export const write = (path: string, value: string | number): CgroupStep => ({
  kind: "write",
  path,
  value: String(value),
  optional: false,
});

/** A write to a file that older kernels do not have. */
export const writeIfThere = (path: string, value: string | number): CgroupStep => ({
  kind: "write",
  path,
  value: String(value),
  optional: true,
});

export const make = (path: string): CgroupStep => ({ kind: "make", path });

/** `a`, `a/b`, `a/b/c` below a mount, to be made from the top down. */
export function makeDown(mount: string, names: readonly string[]): CgroupStep[] {
  return names.map((_, index) => make([mount, ...names.slice(0, index + 1)].join("/")));
}

export type { CgroupMode, Hierarchies };
