/**
 * The driver for machines with one mount per controller. Several controllers may share a mount
 * (`cpu,cpuacct`); a directory is made once per mount. Killing goes through the freezer.
 */
import type { CgroupPlan, CgroupStep } from "#runtime";
import {
  parseCpuStatV1,
  parseIoServiceBytes,
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
  type CpusetRoot,
  LAUNCHER_CGROUP,
  make,
  makeDown,
  type UsageFile,
  write,
} from "./driver.ts";
import * as limits from "./v1-limits.ts";

/**
 * The hierarchies that every container joins, when the machine has them. Each costs a quarter of
 * a millisecond of the kernel's time in the life of a container.
 */
const JOINED = ["cpu", "cpuacct", "memory", "pids", "freezer"] as const;
/** Those that only a container joins which has a limit there. */
const JOINED_BY_NEED = ["cpuset", "blkio", "hugetlb", "devices"] as const;
type Joined = (typeof JOINED)[number] | (typeof JOINED_BY_NEED)[number];

export interface V1Machine extends CgroupPlace {
  readonly v1: ReadonlyMap<string, string>;
  /** Absent: no container is given a cpuset. */
  readonly cpuset?: CpusetRoot;
}

/** Those that a unified tree beside them makes needless: it kills, and it counts processor time. */
const UNIFIED: readonly string[] = ["cpuacct", "freezer"];

/** Which controller a part of the values needs. */
const NEEDS = { cpuset: "cpuset", io: "blkio", hugetlb: "hugetlb", devices: "devices" } as const;

/** @param beside "unified": a container is in a cgroup of the unified tree too. */
export function v1Driver(
  machine: V1Machine,
  beside: "unified" | "nothing" = "nothing",
): CgroupDriver {
  const { root, agentId } = machine;
  const needless = beside === "unified" ? UNIFIED : [];
  const v1 = new Map([...machine.v1].filter(([controller]) => !needless.includes(controller)));
  const known = [...JOINED, ...JOINED_BY_NEED].filter(
    (controller) => v1.has(controller) && (controller !== "cpuset" || machine.cpuset !== undefined),
  );
  const mountsOf = (controllers: readonly string[]): string[] => [
    ...new Set(controllers.map((controller) => v1.get(controller) ?? "")),
  ];
  const mounts = mountsOf(known);
  const directories = mounts.map((mount) => `${mount}/${root}/${agentId}`);
  const own = (controller: Joined): string | null => {
    const mount = known.includes(controller) ? v1.get(controller) : undefined;
    return mount === undefined ? null : `${mount}/${root}/${agentId}`;
  };
  /** The hierarchies of one container: all that everybody joins, and where it has a limit. */
  const joinedBy = (values: CgroupValues): string[] => {
    const needed = Object.entries(NEEDS).flatMap(([part, controller]) =>
      values[part as keyof typeof NEEDS] === undefined ? [] : [controller],
    );
    const names: readonly string[] = [...JOINED, ...needed];
    return mountsOf(known.filter((controller) => names.includes(controller)));
  };
  const at = (controller: Joined, containerId: string): string | null => {
    const directory = own(controller);
    return directory === null ? null : `${directory}/${containerId}`;
  };
  /** A systemd that stops the agent's unit must not take the shims with it. */
  const systemd = v1.get("name=systemd") ?? null;
  const launcherHome = systemd === null ? null : `${systemd}/${root}/${agentId}/${LAUNCHER_CGROUP}`;

  /** All writes that lead from one set of limits to another. */
  function limit(id: string, before: CgroupValues | null, next: CgroupValues): CgroupStep[] {
    const { cpu, memory, pids, cpuset, io, hugetlb, devices } = next;
    const steps: CgroupStep[] = [];
    const on = (controller: Joined, add: (path: string) => CgroupStep[]): void => {
      const path = at(controller, id);
      if (path !== null) steps.push(...add(path));
    };
    if (cpu !== null) on("cpu", (path) => limits.cpuSteps(path, before?.cpu ?? null, cpu));
    if (memory !== null) {
      on("memory", (path) => limits.memorySteps(path, before?.memory ?? null, memory));
    }
    if (pids !== null) on("pids", (path) => limits.pidsSteps(path, pids));
    if (cpuset !== undefined) on("cpuset", (path) => limits.cpusetSteps(path, cpuset));
    if (io !== undefined) on("blkio", (path) => limits.ioSteps(path, io));
    if (hugetlb !== undefined) on("hugetlb", (path) => limits.hugetlbSteps(path, hugetlb));
    // What a container may open is settled when it starts.
    if (devices !== undefined && before === null) {
      on("devices", (path) => limits.deviceSteps(path, devices));
    }
    return steps;
  }

  return {
    mode: "v1",
    directories,

    agentSteps() {
      const steps = mounts.flatMap((mount) => makeDown(mount, [root, agentId]));
      const cpusets = v1.get("cpuset");
      const { cpuset } = machine;
      if (cpuset !== undefined && cpusets !== undefined) {
        for (const name of [root, `${root}/${agentId}`]) {
          steps.push(write(`${cpusets}/${name}/cpuset.cpus`, cpuset.cpus));
          steps.push(write(`${cpusets}/${name}/cpuset.mems`, cpuset.mems));
        }
      }
      if (systemd === null || launcherHome === null) return steps;
      return [...steps, ...makeDown(systemd, [root, agentId]), make(launcherHome)];
    },

    launcherJoin: () => (launcherHome === null ? [] : [`${launcherHome}/cgroup.procs`]),

    plan(containerId, values): CgroupPlan {
      const paths = joinedBy(values).map((mount) => `${mount}/${root}/${agentId}/${containerId}`);
      const memory = at("memory", containerId);
      const freezer = at("freezer", containerId);
      const steps = [...paths.map((path) => make(path)), ...limit(containerId, null, values)];
      return {
        steps,
        // A process that moves itself alone needs no lock of all processes, which `cgroup.procs`
        // takes: up to a grace period of the kernel (measured: 8 ms on an idle machine).
        join: paths.map((path) => `${path}/tasks`),
        counters: {
          oomPath: memory === null ? null : `${memory}/memory.oom_control`,
          peakPath: memory === null ? null : `${memory}/memory.max_usage_in_bytes`,
        },
        kill: freezer === null ? { kind: "descendants" } : { kind: "freezer", path: freezer },
        // Whoever ends a container that it does not know looks in every hierarchy.
        remove: directories.map((directory) => `${directory}/${containerId}`),
      };
    },

    update: (containerId, before, next) => limit(containerId, before, next),

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
      const blkio = at("blkio", containerId);
      // The kernel counts only where a limit is set, and only such a container is in there.
      if (blkio !== null) {
        const path = `${blkio}/blkio.throttle.io_service_bytes`;
        files.push({ path, parse: parseIoServiceBytes });
      }
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
