/**
 * The driver of a machine where nothing can be enforced (not root, or no writable cgroup): it
 * makes no cgroup, limits nothing, and says so. The shim kills its descendants instead.
 */
import type { CgroupPlan } from "#runtime";
import type { CgroupDriver } from "./driver.ts";

const NOTHING: CgroupPlan = {
  steps: [],
  join: [],
  counters: { oomPath: null, peakPath: null },
  kill: { kind: "descendants" },
  remove: [],
};

export const noneDriver: CgroupDriver = {
  mode: "none",
  directories: [],
  agentSteps: () => [],
  launcherJoin: () => [],
  plan: () => NOTHING,
  update: () => [],
  usageFiles: () => [],
};
