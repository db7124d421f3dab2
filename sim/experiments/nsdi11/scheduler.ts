/**
 * What the schedulers of the paper's experiments share: a book of live tasks and of what those
 * that run hold, tasks that sleep. What to launch on an offer, and what an end means, is each
 * scheduler's own affair.
 */
import type { Driver, SchedulerEvent } from "#actors/framework";
import {
  type AgentId,
  type ExecutorInfo,
  type FrameworkId,
  isTerminal,
  type Offer,
  type TaskId,
  type TaskInfo,
  type TaskState,
} from "#protocol";
import { amountIn, scalar, type SchedulerProcess, type Work } from "../../workloads/work.ts";

/** What a task takes from its machine. */
export interface Need {
  readonly cpusMilli: number;
  readonly memMib: number;
}

/** One task to be launched; without `ms` it runs until it is killed. */
export interface Sleep {
  readonly taskId: string;
  readonly need: Need;
  readonly ms: number | undefined;
  readonly executor?: ExecutorInfo;
}

interface Live {
  readonly agentId: AgentId;
  readonly need: Need;
  running: boolean;
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
  readonly #live = new Map<TaskId, Live>();
  /** What running tasks and executors hold. */
  cpusMilli = 0;
  memMib = 0;
  /** Tasks that ended otherwise than their scheduler meant; their work is done again. */
  lost = 0;
  #suppressed = false;

  begins({ later }: SchedulerProcess): void {
    this.later = later;
  }

  known(): { taskId: TaskId; agentId: AgentId }[] {
    return [...this.#live].map(([taskId, { agentId }]) => ({ taskId, agentId }));
  }

  /** Tasks that were launched and have not ended. */
  get liveTasks(): number {
    return this.#live.size;
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

  protected started(_taskId: TaskId, _agentId: AgentId, _driver: Driver): void {
    return;
  }

  /** A task is over, in this terminal state. */
  protected abstract ended(taskId: TaskId, state: TaskState, driver: Driver): void;

  /** Says whether offers are wanted at all; says it once. */
  protected want(wanted: boolean, driver: Driver | undefined = this.driver): void {
    if (driver === undefined || wanted !== this.#suppressed) return;
    this.#suppressed = !wanted;
    if (wanted) driver.revive();
    else driver.suppress();
  }

  /** Launches on one offer; what is left of it is refused for so long. */
  protected launch(offer: Offer, tasks: readonly Sleep[], driver: Driver, refuseMs?: number): void {
    const { agentId, allocationRole: role } = offer;
    const taskInfos = tasks.map(({ taskId: id, need, ms, executor }): TaskInfo => {
      const taskId = id as TaskId;
      this.#live.set(taskId, { agentId, need, running: false });
      const script = ms === undefined ? "hang" : `sleep ${ms / 1000}`;
      const resources = [
        scalar("cpus", need.cpusMilli, role),
        scalar("mem", need.memMib * 1000, role),
      ];
      const own =
        executor === undefined
          ? { command: { shell: true, value: script } }
          : { executor, data: new TextEncoder().encode(script) };
      return { name: id, taskId, agentId, resources, ...own };
    });
    driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos }], refuseMs);
  }

  /** What running tasks hold changes by so much, `times` -1 when they end. */
  protected hold({ cpusMilli, memMib }: Need, times: 1 | -1): void {
    this.cpusMilli += times * cpusMilli;
    this.memMib += times * memMib;
  }

  #update(taskId: TaskId, state: TaskState, driver: Driver): void {
    const live = this.#live.get(taskId);
    if (live === undefined) return;
    if (state === "TASK_RUNNING" && !live.running) {
      live.running = true;
      this.hold(live.need, 1);
      this.started(taskId, live.agentId, driver);
    }
    if (!isTerminal(state)) return;
    if (live.running) this.hold(live.need, -1);
    this.#live.delete(taskId);
    this.ended(taskId, state, driver);
  }
}
