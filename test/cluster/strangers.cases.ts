/**
 * What another user of the machine, and what somebody with a credential of their own, can reach
 * of a running cluster: nothing that is not theirs.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { agentPeer, asId, type ContainerId, frameworkPeer, type Principal } from "#protocol";
import { ROUTES } from "#api";
import { untilAnswer } from "../support/answers.ts";
import { cleanEnvironment, Cluster, skipWithoutRoot } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { Rogue } from "./rogue.ts";

const NOBODY = { uid: 65_534, gid: 65_534 };
const TRIED_MS_MAX = 60_000;

interface Tries {
  readonly files: readonly string[];
  readonly sockets: readonly string[];
  readonly requests: readonly (readonly [method: string, url: string, token: string])[];
  readonly brokerPort: number;
}

interface Got {
  readonly files: Readonly<Record<string, string>>;
  readonly sockets: Readonly<Record<string, string>>;
  readonly requests: Readonly<Record<string, number>>;
  readonly broker: string;
}

/** Runs as the other user, who need not be able to read our own program. */
const SCRIPT = `
const fs = require("node:fs"), net = require("node:net");
const tries = JSON.parse(fs.readFileSync(0, "utf8"));
const got = { files: {}, sockets: {}, requests: {}, broker: "" };
for (const path of tries.files) {
  try { fs.closeSync(fs.openSync(path, "r")); got.files[path] = "read"; }
  catch (error) { got.files[path] = error.code; }
}
const connected = (path) => new Promise((resolve) => {
  const socket = net.connect(path, () => { socket.destroy(); resolve("connected"); });
  socket.once("error", (error) => resolve(error.code));
});
const greeted = () => new Promise((resolve) => {
  let said = "";
  const socket = net.connect(tries.brokerPort, "127.0.0.1");
  socket.on("data", (bytes) => {
    said += bytes;
    if (said.startsWith("INFO") && !socket.asked) {
      socket.asked = true;
      socket.write('CONNECT {"verbose":false}\\r\\nSUB > 1\\r\\nPUB meseta.local.leader 2\\r\\nhi\\r\\nPING\\r\\n');
    }
  });
  socket.once("close", () => resolve(said.slice(said.indexOf("\\n") + 1)));
  socket.once("error", (error) => resolve(error.code));
});
(async () => {
  for (const path of tries.sockets) got.sockets[path] = await connected(path);
  for (const [method, url, token] of tries.requests) {
    const headers = token === "" ? {} : { authorization: "Bearer " + token };
    got.requests[method + " " + url + " " + token] = (await fetch(url, { method, headers })).status;
  }
  got.broker = await greeted();
  process.stdout.write(JSON.stringify(got));
})();
`;

function asNobody(tries: Tries): Got {
  // Behind `env`, or tap would have it load a file of this project, which they may not read.
  const command = ["-i", `PATH=${cleanEnvironment()["PATH"]}`, process.execPath, "-e", SCRIPT];
  const { status, stdout, stderr, error } = spawnSync("env", command, {
    ...NOBODY,
    cwd: "/",
    input: JSON.stringify(tries),
    encoding: "utf8",
    timeout: TRIED_MS_MAX,
  });
  if (status !== 0) throw new Error(`the stranger ended with ${status}: ${stderr} ${error ?? ""}`);
  return JSON.parse(stdout) as Got;
}

/** Everything below a folder, folders too. */
function all(dir: string): string[] {
  const entries = readdirSync(dir, { withFileTypes: true });
  return [
    dir,
    ...entries.flatMap((entry) => {
      const path = join(dir, entry.name);
      return entry.isDirectory() ? all(path) : [path];
    }),
  ];
}

/** Paths of Unix sockets that a process listens on, as the kernel lists them. */
function socketsBelow(dir: string): string[] {
  const bound = readFileSync("/proc/net/unix", "utf8").split("\n");
  const named = bound.flatMap((line) => line.split(/\s+/)[7] ?? []);
  return [...new Set([...named.filter((path) => path.startsWith(dir)), ...socketFiles(dir)])];
}

function socketFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isSocket())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Abstract sockets have no file and no permissions: whoever has one must not listen for long. */
function abstractSocketsOf(pids: readonly number[]): string[] {
  const inodes = new Set(pids.flatMap(socketInodes));
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .map((line) => line.split(/\s+/))
    .filter(([, , , , , , inode = "", path = ""]) => inodes.has(inode) && path.startsWith("@"))
    .map(([, , , , , , , path = ""]) => path);
}

function socketInodes(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch (error) {
      // Closed since it was listed.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
}

function requestsOf(server: string): Tries["requests"] {
  return Object.values(ROUTES).flatMap(({ method, path }) =>
    ["", "guessed-token"].map((token) => {
      return [method, `${server}${path.replaceAll(/\{[a-z]+\}/g, "x")}`, token] as const;
    }),
  );
}

async function stranger(test: Test, cluster: Cluster): Promise<void> {
  const { data, config } = cluster.bench;
  const { server } = await cluster.context();
  const files = [...all(data), ...all(config)];
  const sockets = socketsBelow(data);
  const brokerPort = Number(readFileSync(join(data, "broker", "port"), "utf8"));
  const requests = [...requestsOf(server), ["GET", `${server}/metrics`, ""] as const];
  const got = asNobody({ files, sockets, requests, brokerPort });
  test.ok(files.length > 30 && sockets.some((path) => path.includes("launcher")), "all is tried");
  test.comment(`${files.length} files, ${sockets.length} sockets, ${requests.length} requests`);
  const open = Object.entries(got.files).filter(([, how]) => how !== "EACCES");
  test.same(open, [], "no file and no folder of the cluster can be opened");
  test.same([...new Set(Object.values(got.sockets))], ["EACCES"], "no socket can be connected");
  test.same([...new Set(Object.values(got.requests))], [401], "no route answers");
  test.match(got.broker, /^-ERR 'Authorization Violation'/, "the broker speaks with nobody");
  const parts = ["master", "agent-1", "agent-2"].map((part) => cluster.pidOf(part));
  test.same(abstractSocketsOf([cluster.up.pid, ...(await Promise.all(parts))]), []);
}

/** Each is refused by the broker, as it is told to whoever tried. */
async function refused(test: Test, rogue: Rogue, subjects: readonly string[]): Promise<void> {
  const { bus, forbidden } = rogue;
  for (const subject of subjects) {
    if (!/[*>]/.test(subject)) {
      forbidden.length = 0;
      bus.publish(subject, new Uint8Array([1]));
      await until(() => forbidden.includes(subject), `${rogue.peer} may not say ${subject}`);
      test.pass(`may not say ${subject}`);
    }
    forbidden.length = 0;
    const subscription = bus.subscribe(subject, () => test.fail(`heard ${subject}`));
    await until(() => forbidden.includes(subject), `${rogue.peer} may not hear ${subject}`);
    subscription.stop();
    test.pass(`may not hear ${subject}`);
  }
}

/** What no client may say or hear, whoever it is. */
function nobodys({ subjects }: Rogue): string[] {
  const run = frameworkPeer(asId("run"), asId("main"));
  const agent2 = agentPeer(asId("agent-2"));
  const id = asId<Principal>("agent-2");
  const container = asId<ContainerId>("c1");
  return [
    ">",
    "meseta.>",
    "_INBOX.>",
    "_INBOX.operator.gateway-1.x",
    "_INBOX.master.master-1.x",
    "$SYS.REQ.SERVER.PING",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.DELETE.MESETA",
    subjects.log,
    subjects.fromAgents,
    subjects.fromFrameworks,
    subjects.event("cluster"),
    `meseta.${subjects.cluster}.operator.gateway-1`,
    subjects.toMaster(run),
    subjects.toPeer(run),
    subjects.toMaster(agent2),
    subjects.toPeer(agent2),
    subjects.executor(id, container, "in"),
    subjects.executor(id, container, "out"),
    subjects.stream(id, "s", "in"),
    subjects.stream(id, "s", "out"),
  ];
}

void t.test("nobody reaches what is not theirs", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start(["--agents", "2"]);
  t.teardown(() => cluster.stop());
  const sleeper = ["run", "--detach", "--instances", "2", "--", "sleep", "1000"];
  await cluster.bench.meseta(sleeper);
  await untilAnswer(
    () => cluster.call("status"),
    ({ tasks }) => tasks["TASK_RUNNING"] === 2,
    "the launcher runs",
  );

  await t.test("another user of this machine", (test) => stranger(test, cluster));

  for (const [who, file] of [
    ["a framework", "framework.creds"],
    ["an agent", "agent-1.creds"],
  ] as const) {
    await t.test(`${who} speaks and listens in its own name only`, async (test) => {
      const rogue = await Rogue.enter(cluster, file);
      test.teardown(() => rogue.leave());
      await refused(test, rogue, nobodys(rogue));
      // Leader's words are for all to hear, and for masters to say.
      rogue.bus.publish(rogue.subjects.leader, new Uint8Array([1]));
      await until(() => rogue.forbidden.includes(rogue.subjects.leader), "no beacon is forged");
      const { leader } = await cluster.call("status");
      test.equal(leader?.epoch, rogue.epoch);
    });
  }
});
