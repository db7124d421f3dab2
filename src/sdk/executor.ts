/**
 * `runExecutor`: a custom executor of your own, as the program that an agent starts in a container.
 * It reads from its environment who it is, opens the connection, and tells your handlers what
 * happens, in order, one at a time. It runs no task itself: how is what you write it for.
 */
import { inboxOf } from "#access";
import {
  createExecutor,
  type ExecutorConfig,
  type ExecutorDriver,
  type ExecutorLibraryEvent,
  type TaskUpdate,
} from "#actors/executor";
import {
  entryOf,
  natsBus,
  pinoLogger,
  readCredentialFile,
  systemClock,
  systemRandom,
} from "#adapters";
import { parseDuration } from "#config";
import {
  asId,
  idFault,
  type ExecutorId,
  type FrameworkId,
  type LogLevel,
  type TaskInfo,
  subjectsOf,
} from "#protocol";

const STANDARD_ERROR = 2;

type EventOf<Kind extends ExecutorLibraryEvent["kind"]> = Omit<
  Extract<ExecutorLibraryEvent, { readonly kind: Kind }>,
  "kind"
>;

/** What you are told. Every handler may call the driver at once. */
export interface ExecutorHandlers {
  /** The agent knows this executor; again after each time that one of the two was away. */
  subscribed?(event: EventOf<"subscribed">, driver: ExecutorDriver): void;
  /** Run it, and say by `driver.update` how it fares: TASK_RUNNING first, its end last. */
  launch(task: TaskInfo, driver: ExecutorDriver): void;
  /** End the task and say so. */
  kill(event: EventOf<"kill">, driver: ExecutorDriver): void;
  /** The agent has this update on its disk. */
  acknowledged?(event: EventOf<"acknowledged">, driver: ExecutorDriver): void;
  /** A message of the framework. */
  message?(data: Uint8Array, driver: ExecutorDriver): void;
  /** The agent is away: go on; what you say is kept for it. */
  disconnected?(driver: ExecutorDriver): void;
  /**
   * End all tasks, say so, and call `driver.finish`: when `graceMs` is over the container ends. Without
   * this handler the executor finishes at once.
   */
  shutdown?(event: EventOf<"shutdown">, driver: ExecutorDriver): void;
  /** An update that was not taken, since too many wait for the agent. */
  refused?(event: EventOf<"refused">, driver: ExecutorDriver): void;
  error?(message: string, driver: ExecutorDriver): void;
}

export interface RunExecutorOptions {
  /** Where to read who this is and how to get to the agent. Default: this process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** How much the driver says on standard error. Default `warn`. */
  readonly logLevel?: LogLevel;
}

export interface RunningExecutorProgram extends ExecutorDriver {
  /** Nothing more will come, and all that was said is with the agent, or cannot be. */
  readonly ended: Promise<void>;
}

/**
 * Runs this process as a custom executor of the agent that started it.
 * @throws Error in one sentence that names the variable when it was not started by an agent.
 */
export function runExecutor(
  handlers: ExecutorHandlers,
  options: RunExecutorOptions = {},
): RunningExecutorProgram {
  const environment = options.environment ?? process.env;
  const path = needed(environment, "MESETA_EXECUTOR_CREDENTIAL");
  const file = readCredentialFile(path);
  const { identity } = entryOf(file, "executor");
  const clock = systemClock();
  const random = systemRandom();
  const bus = natsBus({
    servers: file.servers,
    // Read at each dial: the agent renews it.
    credential: () => entryOf(readCredentialFile(path), "executor").credential,
    inbox: inboxOf(identity),
    name: `meseta executor ${identity.containerId}`,
    clock,
    nonce: random.token(8),
    ...(file.authority === undefined ? {} : { authority: file.authority }),
  });
  const logger = pinoLogger({ level: options.logLevel ?? "warn", to: STANDARD_ERROR });
  const config = {
    agent: identity.principal,
    containerId: identity.containerId,
    ...configIn(environment),
  };
  const { actor, ...driver } = createExecutor(
    { bus, clock, random, logger },
    subjectsOf(file.cluster),
    config,
    (event, told) => tell(event, told, handlers),
  );
  const ended = new Promise<void>((resolve) =>
    actor.onEnd(({ kind, why }) => {
      if (kind === "died") logger.log("error", `the executor died: ${why}`);
      bus.close(resolve);
    }),
  );
  return { ...{}, ...driver, ended };
}

/** As Mesos names them. */
function configIn(
  environment: Readonly<Record<string, string | undefined>>,
): Omit<ExecutorConfig, "agent" | "containerId"> {
  const id = (name: string): string => {
    const text = needed(environment, name);
    const fault = idFault(text);
    if (fault !== undefined) throw new Error(`${name}: ${fault}`);
    return text;
  };
  const recoveryTimeoutMs = durationIn(environment, "MESOS_RECOVERY_TIMEOUT");
  const shutdownGraceMs = durationIn(environment, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD");
  return {
    frameworkId: asId<FrameworkId>(id("MESOS_FRAMEWORK_ID")),
    executorId: asId<ExecutorId>(id("MESOS_EXECUTOR_ID")),
    ...(recoveryTimeoutMs === undefined ? {} : { recoveryTimeoutMs }),
    ...(shutdownGraceMs === undefined ? {} : { shutdownGraceMs }),
  };
}

function needed(environment: Readonly<Record<string, string | undefined>>, name: string): string {
  const text = environment[name];
  if (text !== undefined && text !== "") return text;
  throw new Error(`${name} is not set: an executor is started by an agent, not by hand`);
}

function durationIn(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): number | undefined {
  const text = environment[name];
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`${name}: ${text} is no duration such as 15m or 900000ms`);
  return ms;
}

function tell(
  event: ExecutorLibraryEvent,
  driver: ExecutorDriver,
  handlers: ExecutorHandlers,
): void {
  switch (event.kind) {
    case "subscribed":
      return handlers.subscribed?.(event, driver);
    case "launch":
      return handlers.launch(event.task, driver);
    case "launch-group":
      for (const task of event.taskGroup.tasks) handlers.launch(task, driver);
      return;
    case "kill":
      return handlers.kill(event, driver);
    case "acknowledged":
      return handlers.acknowledged?.(event, driver);
    case "message":
      return handlers.message?.(event.data, driver);
    case "disconnected":
      return handlers.disconnected?.(driver);
    case "shutdown":
      return handlers.shutdown === undefined ? driver.finish() : handlers.shutdown(event, driver);
    case "refused":
      return handlers.refused?.(event, driver);
    case "error":
      return handlers.error?.(event.message, driver);
  }
}

export type { ExecutorDriver, TaskUpdate };
