/**
 * Everything is killed at once, but the tasks: brokers, masters, agents, and who watches them.
 * Started again, the cluster is what it was, and deadlines have gone on counting.
 */
import { join } from "node:path";
import t from "tap";
import { connect, OfferPool } from "#sdk";
import { readUpRecord } from "#daemon";
import { Ledger } from "../support/ledger.ts";
import { away, untilAnswer } from "../support/answers.ts";
import {
  Cluster,
  isAlive,
  processesInCgroup,
  readQuietly,
  skipWithoutRoot,
} from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { leaderOf, statusOf } from "./leaders.ts";

const TASKS = 5;
/** Of the framework that does not come back. */
const FAILOVER_TIMEOUT_MS = 30_000;
const AWAY_MS = 5_000;

async function killAll(cluster: Cluster): Promise<void> {
  const record = await readUpRecord(cluster.bench.data);
  const children = Object.values(record?.children ?? {}).map(({ pid }) => pid);
  const pids = [cluster.up.pid, ...children, await cluster.pidOf("broker")];
  // Who would start others goes first, in the same moment as all.
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await cluster.up.ended;
  await until(() => !pids.some(isAlive), "everything is dead");
}

/** A framework with a deadline that leaves a task behind and goes. */
async function leaveTask(cluster: Cluster): Promise<string> {
  let frameworkId = "";
  let running = false;
  const framework = connect(
    {
      credentials: join(cluster.bench.data, "credentials", "framework.creds"),
      name: "deadline",
      failoverTimeoutMs: FAILOVER_TIMEOUT_MS,
      logLevel: "error",
    },
    {
      subscribed: (event) => {
        frameworkId = event.frameworkId;
      },
      offers: (offers, driver) => {
        for (const offer of offers) {
          const task = running
            ? undefined
            : new OfferPool(offer).take({
                id: "left",
                resources: "cpus:0.1;mem:32",
                command: "sleep 1000",
              });
          if (task === undefined) driver.decline([offer.offerId]);
          else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: [task] }]);
        }
      },
      update: ({ state }) => {
        running ||= state === "TASK_RUNNING";
      },
    },
  );
  await until(() => running, "the task of the framework that leaves runs");
  await framework.close();
  return frameworkId;
}

void t.test("everything but the tasks is killed at once", { skip: skipWithoutRoot }, async (t) => {
  const flags = ["--masters", "3", "--agents", "2", "--resources", "cpus:4;mem:4096"];
  const times = ["--agent-reregister-timeout", "15s"];
  const cluster = await Cluster.start([...flags, ...times]);
  t.teardown(() => cluster.stop());
  const { bench } = cluster;
  t.equal((await bench.meseta(["quota", "set", "eng", "--limit", "cpus:2;mem:512"])).exit, 0);
  t.equal((await bench.meseta(["weight", "set", "ops", "2.5"])).exit, 0);
  const left = await leaveTask(cluster);
  const leftAtMs = performance.now();
  const ledger = new Ledger(cluster);
  t.teardown(() => ledger.end());
  const ids = Array.from({ length: TASKS }, (_, index) => `task-${index}`);
  await ledger.launch(
    ids.map((id) => ({ id, resources: "cpus:0.1;mem:32", command: "sleep 1000" })),
  );
  const agentIds = cluster.agentIds();
  const before = await leaderOf(cluster);
  // An agent's launcher ends by itself soon after its agent: what the tasks run tells them apart.
  const sleeping = (): number[] =>
    agentIds
      .flatMap(processesInCgroup)
      .filter((pid) => isAlive(pid) && readQuietly(`/proc/${pid}/comm`).trim() === "sleep")
      .sort();
  const tasksOf = async () => {
    const { items } = await cluster.call("listTasks", { query: { limit: 100 } });
    return items.map(({ id, state, agentId }) => `${id} ${state} ${agentId}`).sort();
  };
  const running = (all: readonly string[]): boolean =>
    all.length === TASKS + 1 && all.every((line) => line.includes("TASK_RUNNING"));
  const known = await untilAnswer(tasksOf, running, "all are known");
  // Its deadline begins when the log says that it is away.
  await untilAnswer(
    () => cluster.call("listFrameworks", { query: {} }),
    ({ items }) => items.some(({ id, connected }) => id === left && !connected),
    "the framework is away",
  );

  await killAll(cluster);
  const alone = sleeping();
  t.equal(alone.length, TASKS + 1, "the tasks go on");
  await away(AWAY_MS);
  t.same(sleeping(), alone, "with nobody there");

  await cluster.startAgain();
  const after = await leaderOf(cluster);
  t.ok(after.epoch > before.epoch, "a new epoch");
  const status = await untilAnswer(
    () => statusOf(cluster),
    (answer) => answer?.agents["registered"] === 2,
    "both agents are back",
  );
  t.match(status?.agents, { registered: 2 });
  t.same(await untilAnswer(tasksOf, running, "all tasks are known again"), known);
  t.same(cluster.agentIds(), agentIds);
  const quota = await cluster.call("showQuota", { path: { role: "eng" } });
  t.match(quota.limit, { cpus: 2, mem: 512 });
  t.match((await cluster.call("listWeights", { query: {} })).items, [{ name: "ops", weight: 2.5 }]);

  // Its time went on while nobody was there; a full window after the return it is over.
  await untilAnswer(
    () => cluster.call("listFrameworks", { query: {} }),
    ({ items }) => !items.some(({ id }) => id === left),
    "the framework that did not come back is completed",
    4 * FAILOVER_TIMEOUT_MS,
  );
  const tookMs = performance.now() - leftAtMs;
  t.comment(`completed ${Math.round(tookMs)} ms after it left`);
  t.equal(
    ledger.told.some(
      ({ state }) => state !== "TASK_RUNNING" && /LOST|GONE|FAIL|UNREACH/.test(state),
    ),
    false,
  );
  for (const id of ids) t.equal(ledger.hasEnded(id), false, `${id} runs on`);
});
