/**
 * Whether a container was ended by its memory limit. The truth is the kernel's counter of
 * `oom_kill`: the exit status cannot tell (a killed child lets its shell exit with any code, and
 * a bare 137 may be a plain kill; both measured).
 */
import type { ContainerExit } from "#runtime";
import type { Limit } from "./cgroups/values.ts";

export interface OomVerdict {
  readonly reason: "REASON_CONTAINER_LIMITATION_MEMORY";
  /** For people: limit, peak, how many were killed. */
  readonly message: string;
}

const MIB = 1024 * 1024;
const inMib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

/** Null when the kernel killed nobody in this container for want of memory. */
export function oomVerdict(exit: ContainerExit, hardBytes: Limit | null): OomVerdict | null {
  if (exit.oomKills === 0) return null;
  const limit =
    hardBytes === null || hardBytes === "infinite" ? "no limit of its own" : inMib(hardBytes);
  const peak = exit.memoryPeakBytes === null ? "unknown" : inMib(exit.memoryPeakBytes);
  const killed = exit.oomKills === 1 ? "1 process" : `${exit.oomKills} processes`;
  const stat = Object.entries(exit.memoryStat ?? {});
  const top = stat.sort(([, a], [, b]) => b - a).map(([name, bytes]) => `${name} ${inMib(bytes)}`);
  const left = top.length === 0 ? "" : `; left at its end: ${top.join(", ")}`;
  return {
    reason: "REASON_CONTAINER_LIMITATION_MEMORY",
    message: `Memory limit exceeded: limit ${limit}, peak ${peak}, ${killed} killed by the kernel${left}`,
  };
}
