/** What a simulated scheduler is to the process that runs its driver: a book that outlives it. */
import type { Driver, SchedulerEvent } from "#actors/framework";
import type { AgentId, FrameworkId, Offer, Resource, TaskId } from "#protocol";

/** A process that runs a driver of the framework. */
export interface SchedulerProcess {
  /** Which of the framework's instances it is. */
  readonly instance: string;
  readonly beganMs: number;
  /** Runs something in it, if it still lives then. */
  readonly later: (inMs: number, run: () => void) => void;
}

export interface Work {
  /** The id that the first subscription got. */
  readonly frameworkId: FrameworkId | undefined;
  /** A process of the framework begins. */
  begins?(process: SchedulerProcess): void;
  /** false: another process of the framework was the last to subscribe. */
  speaks?(process: SchedulerProcess): boolean;
  /** Live tasks as the book has them. */
  known(): { taskId: TaskId; agentId: AgentId }[];
  /** true: it acknowledges updates itself, or does not; else its driver does. */
  readonly acknowledges?: boolean;
  /** @param process that is told. */
  on(event: SchedulerEvent, driver: Driver, process: SchedulerProcess): void;
}

/** How much of a scalar an offer has that is reserved for nobody, in thousandths. */
export function amountIn({ resources }: Offer, name: string): number {
  let milli = 0;
  for (const one of resources) {
    const reserved = (one.reservations ?? []).length > 0;
    if (one.name === name && !reserved) milli += one.scalar?.milli ?? 0;
  }
  return milli;
}

/** A scalar resource allocated to `role`, in thousandths. */
export function scalar(name: string, milli: number, role: string): Resource {
  return { name, type: "SCALAR", scalar: { milli }, allocationInfo: { role } };
}
