/** What is lent comes back with notice; what nobody answers is handed out one by one. */
import t from "tap";
import { asId, type BodyOf } from "#protocol";
import {
  AT,
  ROOT,
  accept,
  frameworkOf,
  launch,
  offersOf,
  register,
  resources,
  subscribe,
  task,
  taskId,
  frameworkIdOf,
  update,
} from "./cluster.ts";
import { Stage, type StageOptions } from "./stage.ts";

const NOTICE_MS = 10_000;

function revocable(text: string) {
  return resources(text).map((each) => ({ ...each, revocable: {} }));
}

function lend(stage: Stage, more: Partial<BodyOf<"OPERATOR_UPDATE_QUOTA">> = {}): string[] {
  const guarantee = [
    { name: "cpus", milli: 4000 },
    { name: "mem", milli: 1_024_000 },
  ];
  const body = { role: "q", guarantee, limit: [], lends: true, force: false, dryRun: false };
  stage.mail(ROOT, "OPERATOR_UPDATE_QUOTA", { ...body, ...more }, AT);
  return stage.take();
}

/** One agent of (4, 1024), all of it guaranteed to q and lent to n, who runs t1 and then t2 on it. */
function lent(more: StageOptions = {}): Stage {
  const stage = new Stage({ reclaimNoticeMs: NOTICE_MS, ...more }).lead();
  lend(stage, { force: true });
  register(stage, "a1");
  const capabilities = ["PARTITION_AWARE", "REVOCABLE_RESOURCES"];
  subscribe(stage, "n", { info: { roles: ["n"], capabilities } });
  for (const id of [1, 2]) {
    stage.elapse(1500);
    const info = task(`t${id}`, "a1", { resources: revocable("cpus:1;mem:256") });
    accept(stage, "n", [launch(info)], { id, refuseMs: 0 });
    update(stage, "a1", "n", `t${id}`, "TASK_RUNNING", { n: id });
  }
  stage.elapse(1500);
  stage.take();
  return stage;
}

t.test(
  "unused guarantees are offered as revocable, and come back from offers at once",
  async (t) => {
    const stage = lent();
    const [offer] = [...stage.state.offers.values()];
    t.equal(`${offer?.resources.revocable().quantities()}`, "cpus:2; mem:512");
    subscribe(stage, "q", { info: { roles: ["q"] } });
    stage.elapse(10);
    const said = stage.take();
    t.ok(said.some((line) => /framework.n.i1 ← RESCIND .*q asks for what it lent/.test(line)));
    t.ok(said.some((line) => /framework.q.i1 ← OFFERS/.test(line)));
    t.equal(stage.counters.get("reclaims", "offer-rescinded"), 1);
  },
);

t.test("tasks on lent resources are given notice, then killed as preempted", async (t) => {
  const stage = lent();
  subscribe(stage, "q", { info: { roles: ["q"] } });
  stage.elapse(1500);
  const notices = stage.taken("q asks for what it lent: the task is killed in 10 s");
  t.match(notices, [/UPDATE t2 .*CONTAINER_PREEMPTED/, /UPDATE t1/], "the youngest first");
  const seen = stage.events.filter(
    (event) => event.type === "TASK_UPDATED" && event.status.reason?.includes("PREEMPTED"),
  );
  t.equal(seen.length, 2, "people are told too");
  stage.elapse(NOTICE_MS - 3000);
  t.same(stage.taken("KillTask"), [], "not before its time");
  stage.elapse(3500);
  const kills = stage.taken("KillTask");
  t.equal(kills.length, 2);
  t.match(kills[0], /"preemptedFor":"q"/);
  t.equal(stage.counters.get("reclaims", "task-killed"), 2);
  update(stage, "a1", "n", "t1", "TASK_KILLED", { n: 3 });
  update(stage, "a1", "n", "t2", "TASK_KILLED", { n: 4 });
  stage.elapse(1500);
  t.equal(`${stage.state.allocator.consumedBy("q")}`, "cpus:4; mem:1024", "q has what it is owed");
  t.equal(stage.state.notices.size, 0);
});

t.test("notice is withdrawn when nobody asks any more", async (t) => {
  const stage = lent();
  subscribe(stage, "q", { info: { roles: ["q"] } });
  stage.elapse(1500);
  t.equal(stage.state.notices.size, 2);
  stage.mail(frameworkOf("q"), "SUPPRESS", { roles: [] });
  stage.elapse(NOTICE_MS + 2000);
  t.same(stage.taken("KillTask"), []);
  t.equal(stage.state.notices.size, 0);
  t.equal(stage.counters.get("reclaims", "notice-withdrawn"), 2);
});

t.test("a new leader knows what is lent, and calls it back", async (t) => {
  const first = lent();
  const second = new Stage({ name: "m2", log: first.log, reclaimNoticeMs: NOTICE_MS }).lead();
  t.ok(second.state.allocator.lends("q"));
  const reportedTasks = [...(first.state.frameworks.get(frameworkIdOf("n"))?.tasks.values() ?? [])];
  const tasks = reportedTasks.map(({ info, executorId }) => ({
    info,
    executorId,
    frameworkId: frameworkIdOf("n"),
    containerId: asId<never>(`c-${info.taskId}`),
    state: "TASK_RUNNING" as const,
  }));
  register(second, "a1", {
    tasks,
    frameworks: [{ frameworkId: frameworkIdOf("n"), info: infoOf(first) }],
  });
  subscribe(second, "q", { info: { roles: ["q"] } });
  second.elapse(NOTICE_MS + 3000);
  t.equal(second.taken("KillTask").length, 2);
});

function infoOf(stage: Stage) {
  const framework = stage.state.frameworks.get(frameworkIdOf("n"));
  if (framework === undefined) throw new Error("n is not there");
  return framework.info;
}

t.test("a dry run tells what would be offered and taken back", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1");
  register(stage, "a2");
  subscribe(stage, "n", { info: { roles: ["n"] } });
  subscribe(stage, "q", { info: { roles: ["q"] } });
  stage.take();
  const said = lend(stage, { dryRun: true });
  t.match(said, [/nothing more than now; 1 offer would be taken back first/]);
  stage.mail(frameworkOf("n"), "DECLINE", { offerIds: offersOf(stage, "n").slice(0, 1) });
  stage.mail(frameworkOf("q"), "DECLINE", { offerIds: offersOf(stage, "q") });
  const again = lend(stage, { dryRun: true, lends: false }).at(-1);
  t.match(again, /"accepted":true/);
  t.equal(stage.state.registry.quotas.size, 0);
});

t.test("who lets offers time out gets one at a time until it answers one", async (t) => {
  const stage = new Stage({ offerTimeoutMs: 5000 }).lead();
  for (const name of ["a1", "a2", "a3"]) register(stage, name);
  subscribe(stage, "f", { info: { roles: ["f"] } });
  t.equal(offersOf(stage, "f").length, 3);
  stage.elapse(7500);
  t.equal(offersOf(stage, "f").length, 1, "one at a time");
  t.equal(stage.counters.get("offers-unanswered", "offer-expired"), 3);
  stage.take();
  stage.mail(ROOT, "OPERATOR_EXPLAIN", { frameworkId: frameworkIdOf("f") }, AT);
  t.match(stage.taken("ANSWER"), [/"hoarding":2/]);
  accept(stage, "f", [launch(task("t1", [...stage.state.offers.values()][0]?.agentId ?? ""))]);
  stage.elapse(1500);
  t.ok(offersOf(stage, "f").length >= 2, "it has answered");
  t.ok(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.has(taskId("t1")));
});
