/**
 * Runs many seeds in child processes and gives the outcomes in the order of the seeds, so that
 * the number of processes changes nothing but the time. A process takes one seed at a time; one
 * that dies or hangs has failed that seed, and another takes its place.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ClusterOptions } from "../cluster.ts";
import { crashed, type SeedOutcome } from "./outcome.ts";

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));
/**
 * Most of what a run makes is gone at once, and a process runs hundreds of seeds: room for the young
 * that does not shrink again between them, and code that is kept though it was not called lately,
 * save a seventh of what a seed takes.
 */
const WORKER_FLAGS = [
  "--max-semi-space-size=128",
  "--min-semi-space-size=64",
  "--no-flush-bytecode",
] as const;
/** How long one seed may take on the wall clock before its process is ended. */
export const SEED_MS_MAX = 900_000;

export interface PoolOptions {
  readonly seeds: readonly string[];
  /** What all of them run. */
  readonly options: Omit<ClusterOptions, "seed">;
  readonly jobs: number;
  /** Wall time after which no further seed is begun; those that run are waited for. */
  readonly budgetMs: number;
  /** Told of each outcome in the order of the seeds; true ends the swarm with it. */
  onOutcome(outcome: SeedOutcome): boolean;
}

/** How many outcomes were given; fewer than seeds when the budget or `onOutcome` ended it. */
export async function runSeeds(pool: PoolOptions): Promise<number> {
  const endsAtMs = performance.now() + pool.budgetMs;
  const waiting = new Map<number, SeedOutcome>();
  let begun = 0;
  let given = 0;
  let over = false;
  const give = (): void => {
    for (;;) {
      const outcome = waiting.get(given);
      if (outcome === undefined || over) return;
      waiting.delete(given);
      given += 1;
      over = pool.onOutcome(outcome);
    }
  };
  /** One process after another, until no seed is left. */
  const lane = async (): Promise<void> => {
    let worker: Worker | undefined;
    while (!over && begun < pool.seeds.length && performance.now() < endsAtMs) {
      const index = begun;
      begun += 1;
      const seed = pool.seeds[index] ?? "";
      worker = worker?.live === true ? worker : new Worker();
      waiting.set(index, await worker.run({ ...{}, ...pool.options, seed }));
      give();
    }
    worker?.end();
  };
  await Promise.all(Array.from({ length: pool.jobs }, lane));
  return given;
}

/** One child process. */
class Worker {
  readonly #child: ChildProcess = fork(WORKER, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    execArgv: [...process.execArgv, ...WORKER_FLAGS],
  });
  live = true;

  run(options: ClusterOptions): Promise<SeedOutcome> {
    const child = this.#child;
    return new Promise((resolve) => {
      const finish = (outcome: SeedOutcome): void => {
        clearTimeout(timer);
        child.off("message", onMessage);
        child.off("exit", onExit);
        resolve(outcome);
      };
      const fail = (why: string): void => {
        this.live = false;
        finish(crashed(options.seed, why));
      };
      const onMessage = (message: unknown): void => finish(message as SeedOutcome);
      const onExit = (code: number | null, signal: string | null): void =>
        fail(`its process ended with ${signal ?? `code ${code}`}`);
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        fail(`it did not end within ${SEED_MS_MAX / 1000} s`);
      }, SEED_MS_MAX);
      child.on("message", onMessage);
      child.on("exit", onExit);
      child.send(options);
    });
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}
