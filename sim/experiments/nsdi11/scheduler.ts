/**
 * What the schedulers of the paper's experiments share: a book of live tasks, tasks that sleep,
 * which end frees what. What to launch on an offer is each scheduler's own affair.
 */
import type { Driver, SchedulerEvent } from "#actors/framework";
import {
  type AgentId,
  type FrameworkId,
  isTerminal,
  type Offer,
  type TaskId,
  type TaskInfo,
  type TaskState,
} from "#protocol";
import { amountIn, scalar, type Work } from "../../workloads/work.ts";

/** What a task takes from its machine. */
export interface Need {
  readonly cpusMilli: number;
  readonly memMib: number;
}

/** One task to be launched. */
export interface Sleep {
  readonly taskId: string;
  readonly need: Need;
  readonly ms: number;
}

/** How many tasks that need `need` fit into the offer. */
export function slotsIn(offer: Offer, { cpusMilli, memMib }: Need): number {
  const byCpus = Math.floor(amountIn(offer, "cpus") / cpusMilli);
  return Math.min(byCpus, Math.floor(amountIn(offer, "mem") / (memMib * 1000)));
}

export abstract class Scheduler implements Work {
  frameworkId: FrameworkId | undefined;
  later: (inMs: number, run: () => void) => void = () => undefined;
  protected driver: Driver | undefined;
  /** Tasks that have not ended, with their agents. */
  protected readonly live = new Map<TaskId, AgentId>();
  /** How many tasks ended otherwise than by themselves; their work is done again. */
  lost = 0;

  known(): { taskId: TaskId; agentId: AgentId }[] {
    return [...this.live].map(([taskId, agentId]) => ({ taskId, agentId }));
  }

  get running(): number {
    return this.live.size;
  }

  on(event: SchedulerEvent, driver: Driver): void {
    this.driver = driver;
    switch (event.kind) {
      case "subscribed":
        this.frameworkId = event.frameworkId;
        return this.subscribed(driver);
      case "offers":
        return this.offered(event.offers, driver);
      case "update":
        return this.#update(event.status.taskId, event.status.state, driver);
      default:
        return;
    }
  }

  protected subscribed(_driver: Driver): void {
    return;
  }

  protected abstract offered(offers: readonly Offer[], driver: Driver): void;
  /** A task is over; `finished` when it did what it had to. */
  protected abstract ended(taskId: TaskId, finished: boolean, driver: Driver): void;

  /** Launches on one offer; what is left of it is refused for so long. */
  protected launch(offer: Offer, tasks: readonly Sleep[], driver: Driver, refuseMs?: number): void {
    const { agentId, allocationRole: role } = offer;
    const taskInfos = tasks.map(({ taskId, need, ms }): TaskInfo => {
      this.live.set(taskId as TaskId, agentId);
      return {
        name: taskId,
        taskId: taskId as TaskId,
        agentId,
        resources: [scalar("cpus", need.cpusMilli, role), scalar("mem", need.memMib * 1000, role)],
        command: { shell: true, value: `sleep ${ms / 1000}` },
      };
    });
    driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos }], refuseMs);
  }

  #update(taskId: TaskId, state: TaskState, driver: Driver): void {
    if (!isTerminal(state) || !this.live.delete(taskId)) return;
    const finished = state === "TASK_FINISHED";
    if (!finished) this.lost += 1;
    this.ended(taskId, finished, driver);
  }
}
