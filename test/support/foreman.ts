/**
 * A framework whose tasks all run in executors of its own (`gate-executor.ts`): launches them, talks
 * with them, and keeps what it was told. It runs in the test's own process.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asId } from "#protocol";
import {
  type AgentId,
  connect,
  type ExecutorId,
  type ExecutorWish,
  type Framework,
  OfferPool,
  type TaskStatus,
} from "#sdk";
import { untilAnswer } from "./answers.ts";
import type { Cluster } from "./cluster.ts";
import { until } from "./until.ts";

/** The folder of this project, seen from the compiled file in `dist/test/support`. */
export const PROJECT = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");

const RUN_MS_MAX = 40_000;

/** What an executor says of itself. */
export interface Told {
  /** Of the question. */
  readonly number: number;
  readonly pid: number;
  readonly uid: number;
  readonly running: readonly string[];
}

interface Wish {
  readonly id: string;
  readonly resources: string;
  readonly executor: ExecutorWish;
}

export class Foreman {
  readonly updates: TaskStatus[] = [];
  /** Executors whose loss it was told. */
  readonly lost: string[] = [];
  readonly #answers = new Map<number, Told>();
  /** Where each executor was started. */
  readonly #agents = new Map<string, AgentId>();
  readonly #framework: Framework;
  #wishes: Wish[] = [];
  #questions = 0;

  constructor(cluster: Cluster) {
    const credentials = join(cluster.bench.data, "credentials", "framework.creds");
    this.#framework = connect(
      { credentials, name: "foreman" },
      {
        offers: (offers, driver) => {
          for (const offer of offers) {
            const pool = new OfferPool(offer);
            const taken = this.#wishes.filter((wish) => this.#fits(offer.agentId, wish));
            const tasks = taken.flatMap((wish) => pool.take(wish) ?? []);
            const ids = new Set<string>(tasks.map(({ taskId }) => taskId));
            this.#wishes = this.#wishes.filter(({ id }) => !ids.has(id));
            for (const { executor } of tasks) {
              if (executor !== undefined) this.#agents.set(executor.executorId, offer.agentId);
            }
            if (tasks.length === 0) driver.decline([offer.offerId], { refuseMs: 100 });
            else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: tasks }], 100);
          }
        },
        update: (status) => void this.updates.push(status),
        message: ({ data }) => {
          const told = JSON.parse(new TextDecoder().decode(data)) as Told;
          this.#answers.set(told.number, told);
        },
        failure: ({ executorId }) => void this.lost.push(String(executorId)),
      },
    );
  }

  /** An executor stays where it is. */
  #fits(agentId: AgentId, { executor }: Wish): boolean {
    const there = this.#agents.get(executor.id);
    return there === undefined || there === agentId;
  }

  /** Wants these tasks on one executor; returns when all run. */
  async launch(
    executor: string,
    ids: readonly string[],
    { user = "root", cpus = 0.05 }: { readonly user?: string; readonly cpus?: number } = {},
  ): Promise<void> {
    const resources = `cpus:${cpus};mem:32`;
    const wishes = ids.map((id) => ({ id, resources, executor: gateExecutor(executor, user) }));
    this.#wishes.push(...wishes);
    const run = (): boolean => ids.every((id) => this.story(id).includes("TASK_RUNNING"));
    await until(run, `${ids.join(" ")} run`, RUN_MS_MAX);
  }

  /** The states that it was told of a task, each update once. */
  story(taskId: string): string[] {
    const seen = new Set<unknown>();
    return this.updates
      .filter(({ taskId: id, uuid }) => id === taskId && !seen.has(uuid) && seen.add(uuid))
      .map(({ state }) => state);
  }

  last(taskId: string): TaskStatus | undefined {
    return this.updates.filter((status) => status.taskId === taskId).at(-1);
  }

  /** Says it to an executor until it answers: messages may be lost. */
  async ask(executor: string, words: string): Promise<Told> {
    this.#questions += 1;
    const number = this.#questions;
    const told = await untilAnswer(
      async () => {
        this.#say(executor, `${number} ${words}`);
        return this.#answers.get(number);
      },
      (answer) => answer !== undefined,
      `${executor} answers ${words}`,
    );
    if (told === undefined) throw new Error("it has just answered");
    return told;
  }

  #say(executor: string, words: string): void {
    const agentId = this.#agents.get(executor);
    if (agentId === undefined) throw new Error(`${executor} was never launched`);
    const data = new TextEncoder().encode(words);
    this.#framework.message({ agentId, executorId: asId<ExecutorId>(executor), data });
  }

  kill(taskId: string): void {
    this.#framework.kill(asId(taskId));
  }

  end(): Promise<void> {
    return this.#framework.end();
  }
}

/** The project is put into the container, for it may lie where containers do not look. */
function gateExecutor(id: string, user: string): ExecutorWish {
  return {
    id,
    resources: "cpus:0.4;mem:128",
    command: [process.execPath, "program/dist/test/support/gate-executor.js"],
    user,
    container: {
      type: "MESOS",
      volumes: [{ containerPath: "program", mode: "RO", hostPath: PROJECT }],
    },
  };
}
