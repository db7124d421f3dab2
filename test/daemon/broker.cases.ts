/** The broker as a child: found, kept alive, given up by nobody but its owner. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { takeLock } from "#adapters";
import {
  type Broker,
  type BrokerEvent,
  findBroker,
  isNewEnough,
  isSameProcess,
  openTrust,
  type RestartPolicy,
  processMark,
  startBroker,
} from "#daemon";
import { asId, type ClusterId } from "#protocol";
import { until } from "../support/until.ts";

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), "meseta-test-daemon-"));
const silent = { progress: () => undefined, mayProvision: false };

async function program(path: string, says: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
}

t.test("versions are compared by their numbers, and a pre-release is older", async (test) => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["2.10.23", true],
    ["2.10.22", false],
    ["2.10.23-RC.1", false],
    ["2.10.27", true],
    ["2.9.10", false],
    ["2.11.0-preview.1", true],
    ["3.0.0", true],
    ["nonsense", false],
  ];
  for (const [version, expected] of rows) test.equal(isNewEnough(version), expected, version);
});

t.test("a broker is looked for where it was named, in PATH, in the cache", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const part of ["old", "new", "cache"]) await mkdir(join(dir, part), { mode: 0o700 });
  await program(join(dir, "old", "nats-server"), "nats-server: v2.9.10");
  await program(join(dir, "new", "nats-server"), "nats-server: v2.12.1");
  await program(join(dir, "cache", "nats-server"), "nats-server: v2.10.27");
  const find = (env: Record<string, string>) => findBroker({ ...silent, env });
  const cache = { MESETA_CACHE_DIR: join(dir, "cache") };
  const path = (name: string) => join(dir, name, "nats-server");
  test.same(await find({ ...cache, MESETA_NATS_SERVER: path("new"), PATH: "" }), {
    path: path("new"),
    version: "2.12.1",
    origin: "named",
  });
  const passed: string[] = [];
  const both = { ...cache, PATH: `relative:${join(dir, "old")}:${join(dir, "new")}` };
  const found = await findBroker({
    env: both,
    mayProvision: false,
    progress: (l) => void passed.push(l),
  });
  test.same([found.origin, found.version], ["path", "2.12.1"]);
  test.match(passed[0], /2\.9\.10, below 2\.10\.23: passed over/);
  test.equal((await find({ ...cache, PATH: join(dir, "old") })).origin, "cache");
  await test.rejects(
    find({ ...cache, MESETA_NATS_SERVER: path("old"), PATH: "" }),
    /2\.9\.10.*at least 2\.10\.23/,
  );
  await test.rejects(
    find({ ...cache, MESETA_NATS_SERVER: "/nowhere", PATH: "" }),
    /is no nats-server/,
  );
  await test.rejects(find({ MESETA_CACHE_DIR: dir, PATH: "" }), /MESETA_NATS_SERVER.*--bus memory/);
});

t.test("a program in the cache that others could have put there is not run", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, "nats-server");
  await writeFile(path, `#!/bin/sh\ntouch ${dir}/ran\necho 'nats-server: v2.12.1'\n`);
  await chmod(path, 0o777);
  await test.rejects(findBroker({ ...silent, env: { MESETA_CACHE_DIR: dir, PATH: "" } }));
  await test.rejects(stat(join(dir, "ran")), /ENOENT/);
});

const HASTY: RestartPolicy = {
  backoffFirstMs: 1,
  backoffMaxMs: 4,
  deathsMax: 5,
  rareMs: 8,
  calmMs: 60_000,
};

async function realBroker(
  dir: string,
  events: BrokerEvent[] = [],
  restarts?: RestartPolicy,
): Promise<Broker> {
  const binary = await findBroker({ ...silent, mayProvision: true, env: process.env });
  const cluster: ClusterId = asId("test");
  const trust = await openTrust({ dataDir: dir, cluster, nowMs: () => Date.now() });
  return startBroker({
    binary,
    dir: join(dir, "broker"),
    trust: trust.broker,
    onEvent: (event) => void events.push(event),
    ...(restarts === undefined ? {} : { restarts }),
  });
}

t.test("a broker that is killed comes back on its port, and is gone after stop", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const events: BrokerEvent[] = [];
  const broker = await realBroker(dir, events);
  const { pid: first = 0, port } = broker;
  await test.rejects(realBroker(dir), /held by another process/, "one folder, one broker");
  process.kill(first, "SIGKILL");
  await until(() => events.length === 2, "it dies and is back");
  test.same(
    events.map(({ kind }) => kind),
    ["died", "back"],
  );
  const { pid: second = 0 } = broker;
  test.not(second, first);
  test.equal(broker.port, port);
  const mark = await processMark(second);
  await broker.stop();
  test.equal(mark && (await isSameProcess(mark)), false);
  await test.rejects(stat(join(dir, "broker", "process.json")), /ENOENT/);
  const again = await realBroker(dir);
  test.equal(again.port, port, "the same port as the last time");
  await again.stop();
});

t.test("a broker that is stopped while it comes back is gone afterwards", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const broker = await realBroker(dir);
  const pidFile = join(dir, "broker", "process.json");
  const pidIn = (): number => Number(/"pid":(\d+)/.exec(readFileSync(pidFile, "utf8"))?.[1]);
  const first = pidIn();
  process.kill(first, "SIGKILL");
  await until(() => pidIn() !== first, "the next child is started");
  const second = await processMark(pidIn());
  await broker.stop();
  test.equal(second && (await isSameProcess(second)), false);
  await (await takeLock(join(dir, "broker"), "broker.lock")).release();
});

t.test(
  "a broker that dies again and again is started ever later, and never given up",
  async (test) => {
    const dir = await scratch();
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    const events: BrokerEvent[] = [];
    const broker = await realBroker(dir, events, HASTY);
    const killed = new Set<number>();
    const deaths = () => events.flatMap((event) => (event.kind === "died" ? [event.restart] : []));
    const killedOften = (): boolean => {
      const { pid } = broker;
      if (pid !== undefined && !killed.has(pid) && deaths().length < 6) {
        killed.add(pid);
        process.kill(pid, "SIGKILL");
      }
      return deaths().length === 6 && events.at(-1)?.kind === "back";
    };
    await until(killedOften, "it is back from its sixth death");
    test.same(
      deaths().map(({ inMs }) => inMs),
      [1, 2, 4, 4, 8, 8],
    );
    await broker.stop();
  },
);

t.test(
  "what a killed owner left running is ended, a stranger under its id is not",
  async (test) => {
    const dir = await scratch();
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    const leftover = spawn("sleep", ["600"], { stdio: "ignore" });
    const stranger = spawn("sleep", ["600"], { stdio: "ignore" });
    test.teardown(() => void leftover.kill("SIGKILL"));
    test.teardown(() => void stranger.kill("SIGKILL"));
    const path = join(dir, "broker", "process.json");
    await mkdir(join(dir, "broker"), { recursive: true });
    const mark = await processMark(leftover.pid ?? 0);
    const other = await processMark(stranger.pid ?? 0);
    if (mark === undefined || other === undefined) throw new Error("no children");
    await writeFile(path, JSON.stringify(mark));
    await (await realBroker(dir)).stop();
    test.equal(await isSameProcess(mark), false);
    await writeFile(path, JSON.stringify({ ...other, startTicks: other.startTicks - 1 }));
    await (await realBroker(dir)).stop();
    test.equal(await isSameProcess(other), true);
  },
);

t.test("the configuration opens no monitoring port and holds no seed", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const broker = await realBroker(dir);
  const text = await readFile(join(dir, "broker", "nats-server.conf"), "utf8");
  test.notMatch(text, /http/);
  test.match(text, /sync_interval: always/);
  test.notMatch(text, /\bS[OAU][A-Z2-7]{56}\b/);
  test.match(text, `listen: "127.0.0.1:${broker.port}"`);
  await broker.stop();
});

t.test("of many that take a dead holder's lock exactly one gets it", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const script = `
    const { createServer } = require("node:net");
    createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"));`;
  const dead = spawn(process.execPath, ["-e", script, join(dir, "lock")], { stdio: "ignore" });
  let gone = false;
  dead.once("exit", () => {
    gone = true;
  });
  await until(() => gone, "the holder dies");
  test.ok((await stat(join(dir, "lock"))).isSocket(), "its socket is left behind");
  const takers = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(dir)));
  const won = takers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  test.equal(won.length, 1);
  for (const lock of won) await lock.release();
  await (await takeLock(dir)).release();
});
