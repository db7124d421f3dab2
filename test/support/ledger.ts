/**
 * A framework that keeps a ledger: every update that it was told, in order, with its uuid. It
 * runs in the test's own process, over the real broker, by the door for authors.
 */
import { join } from "node:path";
import { connect, type Framework, isTerminal, OfferPool, type TaskId, type TaskStatus } from "#sdk";
import type { Cluster } from "./cluster.ts";
import { until } from "./until.ts";

export interface LedgerTask {
  readonly id: string;
  readonly command: string;
  readonly resources: string;
}

export class Ledger {
  readonly told: TaskStatus[] = [];
  readonly #framework: Framework;
  #wishes: LedgerTask[] = [];

  constructor(cluster: Cluster) {
    this.#framework = connect(
      { credentials: join(cluster.bench.data, "credentials", "framework.creds"), name: "ledger" },
      {
        offers: (offers, driver) => {
          for (const offer of offers) {
            const pool = new OfferPool(offer);
            const tasks = this.#wishes.flatMap((wish) => pool.take(wish) ?? []);
            const taken = new Set<string>(tasks.map(({ taskId }) => taskId));
            this.#wishes = this.#wishes.filter(({ id }) => !taken.has(id));
            if (tasks.length === 0) driver.decline([offer.offerId], { refuseMs: 100 });
            else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: tasks }], 100);
          }
        },
        update: (status) => void this.told.push(status),
      },
    );
  }

  /** Launches them as offers come; returns when all have been seen running. */
  async launch(tasks: readonly LedgerTask[]): Promise<void> {
    this.#wishes = [...tasks];
    const runs = ({ id }: LedgerTask): boolean =>
      this.of(id).some(({ state }) => state === "TASK_RUNNING");
    await until(() => tasks.every(runs), `${tasks.length} tasks run`);
  }

  /** What was told of a task. */
  of(taskId: string): TaskStatus[] {
    return this.told.filter((status) => status.taskId === taskId);
  }

  hasEnded(taskId: string): boolean {
    return this.of(taskId).some(({ state }) => isTerminal(state));
  }

  kill(taskId: string): void {
    this.#framework.kill(taskId as TaskId);
  }

  /** Uuids by task and state; only what agents say has one. */
  uuids(): Map<string, Set<string>> {
    const byState = new Map<string, Set<string>>();
    for (const { taskId, state, uuid } of this.told) {
      if (uuid === undefined) continue;
      const key = `${taskId} ${state}`;
      byState.set(key, (byState.get(key) ?? new Set()).add(String(uuid)));
    }
    return byState;
  }

  end(): Promise<void> {
    return this.#framework.end();
  }
}
