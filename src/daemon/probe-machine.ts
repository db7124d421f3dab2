/**
 * What this machine is: cpus, memory, disk, cgroup mode, privileges, compiler. The reading part
 * is `probeMachine`; what the texts mean is decided by pure functions beside it.
 */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { delimiter, join } from "node:path";
import {
  type CgroupDriver,
  type CgroupMode,
  type CgroupPlace,
  cgroupMode,
  type CpusetRoot,
  findHierarchies,
  type Hierarchies,
  type Machine,
  parseNumber,
  pickDriver,
} from "#isolation";

import { probeCpuset, probeHardware } from "./probe-hardware.ts";

export interface MachineFacts extends Machine {
  readonly diskBytes: number;
  readonly diskFreeBytes: number;
  readonly kernel: string;
  readonly bootId: string;
  readonly hierarchies: Hierarchies;
  readonly v2Controllers: readonly string[];
  /** Null: no cpuset is mounted. */
  readonly cpuset: CpusetRoot | null;
  /** Why nothing is enforced, for `status`; null when limits are enforced. */
  readonly unenforcedBecause: string | null;
  /** Path of the C compiler that `build-native` would use; null when there is none. */
  readonly compiler: string | null;
}

/** Bytes of `MemTotal`; null when the text has no such line. */
export function parseMemTotal(meminfo: string): number | null {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? null : Number(kib) * 1_024;
}

/** Path of a process in one hierarchy: `memory` for v1, the empty word for the unified tree. */
export function parseCgroupPath(procSelfCgroup: string, controller: string): string | null {
  for (const line of procSelfCgroup.split("\n")) {
    const [, names, ...path] = line.split(":");
    if (names === undefined || path.length === 0) continue;
    if (names.split(",").includes(controller)) return path.join(":");
  }
  return null;
}

/** A limit below what the machine has; the kernel writes huge numbers or `max` for no limit. */
export function memoryWithin(totalBytes: number, limitText: string | null): number {
  const limit = limitText === null ? null : parseNumber(limitText);
  return limit === null || limit <= 0 ? totalBytes : Math.min(totalBytes, limit);
}

export interface EnforcementInputs {
  readonly mode: CgroupMode;
  readonly isRoot: boolean;
  readonly isWritable: boolean;
}

export function whyUnenforced({ mode, isRoot, isWritable }: EnforcementInputs): string | null {
  if (mode === "none") return "no cgroup hierarchy with cpu, memory or pids is mounted";
  if (isWritable) return null;
  return isRoot ? "the cgroup file system is mounted read-only" : "not root: cgroups need root";
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return null; // absent or not for us: unknown
    throw error;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

function findCompiler(): string | null {
  const names = process.env["CC"] === undefined ? ["cc", "gcc", "clang"] : [process.env["CC"]];
  for (const name of names) {
    const directories = name.includes("/") ? [""] : (process.env["PATH"] ?? "").split(delimiter);
    for (const directory of directories) {
      const path = directory === "" ? name : join(directory, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch (error) {
        if (!(error instanceof Error && "code" in error)) throw error;
      }
    }
  }
  return null;
}

function memoryLimitText(hierarchies: Hierarchies): string | null {
  const own = textOf("/proc/self/cgroup") ?? "";
  const v1 = hierarchies.v1.get("memory");
  if (v1 !== undefined) {
    return textOf(`${v1}${parseCgroupPath(own, "memory") ?? ""}/memory.limit_in_bytes`);
  }
  return textOf(`${hierarchies.v2 ?? ""}${parseCgroupPath(own, "") ?? ""}/memory.max`);
}

/**
 * @param workDir an existing directory; its file system is the disk that is measured
 * @param devices paths of the devices that tasks may be granted
 */
export function probeMachine(workDir: string, devices: readonly string[] = []): MachineFacts {
  const hierarchies = findHierarchies(textOf("/proc/self/mountinfo") ?? "");
  const controllers = hierarchies.v2 === null ? null : `${hierarchies.v2}/cgroup.controllers`;
  const v2Controllers = (controllers === null ? "" : (textOf(controllers) ?? ""))
    .split(/\s+/)
    .filter((word) => word !== "");
  const isRoot = process.geteuid?.() === 0;
  const mounts = [...hierarchies.v1.values(), ...(hierarchies.v2 ? [hierarchies.v2] : [])];
  const writable = mounts.length > 0 && mounts.every(isWritable);
  const mode = cgroupMode(hierarchies, v2Controllers);
  const total = parseMemTotal(textOf("/proc/meminfo") ?? "") ?? 0;
  const disk = statfsSync(workDir);
  const cpuset = probeCpuset(hierarchies);
  return {
    hardware: probeHardware(cpuset, devices),
    cpuset,
    cpus: availableParallelism(),
    memoryBytes: memoryWithin(total, memoryLimitText(hierarchies)),
    diskBytes: disk.blocks * disk.bsize,
    diskFreeBytes: disk.bavail * disk.bsize,
    cgroupMode: writable ? mode : "none",
    isRoot,
    kernel: release(),
    bootId: (textOf("/proc/sys/kernel/random/boot_id") ?? "unknown").trim(),
    hierarchies,
    v2Controllers,
    unenforcedBecause: whyUnenforced({ mode, isRoot, isWritable: writable }),
    compiler: findCompiler(),
  };
}

/** The cgroup driver that fits what was probed. */
export function driverOf(facts: MachineFacts, place: CgroupPlace): CgroupDriver {
  const { hierarchies, v2Controllers, unenforcedBecause, cpuset } = facts;
  return pickDriver({
    ...place,
    ...(cpuset === null ? {} : { cpuset }),
    hierarchies,
    v2Controllers,
    isWritable: unenforcedBecause === null,
  });
}
