/** Picks the driver that fits a machine. The one place that knows all of them. */
import type { CgroupDriver, CgroupPlace, CpusetRoot } from "./driver.ts";
import { hybridDriver } from "./hybrid.ts";
import { cgroupMode, type Hierarchies } from "./mounts.ts";
import { noneDriver } from "./none.ts";
import { v1Driver } from "./v1.ts";
import { v2Driver } from "./v2.ts";

export interface DriverInputs extends CgroupPlace {
  readonly hierarchies: Hierarchies;
  /** The words of `cgroup.controllers` at the v2 mount; empty without one. */
  readonly v2Controllers: readonly string[];
  /** Absent: cpusets of v1 are left alone. */
  readonly cpuset?: CpusetRoot;
  /** Whether this process may make cgroups there. Without that nothing is enforced. */
  readonly isWritable: boolean;
}

export function pickDriver(inputs: DriverInputs): CgroupDriver {
  const { hierarchies, v2Controllers, isWritable, root, agentId } = inputs;
  const place = { root, agentId };
  const { v2, v1 } = hierarchies;
  const mode = isWritable ? cgroupMode(hierarchies, v2Controllers) : "none";
  if (mode === "v2" && v2 !== null) {
    return v2Driver({ root, agentId, mount: v2, controllers: v2Controllers });
  }
  const machine = { ...{}, ...place, v1, ...(inputs.cpuset ? { cpuset: inputs.cpuset } : {}) };
  if (mode === "hybrid" && v2 !== null) {
    return hybridDriver({ ...{}, ...machine, mount: v2, controllers: v2Controllers });
  }
  if (mode === "v1") return v1Driver(machine);
  return noneDriver;
}
