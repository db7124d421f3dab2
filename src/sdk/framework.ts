/**
 * `connect`: a framework of your own on a cluster. It opens the connection, runs the driver on
 * it, and tells your handlers what happens, in order, one at a time.
 */
import { resolve } from "node:path";
import { userInfo } from "node:os";
import { inboxOf } from "#access";
import {
  createFramework,
  type Driver,
  type FrameworkConfig,
  type SchedulerEvent,
} from "#actors/framework";
import {
  entryOf,
  natsBus,
  pinoLogger,
  readCredentialFile,
  systemClock,
  systemRandom,
} from "#adapters";
import {
  asId,
  type FrameworkId,
  idFault,
  type InverseOffer,
  type LogLevel,
  type Offer,
  type OperationStatus,
  subjectsOf,
  type TaskId,
  type TaskStatus,
} from "#protocol";
import type { Bus } from "#runtime";

const DAY_MS = 24 * 3_600_000;
const STANDARD_ERROR = 2;

export interface ConnectOptions {
  /** The credential file: `meseta up` prints the path of one, `meseta credential create` makes more. */
  readonly credentials: string;
  /** For people. */
  readonly name: string;
  /** Roles whose offers are wanted. Default: `*`. */
  readonly roles?: readonly string[];
  /** Wants offers of what other roles lend, as revocable resources; tasks on it may be ended. */
  readonly revocable?: boolean;
  /** Addresses of the broker; default: those in the credential file. */
  readonly servers?: readonly string[];
  /** User that commands run as; default: whoever runs this process. */
  readonly user?: string;
  /** Id of an earlier life of this framework, which this one continues. */
  readonly frameworkId?: string;
  /** Tasks of that earlier life whose state is wanted. */
  readonly knownTasks?: readonly string[];
  /** How long tasks live on when this process is away. Default: a day. */
  readonly failoverTimeoutMs?: number;
  /**
   * `done`: an update is acknowledged when your handler has returned. `mine`: you say when, by
   * `driver.acknowledge`, after you have made it durable; until then it comes again. Default `done`.
   */
  readonly acknowledge?: "done" | "mine";
  /** How much the driver says on standard error. Default `warn`. */
  readonly logLevel?: LogLevel;
}

/** What you are told. Every handler may call the driver at once. */
export interface Handlers {
  /** The leader knows this framework; keep the id to continue after a restart. */
  subscribed?(event: { readonly frameworkId: string; readonly epoch: number }, on: Driver): void;
  /** Resources that are yours until you accept, decline, or they are rescinded. */
  offers?(offers: readonly Offer[], driver: Driver): void;
  rescinded?(offerId: string, driver: Driver): void;
  /** A task has changed; at least once, in order per task. */
  update?(status: TaskStatus, driver: Driver): void;
  /** What came of RESERVE, UNRESERVE, CREATE or DESTROY that you gave an id. */
  operation?(status: OperationStatus, driver: Driver): void;
  /** Agents that will be away for maintenance: say whether you can leave them before. */
  inverseOffers?(inverseOffers: readonly InverseOffer[], driver: Driver): void;
  /** What was asked is void: another schedule, or the agent is away. */
  inverseOfferRescinded?(inverseOfferId: string, driver: Driver): void;
  /** An answer to one of your calls, by the number that the call returned. */
  answered?(
    answer: {
      readonly call: number;
      readonly of: string;
      readonly accepted: boolean;
      readonly reason: string | undefined;
      readonly message: string | undefined;
    },
    driver: Driver,
  ): void;
  /** An agent or an executor was lost. */
  failure?(event: Extract<SchedulerEvent, { readonly kind: "failure" }>["body"], on: Driver): void;
  /** A message of one of your executors. */
  message?(event: Extract<SchedulerEvent, { readonly kind: "message" }>["body"], on: Driver): void;
  /** The leader is away. Offers are void; the driver comes back by itself. */
  disconnected?(why: string, driver: Driver): void;
  /**
   * Nothing more will come: displaced by another copy, torn down, not allowed, or `died`: a handler
   * has thrown, or the driver itself. What was not acknowledged comes again to whoever continues.
   */
  ended?(reason: string, message: string): void;
}

export interface Framework extends Driver {
  /** Leaves and closes the connection; tasks go on until the failover timeout. */
  close(): Promise<void>;
  /** Ends the framework for good, its tasks with it, and closes the connection. */
  end(): Promise<void>;
}

/**
 * Connects a framework to a cluster.
 * @throws Error in one sentence when the credential file cannot be used.
 */
export function connect(options: ConnectOptions, handlers: Handlers): Framework {
  const path = resolve(options.credentials);
  const file = readCredentialFile(path);
  const { identity } = entryOf(file, "framework");
  const clock = systemClock();
  const random = systemRandom();
  const bus = natsBus({
    servers: options.servers ?? file.servers,
    // Read at each dial: whoever keeps the cluster renews it.
    credential: () => entryOf(readCredentialFile(path), "framework").credential,
    inbox: inboxOf(identity),
    name: `meseta framework ${options.name}`,
    clock,
    nonce: random.token(8),
    ...(file.authority === undefined ? {} : { authority: file.authority }),
  });
  const logger = pinoLogger({ level: options.logLevel ?? "warn", to: STANDARD_ERROR });
  const { actor, ...driver } = createFramework(
    { bus, clock, random, logger },
    subjectsOf(file.cluster),
    configOf(options, identity),
    (event, told) => tell(event, told, handlers),
  );
  const closeBus = (): Promise<void> => new Promise((done) => bus.close(done));
  // A driver that has died of a fault, such as one that a handler threw, would be silent for ever.
  actor.onEnd(({ kind, why }) => {
    if (kind === "died") handlers.ended?.("died", why);
  });
  return {
    ...{},
    ...driver,
    async close() {
      await lastWords(bus);
      await new Promise<void>((done) => actor.stop(done));
      await closeBus();
    },
    async end() {
      const over = new Promise<void>((done) => actor.onEnd(() => done()));
      driver.teardown();
      await over;
      await closeBus();
    },
  };
}

/** What was said in this turn, acknowledgements too, leaves before the driver does. */
async function lastWords(bus: Bus): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise((done) => setImmediate(done));
  await new Promise((done) => bus.flush(done));
}

function configOf(
  options: ConnectOptions,
  identity: Pick<FrameworkConfig, "principal" | "instance">,
): FrameworkConfig {
  return {
    principal: identity.principal,
    instance: identity.instance,
    info: {
      name: options.name,
      user: options.user ?? userInfo().username,
      roles: [...(options.roles ?? ["*"])],
      failoverTimeoutMs: options.failoverTimeoutMs ?? DAY_MS,
      checkpoint: true,
      capabilities: [
        "MULTI_ROLE",
        "PARTITION_AWARE",
        ...(options.revocable === true ? ["REVOCABLE_RESOURCES"] : []),
      ],
    },
    acknowledgeForMe: options.acknowledge !== "mine",
    ...(options.frameworkId === undefined
      ? {}
      : { frameworkId: checkedId<FrameworkId>("frameworkId", options.frameworkId) }),
    knownTasks: (options.knownTasks ?? []).map((id) => ({
      taskId: checkedId<TaskId>("knownTasks", id),
    })),
  };
}

function checkedId<Id extends string>(field: string, text: string): Id {
  const fault = idFault(text);
  if (fault !== undefined) throw new Error(`${field}: ${fault}`);
  return asId<Id>(text);
}

function tell(event: SchedulerEvent, driver: Driver, handlers: Handlers): void {
  switch (event.kind) {
    case "subscribed":
      return handlers.subscribed?.(event, driver);
    case "offers":
      return handlers.offers?.(event.offers, driver);
    case "rescind":
      return handlers.rescinded?.(event.offerId, driver);
    case "update":
      return handlers.update?.(event.status, driver);
    case "operation":
      return handlers.operation?.(event.status, driver);
    case "inverse-offers":
      return handlers.inverseOffers?.(event.inverseOffers, driver);
    case "rescind-inverse-offer":
      return handlers.inverseOfferRescinded?.(event.inverseOfferId, driver);
    case "answer": {
      const { accepted, reason, message } = event.answer;
      return handlers.answered?.(
        { call: event.call, of: event.of, accepted, reason, message },
        driver,
      );
    }
    case "failure":
      return handlers.failure?.(event.body, driver);
    case "message":
      return handlers.message?.(event.body, driver);
    case "disconnected":
      return handlers.disconnected?.(event.why, driver);
    case "ended":
      return handlers.ended?.(event.reason, event.message);
  }
}
