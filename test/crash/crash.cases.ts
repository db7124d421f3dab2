/**
 * What outlives what: tasks go on when the agent, the broker, the master or `up` itself is killed,
 * and every update arrives, under one uuid. All parts are real processes.
 */
import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import {
  Cluster,
  isAlive,
  processesInCgroup,
  remainsOf,
  skipWithoutRoot,
} from "../support/cluster.ts";
import { untilAnswer } from "../support/answers.ts";
import { until } from "../support/until.ts";
import { Ledger, type LedgerTask } from "../support/ledger.ts";
import { isBack, isWhole, killAndReturn, killPart, loseBroker } from "../support/parts.ts";

const TASKS = 20;
const BROKER_AWAY_MS = 3_000;

/** Tasks that run until their gate opens, each with an exit code of its own. */
function gated(name: string, gate: string): LedgerTask[] {
  return Array.from({ length: TASKS }, (_, index) => ({
    id: `${name}-${index}`,
    resources: "cpus:0.02;mem:32",
    command: `while [ ! -e ${gate} ]; do sleep 0.2; done; exit ${index}`,
  }));
}

/** The command of every task, by the task's id: the process that the shim waits for. */
async function pidsOf(cluster: Cluster, tasks: readonly LedgerTask[]): Promise<number[]> {
  const { items: all } = await untilAnswer(
    () => cluster.call("listTasks", { query: { limit: 1_000 } }),
    ({ items }) => tasks.every(({ id }) => items.some((one) => one.id === id && one.cgroup)),
    "every task is shown with its cgroup",
  );
  return tasks.map(({ id }) => {
    const cgroup = all.find((task) => task.id === id)?.cgroup ?? "(none)";
    const pid = processesInCgroup(cgroup).find((one) => commandHas(one, "while [ ! -e"));
    if (pid === undefined) throw new Error(`no process of ${id} in ${cgroup}`);
    return pid;
  });
}

function commandHas(pid: number, text: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
  } catch (error) {
    // It ended between the look at its cgroup and this one.
    if (/^(ENOENT|ESRCH)$/.test(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}

/** Launches, makes the fault, and expects the same processes, all codes, one uuid an update. */
async function survives(
  test: Test,
  { cluster, ledger }: { readonly cluster: Cluster; readonly ledger: Ledger },
  name: string,
  fault: () => Promise<void>,
): Promise<void> {
  const gate = `${cluster.bench.gates}/gate-${name}`;
  const tasks = gated(name, gate);
  await ledger.launch(tasks);
  const pids = await pidsOf(cluster, tasks);
  test.equal(new Set(pids).size, TASKS, "every task is a process");
  await fault();
  test.same(pids.filter(isAlive), pids, "all go on in the processes that they had");
  test.same(await pidsOf(cluster, tasks), pids, "and those are still the tasks'");
  await cluster.bench.touch(gate);
  const beganMs = performance.now();
  await until(() => tasks.every(({ id }) => ledger.hasEnded(id)), "all ends are told");
  test.comment(`all ends told ${Math.round(performance.now() - beganMs)} ms after they may end`);
  for (const [index, { id }] of tasks.entries()) {
    const told = ledger.of(id);
    const end = told.at(-1);
    test.equal(end?.exitCode, index, `${id} ends with its own code`);
    test.equal(end?.state, index === 0 ? "TASK_FINISHED" : "TASK_FAILED");
    // Views are told ten times a second; frameworks at once.
    const shown = await untilAnswer(
      () => cluster.call("showTask", { path: { task: id } }),
      ({ state }) => state === end?.state,
      `the end of ${id} is shown`,
    );
    const made = shown.history.flatMap(({ uuid }) => uuid ?? []);
    const heard = new Set(told.flatMap(({ uuid }) => uuid ?? []));
    test.same([...heard].sort(), [...new Set(made)].sort(), `no update of ${id} is missing`);
  }
  for (const [key, uuids] of ledger.uuids()) {
    test.equal(uuids.size, 1, `${key} has one uuid`);
  }
}

/** Kills a part while a run is followed, then lets the run say more and end. */
async function watched(test: Test, cluster: Cluster, part: string): Promise<void> {
  const gate = `${cluster.bench.gates}/gate-watched-${part}`;
  const script = `echo before; while [ ! -e ${gate} ]; do sleep 0.1; done; echo after; exit 9`;
  const run = cluster.bench.start(["run", "--name", `w-${part}`, "--", "sh", "-c", script]);
  await run.says(/before/);
  const { items } = await cluster.call("listTasks", { query: { limit: 1_000 } });
  const id = items.find((task) => task.id.startsWith(`w-${part}-`))?.id ?? "(none)";
  const logs = cluster.bench.start(["logs", "-f", id]);
  await logs.says(/before/);
  await killAndReturn(cluster, part);
  await cluster.bench.touch(gate);
  const { exit, stdout } = await run.end();
  test.same([exit, stdout], [9, "before\nafter\n"]);
  const read = await logs.end();
  test.same([read.exit, read.stdout], [0, "before\nafter\n"], "and so do its logs");
}

void t.test("tasks outlive every part of the cluster", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start(["--agents", "1", "--resources", "cpus:4;mem:4096"]);
  t.teardown(() => cluster.stop());
  const ledger = new Ledger(cluster);
  const both = { cluster, ledger };
  const agentIds = cluster.agentIds();

  await t.test("an agent that is killed finds its tasks again", (test) =>
    survives(test, both, "agent", () => killAndReturn(cluster, "agent-1")),
  );

  await t.test("a broker that is killed and away for a while loses nothing", (test) =>
    survives(test, both, "broker", () => loseBroker(cluster, BROKER_AWAY_MS)),
  );

  await t.test("tasks that end while the broker is away are told afterwards", async (test) => {
    const gate = `${cluster.bench.gates}/gate-unheard`;
    const tasks = gated("unheard", gate);
    await ledger.launch(tasks);
    const pids = await pidsOf(cluster, tasks);
    const before = await cluster.pidOf("broker");
    cluster.up.signal("SIGSTOP");
    await killPart(cluster, "broker");
    await cluster.bench.touch(gate);
    await until(() => !pids.some(isAlive), "all tasks end");
    cluster.up.signal("SIGCONT");
    await isBack(cluster, "broker", before);
    await until(() => tasks.every(({ id }) => ledger.hasEnded(id)), "all ends are told");
    const codes = tasks.map(({ id }) => ledger.of(id).at(-1)?.exitCode);
    test.same(
      codes,
      tasks.map((_, index) => index),
    );
    for (const [key, uuids] of ledger.uuids()) test.equal(uuids.size, 1, `${key} has one uuid`);
  });

  await t.test("a master that is killed leads again with everything", (test) =>
    survives(test, both, "master", () => killAndReturn(cluster, "master")),
  );

  await t.test("an up that is killed is succeeded by the next on its directory", (test) =>
    survives(test, both, "up", async () => {
      cluster.up.signal("SIGKILL");
      await cluster.up.ended;
      await cluster.startAgain();
      await isWhole(cluster, 1);
    }),
  );

  for (const part of ["agent-1", "broker", "master"]) {
    await t.test(`a run that is watched shows all its output though ${part} is killed`, (test) =>
      watched(test, cluster, part),
    );
  }

  await t.test("nothing is left after down", async (test) => {
    await ledger.end();
    const { exit } = await cluster.bench.meseta(["down"]);
    test.equal(exit, 0);
    test.same(remainsOf(cluster.bench.dir, agentIds), []);
  });
});
