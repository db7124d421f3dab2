/** What a simulated scheduler is to the process that runs its driver: a book that outlives it. */
import type { Driver, SchedulerEvent } from "#actors/framework";
import type { AgentId, FrameworkId, Offer, Resource, TaskId } from "#protocol";

export interface Work {
  /** The id that the first subscription got. */
  readonly frameworkId: FrameworkId | undefined;
  /** Runs something in the framework's own process, if it still lives then; set at each start. */
  later: (inMs: number, run: () => void) => void;
  /** Live tasks as the book has them. */
  known(): { taskId: TaskId; agentId: AgentId }[];
  /** true: it acknowledges updates itself, or does not; else its driver does. */
  readonly acknowledges?: boolean;
  /** @param instance of the framework that is told. */
  on(event: SchedulerEvent, driver: Driver, instance?: string): void;
}

/** How much of a scalar an offer has, in thousandths. */
export function amountIn({ resources }: Offer, name: string): number {
  let milli = 0;
  for (const one of resources) if (one.name === name) milli += one.scalar?.milli ?? 0;
  return milli;
}

/** A scalar resource allocated to `role`, in thousandths. */
export function scalar(name: string, milli: number, role: string): Resource {
  return { name, type: "SCALAR", scalar: { milli }, allocationInfo: { role } };
}
