/**
 * The driver for machines with v1 controllers and a unified tree beside them. Limits are v1's;
 * a v2 cgroup without any controller still kills, tells when it is empty, and tells processor time
 * and pressure (measured), so each container is in both, and in no freezer or cpuacct of v1.
 */
import type { CgroupPlan, CgroupStep } from "#runtime";
import {
  type CgroupDriver,
  type CgroupValues,
  LAUNCHER_CGROUP,
  make,
  makeDown,
  type UsageFile,
  writeIfThere,
} from "./driver.ts";
import { hugetlbSteps } from "./v2-limits.ts";
import { parseKey } from "../usage.ts";
import { type V1Machine, v1Driver } from "./v1.ts";
import { unifiedUsageFiles } from "./v2.ts";

export interface HybridMachine extends V1Machine {
  /** Mount point of the unified tree. */
  readonly mount: string;
  /** Controllers that live there and nowhere in v1; huge pages often do. */
  readonly controllers?: readonly string[];
}

/** v1 counts throttling, the unified tree counts use: of its `cpu.stat` only that. */
const processorTime = (path: string): UsageFile => ({
  path: `${path}/cpu.stat`,
  parse: (text) => ({ cpuUsageUs: parseKey(text, "usage_usec") }),
});

export function hybridDriver(machine: HybridMachine): CgroupDriver {
  const { mount, root, agentId } = machine;
  const limits = v1Driver(machine, "unified");
  const own = `${mount}/${root}/${agentId}`;
  const hasHugetlb = machine.controllers?.includes("hugetlb") === true;
  const enabled = (path: string): CgroupStep[] =>
    hasHugetlb ? [writeIfThere(`${path}/cgroup.subtree_control`, "+hugetlb")] : [];
  const hugetlb = (containerId: string, values: CgroupValues): CgroupStep[] =>
    hasHugetlb ? hugetlbSteps(`${own}/${containerId}`, values.hugetlb ?? []) : [];

  return {
    mode: "hybrid",
    directories: [...limits.directories, own],

    agentSteps: (): CgroupStep[] => [
      ...limits.agentSteps(),
      ...enabled(mount),
      ...makeDown(mount, [root, agentId]).flatMap((step) => [step, ...enabled(step.path)]),
      make(`${own}/${LAUNCHER_CGROUP}`),
    ],

    launcherJoin: () => [...limits.launcherJoin(), `${own}/${LAUNCHER_CGROUP}/cgroup.procs`],

    plan(containerId, values): CgroupPlan {
      const path = `${own}/${containerId}`;
      const plan = limits.plan(containerId, values);
      return {
        ...{},
        ...plan,
        steps: [...plan.steps, make(path), ...hugetlb(containerId, values)],
        join: [...plan.join, `${path}/cgroup.procs`],
        kill: { kind: "kill", path: `${path}/cgroup.kill` },
        remove: [...plan.remove, path],
      };
    },

    update: (containerId, before, next) => [
      ...limits.update(containerId, before, next),
      ...hugetlb(containerId, next),
    ],

    usageFiles(containerId): UsageFile[] {
      const unified = unifiedUsageFiles(`${own}/${containerId}`);
      const pressure = unified.filter((file) => file.path.endsWith(".pressure"));
      const counted = limits.usageFiles(containerId);
      return [...counted, processorTime(`${own}/${containerId}`), ...pressure];
    },
  };
}
