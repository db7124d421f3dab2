/**
 * The driver for machines whose controllers live in the unified tree. A container has its limits
 * in `<root>/<agentId>/<containerId>` and its processes in `leaf` below it, as Mesos has it: a
 * cgroup with children that are limited may hold no process itself.
 */
import type { CgroupPlan, CgroupStep } from "#runtime";
import { parsePressureTotal } from "../pressure.ts";
import {
  parseCpuStat,
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
import { CPU_PERIOD_US, cpuQuotaUs, cpuWeight, isRaised, type Limit } from "./values.ts";

const CONTROLLERS = ["cpu", "memory", "pids"] as const;
const LEAF = "leaf";

const orMax = (limit: Limit): string => (limit === "infinite" ? "max" : String(limit));

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

  function cpuSteps(path: string, cpu: NonNullable<CgroupValues["cpu"]>): CgroupStep[] {
    const steps = [write(`${path}/cpu.weight`, cpuWeight(cpu.cpuMilli, cpu.revocable))];
    if (cpu.limitMilli !== null) {
      steps.push(write(`${path}/cpu.max`, `${orMax(cpuQuotaUs(cpu.limitMilli))} ${CPU_PERIOD_US}`));
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
      const steps: CgroupStep[] = [make(path)];
      if (values.cpu !== null && has("cpu")) steps.push(...cpuSteps(path, values.cpu));
      if (values.memory !== null && has("memory")) {
        steps.push(write(`${path}/memory.low`, values.memory.softBytes));
        steps.push(write(`${path}/memory.max`, orMax(values.memory.hardBytes)));
      }
      if (values.pids !== null && has("pids")) {
        steps.push(write(`${path}/pids.max`, orMax(values.pids.max)));
      }
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

    update(containerId, before, next) {
      const path = `${own}/${containerId}`;
      const steps: CgroupStep[] = [];
      if (next.cpu !== null && has("cpu")) {
        steps.push(...cpuSteps(path, next.cpu));
        if (next.cpu.limitMilli === null && (before.cpu?.limitMilli ?? null) !== null) {
          steps.push(write(`${path}/cpu.max`, `max ${CPU_PERIOD_US}`));
        }
      }
      if (next.memory !== null && has("memory")) {
        steps.push(write(`${path}/memory.low`, next.memory.softBytes));
        const { hardBytes } = next.memory;
        if (before.memory === null || isRaised(before.memory.hardBytes, hardBytes)) {
          steps.push(write(`${path}/memory.max`, orMax(hardBytes)));
        }
      }
      if (next.pids !== null && has("pids")) {
        steps.push(write(`${path}/pids.max`, orMax(next.pids.max)));
      }
      return steps;
    },

    usageFiles(containerId): UsageFile[] {
      const path = `${own}/${containerId}`;
      return [
        ...unifiedUsageFiles(path),
        { path: `${path}/memory.current`, parse: (text) => ({ memoryBytes: parseNumber(text) }) },
        { path: `${path}/memory.peak`, parse: (text) => ({ memoryPeakBytes: parseNumber(text) }) },
        { path: `${path}/memory.stat`, parse: (text) => parseMemoryStat(text, "v2") },
        { path: `${path}/memory.events`, parse: parseMemoryEvents },
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
