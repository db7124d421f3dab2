/** The lead is given away: by a person's word, by the end of a process. Tasks do not notice. */
import t from "tap";
import { Ledger } from "../support/ledger.ts";
import { Cluster, skipWithoutRoot } from "../support/cluster.ts";
import { leaderOf, partOf } from "./leaders.ts";

/** Far below what a leader that died takes: 1.6 s of silence alone. */
const GIVEN_MS_MAX = 1_500;

void t.test("the lead goes from master to master", { skip: skipWithoutRoot }, async (t) => {
  const flags = ["--masters", "3", "--agents", "2", "--resources", "cpus:2;mem:2048"];
  const cluster = await Cluster.start(flags);
  t.teardown(() => cluster.stop());
  const { bench } = cluster;
  const ledger = new Ledger(cluster);
  await ledger.launch([{ id: "before", resources: "cpus:0.1;mem:32", command: "sleep 1000" }]);

  await t.test("by meseta master transfer, which says who leads now", async (t) => {
    const before = await leaderOf(cluster);
    const { exit, stdout } = await bench.meseta(["master", "transfer"]);
    t.equal(exit, 0);
    t.match(stdout, new RegExp(`^leader  master-\\d\nepoch   \\d+\nbefore  ${before.masterId}\n$`));
    const after = await leaderOf(cluster);
    t.not(after.masterId, before.masterId);
    await ledger.launch([{ id: "after", resources: "cpus:0.1;mem:32", command: "sleep 1000" }]);
  });

  await t.test("not from one that does not lead", async (t) => {
    const { exit, stderr } = await bench.meseta(["master", "transfer", "--from", "nobody"]);
    t.not(exit, 0);
    t.match(stderr, /masterId: nobody does not lead, master-\d does/);
  });

  await t.test("by SIGTERM, without the time that a death takes", async (t) => {
    const before = await leaderOf(cluster);
    const beganMs = performance.now();
    process.kill(await cluster.pidOf(partOf(before.masterId)), "SIGTERM");
    const after = await leaderOf(cluster, ({ epoch }) => epoch > before.epoch);
    const tookMs = performance.now() - beganMs;
    t.not(after.masterId, before.masterId);
    t.ok(tookMs < GIVEN_MS_MAX, `${Math.round(tookMs)} ms`);
  });

  t.equal(ledger.hasEnded("before"), false);
  t.equal(ledger.hasEnded("after"), false);
  await ledger.end();
});

void t.test(
  "where one master is alone it takes the lead again",
  { skip: skipWithoutRoot },
  async (t) => {
    const cluster = await Cluster.start(["--agents", "1"]);
    t.teardown(() => cluster.stop());
    const before = await leaderOf(cluster);
    const { exit } = await cluster.bench.meseta(["master", "transfer", "--timeout", "60s"]);
    t.equal(exit, 0);
    t.equal((await leaderOf(cluster, ({ epoch }) => epoch > before.epoch)).masterId, "master-1");
  },
);
