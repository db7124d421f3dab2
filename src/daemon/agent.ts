/**
 * An agent's process: probes the machine, opens work directory, launcher and bus, and keeps the
 * agent and its isolator running on them. Containers outlive it; `end` takes them along.
 */
import { mkdir, readFile, statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Identity } from "#access";
import {
  type AgentState,
  type DiskUsage,
  faultPlaceText,
  parseFaultPoint,
  sandboxPath,
  withFaultPoint,
} from "#actors/agent";
import {
  containerLogs,
  findLauncherPrograms,
  openFilesDisk,
  openLauncher,
  systemClock,
  systemRandom,
  writeFileDurably,
} from "#adapters";
import { CGROUP_ROOT_DEFAULT, type CgroupMode, type InsideOptions } from "#isolation";
import { type AgentId, asId, type ClusterId } from "#protocol";
import { type AgentRecipe, startAgentLife } from "#recording";
import { parseAttributes, Resources } from "#resources";
import type { ActorPorts, Bus, Clock, Disk, Launcher, Logger, RunningActor } from "#runtime";
import { type BoundSettings, boundsOf } from "./bound-settings.ts";
import { buildVersion, nativeDir } from "./build.ts";
import type { Connections } from "./connections.ts";
import { ExecutorCredentials } from "./executor-credentials.ts";
import { type InsideSettings, insideOptions, unknownCalls } from "./inside-settings.ts";
import { keepRunning } from "./keep-running.ts";
import { endContainers, removeCgroups } from "./node-end.ts";
import { driverOf, type MachineFacts, probeMachine } from "./probe-machine.ts";
import { Recorder, type RecorderSettings, startRecorded } from "./recorder.ts";
import { shareOf } from "./machine-share.ts";
import { systemUser } from "./users.ts";

const ID_FILE = "agent-id";
const ID_LENGTH = 12;
const BYTES_PER_MIB = 1024 * 1024;
const DISK_WATCH_MS = 10_000;
/** What every task finds in its environment. */
const TASK_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface AgentProcessOptions {
  readonly cluster: ClusterId;
  readonly identity: Extract<Identity, { readonly role: "agent" }>;
  readonly connections: Connections;
  readonly logger: Logger;
  /** Root of everything that this agent keeps; made when absent. */
  readonly workDir: string;
  /** As text; undefined: what the machine has. */
  readonly resources: string | undefined;
  readonly reserve: string;
  readonly attributes: string;
  readonly gcDelayMs: number;
  readonly logFileBytes: number;
  readonly logFileCount: number;
  readonly pidsLimit: number;
  readonly inside: InsideSettings;
  readonly bounds: BoundSettings;
  readonly swapLimitBytes: number;
  /** Paths of devices that tasks may be granted; one that is absent is said, and left out. */
  readonly taskDevices: readonly string[];
  /** Absent: nothing is recorded. */
  readonly record?: RecorderSettings;
  /** The agent cannot go on; the process should end. */
  onGiveUp(why: string): void;
}

export interface AgentProcess {
  readonly agentId: AgentId;
  readonly facts: MachineFacts;
  /** Resolves when the leader has registered it for the first time. */
  readonly registered: Promise<void>;
  counts(): Iterable<readonly [string, string, number]>;
  /** Leaves; containers go on. */
  stop(): Promise<void>;
  /** Leaves and ends every container, process and cgroup of this node. */
  end(): Promise<void>;
}

/** @throws Error in one sentence: bad resources, work directory in use, not ours to write. */
export async function startAgent(options: AgentProcessOptions): Promise<AgentProcess> {
  const { workDir, logger, identity } = options;
  const clock = systemClock();
  const recorder = await recorderOf(options, clock);
  const disk = await openFilesDisk({ root: workDir, clock });
  const agentId = await openAgentId(workDir, identity.principal);
  const facts = probeMachine(workDir, options.taskDevices);
  for (const path of options.taskDevices) {
    if (facts.hardware?.devices.some((device) => device.path === path)) continue;
    logger.log("warn", `--task-devices: ${path} is no device of this machine`);
  }
  const driver = driverOf(facts, { root: CGROUP_ROOT_DEFAULT, agentId });
  const programs = findLauncherPrograms(nativeDir());
  const inside = insideOptions(options.inside, { isRoot: facts.isRoot, programs, workDir });
  // Launchers make what is below it, never the folder that they may not leave.
  await mkdir(inside.volumesDir, { recursive: true, mode: 0o700 });
  const recipe = recipeOf(options, { agentId, facts, mode: driver.mode, inside });
  const runtimeDir = join(workDir, "run");
  const launcher = openLauncher({
    programs,
    runtimeDir,
    driver,
    onMessage: (line) => logger.log("warn", `launcher: ${line}`),
  });
  if (facts.unenforcedBecause !== null) {
    logger.log("warn", `limits are not enforced: ${facts.unenforcedBecause}`);
  }
  sayInside(inside, logger);
  const bus = options.connections.bus(identity);
  const credentials = credentialsOf(options, { bus, clock, runtimeDir, inside });
  const ports: ActorPorts = {
    bus,
    clock,
    random: systemRandom(),
    logger,
    ...perhapsFaulty({ disk, launcher }, logger),
    streams: containerLogs({
      sandboxOf: (id) => sandboxPath(workDir, asId(id)),
      soon: (run) => clock.soon(run),
    }),
  };
  let life: readonly RunningActor<unknown>[] = [];
  let agent: RunningActor<AgentState> | undefined;
  const kept = keepRunning<AgentState>({
    name: "agent",
    clock,
    logger,
    start() {
      const executorAccess = credentials?.take.bind(credentials);
      const given = {
        ports,
        userOf: systemUser,
        ...(executorAccess === undefined ? {} : { executorAccess }),
      };
      agent = startRecorded(recorder, recipe, given, (surroundings) => {
        const { agent: main, isolator } = startAgentLife(recipe, surroundings);
        life = [main, isolator];
        return { main, all: life };
      });
      return agent;
    },
    onGiveUp: options.onGiveUp,
  });
  const watch = watchDisk(workDir, clock, (used) => agent?.tell("process", diskUsage(used)));
  const leave = async (): Promise<void> => {
    watch.stop();
    credentials?.stop();
    await kept.stop();
    await recorder?.close();
    await new Promise<void>((resolve) => bus.close(resolve));
  };
  return {
    agentId,
    facts,
    registered: Promise.all([
      untilRegistered(() => agent?.lifecycle() === "running", clock),
      credentials?.first,
    ]).then(() => undefined),
    *counts() {
      for (const { counters } of life) yield* counters;
      yield* credentials?.counts() ?? [];
      yield* recorder?.counts() ?? [];
    },
    async stop() {
      await leave();
      launcher.close();
      await closeDisk(disk);
    },
    async end() {
      await leave();
      await endContainers(launcher, logger);
      await closeLauncher(launcher, clock);
      await removeCgroups(driver, logger);
      await closeDisk(disk);
    },
  };
}

/** Executors are processes of their own: where there is no broker they reach nobody. */
function credentialsOf(
  { connections, identity, cluster, workDir, logger }: AgentProcessOptions,
  around: {
    readonly bus: Bus;
    readonly clock: Clock;
    readonly runtimeDir: string;
    readonly inside: InsideOptions;
  },
): ExecutorCredentials | undefined {
  const { bus, clock, runtimeDir, inside } = around;
  const { reach } = connections;
  if (reach === undefined) return undefined;
  return new ExecutorCredentials({
    ...{ cluster, principal: identity.principal, reach, bus, clock, logger, runtimeDir },
    dir: join(workDir, "executors"),
    random: systemRandom(),
    userIds: inside.userIds,
  });
}

interface Node {
  readonly agentId: AgentId;
  readonly facts: MachineFacts;
}

/** @throws Error in one sentence for resources and attributes that cannot be read. */
function recipeOf(
  options: AgentProcessOptions,
  {
    agentId,
    facts,
    mode,
    inside,
  }: Node & {
    readonly mode: CgroupMode;
    readonly inside: InsideOptions;
  },
): AgentRecipe {
  const { cpus, memoryBytes, cgroupMode, isRoot, hierarchies, hardware, cpuset } = facts;
  const machine = { cpus, memoryBytes, cgroupMode, isRoot };
  return {
    kind: "agent",
    cluster: options.cluster,
    config: {
      principal: options.identity.principal,
      agentId,
      hostname: hostname(),
      resources: readResources(options, facts).toWire(),
      attributes: readAttributes(options.attributes),
      version: buildVersion(),
      isolation: mode,
      ...(mode === "none" ? {} : { cgroup: `/${CGROUP_ROOT_DEFAULT}/${agentId}` }),
      workDir: options.workDir,
      environment: { PATH: TASK_PATH },
      gcDelayMs: options.gcDelayMs,
    },
    changesUser: isRoot,
    node: {
      machine: hardware === undefined ? machine : { ...machine, hardware },
      ...(cpuset === null ? {} : { cpuset }),
      cgroupRoot: CGROUP_ROOT_DEFAULT,
      v2Mount: hierarchies.v2,
      v1Mounts: [...hierarchies.v1],
      v2Controllers: facts.v2Controllers,
      isWritable: facts.unenforcedBecause === null,
      pidsMax: options.pidsLimit,
      swapMib: Math.floor(options.swapLimitBytes / BYTES_PER_MIB),
      logs: { bytes: options.logFileBytes, files: options.logFileCount },
      inside,
      ...boundsOf(options.bounds, { workDir: options.workDir, inside }),
    },
  };
}

/** For tests: MESETA_FAULT_POINT names the numbered point at which this process ends by SIGKILL. */
function perhapsFaulty<Ports extends { disk: Disk; launcher: Launcher }>(
  ports: Ports,
  logger: Logger,
): Ports {
  const text = process.env["MESETA_FAULT_POINT"];
  if (text === undefined) return ports;
  const chosen = parseFaultPoint(text);
  logger.log("warn", `MESETA_FAULT_POINT: ends at ${faultPlaceText(chosen.point.place)}`);
  return withFaultPoint(ports, chosen, () => process.kill(process.pid, "SIGKILL"));
}

/** What containers do not have here that they have elsewhere. */
function sayInside(inside: InsideOptions, logger: Logger): void {
  if (inside.unavailable !== null) {
    logger.log("warn", `containers see the whole host: ${inside.unavailable}`);
  }
  const unknown = unknownCalls(inside);
  if (unknown.length > 0) {
    logger.log(
      "warn",
      `seccomp profiles name calls that this machine lacks: ${unknown.join("; ")}`,
    );
  }
}

async function recorderOf(
  { record, identity, logger }: AgentProcessOptions,
  clock: Clock,
): Promise<Recorder | undefined> {
  if (record === undefined) return undefined;
  return await Recorder.open({ settings: record, name: identity.principal, clock, logger });
}

const diskUsage = (used: number): DiskUsage => ({ kind: "DiskUsage", used });

const REGISTERED_POLL_MS = 20;

function untilRegistered(isRunning: () => boolean, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (isRunning()) return resolve();
      clock.timer(REGISTERED_POLL_MS, look);
    };
    look();
  });
}

/** One per work directory, made with it (P-4.2). */
async function openAgentId(workDir: string, principal: string): Promise<AgentId> {
  const path = join(workDir, ID_FILE);
  const known = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (known !== undefined && known.trim() !== "") return asId(known.trim());
  const agentId = asId<AgentId>(`${principal}-${systemRandom().token(ID_LENGTH)}`);
  await writeFileDurably(path, `${agentId}\n`, { mode: 0o600 });
  return agentId;
}

function readResources(options: AgentProcessOptions, facts: MachineFacts): Resources {
  const text = options.resources ?? shareOf(facts, { index: 0, of: 1 });
  const total = Resources.parse(text);
  if (!total.ok) throw new Error(`--resources: ${total.error.message}`);
  if (options.reserve === "") return total.value;
  const reserved = Resources.parse(options.reserve);
  if (!reserved.ok) throw new Error(`--reserve: ${reserved.error.message}`);
  const plain = reserved.value.toUnreserved();
  if (!total.value.contains(plain)) {
    throw new Error(`--reserve: ${options.reserve} is more than there is: ${text}`);
  }
  return total.value.subtract(plain).add(reserved.value);
}

function readAttributes(text: string) {
  const attributes = parseAttributes(text);
  if (!attributes.ok) throw new Error(`--attributes: ${attributes.error.message}`);
  return attributes.value;
}

/** Tells how full the disk is, now and then. */
function watchDisk(path: string, clock: Clock, tell: (used: number) => void): { stop(): void } {
  let stopped = false;
  const look = (): void => {
    if (stopped) return;
    statfs(path).then(
      ({ blocks, bavail }) => {
        if (!stopped && blocks > 0) tell(1 - bavail / blocks);
      },
      // The directory went away under a running agent: its own writes will say so.
      () => undefined,
    );
    timer = clock.timer(DISK_WATCH_MS, look);
  };
  let timer = clock.timer(0, look);
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}

const closeDisk = (disk: Disk): Promise<void> => new Promise((resolve) => disk.close(resolve));

/** The launcher sits in a cgroup of its own; it must be gone before that can go. */
function closeLauncher(launcher: Launcher, clock: Clock): Promise<void> {
  launcher.close();
  return new Promise((resolve) => clock.timer(LAUNCHER_END_MS, resolve));
}

const LAUNCHER_END_MS = 50;
