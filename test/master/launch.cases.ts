/** Offers, launches, updates: the way of a task through the leader, as stories. */
import t from "tap";
import type { ExecutorId, OfferId } from "#protocol";
import { asId } from "#protocol";
import {
  accept,
  acknowledge,
  agentId,
  agentOf,
  frameworkIdOf,
  frameworkOf,
  launch,
  offersOf,
  register,
  resources,
  subscribe,
  task,
  taskId,
  update,
  uuidOf,
} from "./cluster.ts";
import { Stage } from "./stage.ts";

/** A leader with one agent and one framework that holds an offer of all of it. */
function set(capabilities = ["PARTITION_AWARE"]) {
  const stage = new Stage().lead();
  register(stage, "a1");
  const framework = subscribe(stage, "f", { info: { capabilities } });
  stage.take();
  return { stage, framework };
}

t.test("a task is launched, runs, ends, and its resources are offered again", async (t) => {
  const { stage, framework } = set();
  accept(stage, "f", [launch(task("t1", "a1"))]);
  t.same(stage.take(), ["agent.a1 ← RunTask t1", `${framework} ← ANSWER to 1 {"accepted":true}`]);
  update(stage, "a1", "f", "t1", "TASK_RUNNING", { n: 1 });
  acknowledge(stage, "a1", "f", "t1", 1);
  t.match(stage.take(), [
    `${framework} ← UPDATE t1 TASK_RUNNING uuid`,
    /agent.a1 ← StatusUpdateAcknowledgement/,
  ]);
  update(stage, "a1", "f", "t1", "TASK_FINISHED", { n: 2 });
  t.match(stage.take(), [
    `${framework} ← UPDATE t1 TASK_FINISHED uuid`,
    /OFFERS o-1-2 a1 \* cpus 4000 mem 1024000/,
  ]);
  t.equal(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size, 1);
  acknowledge(stage, "a1", "f", "t1", 2);
  t.equal(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size, 0, "gone when acknowledged");
});

t.test("what is left of an offer goes back and is refused for a while", async (t) => {
  const { stage } = set();
  accept(stage, "f", [launch(task("t1", "a1"))], { refuseMs: 10_000 });
  stage.take();
  stage.elapse(9000);
  t.same(stage.taken("OFFERS"), []);
  stage.elapse(2500);
  t.match(stage.taken("OFFERS"), [/o-1-2 a1 \* cpus 3000 mem 960000/]);
});

t.test("a declined offer comes again when its filter ends", async (t) => {
  const { stage, framework } = set();
  stage.mail(framework, "DECLINE", { offerIds: offersOf(stage, "f"), filters: { refuseMs: 3000 } });
  stage.elapse(2000);
  t.same(stage.taken("OFFERS"), []);
  stage.elapse(2500);
  t.equal(stage.taken("OFFERS").length, 1);
});

t.test("an offer ends after a minute, and its late acceptance hears why", async (t) => {
  const { stage, framework } = set();
  const [first] = offersOf(stage, "f");
  for (let second = 0; second < 61; second += 1) {
    stage.heard(agentOf("a1"));
    stage.heard(framework);
    stage.elapse(1000);
  }
  t.match(stage.take(), [
    `${framework} ← RESCIND {"offerId":"o-1-1","reason":"expired"}`,
    /OFFERS o-1-2/,
  ]);
  accept(stage, "f", [launch(task("t1", "a1"))], { offerIds: [first ?? asId<OfferId>("x")] });
  t.match(stage.take(), [
    /UPDATE t1 TASK_DROPPED REASON_INVALID_OFFERS offer o-1-1 is not outstanding: it was expired/,
    /ANSWER to 1 .*"reason":"offer-expired"/,
  ]);
});

t.test("one stale offer voids the call and gives the others back", async (t) => {
  const { stage, framework } = set();
  const offerIds = [...offersOf(stage, "f"), asId<OfferId>("o-1-99")];
  accept(stage, "f", [launch(task("t1", "a1"))], { offerIds });
  t.match(
    stage.take(),
    [
      /UPDATE t1 TASK_DROPPED REASON_INVALID_OFFERS/,
      `${framework} ← ANSWER to 1 {"accepted":false,"reason":"offer-not-outstanding"`,
      /OFFERS o-1-2 a1 \* cpus 4000/,
    ].map((line) => (typeof line === "string" ? new RegExp(line.replace(/[{}.]/g, ".")) : line)),
  );
});

t.test("an invalid task fails alone, and a known id says its state", async (t) => {
  const { stage } = set();
  const greedy = task("greedy", "a1", { resources: resources("cpus:9") });
  accept(stage, "f", [launch(task("t1", "a1"), greedy, task("t1", "a1"), task("t2", "a1"))]);
  t.match(stage.take(), [
    "agent.a1 ← RunTask t1",
    /UPDATE greedy TASK_ERROR REASON_TASK_INVALID resources: needs cpus:9/,
    /UPDATE t1 TASK_STAGING REASON_RECONCILIATION/,
    "agent.a1 ← RunTask t2",
    /ANSWER/,
  ]);
});

t.test("a repeated call gets its first answer and does nothing twice", async (t) => {
  const { stage, framework } = set();
  const offerIds = offersOf(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))], { id: 7, offerIds });
  stage.take();
  accept(stage, "f", [launch(task("t1", "a1"))], { id: 7, offerIds });
  t.same(stage.take(), [`${framework} ← ANSWER to 7 {"accepted":true}`]);
});

t.test("a group is launched as one, its executor counted once", async (t) => {
  const { stage } = set();
  const executor = {
    executorId: asId<ExecutorId>("pod"),
    type: "DEFAULT" as const,
    resources: resources("cpus:0.5;mem:32"),
  };
  const tasks = [task("t1", "a1"), task("t2", "a1")];
  accept(stage, "f", [{ type: "LAUNCH_GROUP", executor, taskGroup: { tasks } }]);
  t.match(stage.take(), ["agent.a1 ← RunTaskGroup t1 t2", /ANSWER/]);
  t.equal(stage.state.allocator.free(agentId("a1")).cpusMilli, 1500);
  update(stage, "a1", "f", "t1", "TASK_FAILED", { n: 1 });
  t.equal(stage.state.allocator.held(frameworkIdOf("f"), agentId("a1")).cpusMilli >= 1500, true);
  update(stage, "a1", "f", "t2", "TASK_KILLED", { n: 2 });
  stage.take();
  accept(stage, "f", [], { id: 2, refuseMs: 60_000 });
  t.match(stage.taken("OFFERS"), [/cpus 4000 mem 1024000/], "the executor is free too");
});

t.test(
  "an update that is ahead frees the resources before the framework has seen it",
  async (t) => {
    const { stage, framework } = set();
    accept(stage, "f", [launch(task("t1", "a1"))]);
    stage.take();
    update(stage, "a1", "f", "t1", "TASK_RUNNING", { n: 1, latest: "TASK_FINISHED" });
    t.match(stage.take(), [`${framework} ← UPDATE t1 TASK_RUNNING uuid`, /OFFERS .* cpus 4000/]);
    acknowledge(stage, "a1", "f", "t1", 1);
    t.equal(
      stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size,
      1,
      "its end is not told yet",
    );
  },
);

t.test("updates of nobody known are forwarded or dropped, and counted", async (t) => {
  const { stage, framework } = set();
  update(stage, "a1", "f", "ghost", "TASK_RUNNING");
  t.same(stage.take(), [`${framework} ← UPDATE ghost TASK_RUNNING uuid`]);
  t.equal(stage.counters.get("updates", "not-found"), 1);
  update(stage, "a1", "nobody", "t9", "TASK_RUNNING");
  t.match(stage.take(), [/agent.a1 ← StatusUpdateAcknowledgement/]);
  update(stage, "a9", "f", "t1", "TASK_RUNNING");
  t.same(stage.take(), []);
  t.equal(stage.counters.get("updates", "agent-not-connected"), 1);
});

t.test("who does not know partitions is told that tasks are lost", async (t) => {
  const { stage, framework } = set([]);
  accept(stage, "f", [launch(task("t1", "a1"))], { offerIds: [asId<OfferId>("o-1-99")] });
  t.match(stage.take()[0], `${framework} ← UPDATE t1 TASK_LOST REASON_INVALID_OFFERS`);
});

t.test("a kill reaches the agent, again after it has registered again", async (t) => {
  const { stage } = set();
  accept(stage, "f", [launch(task("t1", "a1"))]);
  stage.closed(agentOf("a1"));
  stage.take();
  stage.mail(frameworkOf("f"), "KILL", { taskId: taskId("t1") }, { id: 2 });
  t.match(stage.take(), [/ANSWER to 2 {"accepted":true}/], "it waits for the agent");
  register(stage, "a1", {
    tasks: [
      {
        info: task("t1", "a1"),
        frameworkId: frameworkIdOf("f"),
        executorId: asId<ExecutorId>("t1"),
        containerId: asId("c1"),
        state: "TASK_RUNNING",
      },
    ],
  });
  t.match(stage.taken("KillTask"), [/agent.a1 ← KillTask .*"taskId":"t1"/]);
  stage.mail(frameworkOf("f"), "KILL", { taskId: taskId("ghost") }, { id: 3 });
  t.match(stage.taken("ghost"), [/UPDATE ghost TASK_UNKNOWN REASON_RECONCILIATION/]);
});

t.test("an acknowledgement while the agent is away is not kept", async (t) => {
  const { stage } = set();
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_FINISHED", { n: 5 });
  stage.closed(agentOf("a1"));
  stage.take();
  const body = { agentId: agentId("a1"), taskId: taskId("t1"), uuid: uuidOf(5) };
  stage.mail(frameworkOf("f"), "ACKNOWLEDGE", body);
  t.same(stage.take(), []);
  t.equal(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size, 1);
});

t.test(
  "an executor is counted with the first of its tasks, and anew when it has ended",
  async (t) => {
    const { stage } = set();
    const executorId = asId<ExecutorId>("shared");
    const executor = {
      executorId,
      type: "CUSTOM" as const,
      command: { shell: false, value: "my-executor", arguments: ["my-executor"] },
      resources: resources("cpus:0.5;mem:32"),
    };
    const begun: unknown[] = [];
    const launchNext = (name: string): void => {
      const { command: _, ...rest } = task(name, "a1");
      accept(stage, "f", [launch({ ...rest, executor })], { id: begun.length + 1 });
      const [line = ""] = stage.taken("RunTask");
      begun.push(/launchExecutor (\w+)/.exec(line)?.[1]);
      stage.elapse(6_000);
    };
    launchNext("t1");
    launchNext("t2");
    const frameworkId = frameworkIdOf("f");
    stage.mail(agentOf("a1"), "ExitedExecutor", { frameworkId, executorId, status: 0 });
    stage.elapse(6_000);
    launchNext("t3");
    t.same(begun, ["true", "false", "true"]);
  },
);
