/**
 * Processor time of this process and of all that it starts, the kernel's work for them included:
 * this process moves into the benchmark's own cgroup, and the kernel counts. Where the box is
 * shared, that is the figure which others cannot spoil.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import type { MachineFacts } from "#daemon";

export interface ProcessorTime {
  /** Milliseconds so far; null where the kernel does not count. */
  readMs(): number | null;
  /** Back to where this process was; the benchmark's directories, empty by now, are removed. */
  leave(): void;
}

/** @param root name of the benchmark's directory below each hierarchy. */
export function countProcessorTime(machine: MachineFacts, root: string): ProcessorTime {
  const { v1, v2 } = machine.hierarchies;
  const mounts = [...v1.values(), ...(v2 === null ? [] : [v2])];
  const remove = (): void => {
    for (const mount of new Set(mounts)) removeDirectory(`${mount}/${root}`);
  };
  const mount = v1.get("cpuacct");
  // In a tree of v2 controllers a cgroup with children may hold no process: nothing is counted.
  if (machine.cgroupMode === "none" || mount === undefined) {
    return { readMs: () => null, leave: remove };
  }
  const own = `${mount}/${root}`;
  const before = cgroupOf("cpuacct");
  mkdirSync(own, { recursive: true });
  writeFileSync(`${own}/cgroup.procs`, String(process.pid));
  return {
    readMs: () => Number(readFileSync(`${own}/cpuacct.usage`, "utf8")) / 1e6,
    leave() {
      writeFileSync(`${mount}${before}/cgroup.procs`, String(process.pid));
      remove();
    },
  };
}

function removeDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Path below the mount of a v1 controller in which this process is. */
function cgroupOf(controller: string): string {
  for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
    const [, controllers = "", path = "/"] = line.split(":");
    if (controllers.split(",").includes(controller)) return path;
  }
  return "/";
}
