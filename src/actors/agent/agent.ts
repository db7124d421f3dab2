/**
 * The agent as it is started: its behaviour, its settings, and the isolator beside it. It runs
 * in production and in the simulator alike; only the ports differ.
 */
import { agentPeer, type Kind, KINDS, roleOf, type Subjects } from "#protocol";
import {
  type ActorPorts,
  type Address,
  type Behaviour,
  type HostOptions,
  type RunningActor,
  startActor,
} from "#runtime";
import {
  AGENT_ACTOR,
  ISOLATOR_ACTOR,
  type IsolatorConfig,
  type IsolatorState,
  isolatorBehaviour,
} from "#isolation";
import { agentMachine } from "./machine.ts";
import { AGENT_DEFAULTS, type AgentConfig, type AgentIdentity, AgentState } from "./state.ts";
import { batchEnded, entered, step } from "./step.ts";

/** Mesos' defaults under what is given. */
export function agentConfig(given: AgentIdentity & Partial<AgentConfig>): AgentConfig {
  return { ...{}, ...AGENT_DEFAULTS, ...given };
}

export function agentBehaviour(config: AgentConfig): Behaviour<AgentState> {
  return {
    name: AGENT_ACTOR,
    machine: agentMachine,
    state: new AgentState(config),
    step,
    entered: (state, lifecycle, _event, env, out) => entered(state, lifecycle, env, out),
    batchEnded,
  };
}

export interface RunningAgent {
  readonly agent: RunningActor<AgentState>;
  readonly isolator: RunningActor<IsolatorState>;
  /** Ends both; containers go on. `done` when what was decided is on the disk. */
  stop(done: () => void): void;
  /** Ends both at once, as a crash does. */
  kill(): void;
}

/** Kinds that an agent hears: from the leader and from its executors. */
const KINDS_HEARD: readonly Kind[] = (Object.keys(KINDS) as Kind[]).filter((kind) =>
  (KINDS[kind].to as readonly string[]).includes("agent"),
);

/**
 * Starts an agent and the isolator of its node, connected with each other. The disk's root is
 * `config.workDir`; only the isolator uses the launcher.
 */
export function createAgent(
  ports: ActorPorts,
  subjects: Subjects,
  config: AgentConfig,
  isolatorConfig: IsolatorConfig,
  options: HostOptions = {},
): RunningAgent {
  const behaviour = agentBehaviour(config);
  const { state } = behaviour;
  const self = agentPeer(config.principal);
  // A launcher has one listener: the isolator. The agent alone has the disk and the logs.
  const { bus, clock, random, logger, launcher, disk, streams } = ports;
  const isolatorPorts: ActorPorts = {
    bus,
    clock,
    random,
    logger,
    ...(launcher === undefined ? {} : { launcher }),
  };
  const agentPorts: ActorPorts = {
    bus,
    clock,
    random,
    logger,
    ...(disk === undefined ? {} : { disk }),
    ...(streams === undefined ? {} : { streams }),
  };
  const node: Address = { subjects, self, serves: [], kinds: [], epoch: () => 0 };
  const isolator = startActor(isolatorBehaviour(isolatorConfig), isolatorPorts, node, options);
  const address: Address = {
    subjects,
    self,
    serves: ["executor"],
    kinds: KINDS_HEARD,
    epoch: (peer) => (roleOf(peer) === "executor" ? state.meta.incarnation : state.meta.epoch),
  };
  const agent = startActor(behaviour, agentPorts, address, options);
  isolator.connect(AGENT_ACTOR, agent);
  agent.connect(ISOLATOR_ACTOR, isolator);
  return {
    agent,
    isolator,
    stop: (done) => agent.stop(() => isolator.stop(done)),
    kill: () => {
      agent.kill();
      isolator.kill();
    },
  };
}
