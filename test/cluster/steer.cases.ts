/**
 * Operators steer a running cluster: quota and weight are set, hold, are explained, and outlive the
 * master, which is killed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { untilAnswer } from "../support/answers.ts";
import { connect } from "#sdk";
import { Cluster, skipWithoutRoot } from "../support/cluster.ts";
import { until } from "../support/until.ts";

const RECOVERED_MS_MAX = 20_000;

async function done(cluster: Cluster, ...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await cluster.bench.meseta(args);
  if (exit !== 0) throw new Error(`meseta ${args.join(" ")} ended with ${exit}: ${stderr}`);
  return stdout;
}

async function startSleeper(cluster: Cluster, name: string): Promise<void> {
  const flags = ["--name", name, "--role", "eng", "--cpus", "2", "--mem", "64"];
  await done(cluster, "run", "--detach", ...flags, "--", "sleep", "1000");
}

function states(cluster: Cluster, state: string): Promise<number> {
  return cluster
    .call("listTasks", { query: { filter: `state=${state},role=eng` } })
    .then(({ items }) => items.length);
}

async function isSet(test: Test, cluster: Cluster): Promise<void> {
  const quotas = (await cluster.bench.json("quota", "list")) as { items: unknown[] };
  test.match(quotas.items, [{ name: "eng", guarantee: { cpus: 2 }, limit: { cpus: 2, mem: 512 } }]);
  const weights = (await cluster.bench.json("weight", "list")) as { items: unknown[] };
  test.match(weights.items, [{ name: "eng", weight: 2.5 }]);
}

async function waitsForQuota(test: Test, cluster: Cluster): Promise<void> {
  const why = await done(cluster, "why", "second");
  test.match(why, /eng has consumed cpus 2 of 2, mem 64 of 512 of its limit/);
  test.match(why, /^quota +2$/m);
  test.match(await cluster.bench.json("why", "second"), { kind: "run", counts: { quota: 2 } });
}

void t.test("operators steer a running cluster", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start(["--agents", "2", "--resources", "cpus:4;mem:1024"]);
  t.teardown(() => cluster.stop());

  await t.test("what is set is seen at once, and holds", async (test) => {
    const amounts = ["--guarantee", "cpus:2", "--limit", "cpus:2;mem:512"];
    test.match(await done(cluster, "quota", "set", "eng", ...amounts), /quota of eng is set/);
    await done(cluster, "weight", "set", "eng", "2.5");
    await isSet(test, cluster);
    await startSleeper(cluster, "first");
    await untilAnswer(
      () => states(cluster, "TASK_RUNNING"),
      (count) => count === 1,
      "it runs",
    );
    await startSleeper(cluster, "second");
    await waitsForQuota(test, cluster);
    test.match(await done(cluster, "role", "list"), /^eng +2\.5 +25\.0% +10\.0% +1 +cpus:2 /m);
    test.match(await done(cluster, "why", "agent-1"), /^run +eng +quota /m);
    test.match(await done(cluster, "why", "first"), /^task first-.*: TASK_RUNNING on agent-/);
  });

  await t.test("what cannot be is refused, and so is who may not", async (test) => {
    const set = (...args: string[]) => cluster.bench.meseta(["quota", "set", "eng", ...args]);
    const much = await set("--guarantee", "cpus:9");
    test.equal(much.exit, 1);
    test.match(much.stderr, /with it cpus 9 are guaranteed, and the 2 registered agents have 8/);
    const tight = await set("--limit", "cpus:1");
    test.equal(tight.exit, 1);
    test.match(tight.stderr, /limit: cpus 1 is below the 2 that eng has already/);
    const below = await cluster.bench.meseta(["quota", "set", "eng/a", "--guarantee", "cpus:3"]);
    test.equal(below.exit, 2);
    test.match(below.stderr, /roles below eng are guaranteed cpus 3, and eng itself 2/);
    const path = join(cluster.bench.data, "master", "token-read");
    const reader = ["--token", (await readFile(path, "utf8")).trim()];
    test.equal((await set("--limit", "cpus:8", ...reader)).exit, 7);
    const seen = await cluster.bench.meseta(["quota", "list", ...reader]);
    test.equal(seen.exit, 0);
    await isSet(test, cluster);
  });

  await t.test("all of it outlives the master", async (test) => {
    const before = await cluster.pidOf("master");
    process.kill(before, "SIGKILL");
    await untilAnswer(
      () => cluster.call("status").catch((error: Error) => error),
      (status) => !(status instanceof Error) && status.agents["registered"] === 2,
      "all agents are registered with the next master",
      RECOVERED_MS_MAX,
    );
    test.not(await cluster.pidOf("master"), before);
    await isSet(test, cluster);
    await waitsForQuota(test, cluster);
    test.equal(await states(cluster, "TASK_RUNNING"), 1, "the limit holds");
  });

  await t.test("without its quota the role gets what it waits for", async (test) => {
    await done(cluster, "quota", "remove", "eng");
    const both = (count: number): boolean => count === 2;
    await untilAnswer(() => states(cluster, "TASK_RUNNING"), both, "both run");
    test.match(await cluster.bench.json("quota", "list"), { items: [] });
    test.equal((await cluster.bench.meseta(["quota", "show", "eng"])).exit, 4);
  });

  await t.test("a framework whose handler throws is told that it is over", async (test) => {
    let said = "";
    const framework = connect(
      {
        credentials: join(cluster.bench.data, "credentials", "framework.creds"),
        name: "throws",
        logLevel: "error",
      },
      {
        subscribed() {
          throw new Error("no room for its journal");
        },
        ended: (reason, message) => {
          said = `${reason}: ${message}`;
        },
      },
    );
    await until(() => said !== "", "it is told");
    test.match(said, /^died: .*no room for its journal/);
    await framework.close();
  });
});
