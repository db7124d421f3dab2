/**
 * The driver for machines with one mount per controller. Several controllers may share a mount
 * (`cpu,cpuacct`); a directory is made once per mount. Killing goes through the freezer.
 */
import type { CgroupPlan, CgroupStep } from "#runtime";
import {
  parseCpuStatV1,
  parseMemoryStat,
  parseNanoseconds,
  parseNumber,
  parseOomControl,
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
import { CPU_PERIOD_US, cpuQuotaUs, cpuShares, isRaised, type Limit } from "./values.ts";

/**
 * The hierarchies that a container joins, when the machine has them. Each costs a quarter of a
 * millisecond of the kernel's time in the life of a container.
 */
const JOINED = ["cpu", "cpuacct", "memory", "pids", "freezer"] as const;
type Joined = (typeof JOINED)[number];

export interface V1Machine extends CgroupPlace {
  readonly v1: ReadonlyMap<string, string>;
}

/** Those that a unified tree beside them makes needless: it kills, and it counts processor time. */
const UNIFIED: readonly string[] = ["cpuacct", "freezer"];

const orMinusOne = (limit: Limit): string => (limit === "infinite" ? "-1" : String(limit));

function cpuSteps(path: string, cpu: NonNullable<CgroupValues["cpu"]>): CgroupStep[] {
  const steps = [write(`${path}/cpu.shares`, cpuShares(cpu.cpuMilli, cpu.revocable))];
  if (cpu.limitMilli !== null) {
    steps.push(write(`${path}/cpu.cfs_period_us`, CPU_PERIOD_US));
    steps.push(write(`${path}/cpu.cfs_quota_us`, orMinusOne(cpuQuotaUs(cpu.limitMilli))));
  }
  return steps;
}

/** The soft limit always; the hard one the first time, and afterwards only when it grows. */
function memorySteps(
  path: string,
  before: CgroupValues["memory"],
  next: NonNullable<CgroupValues["memory"]>,
): CgroupStep[] {
  const steps = [write(`${path}/memory.soft_limit_in_bytes`, next.softBytes)];
  if (before === null || isRaised(before.hardBytes, next.hardBytes)) {
    steps.push(write(`${path}/memory.limit_in_bytes`, orMinusOne(next.hardBytes)));
  }
  return steps;
}

const pidsMax = (limit: Limit): string => (limit === "infinite" ? "max" : String(limit));

/** @param beside "unified": a container is in a cgroup of the unified tree too. */
export function v1Driver(
  machine: V1Machine,
  beside: "unified" | "nothing" = "nothing",
): CgroupDriver {
  const { root, agentId } = machine;
  const needless = beside === "unified" ? UNIFIED : [];
  const v1 = new Map([...machine.v1].filter(([controller]) => !needless.includes(controller)));
  const joined = JOINED.filter((controller) => v1.has(controller));
  const mounts = [...new Set(joined.map((controller) => v1.get(controller) ?? ""))];
  const directories = mounts.map((mount) => `${mount}/${root}/${agentId}`);
  const own = (controller: Joined): string | null => {
    const mount = v1.get(controller);
    return mount === undefined ? null : `${mount}/${root}/${agentId}`;
  };
  const at = (controller: Joined, containerId: string): string | null => {
    const directory = own(controller);
    return directory === null ? null : `${directory}/${containerId}`;
  };
  /** A systemd that stops the agent's unit must not take the shims with it. */
  const systemd = v1.get("name=systemd") ?? null;
  const launcherHome = systemd === null ? null : `${systemd}/${root}/${agentId}/${LAUNCHER_CGROUP}`;

  return {
    mode: "v1",
    directories,

    agentSteps() {
      const steps = mounts.flatMap((mount) => makeDown(mount, [root, agentId]));
      if (systemd === null || launcherHome === null) return steps;
      return [...steps, ...makeDown(systemd, [root, agentId]), make(launcherHome)];
    },

    launcherJoin: () => (launcherHome === null ? [] : [`${launcherHome}/cgroup.procs`]),

    plan(containerId, values): CgroupPlan {
      const paths = directories.map((directory) => `${directory}/${containerId}`);
      const steps: CgroupStep[] = paths.map((path) => make(path));
      const cpu = at("cpu", containerId);
      const memory = at("memory", containerId);
      const pids = at("pids", containerId);
      const freezer = at("freezer", containerId);
      if (values.cpu !== null && cpu !== null) steps.push(...cpuSteps(cpu, values.cpu));
      if (values.memory !== null && memory !== null) {
        steps.push(...memorySteps(memory, null, values.memory));
      }
      if (values.pids !== null && pids !== null) {
        steps.push(write(`${pids}/pids.max`, pidsMax(values.pids.max)));
      }
      return {
        steps,
        join: paths.map((path) => `${path}/cgroup.procs`),
        counters: {
          oomPath: memory === null ? null : `${memory}/memory.oom_control`,
          peakPath: memory === null ? null : `${memory}/memory.max_usage_in_bytes`,
        },
        kill: freezer === null ? { kind: "descendants" } : { kind: "freezer", path: freezer },
        remove: paths,
      };
    },

    update(containerId, before, next) {
      const cpu = at("cpu", containerId);
      const memory = at("memory", containerId);
      const pids = at("pids", containerId);
      const steps: CgroupStep[] = [];
      if (next.cpu !== null && cpu !== null) {
        steps.push(...cpuSteps(cpu, next.cpu));
        if (next.cpu.limitMilli === null && (before.cpu?.limitMilli ?? null) !== null) {
          steps.push(write(`${cpu}/cpu.cfs_quota_us`, -1));
        }
      }
      if (next.memory !== null && memory !== null) {
        steps.push(...memorySteps(memory, before.memory, next.memory));
      }
      if (next.pids !== null && pids !== null) {
        steps.push(write(`${pids}/pids.max`, pidsMax(next.pids.max)));
      }
      return steps;
    },

    usageFiles(containerId): UsageFile[] {
      const files: UsageFile[] = [];
      const cpuacct = at("cpuacct", containerId);
      const cpu = at("cpu", containerId);
      const memory = at("memory", containerId);
      const pids = at("pids", containerId);
      if (cpuacct !== null) {
        const parse = (text: string) => ({ cpuUsageUs: parseNanoseconds(text) });
        files.push({ path: `${cpuacct}/cpuacct.usage`, parse });
      }
      if (cpu !== null) files.push({ path: `${cpu}/cpu.stat`, parse: parseCpuStatV1 });
      if (memory !== null) files.push(...memoryUsageFiles(memory));
      if (pids !== null) {
        files.push({ path: `${pids}/pids.current`, parse: (t) => ({ pids: parseNumber(t) }) });
        files.push({ path: `${pids}/pids.events`, parse: parsePidsEvents });
      }
      return files;
    },
  };
}

function memoryUsageFiles(path: string): UsageFile[] {
  return [
    {
      path: `${path}/memory.usage_in_bytes`,
      parse: (text) => ({ memoryBytes: parseNumber(text) }),
    },
    {
      path: `${path}/memory.max_usage_in_bytes`,
      parse: (text) => ({ memoryPeakBytes: parseNumber(text) }),
    },
    { path: `${path}/memory.stat`, parse: (text) => parseMemoryStat(text, "v1") },
    { path: `${path}/memory.oom_control`, parse: parseOomControl },
  ];
}
