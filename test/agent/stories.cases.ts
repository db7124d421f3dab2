/** Stories of tasks on one agent, as a framework would see them: launch, exit, memory, kill. */
import t from "tap";
import { asId, type TaskInfo } from "#protocol";
import { AGENT, FRAMEWORK, task, TestNode } from "./a-node.ts";

function aNode(options: ConstructorParameters<typeof TestNode>[0] = {}): TestNode {
  const node = new TestNode(options);
  node.start();
  node.untilRegistered();
  return node;
}

t.test("an agent finds the leader, counts its start, and registers with nothing", async (t) => {
  const node = aNode();
  const [registration] = node.leader.registrations;
  t.equal(registration?.agent.agentId, AGENT);
  t.equal(registration?.incarnation, 1);
  t.same(registration?.tasks, []);
});

for (const [title, command, story] of [
  ["a command that ends well", "sleep 1", ["TASK_RUNNING", "TASK_FINISHED 0"]],
  ["a command that fails", "sleep 1; exit 7", ["TASK_RUNNING", "TASK_FAILED 7"]],
  [
    "a command that the kernel kills for memory",
    "sleep 1; oom",
    ["TASK_RUNNING", "TASK_FAILED 137 REASON_CONTAINER_LIMITATION_MEMORY"],
  ],
  ["a command killed by a signal", "kill -KILL", ["TASK_RUNNING", "TASK_FAILED 137"]],
] as const) {
  t.test(`${title} is told as ${story.join(", then ")}`, async (t) => {
    const node = aNode();
    node.runTask(task("a", command));
    node.until(() => node.story("a").length === 2, "ends");
    t.same(node.story("a"), story);
    node.run(1_000);
    t.equal(node.running?.agent.state.model.tasks.size, 0, "nothing of it is kept");
    t.equal(node.machine.containers.size, 0, "nor its runtime directory");
  });
}

t.test("a program that does not exist fails as a launch", async (t) => {
  const node = aNode();
  const command = { shell: false, value: "/no/such" };
  node.runTask(task("a", "", { command }));
  node.until(() => node.story("a").length === 1, "fails");
  t.same(node.story("a"), ["TASK_FAILED REASON_CONTAINER_LAUNCH_FAILED"]);
});

t.test("memory that was too little is told with limit and peak", async (t) => {
  const node = aNode();
  node.runTask(task("a", "oom"));
  node.until(() => node.story("a").length === 2, "ends");
  const limitation = node.leader.updates.at(-1)?.status.limitation;
  t.match(limitation, { resource: "mem", limitBytes: 32 << 20, peakBytes: 4 << 20 });
});

t.test("a kill waits its grace, then takes who ignores it", async (t) => {
  const node = aNode();
  node.runTask(task("a", "ignore-term; hang"), ["TASK_KILLING_STATE"]);
  node.until(() => node.story("a").length === 1, "runs");
  const beganMs = node.world.nowMs;
  node.kill("a", 5_000);
  node.until(() => node.story("a").length === 3, "is killed");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_KILLING", "TASK_KILLED 137"]);
  const tookMs = node.world.nowMs - beganMs;
  t.ok(tookMs >= 5_000 && tookMs < 5_500, `after ${tookMs} ms`);
});

t.test("asked to die means killed, whatever its exit code", async (t) => {
  const node = aNode();
  node.runTask(task("a", "on-term 0; hang"));
  node.until(() => node.story("a").length === 1, "runs");
  node.kill("a");
  node.until(() => node.story("a").length === 2, "is killed");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_KILLED 0"]);
});

t.test(
  "lent resources fit as the agent's own, and a task killed for them was preempted",
  async (t) => {
    const node = aNode();
    const { resources } = task("a", "hang");
    const lent = resources.map((each) => ({ ...each, revocable: {} }));
    node.runTask(task("a", "hang", { resources: lent }));
    node.until(() => node.story("a").length === 1, "runs");
    node.order({
      kind: "KillTask",
      body: { frameworkId: FRAMEWORK, taskId: asId<TaskInfo["taskId"]>("a"), preemptedFor: "q" },
    });
    node.until(() => node.story("a").length === 2, "is killed");
    t.match(node.story("a").at(-1), /TASK_KILLED .*REASON_CONTAINER_PREEMPTED/);
  },
);

t.test("a second kill can shorten the grace and not lengthen it", async (t) => {
  const node = aNode();
  node.runTask(task("a", "ignore-term; hang"));
  node.until(() => node.story("a").length === 1, "runs");
  const beganMs = node.world.nowMs;
  node.kill("a", 20_000);
  node.run(500);
  node.kill("a", 30_000);
  node.run(500);
  node.kill("a", 1_000);
  node.until(() => node.story("a").length === 2, "is killed");
  const tookMs = node.world.nowMs - beganMs;
  t.ok(tookMs >= 2_000 && tookMs < 2_500, `after ${tookMs} ms`);
});

t.test("a task killed while it is launched never says that it runs", async (t) => {
  const node = aNode();
  node.machine.slowness = 100;
  node.runTask(task("a", "hang"));
  node.run(5);
  node.kill("a", 0);
  node.until(() => node.story("a").length === 1, "is killed");
  t.match(node.story("a")[0], /^TASK_KILLED/);
});

t.test("a task past its completion time has failed, without TASK_KILLING", async (t) => {
  const node = aNode();
  node.runTask(task("a", "hang", { maxCompletionTimeMs: 3_000 }), ["TASK_KILLING_STATE"]);
  node.until(() => node.story("a").length === 2, "ends");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FAILED 143 REASON_MAX_COMPLETION_TIME_REACHED"]);
});

t.test("a known task id is answered with its state and not started again", async (t) => {
  const node = aNode();
  node.runTask(task("a", "sleep 60"));
  node.until(() => node.story("a").length === 1, "runs");
  node.runTask(task("a", "sleep 60"));
  node.until(() => node.leader.updates.length === 2, "answers");
  const answer = node.leader.updates[1]?.status;
  t.match(answer, { state: "TASK_RUNNING", reason: "REASON_RECONCILIATION" });
  t.equal(answer?.uuid, undefined);
  t.equal(node.starts("sleep 60"), 1);
});

for (const [title, more, state, reason] of [
  ["a task for another agent", { agentId: "other" }, "TASK_ERROR", "REASON_TASK_INVALID"],
  ["a task without a command", { command: undefined }, "TASK_ERROR", "REASON_TASK_INVALID"],
  [
    "more than the agent has",
    {
      resources: [{ name: "cpus", type: "SCALAR", scalar: { milli: 17_000 } }],
    },
    "TASK_LOST",
    "REASON_RESOURCES_UNKNOWN",
  ],
] as const) {
  t.test(`${title} is refused as ${state}, once and until acknowledged`, async (t) => {
    const node = aNode();
    const { command, ...rest } = { ...task("a", "true"), ...more } as TaskInfo;
    node.runTask(command === undefined ? rest : { ...rest, command });
    node.until(() => node.story("a").length === 1, "is refused");
    t.same(node.story("a"), [`${state} ${reason}`]);
    t.match(node.leader.updates[0]?.status.message, /: /);
    node.run(100);
    t.equal(node.running?.agent.state.model.tasks.size, 0);
  });
}

t.test("resources come back when the task has ended, not before", async (t) => {
  const node = aNode();
  const resources = task("x", "").resources.map((each) =>
    each.name === "cpus" ? { ...each, scalar: { milli: 9_000 } } : each,
  );
  node.runTask(task("a", "sleep 5", { resources }));
  node.runTask(task("b", "true", { resources }));
  node.until(() => node.story("b").length === 1, "is refused");
  t.match(node.story("b"), ["TASK_LOST REASON_RESOURCES_UNKNOWN"]);
  node.until(() => node.story("a").length === 2, "ends");
  node.runTask(task("c", "true", { resources }));
  node.until(() => node.story("c").length === 2, "runs");
  t.same(node.story("c"), ["TASK_RUNNING", "TASK_FINISHED 0"]);
});

t.test(
  "one task of a group fails: the others die with it; one that finished does not",
  async (t) => {
    const node = aNode();
    const body = {
      frameworkId: node.frameworkId,
      framework: node.framework,
      executor: { executorId: "group" as never, type: "DEFAULT" as const, resources: [] },
      taskGroup: {
        tasks: [task("a", "sleep 1"), task("b", "sleep 3; exit 2"), task("c", "hang")],
      },
    };
    node.order({ kind: "RunTaskGroup", body });
    node.until(() => node.story("c").length === 2, "all end");
    t.same(node.story("a"), ["TASK_RUNNING", "TASK_FINISHED 0"]);
    t.same(node.story("b"), ["TASK_RUNNING", "TASK_FAILED 2"]);
    t.same(node.story("c"), ["TASK_RUNNING", "TASK_KILLED 143"]);
  },
);

t.test("a group in which one task cannot run is refused whole", async (t) => {
  const node = aNode();
  const { command: _, ...empty } = task("b", "");
  const body = {
    frameworkId: node.frameworkId,
    framework: node.framework,
    executor: { executorId: "group" as never, type: "DEFAULT" as const, resources: [] },
    taskGroup: { tasks: [task("a", "hang"), empty] },
  };
  node.order({ kind: "RunTaskGroup", body });
  node.until(() => node.story("b").length === 1, "is refused");
  t.same(
    [node.story("a"), node.story("b")],
    [["TASK_ERROR REASON_TASK_GROUP_INVALID"], ["TASK_ERROR REASON_TASK_GROUP_INVALID"]],
  );
  t.equal(node.starts("hang"), 0);
});

t.test("a framework's shutdown ends its tasks and keeps nothing of it", async (t) => {
  const node = aNode();
  for (const id of ["a", "b"]) node.runTask(task(id, "hang"));
  node.until(() => node.story("b").length === 1, "runs");
  node.order({ kind: "ShutdownFramework", body: { frameworkId: node.frameworkId } });
  node.run(2_000);
  const model = node.running?.agent.state.model;
  t.equal(model?.tasks.size, 0);
  t.equal(model?.frameworks.size, 0);
  t.equal(node.machine.containers.size, 0);
});

t.test("a shutdown that a crash had cut short is ended when it is said again", async (t) => {
  const node = aNode();
  for (const id of ["a", "b"]) node.runTask(task(id, "hang"));
  node.until(() => node.story("b").length === 1, "runs");
  // What its journal would have told after the crash: of the framework, not yet of its tasks.
  const known = node.running?.agent.state.model.frameworks.get(node.frameworkId);
  if (known === undefined) throw new Error("the framework is not known");
  known.shutdown = true;
  node.order({ kind: "ShutdownFramework", body: { frameworkId: node.frameworkId } });
  node.run(2_000);
  t.equal(node.running?.agent.state.model.tasks.size, 0);
  t.equal(node.machine.containers.size, 0);
});

t.test("an unknown task is said to be dropped when it is asked for", async (t) => {
  const node = aNode();
  node.kill("nobody");
  node.until(() => node.leader.updates.length === 1, "answers");
  t.match(node.leader.updates[0]?.status, {
    state: "TASK_LOST",
    reason: "REASON_RECONCILIATION",
  });
});

t.test("usage of what runs is told from time to time", async (t) => {
  const node = aNode();
  node.runTask(task("a", "hang"));
  node.until(() => node.leader.heard.some(({ kind }) => kind === "AgentUsage"), "tells usage");
  const usage = node.leader.heard.find(({ kind }) => kind === "AgentUsage");
  t.match(usage?.body, { containers: [{ taskId: "a", memBytes: 4 << 20 }] });
});
