/**
 * A scheduler of jobs in stages, as Hadoop and Spark are: the slots that it gets go to the job
 * that has the fewest tasks running, as Hadoop's fair scheduler does. It asks for no offers while
 * it has nothing to launch.
 */
import type { Driver } from "#actors/framework";
import type { AgentId, ExecutorId, ExecutorInfo, Offer, TaskId, TaskState } from "#protocol";
import type { Chance } from "../../kernel/prng.ts";
import { RESIDENT_PROGRAM } from "../../executors.ts";
import { amountIn, scalar } from "../../workloads/work.ts";
import { Job, type JobKind, spread } from "./job.ts";
import { type Need, Scheduler, type Sleep, slotsIn } from "./scheduler.ts";

export interface JobsOptions {
  readonly name: string;
  readonly need: Need;
  /** Memory of an executor that stays on each agent until its job ends; 0: none. */
  readonly executorMemMib: number;
  readonly chance: Chance;
  readonly nowMs: () => number;
}

export class JobsScheduler extends Scheduler {
  readonly jobs: Job[] = [];
  readonly #options: JobsOptions;
  readonly #jobOf = new Map<TaskId, Job>();
  readonly #executors = new Set<AgentId>();
  /** Called when a job has ended; a script submits the next one. */
  onJobEnd: ((job: Job) => void) | undefined;

  constructor(options: JobsOptions) {
    super();
    this.#options = options;
  }

  submit(kind: JobKind): void {
    const { name, nowMs } = this.#options;
    const job = new Job(`${name}-j${this.jobs.length + 1}`, kind, nowMs());
    this.jobs.push(job);
    this.#advance(job);
  }

  protected override subscribed(driver: Driver): void {
    this.want(this.#hungriest() !== undefined, driver);
  }

  protected override offered(offers: readonly Offer[], driver: Driver): void {
    for (const offer of offers) this.#use(offer, driver);
    this.want(this.#hungriest() !== undefined, driver);
  }

  #use(offer: Offer, driver: Driver): void {
    const { need, executorMemMib, chance } = this.#options;
    const fresh = executorMemMib > 0 && !this.#executors.has(offer.agentId);
    const own = fresh ? executorMemMib : 0;
    const room = Math.floor((amountIn(offer, "mem") / 1000 - own) / need.memMib);
    const slots = Math.min(slotsIn(offer, need), room);
    const executor = executorMemMib > 0 ? this.#executor(offer) : undefined;
    const tasks: Sleep[] = [];
    while (tasks.length < slots) {
      const job = this.#hungriest();
      if (job?.stage === undefined) break;
      const taskId = job.take();
      this.#jobOf.set(taskId as TaskId, job);
      const ms = spread(job.stage.taskMs, chance);
      tasks.push({ taskId, need, ms, ...(executor === undefined ? {} : { executor }) });
    }
    if (tasks.length === 0) return void driver.decline([offer.offerId]);
    if (fresh) {
      this.#executors.add(offer.agentId);
      this.hold({ cpusMilli: 0, memMib: executorMemMib }, 1);
    }
    this.launch(offer, tasks, driver);
  }

  #executor({ allocationRole: role }: Offer): ExecutorInfo {
    const { name, executorMemMib } = this.#options;
    return {
      executorId: name as ExecutorId,
      type: "CUSTOM",
      command: { shell: false, value: RESIDENT_PROGRAM, arguments: [RESIDENT_PROGRAM] },
      resources: [scalar("mem", executorMemMib * 1000, role)],
    };
  }

  /** Of the jobs with something to launch, the one with the fewest tasks running. */
  #hungriest(): Job | undefined {
    let found: Job | undefined;
    for (const job of this.jobs) {
      if (job.pending > 0 && (found === undefined || job.running < found.running)) found = job;
    }
    return found;
  }

  protected override ended(taskId: TaskId, state: TaskState): void {
    const job = this.#jobOf.get(taskId);
    this.#jobOf.delete(taskId);
    if (job === undefined) return;
    const finished = state === "TASK_FINISHED";
    if (!finished) this.lost += 1;
    job.over(finished);
    if (job.stageDone) this.#advance(job);
    this.want(this.#hungriest() !== undefined);
  }

  /** The next stage after its pause, or the end of the job. */
  #advance(job: Job): void {
    const stage = job.next();
    if (stage === undefined) return this.#close(job);
    this.later(stage.pauseMs, () => {
      job.pending = stage.tasks;
      if (stage.tasks === 0) this.#advance(job);
      this.want(this.#hungriest() !== undefined);
    });
  }

  #close(job: Job): void {
    const { name, nowMs, executorMemMib } = this.#options;
    job.endedAtMs = nowMs();
    for (const agentId of this.#executors) {
      this.driver?.shutdownExecutor({ executorId: name as ExecutorId, agentId });
      this.hold({ cpusMilli: 0, memMib: executorMemMib }, -1);
    }
    this.#executors.clear();
    this.onJobEnd?.(job);
  }
}
