/**
 * Samples containers. Keeps the descriptors of the counter files and reads them by position:
 * a third of the cost of opening them each time (measured). Without cgroups it adds up what
 * `/proc` tells of the shim's descendants. Never writes.
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { emptyUsage, parseNumber, type UsageFile } from "#isolation";
import type { ContainerUsage } from "#runtime";
import { isMissing, readText } from "./launcher-files.ts";

/** Descriptors kept open at most; beyond it files are opened for each sample. */
export const KEPT_DESCRIPTORS_MAX = 16_384;
const TEXT_BYTES_MAX = 16_384;
/** `USER_HZ`: Linux tells every user space the same. */
const MS_PER_TICK = 10;

interface Kept {
  readonly file: UsageFile;
  readonly descriptor: number;
}

export interface CgroupReader {
  /** Null when none of the files is there any more. */
  sample(containerId: string, files: readonly UsageFile[], atMs: number): ContainerUsage | null;
  /** Closes what was kept for a container. */
  drop(containerId: string): void;
  close(): void;
}

export function createCgroupReader(): CgroupReader {
  const kept = new Map<string, readonly Kept[]>();
  const buffer = Buffer.alloc(TEXT_BYTES_MAX);
  let descriptors = 0;

  function open(files: readonly UsageFile[]): Kept[] {
    return files.flatMap((file) => {
      try {
        return [{ file, descriptor: openSync(file.path, "r") }];
      } catch (error) {
        if (isMissing(error)) return []; // a counter that this kernel does not have
        throw error;
      }
    });
  }

  function closeAll(list: readonly Kept[]): void {
    for (const { descriptor } of list) closeSync(descriptor);
  }

  function drop(containerId: string): void {
    const list = kept.get(containerId) ?? [];
    kept.delete(containerId);
    descriptors -= list.length;
    closeAll(list);
  }

  function read(list: readonly Kept[], containerId: string, atMs: number): ContainerUsage | null {
    const usage = emptyUsage(containerId, atMs);
    let seen = 0;
    for (const { file, descriptor } of list) {
      try {
        const length = readSync(descriptor, buffer, 0, TEXT_BYTES_MAX, 0);
        Object.assign(usage, file.parse(buffer.toString("latin1", 0, length)));
        seen += 1;
      } catch (error) {
        // ENODEV: the cgroup was removed. EOPNOTSUPP: pressure is switched off in this kernel.
        if (!isMissing(error) && !isUnsupported(error)) throw error;
      }
    }
    return seen === 0 ? null : usage;
  }

  return {
    sample(containerId, files, atMs) {
      const known = kept.get(containerId);
      if (known !== undefined) {
        const usage = read(known, containerId, atMs);
        if (usage !== null) return usage;
        drop(containerId); // gone, or another container of that name: open anew
      }
      const list = open(files);
      const usage = read(list, containerId, atMs);
      if (usage === null || descriptors + list.length > KEPT_DESCRIPTORS_MAX) closeAll(list);
      else {
        kept.set(containerId, list);
        descriptors += list.length;
      }
      return usage;
    },
    drop,
    close() {
      for (const containerId of [...kept.keys()]) drop(containerId);
    },
  };
}

function isUnsupported(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EOPNOTSUPP";
}

interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly cpuUs: number;
}

function readProcesses(): ProcessFacts[] {
  return readdirSync("/proc").flatMap((name) => {
    if (parseNumber(name) === null) return [];
    const stat = readText(`/proc/${name}/stat`);
    if (stat === null) return [];
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return [{ pid: Number(name), parent: Number(fields[1]), cpuUs: ticks * MS_PER_TICK * 1_000 }];
  });
}

/** Use of all descendants of each shim, for machines without cgroups. Ended ones do not count. */
export function sampleProcesses(
  shims: readonly { readonly containerId: string; readonly shimPid: number }[],
  atMs: number,
): ContainerUsage[] {
  const children = new Map<number, ProcessFacts[]>();
  for (const one of readProcesses()) {
    children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  }
  return shims.map(({ containerId, shimPid }) => {
    let [cpuUsageUs, memoryBytes, pids] = [0, 0, 0];
    const open = [...(children.get(shimPid) ?? [])];
    for (let one = open.pop(); one !== undefined; one = open.pop()) {
      open.push(...(children.get(one.pid) ?? []));
      const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readText(`/proc/${one.pid}/status`) ?? "")?.[1];
      cpuUsageUs += one.cpuUs;
      memoryBytes += Number(rss ?? 0) * 1_024;
      pids += 1;
    }
    return { ...{}, ...emptyUsage(containerId, atMs), cpuUsageUs, memoryBytes, pids };
  });
}
