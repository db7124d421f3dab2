/**
 * A scheduler of gangs, as Torque with MPI is: a job begins when all its processes run, and all
 * of them end together. What it has gathered for a job it holds while it waits for the rest.
 */
import type { Driver } from "#actors/framework";
import type { AgentId, Offer, TaskId, TaskState } from "#protocol";
import { type Need, Scheduler, type Sleep, slotsIn } from "./scheduler.ts";

export interface GangJob {
  readonly type: string;
  readonly processes: number;
  /** From the moment that all processes run. */
  readonly runMs: number;
  readonly submittedAtMs: number;
  begunAtMs: number | undefined;
  endedAtMs: number | undefined;
}

interface Gang {
  readonly job: GangJob;
  readonly tasks: Map<TaskId, AgentId | undefined>;
  running: number;
}

export interface GangOptions {
  readonly name: string;
  readonly need: Need;
  readonly nowMs: () => number;
}

export class GangScheduler extends Scheduler {
  readonly jobs: GangJob[] = [];
  readonly #options: GangOptions;
  readonly #gangs: Gang[] = [];
  #tasks = 0;

  constructor(options: GangOptions) {
    super();
    this.#options = options;
  }

  submit(type: string, processes: number, runMs: number): void {
    const submittedAtMs = this.#options.nowMs();
    const times = { begunAtMs: undefined, endedAtMs: undefined };
    const job: GangJob = { type, processes, runMs, submittedAtMs, ...times };
    this.jobs.push(job);
    this.#gangs.push({ job, tasks: new Map(), running: 0 });
    this.want(true);
  }

  protected override subscribed(driver: Driver): void {
    this.want(this.#gathering() !== undefined, driver);
  }

  /** The oldest job that has not all its processes: one gang is gathered at a time. */
  #gathering(): Gang | undefined {
    return this.#gangs.find(
      ({ job, tasks }) => job.endedAtMs === undefined && tasks.size < job.processes,
    );
  }

  protected override offered(offers: readonly Offer[], driver: Driver): void {
    const { name, need } = this.#options;
    for (const offer of offers) {
      const tasks: Sleep[] = [];
      for (let slots = slotsIn(offer, need); slots > 0; slots--) {
        const gang = this.#gathering();
        if (gang === undefined) break;
        this.#tasks += 1;
        const taskId = `${name}-${this.#tasks}`;
        gang.tasks.set(taskId as TaskId, offer.agentId);
        tasks.push({ taskId, need, ms: undefined });
      }
      if (tasks.length === 0) driver.decline([offer.offerId]);
      else this.launch(offer, tasks, driver);
    }
    this.want(this.#gathering() !== undefined, driver);
  }

  protected override started(taskId: TaskId): void {
    const gang = this.#gangs.find(({ tasks }) => tasks.has(taskId));
    if (gang === undefined) return;
    gang.running += 1;
    if (gang.running < gang.job.processes) return;
    gang.job.begunAtMs = this.#options.nowMs();
    this.later(gang.job.runMs, () => this.#end(gang));
  }

  #end({ job, tasks }: Gang): void {
    job.endedAtMs = this.#options.nowMs();
    for (const [taskId, agentId] of tasks) {
      this.driver?.kill(taskId, agentId === undefined ? {} : { agentId });
    }
  }

  protected override ended(taskId: TaskId, state: TaskState): void {
    const index = this.#gangs.findIndex(({ tasks }) => tasks.has(taskId));
    const gang = this.#gangs[index];
    if (gang === undefined) return;
    gang.tasks.delete(taskId);
    if (gang.job.endedAtMs === undefined) {
      // A process that is lost before the end is started anew.
      this.lost += 1;
      if (state === "TASK_FINISHED") throw new Error(`${taskId} ended before it was killed`);
      gang.running -= 1;
      return this.want(true);
    }
    if (gang.tasks.size === 0) this.#gangs.splice(index, 1);
  }
}
