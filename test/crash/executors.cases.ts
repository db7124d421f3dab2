/**
 * Custom executors on real agents: a framework's own program in a container, several tasks in it, a
 * credential of its own (P-4.5), and what becomes of it when its agent is killed.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { inboxOf } from "#access";
import { entryOf, natsBus, parseCredentialFile, systemClock } from "#adapters";
import { agentPeer, asId, subjectsOf } from "#protocol";
import { Cluster, remainsOf, skipWithoutRoot } from "../support/cluster.ts";
import { untilAnswer } from "../support/answers.ts";
import { until } from "../support/until.ts";
import { isTerminal, type TaskState } from "#sdk";
import { Foreman, PROJECT } from "../support/foreman.ts";
import { killAndReturn } from "../support/parts.ts";

/** Uid of those who own nothing. */
const NOBODY = 65_534;

/** Folders of credentials that an agent of `up` has given to executors, by container. */
function givenBy(cluster: Cluster): string[] {
  return readdirSync(join(cluster.bench.data, "agent-1", "executors"));
}

function credentialPath(cluster: Cluster, containerId: string): string {
  return join(cluster.bench.data, "agent-1", "executors", containerId, "executor.creds");
}

/** What an executor can say with its own credential, and what the broker refuses to it. */
async function intrudes(test: Test, cluster: Cluster, mine: string, other: string): Promise<void> {
  const file = parseCredentialFile(readFileSync(credentialPath(cluster, mine), "utf8"));
  const { identity, credential } = entryOf(file, "executor");
  const subjects = subjectsOf(file.cluster);
  const { principal } = identity;
  const bus = natsBus({
    servers: file.servers,
    credential: () => credential,
    inbox: inboxOf(identity),
    name: "intruder",
    clock: systemClock(),
    nonce: "intruder",
  });
  const forbidden: string[] = [];
  bus.onStatus((status) => {
    if (status.kind === "forbidden") forbidden.push(status.subject);
  });
  await until(() => bus.connected, "the intruder is connected");
  const own = subjects.executor(principal, asId(mine), "out");
  const others = [
    subjects.executor(principal, asId(other), "out"),
    subjects.executor(principal, asId(other), "in"),
    subjects.executor(principal, asId(mine), "in"),
    subjects.executor(asId("agent-2"), asId(mine), "out"),
    subjects.toMaster(agentPeer(principal)),
    subjects.renewing(principal),
    subjects.leader,
    subjects.log,
  ];
  bus.publish(own, new Uint8Array([1]));
  for (const subject of others) bus.publish(subject, new Uint8Array([1]));
  bus.subscribe(subjects.executor(principal, asId(other), "in"), () => undefined);
  await until(() => forbidden.length > others.length, "the broker has judged all");
  test.same([...forbidden].sort(), [...others, others[1]].sort(), "all but its own is refused");
  test.equal(bus.dropped.get("forbidden"), forbidden.length, "and counted");
  await new Promise<void>((resolve) => bus.close(resolve));
}

void t.test("custom executors on a real agent", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start([
    "--agents",
    "1",
    "--resources",
    "cpus:2;mem:2048",
    "--allowed-host-paths",
    PROJECT,
  ]);
  t.teardown(() => cluster.stop());
  const agentIds = cluster.agentIds();
  const foreman = new Foreman(cluster);

  await t.test("several tasks run in one process, which is spoken with", async (test) => {
    await foreman.launch("crew", ["a", "b", "c"]);
    await foreman.launch("crew", ["d"]);
    const told = await foreman.ask("crew", "who?");
    test.same(told.running, ["a", "b", "c", "d"]);
    const pids = ["a", "b", "c", "d"].map((id) => foreman.last(id)?.message);
    test.equal(new Set(pids).size, 1, "all in one process");
    test.equal(givenBy(cluster).length, 1, "one credential was given");
    const after = await foreman.ask("crew", "end a");
    await until(() => foreman.story("a").length === 2, "a ends");
    test.same(foreman.story("a"), ["TASK_RUNNING", "TASK_FINISHED"]);
    test.match(after, { pid: told.pid, running: ["b", "c", "d"] });
  });

  await t.test(
    "an executor reads its credential as its user, and nobody else does",
    async (test) => {
      await foreman.launch("humble", ["h"], { user: "nobody" });
      const told = await foreman.ask("humble", "who?");
      test.equal(told.uid, NOBODY);
      const stats = givenBy(cluster).map((id) => statSync(credentialPath(cluster, id)));
      test.same(stats.map(({ uid }) => uid).sort(), [0, NOBODY]);
      test.ok(stats.every(({ mode }) => (mode & 0o777) === 0o600));
    },
  );

  await t.test("one executor's credential says nothing in another's name", async (test) => {
    const [mine = "", other = ""] = givenBy(cluster);
    await intrudes(test, cluster, mine, other);
    test.same((await foreman.ask("crew", "who?")).running, ["b", "c", "d"], "all as it was");
  });

  await t.test("the agent is killed; executors come back to it, silent ones too", async (test) => {
    const given = givenBy(cluster).sort();
    const was = await foreman.ask("crew", "who?");
    await killAndReturn(cluster, "agent-1");
    const told = await foreman.ask("crew", "end b");
    test.equal((await foreman.ask("humble", "who?")).uid, NOBODY);
    await until(() => foreman.story("b").length === 2, "b ends");
    test.same(foreman.story("b"), ["TASK_RUNNING", "TASK_FINISHED"]);
    test.equal(told.pid, was.pid, "in the process that it had");
    test.same(foreman.story("c"), ["TASK_RUNNING"]);
    test.same(givenBy(cluster).sort(), given, "with the credentials that they had");
    foreman.kill("c");
    await until(() => foreman.story("c").length === 2, "c is killed");
    test.same(foreman.story("c"), ["TASK_RUNNING", "TASK_KILLED"]);
    await foreman.launch("crew", ["e"]);
    test.same((await foreman.ask("crew", "who?")).running, ["d", "e"], "and takes new ones");
    test.same(foreman.lost, []);
  });

  await t.test("an executor that dies is told, and its credential goes", async (test) => {
    const { pid } = await foreman.ask("crew", "who?");
    process.kill(hostPidOf(agentIds[0] ?? "", pid), "SIGKILL");
    await until(() => foreman.story("d").length === 2, "d fails");
    test.same(foreman.story("d"), ["TASK_RUNNING", "TASK_FAILED"]);
    await until(() => foreman.lost.includes("crew"), "its loss is told");
    await until(() => givenBy(cluster).length === 1, "its credential is removed", 20_000);
  });

  await t.test("nothing is left after the framework and the cluster", async (test) => {
    await foreman.end();
    await untilAnswer(
      () => cluster.call("listTasks"),
      ({ items }) => items.every(({ state }) => isTerminal(state as TaskState)),
      "all ends are shown, of a framework that is gone too",
    );
    await until(() => givenBy(cluster).length === 0, "no credential is left", 30_000);
    const { exit } = await cluster.bench.meseta(["down"]);
    test.equal(exit, 0);
    test.same(remainsOf(cluster.bench.dir, agentIds), []);
  });
});

/** The process of this machine that is `pid` in its own namespace, below an agent's cgroup. */
function hostPidOf(agentId: string, pid: number): number {
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    const path = `/proc/${name}`;
    if (!existsSync(`${path}/status`)) continue;
    const cgroup = readFileSync(`${path}/cgroup`, "utf8");
    if (!cgroup.includes(agentId)) continue;
    const inside = /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`${path}/status`, "utf8"))?.[1];
    if (Number(inside) !== pid) continue;
    if (readFileSync(`${path}/cmdline`, "utf8").includes("gate-executor")) return Number(name);
  }
  throw new Error(`no process of ${agentId} is ${pid} inside`);
}
