/**
 * Door of the agent: what runs tasks on one machine. It runs in production and in the simulator
 * alike; only the ports differ.
 */
import { agentPeer, type Kind, KINDS, type Subjects } from "#protocol";
import { type ActorPorts, type Behaviour, type RunningActor, startActor } from "#runtime";
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

export {
  apply,
  type AgentRecord,
  Checkpoint,
  type Executor,
  snapshot,
  type Task,
  type TaskKey,
  taskKey,
} from "./checkpoint.ts";
export { EXECUTORS_MAX } from "./executors.ts";
export {
  crc32,
  DISK_FULL_RETRIES_MAX,
  frameRecords,
  JournalWriter,
  readRecords,
} from "./journal.ts";
export { TASKS_MAX } from "./launch.ts";
export { LOGS_OPEN_MAX } from "./logs.ts";
export { agentMachine } from "./machine.ts";
export { fateOf, replay } from "./recovery.ts";
export { sandboxAgeMsMax, sandboxPath } from "./sandbox.ts";
export {
  AGENT_DEFAULTS,
  type AgentConfig,
  type AgentIdentity,
  type AgentSettings,
  AgentState,
  type DiskUsage,
  JOURNAL_PATH,
  META_PATH,
} from "./state.ts";
export { UPDATES_PER_TASK_MAX } from "./updates.ts";

/** Mesos' defaults under what is given. */
export function agentConfig(given: AgentIdentity & Partial<AgentConfig>): AgentConfig {
  return { ...AGENT_DEFAULTS, ...given };
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
function kindsHeard(): Kind[] {
  return (Object.keys(KINDS) as Kind[]).filter((kind) =>
    (KINDS[kind].to as readonly string[]).includes("agent"),
  );
}

/**
 * Starts an agent and the isolator of its node, connected with each other. The disk's root is
 * `config.workDir`; only the isolator uses the launcher.
 */
export function createAgent(
  ports: ActorPorts,
  subjects: Subjects,
  config: AgentConfig,
  isolatorConfig: IsolatorConfig,
): RunningAgent {
  const behaviour = agentBehaviour(config);
  const { state } = behaviour;
  const self = agentPeer(config.principal);
  const isolator = startActor(isolatorBehaviour(isolatorConfig), ports, {
    subjects,
    self,
    serves: [],
    kinds: [],
    epoch: () => 0,
  });
  const agent = startActor(behaviour, ports, {
    subjects,
    self,
    serves: ["executor"],
    kinds: kindsHeard(),
    epoch: () => state.meta.epoch,
  });
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
