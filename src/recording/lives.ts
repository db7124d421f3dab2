/**
 * From plain data to a running actor: what a daemon starts, what the head of a recording holds,
 * and what a replay starts again, by one function each. Reads nothing of the machine: what was
 * probed stands in the recipe, what can change later comes with the surroundings.
 */
import {
  type AgentConfig,
  agentConfig,
  type AgentIdentity,
  type AgentSettings,
  createAgent,
  type ExecutorAccess,
  type ExecutorOwner,
  type RunningAgent,
} from "#actors/agent";
import { createMaster, type MasterConfig, type MasterState } from "#actors/master";
import {
  type InsideOptions,
  insideIsolators,
  ISOLATOR_ACTOR,
  type IsolatorConfig,
  type IsolatorReport,
  type DiskOptions,
  type Machine,
  type PortsOptions,
  type WatchIntervals,
  type CpusetRoot,
  defaultIsolators,
  pickDriver,
} from "#isolation";
import { type ClusterId, type Peer, subjectsOf } from "#protocol";
import type { ActorPorts, ContainerUser, HostOptions, LogRotation, RunningActor } from "#runtime";
import type { Redactor } from "./redact.ts";
import { type Asked, type Codec, type Tape, TAG } from "./tape.ts";
import { presentOf, tapedPorts, type PortsPresent } from "./taped-ports.ts";

export interface MasterRecipe {
  readonly kind: "master";
  readonly cluster: ClusterId;
  readonly config: Omit<MasterConfig, "subjects">;
}

export interface AgentRecipe {
  readonly kind: "agent";
  readonly cluster: ClusterId;
  readonly config: Omit<AgentIdentity, "userOf" | "executorAccess"> & Partial<AgentSettings>;
  /** false: everything runs as the agent's own user. */
  readonly changesUser: boolean;
  readonly node: {
    readonly machine: Machine;
    readonly cgroupRoot: string;
    readonly v2Mount: string | null;
    readonly v1Mounts: readonly (readonly [controller: string, mount: string])[];
    readonly v2Controllers: readonly string[];
    /** Absent: none is mounted. */
    readonly cpuset?: CpusetRoot;
    /** Whether the agent may make cgroups. */
    readonly isWritable: boolean;
    readonly pidsMax: number;
    /** Absent in recordings of earlier versions: none. */
    readonly swapMib?: number;
    readonly logs: LogRotation;
    /** Absent: nothing bounds the disk of tasks, nobody looks at what ports they use. */
    readonly disk?: DiskOptions;
    readonly ports?: PortsOptions;
    /** How often both are looked at; absent: never. */
    readonly watch?: WatchIntervals;
    /** Absent: containers see and may what the launcher sees and may. */
    readonly inside?: InsideOptions;
  };
}

export type Recipe = MasterRecipe | AgentRecipe;

/** What an actor is given besides its recipe. */
export interface Surroundings {
  readonly ports: ActorPorts;
  readonly poisonous?: ReadonlySet<Peer>;
  /** Drawn by the simulator; absent in production. */
  readonly batchMax?: () => number;
  /** Users of the machine by name. */
  readonly userOf?: (name: string) => ContainerUser | undefined;
  /** The way to the agent for one custom executor more; absent: there are none here. */
  readonly executorAccess?: (owner: ExecutorOwner) => ExecutorAccess | string;
}

/** An actor with whoever lives and dies with it. */
export interface LifeParts<State = unknown> {
  readonly main: RunningActor<State>;
  readonly all: readonly RunningActor<unknown>[];
}

function optionsOf({ poisonous, batchMax }: Surroundings): HostOptions {
  return {
    ...{},
    ...(poisonous === undefined ? {} : { poisonous }),
    ...(batchMax === undefined ? {} : { batchMax }),
  };
}

/** @throws Error when the ports have no log. */
export function startMasterLife(
  { config, cluster }: MasterRecipe,
  surroundings: Surroundings,
): RunningActor<MasterState> {
  const { ports } = surroundings;
  const { log } = ports;
  if (log === undefined) throw new Error("a master needs a log");
  const whole = { ...{}, ...config, subjects: subjectsOf(cluster) };
  return createMaster({ ...{}, ...ports, log }, whole, optionsOf(surroundings));
}

export function isolatorConfigOf({ config, node }: AgentRecipe): IsolatorConfig {
  const { agentId } = config;
  return {
    agentId,
    machine: node.machine,
    driver: pickDriver({
      root: node.cgroupRoot,
      agentId,
      hierarchies: { v2: node.v2Mount, v1: new Map(node.v1Mounts) },
      v2Controllers: node.v2Controllers,
      ...(node.cpuset === undefined ? {} : { cpuset: node.cpuset }),
      isWritable: node.isWritable,
    }),
    isolators: [
      ...defaultIsolators({
        pidsMax: node.pidsMax,
        swapMib: node.swapMib ?? 0,
        ...(node.disk === undefined ? {} : { disk: node.disk }),
        ...(node.ports === undefined ? {} : { ports: node.ports }),
      }),
      ...(node.inside === undefined ? [] : insideIsolators(node.inside)),
    ],
    logs: node.logs,
    ...(node.watch === undefined ? {} : { watch: node.watch }),
  };
}

function agentConfigOf(recipe: AgentRecipe, surroundings: Surroundings): AgentConfig {
  const { userOf = null, executorAccess = null } = surroundings;
  const own = { userOf: recipe.changesUser ? userOf : null, executorAccess };
  return agentConfig({ ...{}, ...recipe.config, ...own });
}

/** The agent, whose isolator lives and dies with it. */
export function startAgentLife(recipe: AgentRecipe, surroundings: Surroundings): RunningAgent {
  const both = createAgent(
    surroundings.ports,
    subjectsOf(recipe.cluster),
    agentConfigOf(recipe, surroundings),
    isolatorConfigOf(recipe),
    optionsOf(surroundings),
  );
  const { agent, isolator } = both;
  isolator.onEnd(({ why }) => {
    const message = `the isolator ended: ${why}`;
    const report: IsolatorReport = { kind: "IsolatorFailed", message };
    agent.tell(ISOLATOR_ACTOR, report);
  });
  agent.onEnd(() => isolator.kill());
  return both;
}

export function startLife(recipe: Recipe, surroundings: Surroundings): LifeParts {
  if (recipe.kind === "master") {
    const main = startMasterLife(recipe, surroundings);
    return { main, all: [main] };
  }
  const { agent, isolator } = startAgentLife(recipe, surroundings);
  return { main: agent, all: [agent, isolator] };
}

/** What of the surroundings a replay must have too. */
export interface SurroundingsPresent {
  readonly ports: PortsPresent;
  readonly poisonous: readonly Peer[];
  readonly batchMax: boolean;
  readonly userOf: boolean;
  readonly executorAccess: boolean;
}

export function surroundingsPresent(given: Surroundings): SurroundingsPresent {
  return {
    ports: presentOf(given.ports),
    poisonous: [...(given.poisonous ?? [])],
    batchMax: given.batchMax !== undefined,
    userOf: given.userOf !== undefined,
    executorAccess: given.executorAccess !== undefined,
  };
}

/** What a replay has of its own besides the tape: nothing but somewhere to log. */
export type BehindTape = Omit<Surroundings, "ports" | "poisonous"> & {
  readonly logger: ActorPorts["logger"];
};

/**
 * The surroundings over a tape.
 * @param behind what is behind it; in a replay nothing is, and nothing of it is called.
 */
export function tapedSurroundings(
  tape: Tape,
  present: SurroundingsPresent,
  behind: BehindTape,
  redactor: Redactor,
): Surroundings {
  const { batchMax, userOf, executorAccess, logger } = behind;
  const anything: Codec<unknown> = {
    write: (to, value) => to.value(redactor.value(value)),
    read: (from) => from.value(),
  };
  const read = (what: string, args: readonly Asked[], take: () => unknown): unknown => {
    tape.ask(what, args, () => undefined);
    return tape.reading(TAG.named, anything, take);
  };
  return {
    ports: tapedPorts(tape, { present: present.ports, logger, redactor }),
    poisonous: new Set(present.poisonous),
    ...(present.batchMax
      ? { batchMax: () => Number(read("batchMax", [], () => batchMax?.())) }
      : {}),
    ...(present.userOf
      ? {
          userOf: (name: string) =>
            read("userOf", [name], () => userOf?.(name)) as ContainerUser | undefined,
        }
      : {}),
    ...(present.executorAccess
      ? {
          executorAccess: (owner: ExecutorOwner) =>
            read("executorAccess", [owner], () => executorAccess?.(owner)) as ReturnType<
              NonNullable<Surroundings["executorAccess"]>
            >,
        }
      : {}),
  };
}
