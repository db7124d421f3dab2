/**
 * The executor library as it is started: a driver for the author of a custom executor. It runs
 * in production and in the simulator alike; only the ports differ.
 */
import { executorPeer, type Kind, KINDS, type Subjects } from "#protocol";
import { type ActorPorts, type Behaviour, type RunningActor, startActor } from "#runtime";
import { AUTHOR } from "./author.ts";
import { executorMachine } from "./machine.ts";
import {
  type ExecutorCall,
  type ExecutorConfig,
  type ExecutorLibraryEvent,
  ExecutorState,
  type TaskUpdate,
} from "./state.ts";
import { batchEnded, entered, step } from "./step.ts";

export function executorBehaviour(config: ExecutorConfig): Behaviour<ExecutorState> {
  return {
    name: "executor",
    machine: executorMachine,
    state: new ExecutorState(config),
    step,
    entered: (state, lifecycle, _event, _env, out) => entered(state, lifecycle, out),
    batchEnded,
  };
}

/** What an author may ask. Everything is kept while the agent is away, but messages. */
export interface ExecutorDriver {
  /** Says a task's state; kept and said again until the agent has it on its disk. */
  update(update: TaskUpdate): void;
  /** To the framework's scheduler, best effort; dropped while the agent is away. */
  message(data: Uint8Array): void;
  /** Nothing more is to be done: ends when everything is acknowledged, or after a while. */
  finish(): void;
}

export interface RunningExecutor extends ExecutorDriver {
  readonly actor: RunningActor<ExecutorState>;
}

const KINDS_HEARD: readonly Kind[] = (Object.keys(KINDS) as Kind[]).filter((kind) =>
  (KINDS[kind].to as readonly string[]).includes("executor"),
);

/** Starts an executor; `onEvent` is told everything, in order, and may call back at once. */
export function createExecutor(
  ports: ActorPorts,
  subjects: Subjects,
  config: ExecutorConfig,
  onEvent: (event: ExecutorLibraryEvent, driver: ExecutorDriver) => void,
): RunningExecutor {
  const behaviour = executorBehaviour(config);
  const { state } = behaviour;
  const actor = startActor(behaviour, ports, {
    subjects,
    self: executorPeer(config.agent, config.containerId),
    serves: [],
    kinds: KINDS_HEARD,
    epoch: () => state.epoch,
  });
  const say = (call: ExecutorCall): void => actor.tell(AUTHOR, call);
  const driver: ExecutorDriver = {
    update: (update) => say({ kind: "update", update }),
    message: (data) => say({ kind: "say", data }),
    finish: () => say({ kind: "finish" }),
  };
  actor.connect(AUTHOR, {
    tell: (_by, message) => onEvent(message as ExecutorLibraryEvent, driver),
  });
  return { ...{}, ...driver, actor };
}
