/** How clusters begin and do not begin, as somebody new to them finds out. */
import { createServer } from "node:net";
import { accessSync, constants, readdirSync } from "node:fs";
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import t, { type Test } from "tap";
import { Bench, Cluster, isRoot, processesNaming, remainsOf } from "../support/cluster.ts";
import { until } from "../support/until.ts";

const NOBODY = { uid: 65_534, gid: 65_534 };
/** A start that cannot succeed must not take longer. */
const REFUSED_MS_MAX = 20_000;
/** A start on a machine that has much else to do. */
const STARTED_MS_MAX = 60_000;

async function onBench(test: Test, env: NodeJS.ProcessEnv = {}): Promise<Bench> {
  const bench = await Bench.make(env);
  test.teardown(() => bench.clear());
  return bench;
}

/** A start that fails says why and leaves nothing that runs. */
async function refuses(test: Test, bench: Bench, flags: readonly string[], why: RegExp) {
  const up = bench.start(["up", "--agents", "1", "--data", bench.data, ...flags]);
  const { exit, stdout, stderr } = await up.end(REFUSED_MS_MAX);
  test.equal(exit, 1);
  test.equal(stdout, "");
  test.match(stderr, why);
  await until(() => processesNaming(bench.dir).length === 0, "nothing of it runs");
}

void t.test("a port that is in use is named", async (test) => {
  const bench = await onBench(test);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.teardown(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? String(address.port) : "";
  await refuses(test, bench, ["--port", port], new RegExp(`127\\.0\\.0\\.1:${port}.*--port`));
});

void t.test("a directory that cannot be made is named, and nothing waits for it", async (test) => {
  const bench = await onBench(test);
  const up = bench.start(["up", "--data", "/proc/meseta-nowhere"]);
  const { exit, stderr } = await up.end(REFUSED_MS_MAX);
  test.equal(exit, 1);
  test.match(stderr, /\/proc\/meseta-nowhere cannot be used: ENOENT.*--data/);
});

void t.test("a broker that cannot be reached is named", async (test) => {
  const bench = await onBench(test);
  const flags = ["--nats", "nats://127.0.0.1:1"];
  await refuses(test, bench, flags, /the broker at nats:\/\/127\.0\.0\.1:1 cannot be reached/);
});

void t.test("without a broker there is the bus in memory, and it is offered", async (test) => {
  const env = { MESETA_NATS_SERVER: "/nowhere/nats-server" };
  await refuses(test, await onBench(test, env), [], /MESETA_NATS_SERVER.*--bus memory/s);
  const cluster = await Cluster.start(["--agents", "2", "--bus", "memory"], env);
  test.teardown(() => cluster.stop());
  const ran = await cluster.bench.meseta(["run", "--", "sh", "-c", "echo here; exit 3"]);
  test.same(ran, { exit: 3, stdout: "here\n", stderr: "" });
  test.match((await cluster.bench.meseta(["status"])).stdout, /^warning +the bus is within one/m);
});

void t.test("a directory has one cluster at a time", async (test) => {
  const cluster = await Cluster.start(["--agents", "1", "--bus", "memory"]);
  test.teardown(() => cluster.stop());
  const second = await cluster.bench.meseta(["up", "--data", cluster.bench.data]);
  test.equal(second.exit, 1);
  test.match(second.stderr, /runs from .* already; stop it with meseta down/);
  test.equal((await cluster.bench.meseta(["status"])).exit, 0, "the first goes on");
  cluster.up.signal("SIGINT");
  test.equal((await cluster.up.end(20_000)).exit, 0, "Ctrl-C ends it well");
  test.same(remainsOf(cluster.bench.dir, cluster.agentIds()), []);
});

void t.test("others' clusters cannot be asked without their token", async (test) => {
  const cluster = await Cluster.start(["--agents", "1", "--bus", "memory"]);
  test.teardown(() => cluster.stop());
  const { server } = await cluster.context();
  const asked = await cluster.bench.meseta(["ps", "--server", server, "--token", "guessed"]);
  test.equal(asked.exit, 7);
});

/** Why the program cannot be run as another user here; false where it can. */
function whyNotNobody(): string | false {
  if (!isRoot) return "needs root to become another user";
  const program = join(import.meta.dirname, "../../../bin/meseta.js");
  accessSync(program, constants.R_OK);
  const { status } = spawnSync(process.execPath, [program, "version"], { ...NOBODY, cwd: "/" });
  return status === 0 ? false : "another user may not read this checkout";
}

void t.test("whoever is not root runs without limits", { skip: whyNotNobody() }, async (test) => {
  const bench = await onBench(test);
  for (const dir of [bench.data, bench.config]) {
    await mkdir(dir);
    await chown(dir, NOBODY.uid, NOBODY.gid);
  }
  const nobody = { ...NOBODY, env: { HOME: bench.config } };
  const barred = await bench.meseta(["up", "--data", "/root/meseta-not-mine"], nobody);
  test.equal(barred.exit, 1);
  test.match(barred.stderr, /\/root\/meseta-not-mine cannot be used: EACCES/);
  const flags = ["--agents", "1", "--bus", "memory"];
  const up = bench.start(["up", "--data", bench.data, ...flags], nobody);
  await up.says(/Ctrl-C stops everything/, STARTED_MS_MAX);
  test.match(up.stdout, /limits +none: /);
  const ran = await bench.meseta(["run", "--", "sh", "-c", "id -u; exit 5"], nobody);
  test.same([ran.exit, ran.stdout], [5, `${NOBODY.uid}\n`]);
  const status = await bench.meseta(["status"], nobody);
  test.match(status.stdout, /^warning .*limits/m, "status says so");
  up.signal("SIGINT");
  const over = await up.end();
  test.equal(over.exit, 0, `it ends well: ${over.stderr}`);
  const left = processesNaming(bench.data);
  test.same(left, []);
  test.ok(readdirSync(bench.data).length > 0, "its directory stays");
});
