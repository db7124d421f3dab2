/**
 * `cgroups/mem`: a soft limit of the request and a hard one of the limit (else of the request);
 * slowed down from `memHighMib` on, where the task names it; swap bounded always. A container
 * with soft below hard gives way first when the machine is short.
 */
import type { CgroupMode } from "../cgroups/mounts.ts";
import { MEMORY_BYTES_MIN, memoryBytes, oomScoreAdj, type Limit } from "../cgroups/values.ts";
import type { ContainerSpec } from "../container.ts";
import type { Isolator } from "../isolator.ts";

const MIB = 1024 * 1024;

export interface MemOptions {
  /** Swap of a container that names none, MiB. */
  readonly swapMib: number;
}

export function memIsolator(options: MemOptions): Isolator {
  return {
    name: "cgroups/mem",
    fragment({ resources, limits }, machine) {
      const refused = faultOf(resources.memMib, limits) ?? missing(limits, machine.cgroupMode);
      if (refused !== undefined) return { refused };
      const soft = memoryBytes(resources.memMib);
      const hardBytes = memoryBytes(limits.memMib ?? resources.memMib);
      const softBytes = soft === "infinite" ? 0 : soft;
      const { memHighMib = null, swapMib = null } = limits;
      const memory = {
        softBytes,
        hardBytes,
        ...(memHighMib === null ? {} : { highBytes: inBytes(memHighMib) }),
        swap: { bytes: inBytes(swapMib ?? options.swapMib), optional: swapMib === null },
      };
      const burstable = hardBytes === "infinite" || softBytes < hardBytes;
      if (!burstable) return { cgroups: { memory } };
      return {
        cgroups: { memory },
        oomScoreAdj: oomScoreAdj(softBytes, machine.memoryBytes),
      };
    },
  };
}

const inBytes = (mib: Limit): Limit => (mib === "infinite" ? mib : mib * MIB);

/** What was asked for and this machine's cgroups do not have. */
function missing(limits: ContainerSpec["limits"], mode: CgroupMode): string | undefined {
  const wanted = ["memHighMib", "swapMib"] as const;
  const named = wanted.find((name) => (limits[name] ?? null) !== null);
  if (named !== undefined && mode === "none") return `${named}: this agent has no cgroups`;
  if ((limits.memHighMib ?? null) === null || mode === "v2") return undefined;
  return `memHighMib: only cgroup v2 slows down instead of killing; this agent has ${mode}`;
}

/** A task that asks for no memory gets the least there is; one that asks for less is told. */
function faultOf(memMib: number, limits: ContainerSpec["limits"]): string | undefined {
  const least = MEMORY_BYTES_MIN / MIB;
  if (memMib > 0 && memMib < least) {
    return `mem: ${memMib} MiB is below ${least} MiB, the least that a container can have`;
  }
  const { memMib: limit } = limits;
  if (typeof limit === "number" && limit < memMib) {
    return `limits: mem ${limit} MiB is below the requested ${memMib} MiB`;
  }
  return undefined;
}
