/**
 * A running driver: the calls that a scheduler makes, and the events that it is told. It runs in
 * production and in the simulator alike; only the ports differ.
 */
import {
  type AgentId,
  type BodyOf,
  type FrameworkInfo,
  type InverseOfferId,
  frameworkPeer,
  type KillPolicy,
  type Kind,
  KINDS,
  type MessageId,
  type Offer,
  type OfferId,
  type OfferOperation,
  type OperationStatus,
  type Subjects,
  type TaskId,
  type TaskStatus,
} from "#protocol";
import {
  type ActorPorts,
  type Address,
  type Behaviour,
  type HostOptions,
  type RunningActor,
  startActor,
} from "#runtime";
import { entered, step } from "./driver.ts";
import { frameworkMachine } from "./machine.ts";
import {
  type CallMessage,
  type FrameworkConfig,
  FrameworkState,
  type SchedulerCall,
  type SchedulerEvent,
} from "./state.ts";

export function frameworkBehaviour(config: FrameworkConfig): Behaviour<FrameworkState> {
  return {
    name: "framework",
    machine: frameworkMachine,
    state: new FrameworkState(config),
    step,
    entered: (state, lifecycle, _event, env, out) => entered(state, lifecycle, env, out),
    batchEnded: () => undefined,
  };
}

/** The calls of a framework. Each returns its number; the answer names it. */
export interface Driver {
  /** Launches on offers of one agent and one role; what is left goes back with `refuseMs`. */
  accept(
    offerIds: readonly OfferId[],
    operations: readonly OfferOperation[],
    refuseMs?: number,
  ): MessageId;
  decline(
    offerIds: readonly OfferId[],
    options?: { readonly refuseMs?: number; readonly reason?: string },
  ): MessageId;
  kill(taskId: TaskId, options?: { agentId?: AgentId; killPolicy?: KillPolicy }): MessageId;
  acknowledge(status: TaskStatus): MessageId;
  /** The scheduler has made the status durable; asked for where it has a uuid. */
  acknowledgeOperation(status: OperationStatus): MessageId;
  /** What is known of these comes back as events. */
  reconcileOperations(operations: BodyOf<"RECONCILE_OPERATIONS">["operations"]): MessageId;
  /** Whether it will leave those agents before they are away; with a filter it is not asked again. */
  acceptInverseOffers(ids: readonly InverseOfferId[], refuseMs?: number): MessageId;
  declineInverseOffers(ids: readonly InverseOfferId[], refuseMs?: number): MessageId;
  /** No tasks: everything the leader knows of this framework's live tasks. */
  reconcile(tasks?: BodyOf<"RECONCILE">["tasks"]): MessageId;
  suppress(roles?: readonly string[]): MessageId;
  revive(roles?: readonly string[]): MessageId;
  message(body: BodyOf<"MESSAGE">): MessageId;
  shutdownExecutor(body: BodyOf<"SHUTDOWN">): MessageId;
  updateFramework(info: FrameworkInfo, suppressedRoles: readonly string[]): MessageId;
  /** Ends the framework for good: its tasks are killed, its id is not used again. */
  teardown(): void;
  /** Leaves; the tasks go on until the failover timeout. */
  stop(): void;
  /** Offers held now, by id. */
  readonly offers: ReadonlyMap<OfferId, Offer>;
}

export interface RunningFramework extends Driver {
  readonly actor: RunningActor<FrameworkState>;
}

/** Kinds that a driver understands: all that a master says to frameworks. */
function kindsHeard({ unnamedKinds }: FrameworkConfig): Kind[] {
  return (Object.keys(KINDS) as Kind[]).filter((kind) => {
    const isSaid = (KINDS[kind].to as readonly string[]).includes("framework");
    return isSaid && unnamedKinds?.includes(kind) !== true;
  });
}

function answerOf(
  ids: readonly InverseOfferId[],
  refuseMs: number | undefined,
): BodyOf<"ACCEPT_INVERSE_OFFERS"> {
  const filters = refuseMs === undefined ? {} : { filters: { refuseMs } };
  return { inverseOfferIds: [...ids], ...filters };
}

/** Starts a driver; `onEvent` is told everything, in order, and may call back at once. */
export function createFramework(
  ports: ActorPorts,
  subjects: Subjects,
  config: FrameworkConfig,
  onEvent: (event: SchedulerEvent, driver: Driver) => void,
  options: HostOptions = {},
): RunningFramework {
  const behaviour = frameworkBehaviour(config);
  const { state } = behaviour;
  const address: Address = {
    subjects,
    self: frameworkPeer(config.principal, config.instance),
    serves: [],
    kinds: kindsHeard(config),
    epoch: () => state.leader?.epoch ?? 0,
  };
  const actor = startActor(behaviour, ports, address, options);
  let numbers = 0;
  const say = (said: SchedulerCall): void => actor.tell("scheduler", said);
  const call = (message: CallMessage): MessageId => {
    numbers += 1;
    say({ kind: "call", number: numbers, message });
    return numbers;
  };
  const driver: Driver = {
    accept: (offerIds, operations, refuseMs) =>
      call({
        kind: "ACCEPT",
        body: {
          offerIds: [...offerIds],
          operations: [...operations],
          ...(refuseMs === undefined ? {} : { filters: { refuseMs } }),
        },
      }),
    decline: (offerIds, { refuseMs, reason } = {}) =>
      call({
        kind: "DECLINE",
        body: {
          offerIds: [...offerIds],
          ...(refuseMs === undefined ? {} : { filters: { refuseMs } }),
          ...(reason === undefined ? {} : { reason }),
        },
      }),
    kill: (taskId, options = {}) => call({ kind: "KILL", body: { taskId, ...options } }),
    acknowledge: ({ taskId, agentId, uuid }) => {
      if (agentId === undefined || uuid === undefined) return 0;
      return call({ kind: "ACKNOWLEDGE", body: { taskId, agentId, uuid } });
    },
    acknowledgeOperation: ({ operationId, agentId, uuid }) => {
      if (operationId === undefined || agentId === undefined || uuid === undefined) return 0;
      const body = { operationId, agentId, uuid };
      return call({ kind: "ACKNOWLEDGE_OPERATION_STATUS", body });
    },
    reconcileOperations: (operations) =>
      call({ kind: "RECONCILE_OPERATIONS", body: { operations: [...operations] } }),
    acceptInverseOffers: (ids, refuseMs) =>
      call({ kind: "ACCEPT_INVERSE_OFFERS", body: answerOf(ids, refuseMs) }),
    declineInverseOffers: (ids, refuseMs) =>
      call({ kind: "DECLINE_INVERSE_OFFERS", body: answerOf(ids, refuseMs) }),
    reconcile: (tasks = []) => call({ kind: "RECONCILE", body: { tasks: [...tasks] } }),
    suppress: (roles = []) => call({ kind: "SUPPRESS", body: { roles: [...roles] } }),
    revive: (roles = []) => call({ kind: "REVIVE", body: { roles: [...roles] } }),
    message: (body) => call({ kind: "MESSAGE", body }),
    shutdownExecutor: (body) => call({ kind: "SHUTDOWN", body }),
    updateFramework: (frameworkInfo, suppressedRoles) =>
      call({
        kind: "UPDATE_FRAMEWORK",
        body: { frameworkInfo, suppressedRoles: [...suppressedRoles] },
      }),
    teardown: () => {
      call({ kind: "TEARDOWN", body: {} });
      say({ kind: "stop", teardown: true });
    },
    stop: () => say({ kind: "stop", teardown: false }),
    offers: state.offers,
  };
  actor.connect("scheduler", {
    tell: (_by, message) => onEvent(message as SchedulerEvent, driver),
  });
  return { ...{}, ...driver, actor };
}
