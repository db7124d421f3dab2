/** A second machine: it joins by one line, over TLS, works, is cut off and comes back. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { untilAnswer } from "../support/answers.ts";
import { Cluster, isAlive, isRoot, processesNaming } from "../support/cluster.ts";
import { NetSpace } from "../support/net-space.ts";
import { until } from "../support/until.ts";
import { Foreman, PROJECT } from "../support/foreman.ts";

const BACK_MS_MAX = 40_000;

function whyNot(): string | false {
  if (!isRoot) return "needs root to make a network namespace";
  return spawnSync("ip", ["-V"]).status === 0 ? false : "needs the program ip, of iproute2";
}

/** What a program there hears on a port when it does not speak TLS. */
function plainWords(space: NetSpace, port: number): string {
  const script = `const s = require("net").connect(${port}, ${JSON.stringify(space.here)});
    s.on("connect", () => s.write("CONNECT {}\\r\\nPING\\r\\n"));
    s.on("data", (bytes) => process.stdout.write(bytes.toString("latin1")));
    s.on("error", (error) => process.stdout.write(error.code));`;
  const [program = "", ...args] = [...space.prefix, process.execPath, "-e", script];
  return execFileSync(program, args, { env: {}, encoding: "latin1" });
}

void t.test("a second machine", { skip: whyNot() }, async (t) => {
  const space = new NetSpace();
  const listen = ["--listen", `${space.here}:0`, "--agent-ping-timeout", "1s"];
  const flags = ["--agents", "1", "--resources", "cpus:1;mem:512", ...listen];
  const cluster = await Cluster.start(flags);
  const { bench } = cluster;
  const there = { prefix: space.prefix };
  const far = join(bench.dir, "far");
  t.teardown(async () => {
    await cluster.stop();
    space.remove();
  });
  const agentOf = async (fits: (condition: string) => boolean, what: string) => {
    const found = await untilAnswer(
      () => cluster.call("listAgents"),
      ({ items }) =>
        items.some(({ id, condition }) => !id.startsWith("agent-1") && fits(condition)),
      what,
      BACK_MS_MAX,
    );
    return found.items.find(({ id }) => !id.startsWith("agent-1"));
  };

  const made = await bench.meseta(["token", "create", "agent"]);
  t.equal(made.exit, 0, made.stderr);
  t.match(made.stdout, /^meseta-join-1\.[\w-]+\.[0-9a-f]{8}\n$/, "one line");
  const line = made.stdout.trim();
  const parts = ["--resources", "cpus:2;mem:512", "--attributes", "zone:far"];
  const flagsOf = (data: string): string[] => [
    "--data",
    data,
    ...parts,
    "--allowed-host-paths",
    PROJECT,
    "--reserve",
    "cpus(ads):0.5",
  ];
  let agent = bench.start(["agent", "--join", line, ...flagsOf(far)], there);

  await t.test("joins with a line and offers what it has", async (t) => {
    await agent.says(/is registered/);
    t.match(agent.stderr, /joined cluster local as /);
    const mine = await agentOf(
      (condition) => condition === "registered",
      "the agent is registered",
    );
    t.match(mine, { attributes: { zone: "far" } });
    t.notMatch(readFileSync(`/proc/${agent.pid}/cmdline`, "latin1"), line.slice(20, 60));
  });

  await t.test("runs a task, whose words come back", async (t) => {
    const ran = await bench.meseta(["run", "--cpus", "1.2", "--", "echo", "from afar"]);
    t.same(ran, { exit: 0, stdout: "from afar\n", stderr: "" });
    const { stdout } = await bench.meseta(["ps", "-o", "json"]);
    t.notMatch(stdout, /"agentId": "agent-1/);
  });

  await t.test("runs a custom executor, which speaks TLS as its agent does", async (t) => {
    const foreman = new Foreman(cluster);
    // Too much for the agent here.
    await foreman.launch("far", ["f"], { cpus: 0.65 });
    await foreman.launch("far", ["g"]);
    t.same((await foreman.ask("far", "end f")).running, ["g"]);
    await until(() => foreman.story("f").length === 2, "f ends");
    t.same(foreman.story("f"), ["TASK_RUNNING", "TASK_FINISHED"]);
    t.notMatch(foreman.last("f")?.agentId, /^agent-1/);
    await foreman.ask("far", "end g");
    await until(() => foreman.story("g").length === 2, "g ends");
    await foreman.end();
  });

  await t.test("is cut off, and its task is there when it is back", async (t) => {
    await bench.meseta([
      "run",
      "--detach",
      "--name",
      "stays",
      "--cpus",
      "1.2",
      "--",
      "sleep",
      "999",
    ]);
    const running = await untilAnswer(
      () => cluster.call("listTasks", { query: { filter: "state=TASK_RUNNING" } }),
      ({ items }) => items.length === 1,
      "the task runs",
    );
    space.cable("down");
    await agentOf((condition) => condition !== "registered", "the cut is noticed");
    space.cable("up");
    await agentOf((condition) => condition === "registered", "the agent is back");
    const again = await untilAnswer(
      () => cluster.call("listTasks", { query: { filter: "state=TASK_RUNNING" } }),
      ({ items }) => items.length === 1,
      "the task runs on",
    );
    t.equal(again.items[0]?.containerId, running.items[0]?.containerId);
  });

  await t.test("starts again without the line", async () => {
    agent.signal("SIGTERM");
    await agent.end();
    agent = bench.start(["agent", ...flagsOf(far)], there);
    await agent.says(/is registered/);
  });

  await t.test("and nobody else gets in", async (t) => {
    const refused = async (what: string, why: RegExp, ...how: string[]) => {
      const { exit, stderr } = await bench.meseta(["agent", ...how], there);
      t.equal(exit, 1, what);
      t.match(stderr, why, what);
    };
    const other = flagsOf(join(bench.dir, "other"));
    await refused("used", /used as often as it may be/, "--join", line, ...other);
    await refused("cut", /cut or changed/, "--join", line.slice(0, -3), ...other);
    const file = join(bench.dir, "line");
    await bench.write(file, "something else");
    await refused("none", /no line of meseta token create/, "--join-file", file, ...other);
    t.match((await bench.meseta(["token", "list"])).stdout, /agent +used +1 of 1/);
    const up = cluster.up.stdout;
    const port = Number(/tls:\/\/[\d.]+:(\d+)/.exec(up)?.[1]);
    const local = Number(/nats:\/\/127\.0\.0\.1:(\d+)/.exec(up)?.[1]);
    t.notMatch(plainWords(space, port), /INFO|PONG/, "plain TCP hears no word of the broker");
    t.equal(plainWords(space, local), "ECONNREFUSED", "the broker itself is on loopback");
  });

  agent.signal("SIGUSR2");
  t.equal((await agent.end()).exit, 0);
  await until(() => !isAlive(agent.pid), "the agent is gone");
  t.same(processesNaming(far), [], "nothing of it is left");
});
