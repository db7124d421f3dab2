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
  type RunningAgent,
} from "#actors/agent";
import { createMaster, type MasterConfig, type MasterState } from "#actors/master";
import {
  cpuIsolator,
  ISOLATOR_ACTOR,
  type IsolatorConfig,
  type IsolatorReport,
  type Machine,
  memIsolator,
  pickDriver,
  pidsIsolator,
} from "#isolation";
import { type ClusterId, type Peer, subjectsOf } from "#protocol";
import type { ActorPorts, ContainerUser, HostOptions, LogRotation, RunningActor } from "#runtime";
import type { Redactor } from "./redact.ts";
import { type Codec, type Tape, TAG } from "./tape.ts";
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
    /** Whether the agent may make cgroups. */
    readonly isWritable: boolean;
    readonly pidsMax: number;
    readonly logs: LogRotation;
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
}

/** An actor with whoever lives and dies with it. */
export interface LifeParts {
  readonly main: RunningActor<unknown>;
  readonly all: readonly RunningActor<unknown>[];
}

function optionsOf({ poisonous, batchMax }: Surroundings): HostOptions {
  return {
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
  const whole = { ...config, subjects: subjectsOf(cluster) };
  return createMaster({ ...ports, log }, whole, optionsOf(surroundings));
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
      isWritable: node.isWritable,
    }),
    isolators: [
      cpuIsolator({ isQuotaForAll: false }),
      memIsolator,
      pidsIsolator({ max: node.pidsMax }),
    ],
    logs: node.logs,
  };
}

function agentConfigOf(recipe: AgentRecipe, { userOf }: Surroundings): AgentConfig {
  return agentConfig({
    ...recipe.config,
    userOf: recipe.changesUser && userOf !== undefined ? userOf : null,
    executorAccess: null,
  });
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
}

export function surroundingsPresent(given: Surroundings): SurroundingsPresent {
  return {
    ports: presentOf(given.ports),
    poisonous: [...(given.poisonous ?? [])],
    batchMax: given.batchMax !== undefined,
    userOf: given.userOf !== undefined,
  };
}

const ANYTHING: Codec<unknown> = {
  write: (to, value) => to.value(value),
  read: (from) => from.value(),
};

/**
 * The surroundings over a tape.
 * @param given what is behind it; in a replay nothing is, and nothing of it is called.
 */
export function tapedSurroundings(
  tape: Tape,
  present: SurroundingsPresent,
  given: Pick<Surroundings, "batchMax" | "userOf"> & { readonly logger: ActorPorts["logger"] },
  redactor: Redactor,
): Surroundings {
  const { batchMax, userOf, logger } = given;
  const read = (what: string, args: readonly string[], take: () => unknown): unknown => {
    tape.ask(what, args, () => undefined);
    return tape.reading(TAG.named, ANYTHING, take);
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
  };
}
