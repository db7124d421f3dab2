/**
 * A role lends what its guarantee keeps free on a running cluster: others run on it as revocable, and
 * when the role asks they get notice and are killed, and the role has what it was guaranteed.
 */
import t from "tap";
import { untilAnswer } from "../support/answers.ts";
import { Cluster, skipWithoutRoot } from "../support/cluster.ts";

const NOTICE_MS = 2000;

async function done(cluster: Cluster, ...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await cluster.bench.meseta(args);
  if (exit !== 0) throw new Error(`meseta ${args.join(" ")} ended with ${exit}: ${stderr}`);
  return stdout;
}

function tasksOf(cluster: Cluster, role: string) {
  return cluster
    .call("listTasks", { query: { filter: `role=${role}` } })
    .then(({ items }) => items);
}

/** Waits until the role has so many tasks in this state. */
function inState(cluster: Cluster, role: string, state: string, count: number) {
  return untilAnswer(
    async () => (await tasksOf(cluster, role)).filter((task) => task.state === state),
    (tasks) => tasks.length === count,
    `${count} tasks of ${role} are ${state}`,
    30_000,
  );
}

const TWO = ["--detach", "--instances", "2", "--cpus", "1", "--mem", "256"];

void t.test("what a role lends comes back when it asks", { skip: skipWithoutRoot }, async (t) => {
  const flags = ["--agents", "1", "--resources", "cpus:2;mem:512", "--reclaim-notice", "2s"];
  const cluster = await Cluster.start(flags);
  t.teardown(() => cluster.stop());

  await t.test("nothing is borrowed while the role does not lend", async (test) => {
    await done(cluster, "quota", "set", "eng", "--guarantee", "cpus:2;mem:512");
    await done(
      cluster,
      "run",
      "--name",
      "guest",
      "--role",
      "dev",
      "--revocable",
      ...TWO,
      "sleep",
      "999",
    );
    test.match(await done(cluster, "why", "guest"), /quota/);
    test.same(await tasksOf(cluster, "dev"), []);
  });

  await t.test("others run on what it lends, as revocable", async (test) => {
    await done(cluster, "quota", "set", "eng", "--guarantee", "cpus:2;mem:512", "--lend");
    test.match(await done(cluster, "quota", "list"), /^eng +cpus:2;mem:512 +- .* yes$/m);
    await inState(cluster, "dev", "TASK_RUNNING", 2);
  });

  await t.test("when it asks, they get notice, are killed, and it has its own", async (test) => {
    await done(cluster, "run", "--name", "own", "--role", "eng", ...TWO, "sleep", "999");
    const killed = await inState(cluster, "dev", "TASK_KILLED", 2);
    const own = await inState(cluster, "eng", "TASK_RUNNING", 2);
    for (const task of killed) {
      const notice = task.history.find(({ message }) =>
        /asks for what it lent/.test(message ?? ""),
      );
      test.match(notice, { state: "TASK_RUNNING", reason: "REASON_CONTAINER_PREEMPTED" });
      test.equal(task.reason, "REASON_CONTAINER_PREEMPTED");
      const between = (task.endedAtMs ?? 0) - (notice?.atMs ?? 0);
      test.ok(between >= NOTICE_MS * 0.9, `${between} ms between notice and end`);
    }
    const ended = Math.max(...killed.map(({ endedAtMs }) => endedAtMs ?? 0));
    test.ok(own.every(({ launchedAtMs }) => launchedAtMs >= ended - 2 * NOTICE_MS));
    const metrics = await cluster.metrics();
    test.match(metrics, /meseta_count_total\{name="reclaims",label="task-killed"\} 2/);
  });
});
