/**
 * One simulated machine with a real agent on it, and a leader that does what the test says: it
 * lets agents come, admits them, acknowledges updates as told, and writes down what it hears.
 */
import { setup } from "xstate";
import { type AgentConfig, agentConfig, createAgent, type RunningAgent } from "#actors/agent";
import { defaultIsolators, noneDriver } from "#isolation";
import {
  type AnyMessage,
  asId,
  agentPeer,
  type FrameworkInfo,
  MASTER_PEER,
  type RegisterAgent,
  type StatusUpdate,
  subjectsOf,
  type TaskInfo,
} from "#protocol";
import { Resources } from "#resources";
import {
  type ActorPorts,
  type Behaviour,
  type Effect,
  type Input,
  type LocalMessage,
  type RunningActor,
  startActor,
} from "#runtime";
import {
  BusNetwork,
  clockOf,
  loggerOf,
  Paths,
  randomOf,
  SimDisk,
  SimLauncher,
  SimMachine,
  type SimNode,
  streamsOf,
  Trace,
  World,
} from "#sim";

export const AGENT = asId<TaskInfo["agentId"]>("agent-1");
export const FRAMEWORK = asId<StatusUpdate["frameworkId"]>("fw");
const PRINCIPAL = asId<AgentConfig["principal"]>("node1");
export const PEER = agentPeer(PRINCIPAL);
export const subjects = subjectsOf(asId("test"));

export const framework = (capabilities: string[] = []): FrameworkInfo => ({
  name: "framework",
  user: "",
  roles: ["*"],
  failoverTimeoutMs: 60_000,
  checkpoint: true,
  capabilities,
});

/** A command task; `more` overrides. */
export function task(id: string, value: string, more: Partial<TaskInfo> = {}): TaskInfo {
  return {
    name: id,
    taskId: asId(id),
    agentId: AGENT,
    resources: Resources.of("cpus:0.1;mem:32").toWire(),
    command: { shell: true, value },
    ...more,
  };
}

const leaderMachine = setup({
  types: { events: {} as { type: "Inputs"; batch: readonly Input[] } | { type: "Stop" } },
  actions: { handleBatch: () => undefined },
}).createMachine({
  id: "leader",
  initial: "leading",
  states: {
    leading: { tags: "handle", on: { Inputs: { actions: "handleBatch" }, Stop: "over" } },
    over: { type: "final", tags: "refuse" },
  },
});

export interface Order extends LocalMessage {
  readonly kind: "order";
  readonly message: AnyMessage;
}

/** What a leader was told, and how it behaves. */
export class LeaderState {
  epoch = 5;
  logId = "log";
  beacons = true;
  admits = true;
  /** Whether updates are acknowledged. */
  acknowledges: (update: StatusUpdate) => boolean = () => true;
  readonly heard: AnyMessage[] = [];
  readonly registrations: RegisterAgent[] = [];
  readonly updates: StatusUpdate[] = [];
  registered = 0;
  hellos = 0;
  /** What it wants of the agent; said again after each registration where it is not so (P-3.2). */
  readonly wanted: AnyMessage[] = [];
}

/** What the agent does not have of what was wanted: kills of what runs, tasks never heard of. */
function rederive(state: LeaderState, has: ReadonlySet<string>): AnyMessage[] {
  return state.wanted.filter((message) => {
    if (message.kind === "KillTask") return has.has(message.body.taskId);
    if (message.kind === "RunTask") return isUnheard(state, has, message.body.task);
    if (message.kind !== "RunTaskGroup") return false;
    return message.body.taskGroup.tasks.every((each) => isUnheard(state, has, each));
  });
}

function isUnheard(state: LeaderState, has: ReadonlySet<string>, { taskId }: TaskInfo): boolean {
  return !has.has(taskId) && !state.updates.some(({ status }) => status.taskId === taskId);
}

function leaderStep(state: LeaderState, input: Input, _env: unknown, out: Effect[]): void {
  if (input.family === "due") return beacon(state, out);
  if (input.family === "done") {
    if (input.what === "told") {
      const { message } = input.message as Order;
      out.push({ kind: "send", to: PEER, message });
    }
    if (input.what === "link" && input.link.change === "hello") {
      state.hellos += 1;
      if (state.admits) out.push({ kind: "come", peer: input.peer, session: input.link.session });
    }
    return;
  }
  state.heard.push({ kind: input.kind, body: input.body } as AnyMessage);
  if (input.kind === "RegisterAgent") {
    const { body } = input;
    state.registrations.push(body);
    if (body.part + 1 < body.parts) return;
    state.registered += 1;
    const told = { agentId: body.agent.agentId, heartbeatIntervalMs: 15_000 };
    out.push({ kind: "send", to: input.from, message: { kind: "AgentRegistered", body: told } });
    const last = state.registrations.slice(-body.parts);
    const has = new Set(last.flatMap(({ tasks }) => tasks.map(({ info }) => info.taskId)));
    for (const message of rederive(state, has)) out.push({ kind: "send", to: input.from, message });
  }
  if (input.kind === "StatusUpdate") {
    const { frameworkId, status } = input.body;
    state.updates.push(input.body);
    if (status.uuid === undefined || !state.acknowledges(input.body)) return;
    const body = { frameworkId, taskId: status.taskId, uuid: status.uuid };
    const message = { kind: "StatusUpdateAcknowledgement", body } as const;
    out.push({ kind: "send", to: input.from, message });
  }
}

function beacon(state: LeaderState, out: Effect[]): void {
  out.push({ kind: "timer", name: "beacon", inMs: 500 });
  if (!state.beacons) return;
  const body = {
    masterId: asId<never>("m1"),
    epoch: state.epoch,
    logId: state.logId,
    generation: 0,
    position: state.epoch,
    hash: "00",
    windowMs: 100,
    intervalMs: 500,
  };
  out.push({ kind: "publish", topic: "leader", message: { kind: "Beacon", body } });
}

export function leaderBehaviour(state: LeaderState): Behaviour<LeaderState> {
  return {
    name: "master",
    machine: leaderMachine,
    state,
    step: leaderStep,
    entered: (at, _lifecycle, _event, _env, out) => {
      out.push({ kind: "listen", to: "from-agents", listen: true });
      beacon(at, out);
    },
    batchEnded: () => undefined,
  };
}

export interface NodeOptions {
  readonly seed?: string;
  readonly config?: Partial<AgentConfig>;
  /** Changes the ports of the agent, in each of its lives. */
  readonly ports?: (ports: ActorPorts) => ActorPorts;
}

export class TestNode {
  readonly world: World;
  readonly trace = new Trace({ keepAll: true });
  readonly network: BusNetwork;
  readonly machine: SimMachine;
  readonly disk: SimDisk;
  readonly agentNode: SimNode;
  readonly leaderNode: SimNode;
  readonly leader = new LeaderState();
  readonly frameworkId = FRAMEWORK;
  readonly framework = framework();
  running: RunningAgent | undefined;
  #leaderActor: RunningActor<LeaderState> | undefined;
  readonly #options: NodeOptions;

  constructor(options: NodeOptions = {}) {
    this.#options = options;
    this.world = new World({ seed: options.seed ?? "7", recorder: this.trace });
    const paths = new Paths(this.world);
    this.network = new BusNetwork(this.world, paths, { brokers: ["n1"], profile: "nats" });
    this.machine = new SimMachine(this.world, "machine");
    this.disk = new SimDisk(this.world, "machine");
    this.agentNode = this.world.addNode("agent");
    this.leaderNode = this.world.addNode("leader");
    this.leaderNode.start(() => this.#bootLeader());
  }

  #portsOf(node: SimNode): ActorPorts {
    return {
      bus: this.network.connect(node),
      clock: clockOf(node),
      random: randomOf(this.world, node),
      logger: loggerOf(this.world, node),
    };
  }

  #bootLeader(): void {
    const { leader } = this;
    this.#leaderActor = startActor(leaderBehaviour(leader), this.#portsOf(this.leaderNode), {
      subjects,
      self: MASTER_PEER,
      serves: ["agent"],
      kinds: [],
      epoch: () => leader.epoch,
    });
  }

  /** The leader's process is gone; what it heard stays known to the test. */
  restartLeader(epoch: number): void {
    this.leaderNode.crash();
    this.leader.epoch = epoch;
    this.leaderNode.start(() => this.#bootLeader());
  }

  /** @param config what is other than in its earlier lives. */
  start(config: Partial<AgentConfig> = {}): void {
    const node = this.agentNode;
    node.start(() => {
      const ports: ActorPorts = {
        ...this.#portsOf(node),
        disk: this.disk.open(node),
        launcher: new SimLauncher(this.machine, node),
        streams: streamsOf(this.machine, node),
      };
      this.running = createAgent(
        this.#options.ports?.(ports) ?? ports,
        subjects,
        agentConfig({
          principal: PRINCIPAL,
          agentId: AGENT,
          hostname: "host",
          resources: Resources.of("cpus:16;mem:8192;disk:1000;ports:[31000-32000]").toWire(),
          attributes: [],
          version: "0.1.0",
          isolation: "none",
          workDir: "/work",
          userOf: null,
          environment: { PATH: "/usr/bin:/bin" },
          executorAccess: () => ({
            containerId: asId(ports.random.uuid()),
            credentialDir: null,
          }),
          ...this.#options.config,
          ...config,
        }),
        {
          agentId: AGENT,
          machine: { cpus: 16, memoryBytes: 8 << 30, cgroupMode: "none", isRoot: false },
          driver: noneDriver,
          isolators: defaultIsolators({ pidsMax: 99 }),
          logs: { bytes: 65_536, files: 1 },
        },
      );
    });
  }

  crash(): void {
    this.agentNode.crash();
    this.running = undefined;
  }

  run(ms: number): void {
    this.world.runUntil(this.world.nowMs + ms);
  }

  /** Runs until the condition holds; throws when it does not within two minutes. */
  until(condition: () => boolean, what: string, withinMs = 120_000): void {
    const endMs = this.world.nowMs + withinMs;
    while (!condition()) {
      if (this.world.nowMs > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
      this.world.runUntil(this.world.nowMs + 1);
    }
  }

  untilRegistered(times = 1): void {
    this.until(() => this.leader.registered >= times && this.lifecycle === "running", "registers");
  }

  get lifecycle(): string {
    return this.running?.agent.lifecycle() ?? "down";
  }

  order(message: AnyMessage): void {
    const order: Order = { kind: "order", message };
    this.leader.wanted.push(message);
    this.#leaderActor?.tell("test", order);
  }

  runTask(info: TaskInfo, capabilities: string[] = []): void {
    const body = { frameworkId: FRAMEWORK, framework: framework(capabilities), task: info };
    this.order({ kind: "RunTask", body });
  }

  kill(taskId: string, gracePeriodMs?: number): void {
    const body = {
      frameworkId: FRAMEWORK,
      taskId: asId<TaskInfo["taskId"]>(taskId),
      ...(gracePeriodMs === undefined ? {} : { killPolicy: { gracePeriodMs } }),
    };
    this.order({ kind: "KillTask", body });
  }

  /** What a framework would have been told of a task: each update once, in order. */
  story(taskId: string): string[] {
    const seen = new Set<string>();
    const lines: string[] = [];
    for (const { status } of this.leader.updates) {
      if (status.taskId !== taskId || status.uuid === undefined || seen.has(status.uuid)) continue;
      seen.add(status.uuid);
      const exit = status.exitCode === undefined ? "" : ` ${status.exitCode}`;
      const reason = status.reason === undefined ? "" : ` ${status.reason}`;
      lines.push(`${status.state}${exit}${reason}`);
    }
    return lines;
  }

  /** How often a command was started on the machine. */
  starts(words: string): number {
    return this.trace
      .records()
      .filter(({ kind, summary }) => kind === "start" && summary.endsWith(` ${words}`)).length;
  }
}
