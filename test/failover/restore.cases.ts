/**
 * The log is lost and restored from a snapshot, as docs/operating.md says it: masters stopped,
 * tasks running on, the next generation, everything of the snapshot there again.
 */
import { join } from "node:path";
import t from "tap";
import { readUpRecord } from "#daemon";
import { epochOf } from "#protocol";
import { Ledger } from "../support/ledger.ts";
import { untilAnswer } from "../support/answers.ts";
import { Cluster, isAlive, skipWithoutRoot } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { leaderOf, statusOf } from "./leaders.ts";

/** Everything but the broker, whose stream is to be restored, and the tasks. */
async function killMasters(cluster: Cluster): Promise<void> {
  const record = await readUpRecord(cluster.bench.data);
  const pids = Object.values(record?.children ?? {}).map(({ pid }) => pid);
  for (const pid of [cluster.up.pid, ...pids]) process.kill(pid, "SIGKILL");
  await cluster.up.ended;
  await until(() => !pids.some(isAlive), "masters and agents are dead");
}

void t.test("a cluster is restored from a snapshot", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start(["--agents", "1", "--resources", "cpus:2;mem:2048"]);
  t.teardown(() => cluster.stop());
  const { bench } = cluster;
  const meseta = (...args: string[]) => bench.meseta(args);
  const file = join(bench.dir, "snapshot");
  await meseta("quota", "set", "eng", "--limit", "cpus:1;mem:512");
  const ledger = new Ledger(cluster);
  t.teardown(() => ledger.end());
  await ledger.launch([{ id: "task", resources: "cpus:0.1;mem:32", command: "sleep 1000" }]);
  t.equal((await meseta("snapshot", "save", file)).exit, 0);
  await meseta("weight", "set", "ops", "2");

  const early = await meseta("snapshot", "restore", file);
  t.equal(early.exit, 1);
  t.match(early.stderr, /a master leads by this log; stop all masters first/);

  await killMasters(cluster);
  const asked = await meseta("snapshot", "restore", file);
  t.equal(asked.exit, 1);
  t.match(asked.stderr, /holds \d+ records up to position \d+, the snapshot is of position \d+/);
  const restored = await meseta("snapshot", "restore", file, "--replace");
  t.equal(restored.exit, 0, restored.stderr);
  t.match(restored.stdout, /generation 1\n/);
  t.match((await meseta("log", "verify")).stdout, /whole +yes/);

  await cluster.startAgain();
  const leader = await leaderOf(cluster);
  t.ok(leader.epoch > epochOf(1, 0), "an epoch of the next generation");
  await untilAnswer(
    () => statusOf(cluster),
    (status) => status?.agents["registered"] === 1 && status.tasks["TASK_RUNNING"] === 1,
    "the agent is back, and its task is known",
  );
  const quota = await cluster.call("showQuota", { path: { role: "eng" } });
  t.match(quota.limit, { cpus: 1, mem: 512 });
  t.same((await cluster.call("listWeights", { query: {} })).items, [], "what came after is gone");
  t.equal(ledger.hasEnded("task"), false, "tasks have nothing to do with it");
});

void t.test("what is no snapshot is refused by name", async (t) => {
  const { Bench } = await import("../support/cluster.ts");
  const bench = await Bench.make();
  t.teardown(() => bench.clear());
  const junk = join(bench.dir, "junk");
  await bench.write(junk, "junk");
  const refusals: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [["snapshot", "inspect", junk], /junk is no snapshot: meseta snapshot save makes one/],
    [["snapshot", "inspect", `${junk}-not`], /cannot be read: ENOENT/],
    [["log", "status", "--data", bench.dir], /holds no log of a cluster; name its directory/],
    [["log", "tail", "-n", "x"], /--lines: x is no number/],
    [["snapshot", "save", junk, "--data", bench.dir], /holds no log of a cluster/],
  ];
  for (const [args, said] of refusals) {
    const { exit, stderr } = await bench.meseta(args);
    t.not(exit, 0);
    t.match(stderr, said, args.join(" "));
  }
});
