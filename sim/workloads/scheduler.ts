/** A scheduler as faults see it: how it may be made to misbehave, and what it has launched. */
import type { AgentId, FrameworkId, TaskId } from "#protocol";

/** Ways in which real schedulers are known to misbehave (mesos.md §3). */
export const MANNERS = [
  /** Declines whatever it is offered. */
  "decline-all",
  /** Answers no offer at all, until they expire. */
  "hoard-offers",
  /** Takes each offer when it may have expired or have been taken back. */
  "accept-expired",
  /** Takes each offer a second time, in the same moment. */
  "double-accept",
  /** Acknowledges no update. */
  "never-ack",
  /** Launches a task under the id of one that runs already. */
  "launch-same-task-id",
  /** Its executors say one and the same update many times. */
  "status-flood",
  /** Its tasks fork without end. */
  "fork-bomb",
  /** Reserves a part of what it is offered for its role; otherwise it gives such parts back. */
  "reserve-resources",
] as const;

export type Manner = (typeof MANNERS)[number];

export interface Scheduler {
  /** Undefined before the first subscription, and after the framework was ended until the next. */
  readonly frameworkId: FrameworkId | undefined;
  readonly manners: Set<Manner>;
  /** Tasks that it believes to be live. */
  known(): readonly { readonly taskId: TaskId; readonly agentId: AgentId }[];
  /** Asks after all its tasks, so often in a row. */
  reconcile(times: number): void;
  /** It behaves again: declines what it has hoarded, which would stand until it expires. */
  letGo(): void;
  /** A fault ends that task, if it is one of its own: it may fail, whatever its script says. */
  mayFail(taskId: string): void;
  /** Ends its framework for good and begins another one with the work that is left. */
  teardown(): void;
}
