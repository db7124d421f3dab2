/**
 * The three roles as members of a simulated cluster: made by the very functions that the daemon
 * calls (lives of the recording floor, `createFramework`), with what configuration.
 */
import { createFramework, type SchedulerEvent } from "#actors/framework";
import {
  type AgentId,
  asId,
  type ClusterId,
  type ContainerId,
  type FrameworkInfo,
  type InstanceId,
  type Kind,
  type MasterId,
  type Principal,
  type Resource,
} from "#protocol";
import { RECORD_VERSION } from "#replication";
import { type AgentRecipe, type MasterRecipe, startAgentLife, startMasterLife } from "#recording";
import { BATCH_INPUTS_MAX, type HostOptions } from "#runtime";
import { installExecutors } from "./executors.ts";
import { agentFacts, frameworkFacts, masterFacts } from "./facts.ts";
import type { Seed } from "./kernel/prng.ts";
import { MACHINE, type MachineSize } from "./machine-size.ts";
import { type Around, ClusterMember } from "./members.ts";
import type { SchedulerProcess, Work } from "./workloads/work.ts";

export function masterMember(around: Around, name: string): ClusterMember {
  const masterId = asId<MasterId>(name);
  const clusterId = asId<ClusterId>("sim");
  const recipe: MasterRecipe = {
    kind: "master",
    cluster: clusterId,
    config: {
      masterId,
      clusterId,
      offerTimeoutMs: drawnSetting(around.world.seed, "offerTimeoutMs", around.steady),
      eventsIntervalMs: drawnSetting(around.world.seed, "eventsIntervalMs", around.steady),
      snapshotRecords: drawnSetting(around.world.seed, "snapshotRecords", around.steady),
      snapshotIntervalMs: drawnSetting(around.world.seed, "snapshotIntervalMs", around.steady),
      ...around.master,
    },
  };
  const older = olderStarts(around, name);
  return new ClusterMember(around, {
    name,
    role: "master",
    identity: { role: "master", masterId },
    start(member, ports, { poisonous }) {
      const given = { ports, poisonous, ...batches(around, name) };
      const isOlder = member.starts <= older;
      const config = isOlder
        ? { ...{}, ...recipe.config, recordVersion: RECORD_VERSION - 1 }
        : recipe.config;
      const actor = member.begin({ ...{}, ...recipe, config }, given, (surroundings) => {
        const main = startMasterLife({ ...{}, ...recipe, config }, surroundings);
        return { main, all: [main] };
      });
      member.facts = () => masterFacts(actor);
      return actor;
    },
  });
}

/** Of so many runs one begins with masters of the version before this one. */
const OLDER_RUNS = 3;
/** How often such a master is started at most before it is the present version. */
const OLDER_STARTS_MAX = 3;

/** How many of its starts a master is of the version before this one: each is an upgrade less. */
function olderStarts({ world, steady, presentVersions }: Around, name: string): number {
  const isOlder = world.seed.once("setting:older").below(OLDER_RUNS) === 0;
  if (steady === true || presentVersions === true || !isOlder) return 0;
  return world.seed.once(`older:${name}`).below(OLDER_STARTS_MAX + 1);
}

/** Of so many frameworks one has a driver that knows nothing yet of what is only good to know. */
const OLDER_DRIVERS = 3;

function olderDriver({ world }: Around, name: string): Kind[] {
  return world.seed.once(`older:${name}`).below(OLDER_DRIVERS) === 0 ? ["FAILURE"] : [];
}

function scalar(name: string, milli: number): Resource {
  return { name, type: "SCALAR", scalar: { milli } };
}

/** Settings that differ from run to run, the product's first; each process of a run has the same. */
const DRAWN = {
  offerTimeoutMs: [60_000, 15_000, 5_000],
  snapshotRecords: [10_000, 120, 40],
  snapshotIntervalMs: [3_600_000, 15_000, 4_000],
  updateRetryMs: [10_000, 3_000, 1_000],
  // Nobody listens to operator events here: most runs spend their time on other things.
  eventsIntervalMs: [100, 1_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000],
} as const;

export function drawnSetting(seed: Seed, setting: keyof typeof DRAWN, steady = false): number {
  if (steady) return DRAWN[setting][0];
  const chance = seed.once(`setting:${setting}`);
  return chance.pick<number>(DRAWN[setting]) ?? DRAWN[setting][0];
}

const UPDATE_RETRY_MS_MAX = 30_000;

/** Where a batch ends is drawn: after one input, after a few, or by its own limits (P-9). */
function batches({ world, steady }: Around, name: string): HostOptions {
  if (steady === true) return {};
  const chance = world.seed.stream(`batch:${name}`);
  const batchMax = (): number => {
    const how = chance.below(8);
    if (how === 0) return 1;
    return how < 3 ? 1 + chance.below(8) : BATCH_INPUTS_MAX;
  };
  return { batchMax };
}

function agentRecipe(
  principal: Principal,
  replacements: number,
  updateRetryMs: number,
  { cpusMilli, memMib }: MachineSize,
): AgentRecipe {
  return {
    kind: "agent",
    cluster: asId<ClusterId>("sim"),
    config: {
      principal,
      agentId: asId<AgentId>(`${principal}-S${replacements + 1}`),
      hostname: principal,
      resources: [scalar("cpus", cpusMilli), scalar("mem", memMib * 1000)],
      attributes: [],
      updateRetryMs,
      // Shorter than the quiet phase of a run: what nobody acknowledged is said again within it.
      updateRetryMsMax: UPDATE_RETRY_MS_MAX,
      version: "sim",
      isolation: "v2",
      workDir: `/var/lib/meseta/${principal}`,
      environment: { PATH: "/usr/bin:/bin" },
    },
    changesUser: false,
    node: {
      machine: {
        cpus: cpusMilli / 1000,
        memoryBytes: memMib * 1024 * 1024,
        cgroupMode: "v2",
        isRoot: true,
      },
      cgroupRoot: "meseta",
      v2Mount: "/sys/fs/cgroup",
      v1Mounts: [],
      v2Controllers: ["cpu", "memory", "pids"],
      isWritable: true,
      pidsMax: 512,
      logs: { bytes: 1024 * 1024, files: 1 },
    },
  };
}

export function agentMember(around: Around, name: string, size = MACHINE): ClusterMember {
  const principal = asId<Principal>(name);
  const member = new ClusterMember(around, {
    name,
    role: "agent",
    identity: { role: "agent", principal },
    start(self, ports) {
      const { seed } = around.world;
      const updateRetryMs = drawnSetting(seed, "updateRetryMs", around.steady);
      const made = agentRecipe(principal, self.replacements, updateRetryMs, size);
      const config = { ...{}, ...made.config, ...around.agent };
      const recipe = { ...{}, ...made, config };
      // Everything an executor needs to know stands in Mesos' own variables.
      const executorAccess = () => ({
        containerId: asId<ContainerId>(ports.random.uuid()),
        credentialDir: null,
      });
      const given = { ports, executorAccess, ...batches(around, name) };
      const actor = self.begin(recipe, given, (surroundings) => {
        const { agent, isolator } = startAgentLife(recipe, surroundings);
        return { main: agent, all: [agent, isolator] };
      });
      self.facts = () => agentFacts(actor);
      return actor;
    },
  });
  if (member.machine !== undefined) installExecutors(around, member.machine);
  return member;
}

/** Name of the process that stands by to take a framework over. */
export function successorOf(name: string): string {
  return `${name}-successor`;
}

/** @param spare a second process of the framework, which a fault starts. */
export function frameworkMember(
  around: Around,
  name: string,
  work: Work,
  spare = false,
): ClusterMember {
  const principal = asId<Principal>(name);
  const instance = asId<InstanceId>(spare ? "i2" : "i1");
  const info: FrameworkInfo = {
    name,
    user: "nobody",
    roles: [name],
    failoverTimeoutMs: 3_600_000,
    checkpoint: true,
    capabilities: ["MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE"],
  };
  const observe = (event: SchedulerEvent): void => {
    if (event.kind !== "update") return;
    const { taskId, state, uuid } = event.status;
    around.observe({ what: "told", framework: name, taskId, state, uuid });
  };
  return new ClusterMember(around, {
    name: spare ? successorOf(name) : name,
    role: "framework",
    spare,
    identity: { role: "framework", principal, instance },
    start(member, ports) {
      const { frameworkId } = work;
      const process: SchedulerProcess = {
        instance,
        beganMs: around.world.nowMs,
        later: (inMs, run) => void ports.clock.timer(inMs, run),
      };
      work.begins?.(process);
      const config = {
        principal,
        instance,
        info,
        acknowledgeForMe: work.acknowledges !== true,
        knownTasks: work.known(),
        incarnation: member.starts,
        unnamedKinds: around.steady === true ? [] : olderDriver(around, name),
        ...(frameworkId === undefined ? {} : { frameworkId }),
      };
      const running = createFramework(
        ports,
        around.subjects,
        config,
        (event, driver) => {
          observe(event);
          work.on(event, driver, process);
          if (event.kind !== "ended") return;
          // Who is displaced does not come back by itself (P-4.4). Nor does a twin of who ended the
          // framework: the next one is begun by that process alone.
          const twin = event.reason === "framework-completed" && work.speaks?.(process) === false;
          if (twin || event.reason === "displaced") member.standDown(event.reason);
        },
        batches(around, name),
      );
      member.facts = () => frameworkFacts(running.actor);
      return running.actor;
    },
  });
}
