/**
 * Meseta for authors of frameworks and of executors.
 *
 * A framework decides what runs where: it is offered resources, launches tasks on them and hears
 * how they fare. `connect` gives a driver; `OfferPool` puts tasks on an offer. The names are those
 * of Apache Mesos; `examples/hello-framework` is a whole framework in forty lines. `runExecutor` makes
 * a program a custom executor: one process that runs many tasks of a framework on one agent.
 *
 * What you may rely on: updates come at least once and in order per task until acknowledged;
 * offers are yours alone until answered; the driver comes back by itself when broker or leader
 * were away, and then asks for the state of every task that it knows.
 */
export type { Driver } from "#actors/framework";
export {
  type AgentId,
  type ExecutorId,
  type FrameworkId,
  type InverseOffer,
  isTerminal,
  type Offer,
  type OfferId,
  type OfferOperation,
  type OperationStatus,
  type TaskId,
  type TaskInfo,
  type TaskState,
  type TaskStatus,
} from "#protocol";
export { Resources } from "#resources";
export {
  type ExecutorDriver,
  type ExecutorHandlers,
  type RunExecutorOptions,
  type RunningExecutorProgram,
  runExecutor,
  type TaskUpdate,
} from "./executor.ts";
export { type ConnectOptions, connect, type Framework, type Handlers } from "./framework.ts";
export { type ExecutorWish, OfferPool, type TaskWish } from "./offers.ts";
