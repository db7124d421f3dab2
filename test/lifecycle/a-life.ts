/**
 * One life of a real agent, with a leader beside it, in a process of its own that others kill:
 * real disk, launcher, cgroups and insides of containers. The argument is the path of a file of
 * orders. Whatever the leader hears is in the file `heard` before it is acknowledged; a life
 * goes on where that file ends, and ends by itself when all is over and nothing is kept.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  agentConfig,
  createAgent,
  type RunningAgent,
  parseFaultPoint,
  withFaultPoint,
} from "#actors/agent";
import {
  findLauncherPrograms,
  MemoryBroker,
  openFilesDisk,
  openLauncher,
  pinoLogger,
  systemClock,
  systemRandom,
} from "#adapters";
import { driverOf, INSIDE_SETTINGS_DEFAULT, insideOptions, probeMachine } from "#daemon";
import { defaultIsolators, insideIsolators } from "#isolation";
import { type AgentId, type AnyMessage, asId, isTerminal, MASTER_PEER } from "#protocol";
import type { StatusUpdate, TaskStatus } from "#protocol";
import { Resources } from "#resources";
import { type RunningActor, startActor } from "#runtime";
import {
  FRAMEWORK,
  framework,
  LeaderState,
  leaderBehaviour,
  subjects,
  task,
} from "../agent/a-node.ts";
import { until } from "../support/until.ts";

export interface TaskOrder {
  readonly id: string;
  readonly script: string;
  /** Killed when it runs, with this grace. */
  readonly killMs?: number;
  /** Given other resources when it runs. */
  readonly resized?: boolean;
}

export interface Orders {
  readonly dir: string;
  readonly root: string;
  readonly agentId: string;
  readonly tasks: readonly TaskOrder[];
  /** Tasks under way at a time. */
  readonly atOnce: number;
}

/** Of one life; whoever waits for it waits less long. */
const LIFE_MS_MAX = 600_000;
const PRINCIPAL = asId<never>("node1");

/** What was heard in all lives so far. A line that a kill has cut short was never acknowledged. */
export function heardIn(dir: string): TaskStatus[] {
  const path = join(dir, "heard");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as TaskStatus);
}

class Life {
  readonly leader = new LeaderState();
  readonly #orders: Orders;
  readonly #waiting: TaskOrder[];
  readonly #underWay = new Map<string, TaskOrder>();
  #master: RunningActor<LeaderState> | undefined;

  constructor(orders: Orders) {
    this.#orders = orders;
    const over = new Set<string>();
    for (const status of heardIn(orders.dir)) {
      this.leader.updates.push({ frameworkId: FRAMEWORK, status } as StatusUpdate);
      if (isTerminal(status.state)) over.add(status.taskId);
    }
    this.#waiting = orders.tasks.filter(({ id }) => !over.has(id));
    this.leader.acknowledges = ({ status }) => {
      appendFileSync(join(orders.dir, "heard"), `${JSON.stringify(status)}\n`);
      this.#hear(status);
      return true;
    };
  }

  begin(master: RunningActor<LeaderState>): void {
    this.#master = master;
    this.#fill();
  }

  get isOver(): boolean {
    return this.#waiting.length === 0 && this.#underWay.size === 0;
  }

  #hear({ taskId, state }: TaskStatus): void {
    const order = this.#underWay.get(taskId);
    if (order === undefined) return;
    if (isTerminal(state)) {
      this.#underWay.delete(taskId);
      return this.#fill();
    }
    const body = { frameworkId: FRAMEWORK, taskId };
    if (order.resized === true) {
      const resources = Resources.of("cpus:0.2;mem:64").toWire();
      this.#say({ kind: "UpdateTask", body: { ...body, resources } });
    }
    if (order.killMs !== undefined) {
      const killPolicy = { gracePeriodMs: order.killMs };
      this.#say({ kind: "KillTask", body: { ...body, killPolicy } });
    }
  }

  #fill(): void {
    while (this.#underWay.size < this.#orders.atOnce) {
      const order = this.#waiting.shift();
      if (order === undefined) return;
      this.#underWay.set(order.id, order);
      const { dir, agentId } = this.#orders;
      const starts = join(dir, "starts");
      const volume = { containerPath: starts, hostPath: starts, mode: "RW" } as const;
      const info = {
        ...task(order.id, `echo x >> ${starts}/${order.id}; ${order.script}`),
        agentId: asId<AgentId>(agentId),
        container: { type: "MESOS" as const, volumes: [volume] },
      };
      const body = { frameworkId: FRAMEWORK, framework: framework(), task: info };
      this.#say({ kind: "RunTask", body });
      if (order.killMs === undefined || !this.#isRunning(order.id)) continue;
      // It runs since an earlier life, in which the kill may have been lost.
      this.#hear({ taskId: asId(order.id), state: "TASK_RUNNING" } as TaskStatus);
    }
  }

  #isRunning(id: string): boolean {
    return this.leader.updates.some(({ status }) => status.taskId === id);
  }

  /** Now, and again after each registration where it is not so. */
  #say(message: AnyMessage): void {
    this.leader.wanted.push(message);
    if (this.leader.registered > 0) this.#master?.tell("test", { kind: "order", ...{ message } });
  }
}

async function live(orders: Orders): Promise<void> {
  const { dir, root } = orders;
  const agentId = asId<AgentId>(orders.agentId);
  const clock = systemClock();
  const random = systemRandom();
  const logger = pinoLogger({ level: "error", to: 2 });
  const workDir = join(dir, "work");
  const machine = probeMachine(dir);
  const driver = driverOf(machine, { root, agentId });
  const programs = findLauncherPrograms(join(process.cwd(), "dist", "native"));
  const launcher = openLauncher({
    programs,
    runtimeDir: join(workDir, "run"),
    driver,
    onMessage: (line) => process.stderr.write(`# launcher: ${line}\n`),
  });
  const disk = await openFilesDisk({ root: workDir, clock });
  const broker = new MemoryBroker(clock, subjects);
  const life = new Life(orders);
  const both = { clock, random, logger };
  const master = startActor(
    leaderBehaviour(life.leader),
    { bus: broker.connect({ role: "master", masterId: asId("m") }), ...both },
    { subjects, self: MASTER_PEER, serves: ["agent"], kinds: [], epoch: () => life.leader.epoch },
  );
  const bus = broker.connect({ role: "agent", principal: PRINCIPAL });
  const plain = { bus, ...both, disk, launcher };
  const chosen = process.env["MESETA_FAULT_POINT"];
  const end = (): void => void process.kill(process.pid, "SIGKILL");
  const ports = chosen === undefined ? plain : withFaultPoint(plain, parseFaultPoint(chosen), end);
  const settings = { ...INSIDE_SETTINGS_DEFAULT, hostPaths: [join(dir, "starts")] };
  const facts = { isRoot: machine.isRoot, programs, workDir };
  const isolators = [
    ...defaultIsolators({ pidsMax: 64 }),
    ...insideIsolators(insideOptions(settings, facts)),
  ];
  const running = createAgent(
    ports,
    subjects,
    agentConfig({
      principal: PRINCIPAL,
      agentId,
      hostname: "host",
      resources: Resources.of("cpus:64;mem:65536").toWire(),
      attributes: [],
      version: "0",
      isolation: driver.mode,
      workDir,
      userOf: null,
      environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      executorAccess: null,
      gcDelayMs: 0,
      gcIntervalMs: 100,
    }),
    { agentId, machine, driver, isolators, logs: { bytes: 65_536, files: 1 } },
  );
  life.begin(master);
  await until(() => life.isOver && isIdle(running), "all is over", LIFE_MS_MAX);
  running.stop(() => {
    launcher.close();
    disk.close(() => process.exit(0));
  });
}

function isIdle({ agent, isolator }: RunningAgent): boolean {
  const { tasks, sandboxes } = agent.state.model;
  return tasks.size === 0 && sandboxes.size === 0 && isolator.state.containers.size === 0;
}

const [path] = process.argv.slice(2);
if (path !== undefined && import.meta.filename === process.argv[1]) {
  await live(JSON.parse(readFileSync(path, "utf8")) as Orders);
}
