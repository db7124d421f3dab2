/**
 * A day with a cluster: commands are run, listed, followed, limited, killed and cancelled, and
 * when it is stopped nothing is left of it on this machine.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { TaskObject } from "#api";
import { untilAnswer } from "../support/answers.ts";
import {
  Cluster,
  cgroupsNamed,
  processesInCgroup,
  processesNaming,
  remainsOf,
  skipWithoutRoot,
} from "../support/cluster.ts";
import { until } from "../support/until.ts";

const SLEEPERS = 500;
const GRACE_MS = 1_000;
/** Issue: wholly gone within 2 s of the grace period. */
const GONE_MS_MAX = 2_000;
const EXPLAINED_MS_MAX = 10_000;

interface Page<Item> {
  readonly items: readonly Item[];
}

async function taskNamed(cluster: Cluster, name: string): Promise<TaskObject> {
  const { items } = (await cluster.bench.json("ps")) as Page<TaskObject>;
  const found = items.find((task) => task.name === name);
  if (found === undefined) throw new Error(`ps lists no ${name}`);
  return found;
}

/** Starts a run in the background and waits until it runs. */
async function running(cluster: Cluster, name: string, ...args: string[]): Promise<TaskObject> {
  const { exit, stderr } = await cluster.bench.meseta(["run", "--detach", "--name", name, ...args]);
  if (exit !== 0) throw new Error(stderr);
  const { items } = await untilAnswer(
    () => cluster.call("listTasks", { query: { filter: `name=${name}` } }),
    (page) => page.items[0]?.state === "TASK_RUNNING",
    `${name} runs`,
  );
  const [task] = items;
  if (task === undefined) throw new Error(`${name} is not listed`);
  return task;
}

async function runs(test: Test, cluster: Cluster): Promise<void> {
  const flags = ["--name", "seven", "--cpus", "0.1", "--mem", "32"];
  const ran = await cluster.bench.meseta(["run", ...flags, "--", "sh", "-c", "echo hi; exit 7"]);
  test.same(ran, { exit: 7, stdout: "hi\n", stderr: "" });
  const task = await taskNamed(cluster, "seven");
  test.match(task, { state: "TASK_FAILED", exitCode: 7, agentId: /^agent-\d-/ });
  const states = task.history.map(({ state }) => state);
  test.same(states, ["TASK_RUNNING", "TASK_FAILED"], "its history is kept");
  test.ok(task.history.every(({ uuid, atMs }) => uuid !== undefined && atMs > 0));
}

async function streams(test: Test, cluster: Cluster): Promise<void> {
  const script = "echo out; echo err >&2; cat /dev/null; head -c 300000 /dev/zero | tr '\\0' x";
  const { exit, stdout, stderr } = await cluster.bench.meseta(["run", "--", "sh", "-c", script]);
  test.equal(exit, 0);
  test.equal(stderr, "err\n");
  test.equal(stdout.length, 4 + 300_000, "output of more than one chunk comes whole");
}

async function hog(test: Test, cluster: Cluster): Promise<void> {
  const eats = "const a=[];for(;;)a.push(Buffer.alloc(1e6,1))";
  const command = ["run", "--name", "hog", "--mem", "48", "--", process.execPath, "-e", eats];
  const { exit, stderr } = await cluster.bench.meseta(command);
  test.not(exit, 0);
  test.match(stderr, /TASK_FAILED/);
  test.match(stderr, /REASON_CONTAINER_LIMITATION_MEMORY/);
  test.match(stderr, /limit 48\.0 MiB, peak \d+\.\d MiB/);
  const task = await taskNamed(cluster, "hog");
  const limitBytes = 48 * 1024 ** 2;
  test.match(task, { reason: "REASON_CONTAINER_LIMITATION_MEMORY", limitation: { limitBytes } });
  const peak = task.limitation?.peakBytes ?? 0;
  test.ok(peak > limitBytes / 2 && peak <= limitBytes, `the peak is ${peak} bytes`);
  test.comment(stderr.trim());
}

async function forks(test: Test, cluster: Cluster): Promise<void> {
  const mark = `meseta-sleeper-${process.pid}`;
  const sleeper = `trap '' TERM HUP; exec -a ${mark} sleep 4242`;
  const script = [
    "trap '' TERM",
    `for i in $(seq ${SLEEPERS}); do setsid bash -c "${sleeper}" </dev/null >/dev/null 2>&1 & done`,
    "while :; do sleep 1000; done",
  ].join("\n");
  const grace = ["--grace", String(GRACE_MS / 1_000)];
  const flags = ["--cpus", "0.5", "--mem", "1024", ...grace];
  const task = await running(cluster, "forks", ...flags, "--", "bash", "-c", script);
  const sleepers = (): number[] => processesNaming(mark).filter((pid) => isSleeper(pid, mark));
  await until(() => sleepers().length === SLEEPERS, `${SLEEPERS} sleepers sleep`, 60_000);
  const orphans = sleepers().filter((pid) => parentOf(pid) !== undefined);
  test.equal(orphans.length, SLEEPERS);
  const cgroup = task.cgroup ?? "(none)";
  await cluster.call("killTask", { path: { task: task.id }, body: {} });
  const askedMs = performance.now();
  await until(() => processesInCgroup(cgroup).length === 0, "the cgroup is empty");
  test.same(processesNaming(mark), []);
  const ms = performance.now() - askedMs;
  test.comment(`${SLEEPERS} sleepers gone ${Math.round(ms - GRACE_MS)} ms after the grace`);
  test.ok(ms > GRACE_MS - 100 && ms < GRACE_MS + GONE_MS_MAX, `${Math.round(ms)} ms`);
  await untilAnswer(
    () => cluster.call("showTask", { path: { task: task.id } }),
    ({ state }) => state === "TASK_KILLED",
    "its end is told",
  );
}

function isSleeper(pid: number, mark: string): boolean {
  return readQuietly(`/proc/${pid}/cmdline`).startsWith(`${mark}\0`);
}

/** Session leaders only: those have left the session of the task. */
function parentOf(pid: number): number | undefined {
  const stat = readQuietly(`/proc/${pid}/stat`);
  const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(session) === pid ? Number(parent) : undefined;
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // It ended while it was looked at.
    if (/^(ENOENT|ESRCH)$/.test(String((error as NodeJS.ErrnoException).code))) return "";
    throw error;
  }
}

async function tooMuch(test: Test, cluster: Cluster): Promise<void> {
  const beganMs = performance.now();
  const run = cluster.bench.start(["run", "--name", "huge", "--cpus", "100", "--", "true"]);
  await run.says(/needs cpus 100, largest free \d/, EXPLAINED_MS_MAX);
  test.comment(`${run.stderr.trim()} (after ${Math.round(performance.now() - beganMs)} ms)`);
  run.signal("SIGINT");
  const { exit, stderr } = await run.end(10_000);
  test.equal(exit, 130);
  test.match(stderr, /cancelling huge-/);
  const { items } = await cluster.call("listRuns");
  const left = items.find(({ name }) => name === "huge");
  test.ok(left === undefined || (left.cancelled && left.waiting + left.running === 0), "cancelled");
  const { tasks, offered } = await cluster.call("status");
  test.same([tasks, offered.cpus], [{}, 0], "no task, no offer is left");
}

async function followed(test: Test, cluster: Cluster): Promise<void> {
  const gate = join(cluster.bench.gates, "gate-followed");
  const script = `echo one; while [ ! -e ${gate} ]; do sleep 0.1; done; echo two`;
  const task = await running(cluster, "followed", "--", "sh", "-c", script);
  const follow = cluster.bench.start(["logs", "-f", task.id]);
  await follow.says(/one/);
  test.equal(follow.isOver, false, "it goes on while the task does");
  await cluster.bench.touch(gate);
  test.same(await follow.end(), { exit: 0, stdout: "one\ntwo\n", stderr: "" });
  const tail = await cluster.bench.meseta(["logs", "--tail", "4", task.id]);
  test.equal(tail.stdout, "two\n");
}

async function killed(test: Test, cluster: Cluster): Promise<void> {
  const task = await running(cluster, "victim", "--", "sleep", "1000");
  const { exit } = await cluster.bench.meseta(["kill", task.id.slice(0, -1)]);
  test.equal(exit, 0, "a unique beginning of its id is enough");
  const { items } = await untilAnswer(
    () => cluster.call("listTasks", { query: { filter: "name=victim" } }),
    (page) => page.items[0]?.state === "TASK_KILLED",
    "it is killed",
  );
  const shown = await cluster.bench.meseta(["task", "show", task.id]);
  test.match(shown.stdout, /^state +TASK_KILLED$/m);
  test.match(shown.stdout, /^history +\S+ +TASK_RUNNING$/m);
  test.equal(items.length, 1);
  const again = await cluster.bench.meseta(["kill", task.id]);
  test.not(again.exit, 0, "what has ended cannot be killed");
  const unknown = await cluster.bench.meseta(["task", "show", "nothing-of-that-name"]);
  test.equal(unknown.exit, 4);
}

const LISTS: readonly (readonly string[])[] = [
  ["ps"],
  ["agent", "list"],
  ["framework", "list"],
  ["offer", "list"],
  ["role", "list"],
  ["context", "list"],
  ["config", "show", "--origin"],
];

async function files(test: Test, cluster: Cluster): Promise<void> {
  const script = "mkdir d; echo hello > d/a; ln -s /etc/passwd link; mkfifo pipe; exec sleep 600";
  const { id } = await running(cluster, "filed", "--", "sh", "-c", script);
  const meseta = (args: string[]) => cluster.bench.meseta(args);
  const read = (...args: string[]) => meseta(["files", "cat", id, ...args]);
  await untilAnswer(
    () => meseta(["files", "ls", id, "-o", "json"]),
    ({ stdout }) => stdout.includes('"pipe"'),
    "the sandbox is filled",
  );
  const { items } = (await cluster.bench.json("files", "ls", id)) as Page<{ name: string }>;
  const names = items.map(({ name }) => name).filter((name) => name !== ".tmp");
  test.same(names, ["d", "link", "pipe", "stderr", "stdout"]);
  test.match((await meseta(["files", "ls", id, "d"])).stdout, /^a +file +6 /m);
  test.same(await read("d/a"), { exit: 0, stdout: "hello\n", stderr: "" });
  test.equal((await read("d/a", "--offset", "1", "--length", "3")).stdout, "ell");
  test.equal((await read("d/a", "--offset", "-3")).stdout, "lo\n");
  for (const [path, words] of [
    ["link", /"link" is a link/],
    ["pipe", /pipe is not a regular file/],
    ["../../agent-id", /leaves the sandbox/],
    ["d", /d is not a regular file/],
    ["none", /"none" is not in the sandbox/],
  ] as const) {
    const { exit, stdout, stderr } = await read(path);
    test.equal(stdout, "");
    test.not(exit, 0, path);
    test.match(stderr, words);
  }
  await cluster.call("killTask", { path: { task: id }, body: {} });
}

async function updated(test: Test, cluster: Cluster): Promise<void> {
  const flags = ["--cpus", "0.1", "--mem", "64"];
  const { id } = await running(cluster, "updated", ...flags, "--", "sleep", "600");
  const refused = await cluster.bench.meseta(["task", "update", id]);
  test.match(refused.stderr, /neither --cpus nor --mem is given/);
  const { exit, stderr } = await cluster.bench.meseta(["task", "update", id, "--mem", "96"]);
  test.equal(exit, 0, stderr);
  const task = await untilAnswer(
    () => cluster.call("showTask", { path: { task: id } }),
    ({ resources }) => resources.memMib === 96,
    "it has what it was given",
  );
  test.match(task, { state: "TASK_RUNNING", resources: { cpus: 0.1 } });
  const limits = cgroupsNamed([task.containerId ?? "none"]).flatMap((path) =>
    ["memory.limit_in_bytes", "memory.max"]
      .map((name) => join(path, name))
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, "utf8").trim()),
  );
  test.ok(limits.includes(String(96 * 1024 ** 2)), `the kernel says ${limits.join(" ")}`);
  await cluster.call("killTask", { path: { task: id }, body: {} });
}

async function lists(test: Test, cluster: Cluster): Promise<void> {
  for (const list of LISTS) {
    const page = (await cluster.bench.json(...list)) as Page<unknown>;
    test.ok(Array.isArray(page.items), `${list.join(" ")} is JSON`);
  }
  const table = await cluster.bench.meseta(["ps"]);
  test.match(table.stdout, /^TASK +STATE +AGENT /, "without it, it is a table");
  test.match(await cluster.bench.json("status"), { agents: { registered: 2 } });
  const level = await cluster.bench.meseta(["log", "level", "debug"]);
  test.equal(level.exit, 0);
  test.equal((await cluster.bench.meseta(["log", "level", "loud"])).exit, 2);
}

async function batch(test: Test, cluster: Cluster): Promise<void> {
  const good = join(cluster.bench.dir, "good.yaml");
  await cluster.bench.write(good, "- argv: [sh, -c, 'exit 0']\n- argv: [sh, -c, 'exit 3']\n");
  test.equal((await cluster.bench.meseta(["batch", good])).exit, 3);
  const bad = join(cluster.bench.dir, "bad.yaml");
  await cluster.bench.write(bad, "- argv: ['true']\n- argv: [echo]\n  cpus: many\n");
  const refused = await cluster.bench.meseta(["batch", bad]);
  test.equal(refused.exit, 2);
  test.match(refused.stderr, /bad\.yaml:2: run 2: cpus: "many"/, "the line is named");
  const torn = join(cluster.bench.dir, "torn.yaml");
  await cluster.bench.write(torn, "- argv: [echo\n- x: {\n");
  const unread = await cluster.bench.meseta(["batch", torn]);
  test.equal(unread.exit, 2);
  test.match(unread.stderr, /line \d+/);
}

void t.test("a day with a cluster", { skip: skipWithoutRoot }, async (t) => {
  const flags = ["--agents", "2", "--resources", "cpus:4;mem:4096;ports:[31000-31100]"];
  const cluster = await Cluster.start(flags);
  t.teardown(() => cluster.stop());
  const agentIds = cluster.agentIds();
  const cases: Readonly<Record<string, (test: Test, cluster: Cluster) => Promise<void>>> = {
    "run prints what the command prints and ends as it ends": runs,
    "both outputs come whole": streams,
    "a task that eats more than its memory is reported as such": hog,
    "hundreds of daemons that ignore SIGTERM end with their task": forks,
    "what nothing can offer is explained, and cancelled without a trace": tooMuch,
    "logs follow a task to its end": followed,
    "kill ends a task, and its history tells so": killed,
    "every list is JSON when asked": lists,
    "a batch ends as its runs end, and says which line is wrong": batch,
    "files of a sandbox are listed and read, and nothing outside of it": files,
    "a task that runs is given other resources, and keeps running": updated,
  };
  for (const [title, run] of Object.entries(cases)) {
    await t.test(title, (test) => run(test, cluster));
  }

  await t.test("down leaves no process, no cgroup and no mount", async (test) => {
    await running(cluster, "left", "--", "sh", "-c", "trap '' TERM; sleep 1000 & wait");
    test.not(remainsOf(cluster.bench.dir, agentIds).length, 0, "there is something to end");
    const { exit, stderr } = await cluster.bench.meseta(["down"]);
    test.equal(exit, 0);
    test.match(stderr, /no process and no cgroup of this cluster is left/);
    test.equal((await cluster.up.end(10_000)).exit, 0);
    test.same(remainsOf(cluster.bench.dir, agentIds), []);
    const gone = await cluster.bench.meseta(["ps"]);
    test.equal(gone.exit, 6, "its context is gone as well");
  });
});
