/** Tasks and the offers they are launched on: what fits, what a launch takes. Pure. */
import {
  asId,
  type CommandInfo,
  type ExecutorId,
  type ExecutorInfo,
  type Offer,
  type TaskId,
  type TaskInfo,
} from "#protocol";
import { Resources } from "#resources";

/** What the agent starts: a command task, or the program of an executor. */
export interface ProgramWish {
  /** Program and arguments; or a line for the shell. */
  readonly command: readonly [string, ...string[]] | string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the framework's user. */
  readonly user?: string;
}

/** An executor of your own, made with `runExecutor`. On each agent it is started with its first task. */
export interface ExecutorWish extends ProgramWish {
  /** The same id is the same executor, and must be described in the same words each time. */
  readonly id: string;
  /** What it needs beside its tasks, as text; nothing if absent. */
  readonly resources?: string;
  /** What it sees and may, as of a task. */
  readonly container?: NonNullable<ExecutorInfo["container"]>;
  /** Between its shutdown and the end of its container. */
  readonly graceMs?: number;
}

/** A task to run: a command, or something that an executor knows how to run. */
export type TaskWish = PlainTaskWish & (ProgramWish | ExecutedWish);

interface ExecutedWish {
  readonly executor: ExecutorWish;
  /** For the executor alone: what this task is. */
  readonly data?: Uint8Array;
}

interface PlainTaskWish {
  /** Unique within the framework for ever: letters, digits, `_` and `-`. */
  readonly id: string;
  /** For people; default: the id. */
  readonly name?: string;
  /** As text, such as `cpus:0.1;mem:32`. */
  readonly resources: string;
  /** On what other roles lend alone: the task is ended when they ask for it back. */
  readonly revocable?: boolean;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs?: number;
}

/** What of some offers is not taken yet. All must be of one agent and one role. */
export class OfferPool {
  readonly #offer: Offer;
  #left: Resources;
  /** Executors that a task of this pool starts, or finds running: their cost is taken once. */
  readonly #executors = new Set<string>();

  constructor(offer: Offer) {
    this.#offer = offer;
    this.#left = Resources.fromWire(offer.resources);
  }

  /** The task on this offer, which is smaller by it from now on; undefined when it does not fit. */
  take(wish: TaskWish): TaskInfo | undefined {
    const plain = Resources.of(wish.resources);
    const asked =
      wish.revocable === true
        ? Resources.fromWire(plain.toWire().map((each) => ({ ...{}, ...each, revocable: {} })))
        : plain;
    const wanted = asked.allocate(this.#offer.allocationRole);
    // Resources reserved for the role serve as well as those that are not.
    const found = this.#left.contains(wanted) ? wanted : this.#left.find(wanted);
    if (found === undefined) return undefined;
    const left = this.#left.subtract(found);
    const cost = this.#costOf(wish).allocate(this.#offer.allocationRole);
    if (!left.contains(cost)) return undefined;
    this.#left = left.subtract(cost);
    if ("executor" in wish) this.#executors.add(wish.executor.id);
    return taskOn(this.#offer, wish, found);
  }

  #costOf(wish: TaskWish): Resources {
    if (!("executor" in wish) || this.#executors.has(wish.executor.id)) return Resources.EMPTY;
    return Resources.of(wish.executor.resources ?? "");
  }
}

function commandOf({ command, env, user }: ProgramWish): CommandInfo {
  const variables = Object.entries(env ?? {}).map(([name, value]) => ({ name, value }));
  const run =
    typeof command === "string"
      ? { shell: true, value: command }
      : { shell: false, value: command[0], arguments: [...command] };
  return { ...{}, ...run, environment: { variables }, ...(user === undefined ? {} : { user }) };
}

function executorOf(wish: ExecutorWish): ExecutorInfo {
  return {
    executorId: asId<ExecutorId>(wish.id),
    type: "CUSTOM",
    command: commandOf(wish),
    resources: Resources.of(wish.resources ?? "").toWire(),
    ...(wish.container === undefined ? {} : { container: wish.container }),
    ...(wish.graceMs === undefined ? {} : { shutdownGracePeriodMs: wish.graceMs }),
  };
}

function taskOn(offer: Offer, wish: TaskWish, resources: Resources): TaskInfo {
  const run =
    "executor" in wish
      ? {
          executor: executorOf(wish.executor),
          ...(wish.data === undefined ? {} : { data: wish.data }),
        }
      : { command: commandOf(wish) };
  return {
    name: wish.name ?? wish.id,
    taskId: asId<TaskId>(wish.id),
    agentId: offer.agentId,
    resources: resources.toWire(),
    ...run,
    ...(wish.graceMs === undefined ? {} : { killPolicy: { gracePeriodMs: wish.graceMs } }),
  };
}
