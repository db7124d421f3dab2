/**
 * A Hadoop that scans one file, one map task for each block, with delay scheduling: an offer of a
 * node that holds none of its blocks is declined until the job has waited long enough since its
 * last local task. The delay is the framework's own affair; the master only offers (§6.3).
 */
import type { Driver } from "#actors/framework";
import type { Offer, TaskId, TaskState } from "#protocol";
import type { Chance } from "../../kernel/prng.ts";
import type { Placement } from "./blocks.ts";
import { Unread } from "./blocks.ts";
import { spread } from "./job.ts";
import { type Need, Scheduler, type Sleep, slotsIn } from "./scheduler.ts";

export interface ScanOptions {
  readonly name: string;
  readonly need: Need;
  readonly file: Placement;
  /** How long a task takes that reads its own node's disk, and one that reads another's. */
  readonly localMs: number;
  readonly remoteMs: number;
  /** 0: whatever is offered is taken. */
  readonly delayMs: number;
  /** How long an offer that was declined for its place is not made again. */
  readonly refuseMs: number;
  readonly chance: Chance;
  readonly nowMs: () => number;
}

export class ScanScheduler extends Scheduler {
  readonly #options: ScanOptions;
  readonly #unread: Unread;
  readonly #blockOf = new Map<TaskId, number>();
  /** Since when it has not launched a local task while it was offered slots. */
  #waitingSinceMs: number | undefined;
  #tasks = 0;
  local = 0;
  remote = 0;
  begunAtMs: number | undefined;
  endedAtMs: number | undefined;

  constructor(options: ScanOptions) {
    super();
    this.#options = options;
    this.#unread = new Unread(options.file, options.chance);
  }

  /** The job is submitted now. */
  begin(): void {
    this.begunAtMs = this.#options.nowMs();
    this.want(true);
  }

  protected override subscribed(driver: Driver): void {
    this.want(this.begunAtMs !== undefined && this.endedAtMs === undefined, driver);
  }

  protected override offered(offers: readonly Offer[], driver: Driver): void {
    for (const offer of offers) this.#use(offer, driver);
    this.want(this.#unread.left > 0, driver);
  }

  #use(offer: Offer, driver: Driver): void {
    const { need, refuseMs } = this.#options;
    const tasks: Sleep[] = [];
    for (let slots = slotsIn(offer, need); slots > 0; slots--) {
      const task = this.#task(offer.hostname);
      if (task === undefined) break;
      tasks.push(task);
    }
    if (tasks.length > 0) return this.launch(offer, tasks, driver, refuseMs);
    driver.decline([offer.offerId], { refuseMs, reason: "no block of mine is there" });
  }

  #task(node: string): Sleep | undefined {
    const { name, need, chance, localMs, remoteMs } = this.#options;
    if (this.begunAtMs === undefined) return undefined;
    const own = this.#unread.takeOn(node);
    if (own === undefined && !this.#waitedEnough()) return undefined;
    const block = own ?? this.#unread.takeAny();
    if (block === undefined) return undefined;
    if (own === undefined) this.remote += 1;
    else {
      this.local += 1;
      this.#waitingSinceMs = undefined;
    }
    this.#tasks += 1;
    const taskId = `${name}-${this.#tasks}`;
    this.#blockOf.set(taskId as TaskId, block);
    return { taskId, need, ms: spread(own === undefined ? remoteMs : localMs, chance) };
  }

  /** An offer has no block of ours: whether the job has waited for a better one long enough. */
  #waitedEnough(): boolean {
    const { nowMs, delayMs } = this.#options;
    this.#waitingSinceMs ??= nowMs();
    return nowMs() - this.#waitingSinceMs >= delayMs;
  }

  protected override ended(taskId: TaskId, state: TaskState): void {
    const block = this.#blockOf.get(taskId);
    this.#blockOf.delete(taskId);
    if (block === undefined) return;
    if (state !== "TASK_FINISHED") {
      this.lost += 1;
      this.#unread.putBack(block, this.#options.file[block] ?? []);
      return this.want(true);
    }
    if (this.#unread.left > 0 || this.#blockOf.size > 0) return;
    this.endedAtMs = this.#options.nowMs();
  }
}
