/** What a simulated scheduler is to the process that runs its driver: a book that outlives it. */
import type { Driver, SchedulerEvent } from "#actors/framework";
import type { AgentId, FrameworkId, TaskId } from "#protocol";

export interface Work {
  /** The id that the first subscription got. */
  readonly frameworkId: FrameworkId | undefined;
  /** Runs something in the framework's own process, if it still lives then; set at each start. */
  later: (inMs: number, run: () => void) => void;
  /** Live tasks as the book has them. */
  known(): { taskId: TaskId; agentId: AgentId }[];
  on(event: SchedulerEvent, driver: Driver): void;
}
