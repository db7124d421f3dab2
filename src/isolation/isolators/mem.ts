/**
 * `cgroups/mem`: a soft limit of the request and a hard one of the limit (else of the request),
 * both at least 32 MB. A container with soft below hard gives way first when the machine is short.
 */
import { memoryBytes, oomScoreAdj } from "../cgroups/values.ts";
import type { Isolator } from "../isolator.ts";

export const memIsolator: Isolator = {
  name: "cgroups/mem",
  fragment({ resources, limits }, machine) {
    const soft = memoryBytes(resources.memMib);
    const hardBytes = memoryBytes(limits.memMib ?? resources.memMib);
    const softBytes = soft === "infinite" ? 0 : soft;
    const memory = { cgroups: { memory: { softBytes, hardBytes } } };
    const burstable = hardBytes === "infinite" || softBytes < hardBytes;
    return burstable
      ? { ...memory, oomScoreAdj: oomScoreAdj(softBytes, machine.memoryBytes) }
      : memory;
  },
};
