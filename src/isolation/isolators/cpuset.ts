/**
 * `cgroups/cpuset`: a task that asks for whole cpus of its own runs on these alone, with memory
 * of their nodes. Which ones was chosen before (`assign.ts`); Mesos' isolator only joins.
 */
import type { Isolator } from "../isolator.ts";

export const cpusetIsolator: Isolator = {
  name: "cgroups/cpuset",
  fragment({ limits, assigned }, { cgroupMode }) {
    if (limits.exclusiveCpus !== true || assigned === undefined) return {};
    if (cgroupMode === "none") return { refused: "exclusive cpus: this agent has no cgroups" };
    const { cpus, mems } = assigned;
    return { cgroups: { cpuset: { cpus: cpus.join(","), mems: mems.join(",") } } };
  },
};
