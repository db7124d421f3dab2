/**
 * The driver for machines whose controllers live in the unified tree. A container has its limits
 * in `<root>/<agentId>/<containerId>` and its processes in `leaf` below it, as Mesos has it: a
 * cgroup with children that are limited may hold no process itself.
 */
import type { CgroupPlan, CgroupStep } from "#runtime";
import { parsePressureTotal } from "../pressure.ts";
import {
  parseCpuStat,
  parseIoStat,
  parseMemoryEvents,
  parseMemoryStat,
  parseNumber,
  parsePidsEvents,
} from "../usage.ts";
import {
  type CgroupDriver,
  type CgroupPlace,
  type CgroupValues,
  LAUNCHER_CGROUP,
  make,
  makeDown,
  type UsageFile,
  write,
} from "./driver.ts";
import * as limits from "./v2-limits.ts";

const CONTROLLERS = ["cpu", "memory", "pids", "cpuset", "io", "hugetlb"] as const;
const LEAF = "leaf";

export interface V2Machine extends CgroupPlace {
  readonly mount: string;
  /** The words of `cgroup.controllers` at the mount. */
  readonly controllers: readonly string[];
}

export function v2Driver(machine: V2Machine): CgroupDriver {
  const { mount, root, agentId } = machine;
  const own = `${mount}/${root}/${agentId}`;
  const usable = CONTROLLERS.filter((controller) => machine.controllers.includes(controller));
  const enable = usable.map((controller) => `+${controller}`).join(" ");
  const has = (controller: (typeof CONTROLLERS)[number]): boolean => usable.includes(controller);

  /** All writes that lead from one set of limits to another. */
  function limit(path: string, before: CgroupValues | null, next: CgroupValues): CgroupStep[] {
    const { cpu, memory, pids, cpuset, io, hugetlb, devices } = next;
    const steps: CgroupStep[] = [];
    if (cpu !== null && has("cpu")) steps.push(...limits.cpuSteps(path, before?.cpu ?? null, cpu));
    if (memory !== null && has("memory")) {
      steps.push(...limits.memorySteps(path, before?.memory ?? null, memory));
    }
    if (pids !== null && has("pids")) steps.push(...limits.pidsSteps(path, pids));
    if (cpuset !== undefined && has("cpuset")) steps.push(...limits.cpusetSteps(path, cpuset));
    if (io !== undefined && has("io")) steps.push(...limits.ioSteps(path, io));
    if (hugetlb !== undefined && has("hugetlb")) steps.push(...limits.hugetlbSteps(path, hugetlb));
    // What a container may open is settled when it starts.
    if (devices !== undefined && before === null) {
      steps.push(...limits.deviceSteps(path, devices));
    }
    return steps;
  }

  return {
    mode: "v2",
    directories: [own],

    agentSteps() {
      const steps: CgroupStep[] = [];
      const down = makeDown(mount, [root, agentId]);
      // Top down: a controller must be enabled in every ancestor before a child can have it.
      if (enable !== "") steps.push(write(`${mount}/cgroup.subtree_control`, enable));
      for (const step of down) {
        steps.push(step);
        if (enable !== "") steps.push(write(`${step.path}/cgroup.subtree_control`, enable));
      }
      return [...steps, make(`${own}/${LAUNCHER_CGROUP}`)];
    },

    launcherJoin: () => [`${own}/${LAUNCHER_CGROUP}/cgroup.procs`],

    plan(containerId, values): CgroupPlan {
      const path = `${own}/${containerId}`;
      const steps: CgroupStep[] = [make(path), ...limit(path, null, values)];
      steps.push(make(`${path}/${LEAF}`));
      const counted = has("memory");
      return {
        steps,
        join: [`${path}/${LEAF}/cgroup.procs`],
        counters: {
          oomPath: counted ? `${path}/memory.events` : null,
          peakPath: counted ? `${path}/memory.peak` : null,
        },
        kill: { kind: "kill", path: `${path}/cgroup.kill` },
        remove: [path],
      };
    },

    update: (containerId, before, next) => limit(`${own}/${containerId}`, before, next),

    usageFiles(containerId): UsageFile[] {
      const path = `${own}/${containerId}`;
      return [
        ...unifiedUsageFiles(path),
        { path: `${path}/memory.current`, parse: (text) => ({ memoryBytes: parseNumber(text) }) },
        { path: `${path}/memory.peak`, parse: (text) => ({ memoryPeakBytes: parseNumber(text) }) },
        { path: `${path}/memory.stat`, parse: (text) => parseMemoryStat(text, "v2") },
        { path: `${path}/memory.events`, parse: parseMemoryEvents },
        { path: `${path}/io.stat`, parse: parseIoStat },
        { path: `${path}/pids.current`, parse: (text) => ({ pids: parseNumber(text) }) },
        { path: `${path}/pids.events`, parse: parsePidsEvents },
      ];
    },
  };
}

/** What every cgroup of the unified tree tells, even one without any controller. */
export function unifiedUsageFiles(path: string): UsageFile[] {
  return [
    { path: `${path}/cpu.stat`, parse: (text) => parseCpuStat(text) },
    {
      path: `${path}/cpu.pressure`,
      parse: (text) => ({ cpuPressureUs: parsePressureTotal(text, "some") }),
    },
    {
      path: `${path}/memory.pressure`,
      parse: (text) => ({ memoryPressureUs: parsePressureTotal(text, "some") }),
    },
    {
      path: `${path}/io.pressure`,
      parse: (text) => ({ ioPressureUs: parsePressureTotal(text, "some") }),
    },
  ];
}
