/**
 * A framework with an executor of its own (`executor.ts`): several tasks, one process. Its program is
 * put into the container as a volume; start the cluster with `--allowed-host-paths` and the folder of
 * this project.
 */
import { fileURLToPath } from "node:url";
import { connect, type ExecutorWish, isTerminal, OfferPool } from "meseta";

const [, , credentials] = process.argv;
if (credentials === undefined) {
  process.stderr.write("usage: custom-executor CREDENTIALS   (meseta up prints the path)\n");
  process.exit(2);
}

/** Seen from the compiled file in `dist/examples/custom-executor`. */
const project = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const executor: ExecutorWish = {
  id: "primes",
  resources: "cpus:0.2;mem:96",
  command: [process.execPath, "program/dist/examples/custom-executor/executor.js"],
  container: {
    type: "MESOS",
    volumes: [{ containerPath: "program", mode: "RO", hostPath: project }],
  },
};
const began = Date.now();
const wishes = [1_000, 100_000, 200_000].map((limit) => ({
  id: `primes-${limit}-${began}`,
  resources: "cpus:0.1;mem:32",
  executor,
  data: new TextEncoder().encode(String(limit)),
}));
const open = new Set<string>(wishes.map(({ id }) => id));
let isLaunched = false;

const framework = connect(
  { credentials, name: "primes" },
  {
    offers(offers, driver) {
      for (const offer of offers) {
        const pool = new OfferPool(offer);
        const tasks = isLaunched ? [] : wishes.flatMap((wish) => pool.take(wish) ?? []);
        // One process is the point: all of them, or none here.
        if (tasks.length < wishes.length) {
          driver.decline([offer.offerId]);
          continue;
        }
        isLaunched = true;
        driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: tasks }]);
      }
    },
    async update({ taskId, state, message }) {
      process.stdout.write(`${taskId} ${state} ${message ?? ""}\n`);
      if (!isTerminal(state)) return;
      open.delete(taskId);
      if (state !== "TASK_FINISHED") process.exitCode = 1;
      if (open.size === 0) await framework.end();
    },
    ended(reason, message) {
      process.stderr.write(`${reason}: ${message}\n`);
    },
  },
);
