/**
 * Containers through one agent: RunTask from a leader in the same process, journal synced, the
 * isolator's actor per container, the real launcher with this machine's cgroups, status updates
 * acknowledged. Measures starts a second and the time from RunTask to TASK_RUNNING.
 */
import { mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setup } from "xstate";
import { agentConfig, createAgent } from "#actors/agent";
import {
  findLauncherPrograms,
  MemoryBroker,
  openFilesDisk,
  openLauncher,
  pinoLogger,
  systemClock,
  systemRandom,
} from "#adapters";
import { type CgroupDriver, defaultIsolators, LAUNCHER_CGROUP } from "#isolation";
import { type AgentId, asId, MASTER_PEER, subjectsOf, type TaskId } from "#protocol";
import { Resources } from "#resources";
import { type Behaviour, type Effect, type Input, startActor } from "#runtime";
import { driverOf, probeMachine } from "#daemon";
import type { ProcessorTime } from "./processor-time.ts";

/** Tasks of one run, and how many may be under way at a time. */
const TASKS = 1_500;
const UNDER_WAY_MAX = 64;
/** The first are not counted: the engine compiles what it runs while it runs it. */
const WARM_UP_TASKS = 300;
/** The run is given up when it takes longer. */
const RUN_MS_MAX = 60_000;
const REMOVE_TRIES_MAX = 500;

const agentId = asId<AgentId>("bench-agent");
const principal = asId<never>("bench");
const leaderMachine = setup({ actions: { handleBatch: () => undefined } }).createMachine({
  id: "leader",
  initial: "leading",
  states: { leading: { tags: "handle", on: { Inputs: { actions: "handleBatch" } } } },
});

/** Hands out tasks as others end, and writes down when each ran and ended. */
class Leader {
  launched = 0;
  ended = 0;
  readonly asked = new Map<string, number>();
  readonly waits: number[] = [];
  readonly over: () => void;
  readonly cpu: ProcessorTime;
  /** Where the counting began. */
  warm: { atMs: number; cpuMs: number | null; node: NodeJS.CpuUsage };

  constructor(cpu: ProcessorTime, over: () => void) {
    this.over = over;
    this.cpu = cpu;
    this.warm = { atMs: 0, cpuMs: null, node: process.cpuUsage() };
  }

  end(nowMs: number): void {
    this.ended += 1;
    if (this.ended !== WARM_UP_TASKS) return;
    this.waits.length = 0;
    this.warm = { atMs: nowMs, cpuMs: this.cpu.readMs(), node: process.cpuUsage() };
  }

  fill(nowMs: number, out: Effect[]): void {
    while (this.launched < TASKS && this.launched - this.ended < UNDER_WAY_MAX) {
      this.launched += 1;
      const taskId = asId<TaskId>(`t${this.launched}`);
      this.asked.set(taskId, nowMs);
      const task = {
        name: taskId,
        taskId,
        agentId,
        resources: Resources.of("cpus:0.01;mem:32").toWire(),
        command: { shell: false, value: "/bin/true" },
      };
      const framework = {
        name: "bench",
        user: "",
        roles: ["*"],
        failoverTimeoutMs: 0,
        checkpoint: true,
        capabilities: [],
      };
      const body = { frameworkId: asId<never>("fw"), framework, task };
      out.push({ kind: "send", to: PEER, message: { kind: "RunTask", body } });
    }
  }
}

const PEER = `agent.${principal}` as typeof MASTER_PEER;

function step(leader: Leader, input: Input, nowMs: number, out: Effect[]): void {
  if (input.family === "done") {
    if (input.what !== "link" || input.link.change !== "hello") return;
    return void out.push({ kind: "come", peer: input.peer, session: input.link.session });
  }
  if (input.family !== "mail") return beacon(out);
  if (input.kind === "RegisterAgent") {
    const body = { agentId, heartbeatIntervalMs: 15_000 };
    out.push({ kind: "send", to: PEER, message: { kind: "AgentRegistered", body } });
    leader.fill(nowMs, out);
  }
  if (input.kind !== "StatusUpdate") return;
  const { frameworkId, status } = input.body;
  const { taskId, uuid } = status;
  if (uuid !== undefined) {
    const body = { frameworkId, taskId, uuid };
    out.push({ kind: "send", to: PEER, message: { kind: "StatusUpdateAcknowledgement", body } });
  }
  if (status.state === "TASK_RUNNING") {
    return void leader.waits.push(nowMs - (leader.asked.get(taskId) ?? nowMs));
  }
  if (status.state !== "TASK_FINISHED") process.stderr.write(`${JSON.stringify(status)}\n`);
  leader.end(nowMs);
  leader.fill(nowMs, out);
  if (leader.ended === TASKS) leader.over();
}

function beacon(out: Effect[]): void {
  const ids = { masterId: asId<never>("m"), logId: "bench", hash: "00" };
  const body = { ...ids, epoch: 1, generation: 0, position: 1, windowMs: 0, intervalMs: 500 };
  out.push({ kind: "publish", topic: "leader", message: { kind: "Beacon", body } });
  out.push({ kind: "timer", name: "beacon", inMs: 500 });
}

/** Everything that a process would set up, in a folder of its own. */
async function setUp(root: string, cpu: ProcessorTime, over: () => void) {
  const dir = mkdtempSync(join(tmpdir(), "meseta-bench-"));
  const clock = systemClock();
  const random = systemRandom();
  const logger = pinoLogger({ level: "error", to: 2 });
  const subjects = subjectsOf(asId("bench"));
  const broker = new MemoryBroker(clock, subjects);
  const machine = probeMachine(dir);
  const driver = driverOf(machine, { root, agentId });
  const launcher = openLauncher({
    programs: findLauncherPrograms(new URL("../native/", import.meta.url).pathname),
    runtimeDir: join(dir, "run"),
    driver,
    onMessage: (line) => process.stderr.write(`launcher: ${line}\n`),
  });
  const disk = await openFilesDisk({ root: join(dir, "work"), clock });
  const leader = new Leader(cpu, over);
  const masterBus = broker.connect({ role: "master", masterId: asId("m") });
  const master = startActor(
    leaderBehaviour(leader),
    { bus: masterBus, clock, random, logger },
    { subjects, self: MASTER_PEER, serves: ["agent"], kinds: [], epoch: () => 1 },
  );
  const bus = broker.connect({ role: "agent", principal });
  const workDir = join(dir, "work");
  const agent = createAgent(
    { bus, clock, random, logger, disk, launcher },
    subjects,
    configOf(driver.mode, workDir),
    {
      agentId,
      machine,
      driver,
      isolators: defaultIsolators({ pidsMax: 64 }),
      logs: { bytes: 65_536, files: 1 },
    },
  );
  const tearDown = async (): Promise<void> => {
    await new Promise<void>((resolve) => agent.stop(resolve));
    master.kill();
    launcher.close();
    await new Promise<void>((resolve) => disk.close(resolve));
    await removeCgroups(driver);
  };
  return { leader, clock, tearDown, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

function leaderBehaviour(state: Leader): Behaviour<Leader> {
  return {
    name: "master",
    machine: leaderMachine,
    state,
    step: (leader, input, env, out) => step(leader, input, env.nowMs, out),
    entered: (_state, _lifecycle, _event, _env, out) => {
      out.push({ kind: "listen", to: "from-agents", listen: true });
      beacon(out);
    },
    batchEnded: () => undefined,
  };
}

function configOf(isolation: string, workDir: string) {
  return agentConfig({
    principal,
    agentId,
    hostname: "bench",
    resources: Resources.of("cpus:64;mem:65536").toWire(),
    attributes: [],
    version: "0",
    isolation,
    workDir,
    userOf: null,
    environment: { PATH: "/usr/bin:/bin" },
    executorAccess: null,
  });
}

export interface AgentFigures {
  readonly containers: number;
  readonly atOnce: number;
  readonly tookMs: number;
  /** Of everything: this process, launcher, shims, tasks, kernel; null where nobody counts. */
  readonly cpuMs: number | null;
  /** Of this process alone: leader, agent and isolator, adapters, threads of the runtime. */
  readonly nodeCpuMs: number;
  /** RunTask to TASK_RUNNING, while the agent is full of work. */
  readonly waits: readonly number[];
  /** Takes the files away, once all parts are over. */
  readonly remove: () => void;
}

/** @throws Error when not every task came to its end in time. */
export async function measureAgent(root: string, cpu: ProcessorTime): Promise<AgentFigures> {
  let over: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const { leader, clock, tearDown, remove } = await setUp(root, cpu, () => over());
  const limit = setTimeout(() => over(), RUN_MS_MAX);
  await ended;
  clearTimeout(limit);
  const { warm } = leader;
  const tookMs = clock.monotonicMs() - warm.atMs;
  const node = process.cpuUsage(warm.node);
  const cpuMs = cpu.readMs();
  await tearDown();
  if (leader.ended < TASKS) throw new Error(`${leader.ended} of ${TASKS} tasks ended in time`);
  return {
    containers: TASKS - WARM_UP_TASKS,
    atOnce: UNDER_WAY_MAX,
    tookMs,
    cpuMs: cpuMs === null || warm.cpuMs === null ? null : cpuMs - warm.cpuMs,
    nodeCpuMs: (node.user + node.system) / 1_000,
    waits: leader.waits,
    remove,
  };
}

/** The launcher leaves its own cgroup when it has ended, a moment after it was closed. */
export async function removeCgroups(driver: CgroupDriver): Promise<void> {
  const directories = [
    ...driver.directories,
    ...driver.launcherJoin().map((path) => dirname(dirname(path))),
  ];
  // The benchmark's own directory goes last, when this process has left it.
  const paths = directories.flatMap((path) => [join(path, LAUNCHER_CGROUP), path]);
  for (let tries = 1; paths.length > 0; tries++) {
    const [path] = paths;
    try {
      if (path !== undefined) rmdirSync(path);
      paths.shift();
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (isGone) paths.shift();
      else if (tries > REMOVE_TRIES_MAX) throw error;
      else await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
