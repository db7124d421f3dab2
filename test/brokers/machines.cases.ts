/**
 * A cluster on three machines: brokers, masters and an agent, each started by itself. One broker is
 * killed, then the master that leads; a task that ran lives, and its end arrives.
 */
import { spawnSync } from "node:child_process";
import { createConnection } from "node:net";
import { join } from "node:path";
import t from "tap";
import { inboxOf } from "#access";
import { entryOf, natsBus, readCredentialFile, systemClock } from "#adapters";
import { untilAnswer } from "../support/answers.ts";
import { isRoot, processesNaming } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { Machines, type Master, type Number3 } from "./machines.ts";

const WAIT_MS_MAX = 30_000;

function whyNot(): string | false {
  if (!isRoot) return "needs root to make a network namespace";
  return spawnSync("ip", ["-V"]).status === 0 ? false : "needs the program ip, of iproute2";
}

/** What a broker says to whoever dials it by this file: `connected`, or why not. */
async function dial(path: string, server: string): Promise<string> {
  const file = readCredentialFile(path);
  const { identity, credential } = entryOf(file, "framework");
  const bus = natsBus({
    servers: [server],
    credential: () => credential,
    inbox: inboxOf(identity),
    name: "test",
    clock: systemClock(),
    nonce: "n",
    ...(file.authority === undefined ? {} : { authority: file.authority }),
  });
  const news: string[] = [];
  bus.onStatus((status) => news.push(status.kind === "disconnected" ? status.why : status.kind));
  await until(() => news.length > 0, "the broker answers");
  await new Promise<void>((done) => bus.close(done));
  return news[0] ?? "";
}

/** What somebody hears there who does not speak TLS, until he is closed. */
async function plainWords(host: string, port: number): Promise<string> {
  const socket = createConnection({ host, port });
  let heard = "";
  let closed = false;
  socket.on("connect", () => socket.write("CONNECT {}\r\nPING\r\n"));
  socket.on("data", (bytes) => {
    heard += bytes.toString("latin1");
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    heard += error.code === "ECONNRESET" ? "" : error.code;
  });
  socket.on("close", () => {
    closed = true;
  });
  await until(() => closed, "the stranger is closed", WAIT_MS_MAX);
  return heard;
}

function other(machines: Machines, ...not: readonly Number3[]): Master {
  for (const [number, master] of machines.masters) if (!not.includes(number)) return master;
  throw new Error("no master is left");
}

void t.test("three machines", { skip: whyNot() }, async (t) => {
  const machines = await Machines.make();
  t.teardown(() => machines.clear());
  const { bench } = machines;
  const gate = join(bench.gates, "open");
  await machines.credentials();
  const spy = machines.credential("framework", "spy");
  await machines.startBrokers();
  await machines.startMasters();

  await t.test("a machine joins by a line, beside whom a registrar runs", async (t) => {
    const none = await machines.operator("token", "create", "agent", "--nats", "nats://x:1");
    t.match(none, { exit: 1, stderr: /--nats: nats:\/\/x:1 is no tls:\/\// });
    const line = await machines.operator("token", "create", "agent");
    t.equal(line.exit, 0, line.stderr);
    const keys = ["--data", bench.data, "--cluster", "prod"];
    const registrar = machines.start("SIGTERM", "registrar", ...keys);
    await registrar.says(/registrar of cluster prod answers at tls:/);
    const second = await bench.meseta(["registrar", ...keys]);
    t.match(second, {
      exit: 1,
      stderr: /--data: a registrar or a meseta up.* runs from .* already/,
    });
    const join = ["agent", "--join", line.stdout.trim(), "--data", machines.dataOf(1)];
    const agent = machines.start("SIGUSR2", ...join, "--resources", "cpus:1;mem:256");
    await agent.says(/is registered/, WAIT_MS_MAX);
    await registrar.says(/joins by token/);
  });

  await t.test(
    "who speaks no TLS hears no word, neither as a client nor as a broker",
    async (t) => {
      const { hostname } = new URL(machines.servers[2] ?? "");
      const said = await Promise.all([plainWords(hostname, 4222), plainWords(hostname, 6222)]);
      for (const each of said) t.notMatch(each, /[A-Z]{2}/);
    },
  );

  const first = await machines.leader(other(machines));
  const standby = other(machines, first);
  const args = ["--detach", "--name", "long", "--cpus", "0.1", "--mem", "32"];
  const script = `until [ -e ${gate} ]; do sleep 0.1; done; exit 3`;
  const taskOf = async (master: Master) =>
    (await machines.call(master, "listTasks")).items.find(({ id }) => id.startsWith("long"));
  const running = async (master: Master) => {
    await untilAnswer(
      async () => (await taskOf(master))?.state,
      (state) => state === "TASK_RUNNING",
      "the task runs",
      WAIT_MS_MAX,
    );
    return await taskOf(master);
  };

  await t.test("a task runs", async (t) => {
    const ran = await machines.meseta(standby, "run", ...args, "--", "sh", "-c", script);
    t.equal(ran.exit, 0, ran.stderr);
    await running(standby);
  });
  const container = (await taskOf(standby))?.containerId;
  t.type(container, "string");

  await t.test("a broker is killed, and everything goes on", async (t) => {
    t.equal(await dial(await spy, machines.servers[2] ?? ""), "connected");
    await machines.killBroker(3);
    const ran = await machines.meseta(standby, "run", "--", "echo", "still here");
    t.same(ran, { exit: 0, stdout: "still here\n", stderr: "" });
    t.match(await machines.operator("credential", "revoke", "spy.main"), { exit: 0, stderr: "" });
  });

  await t.test("then the master that leads, and another does", async (t) => {
    const leader = await machines.leader(standby);
    // Runs belong to a master's process; this one's is to live.
    t.not(machines.masters.get(leader), standby);
    const { command, name } = machines.masters.get(leader) as Master;
    command.signal("SIGKILL");
    await command.ended;
    t.not(await machines.leader(standby, (one) => one !== name), leader);
    t.equal((await running(standby))?.containerId, container, "the same task");
  });

  await t.test("the task's end arrives", async (t) => {
    await bench.touch(gate);
    const ended = await untilAnswer(
      () => taskOf(standby),
      (task) => task?.state === "TASK_FAILED",
      "the task ends",
      WAIT_MS_MAX,
    );
    t.match(ended, { exitCode: 3, containerId: container });
  });

  await t.test("the broker comes back, and knows who was revoked meanwhile", async () => {
    await machines.startBroker(3).says(/b1, b2, b3 hold the log together/, 2 * WAIT_MS_MAX);
    const path = await spy;
    // It asks the others every few seconds.
    await untilAnswer(
      () => dial(path, machines.servers[2] ?? ""),
      (said) => /authorization violation/i.test(said),
      "who was revoked is refused",
      WAIT_MS_MAX,
    );
  });

  await t.test("one that starts again from its older file knows it at once", async (t) => {
    machines.killServer(1);
    await machines.brokers.get(1)?.says(/nats-server is back/, WAIT_MS_MAX);
    t.match(await dial(await spy, machines.servers[0] ?? ""), /authorization violation/i);
  });

  await t.test("all of it ends in order", async (t) => {
    t.same(await machines.stop(), [0, 0, 0]);
    t.same(
      [1, 2, 3].flatMap((number) => processesNaming(machines.brokerDir(number as Number3))),
      [],
      "no nats-server is left",
    );
  });
});
