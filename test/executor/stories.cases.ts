/** Stories of custom executors: launch, kill, loss of the executor, of the agent, of both. */
import t from "tap";
import { asId } from "#protocol";
import { Resources } from "#resources";
import { type Behave, anExecutorNode, executorTask, runsAll } from "./an-executor.ts";

t.test("two tasks run on one executor, which is started once", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.runTask(executorTask("b"));
  node.until(() => node.story("b").length === 1, "runs");
  t.same([node.story("a"), node.story("b")], [["TASK_RUNNING"], ["TASK_RUNNING"]]);
  t.equal(node.authors.length, 1);
  t.match(
    node.author.events.map(({ kind }) => kind),
    ["subscribed", "launch", "launch", "acknowledged", "acknowledged"],
  );
  t.equal(node.author.running.actor.state.updates.size, 0);
});

t.test("a kill reaches the executor, its answer the framework", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  node.kill("a", 700);
  node.until(() => node.story("a").length === 2, "is killed");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_KILLED"]);
  const kill = node.author.events.find(({ kind }) => kind === "kill");
  t.match(kill, { taskId: "a", killPolicy: { gracePeriodMs: 700 } });
});

t.test("messages pass both ways", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  const data = new Uint8Array([1, 2, 3]);
  const body = { frameworkId: node.frameworkId, executorId: asId<never>("ex"), data };
  node.order({ kind: "FrameworkToExecutor", body });
  const echo = () => node.leader.heard.find(({ kind }) => kind === "ExecutorToFramework");
  node.until(() => echo() !== undefined, "is answered");
  t.match(echo()?.body, { executorId: "ex", data });
});

t.test("an executor that dies takes its tasks with it, and the leader is told", async (t) => {
  const node = anExecutorNode();
  for (const id of ["a", "b"]) node.runTask(executorTask(id));
  node.until(() => node.story("b").length === 1, "runs");
  const [container] = node.machine.containers.values();
  if (container !== undefined) node.machine.signal(container, 9);
  node.until(() => node.story("b").length === 2, "fails");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FAILED REASON_EXECUTOR_TERMINATED"]);
  const exited = node.leader.heard.find(({ kind }) => kind === "ExitedExecutor");
  t.match(exited?.body, { executorId: "ex", status: 137 });
  node.run(1_000);
  t.equal(node.running?.agent.state.model.executors.size, 0);
});

t.test("a new leader hears of an executor whose tasks have all ended", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  const reported = () =>
    node.leader.registrations.flatMap(({ executors = [], frameworks }) =>
      executors.map(({ executor }) => [executor.executorId, frameworks.length]),
    );
  node.restartLeader(6);
  node.until(() => node.leader.registered === 2, "registers again");
  t.same(reported(), [], "its task names it");
  node.kill("a", 700);
  node.until(() => node.story("a").length === 2, "is killed");
  node.restartLeader(7);
  node.until(() => node.leader.registered === 3, "registers once more");
  t.same(reported(), [["ex", 1]]);
});

t.test("an executor that never subscribes is ended, its tasks have failed", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a", "hang"));
  node.until(() => node.story("a").length === 1, "fails");
  t.same(node.story("a"), ["TASK_FAILED REASON_EXECUTOR_REGISTRATION_TIMEOUT"]);
  t.ok(node.world.nowMs >= 60_000);
  node.run(10_000);
  t.equal(node.machine.containers.size, 0);
});

t.test("a task killed before its executor has subscribed was killed during launch", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a", "hang"));
  node.run(1_000);
  node.kill("a");
  node.until(() => node.story("a").length === 1, "is killed");
  t.same(node.story("a"), ["TASK_KILLED REASON_TASK_KILLED_DURING_LAUNCH"]);
  node.run(10_000);
  t.equal(node.machine.containers.size, 0, "and its executor has nothing to wait for");
});

t.test(
  "the agent dies and comes back: the executor lives, says all that was not heard",
  async (t) => {
    const node = anExecutorNode();
    node.runTask(executorTask("a"));
    node.runTask(executorTask("b"));
    node.until(() => node.story("b").length === 1, "runs");
    node.crash();
    node.author.running.update({ taskId: asId("a"), state: "TASK_FINISHED", message: "done" });
    node.run(800);
    node.start();
    node.until(() => node.story("a").length === 2, "is told");
    t.same(node.story("a"), ["TASK_RUNNING", "TASK_FINISHED"]);
    t.same(node.story("b"), ["TASK_RUNNING"]);
    t.equal(node.authors.length, 1);
    const uuids = node.leader.updates
      .filter(({ status }) => status.taskId === "a" && status.state === "TASK_FINISHED")
      .map(({ status }) => status.uuid);
    t.equal(new Set(uuids).size, 1, "the executor's own uuid");
    node.run(5_000);
    t.same(node.story("b"), ["TASK_RUNNING"], "it subscribed again in time");
  },
);

t.test("an executor that has nothing to say comes back to a restarted agent too", async (t) => {
  for (const quietMs of [0, 1_300, 2_600, 3_900]) {
    const node = anExecutorNode();
    node.runTask(executorTask("a"));
    node.until(() => node.story("a").length === 1, "runs");
    // Wherever it is between two of its heartbeats.
    node.run(quietMs);
    node.crash();
    node.run(500);
    node.start();
    node.run(20_000);
    t.same(node.story("a"), ["TASK_RUNNING"], `quiet for ${quietMs} ms before`);
    t.equal(node.authors.length, 1);
  }
});

t.test("an executor that does not come back to a restarted agent is gone", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  node.crash();
  node.author.node.halt("pause");
  node.start();
  node.until(() => node.story("a").length === 2, "is told");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_LOST REASON_EXECUTOR_REREGISTRATION_TIMEOUT"]);
});

t.test("an executor's time to come back stands still while the bus is away", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  node.crash();
  node.author.node.halt("pause");
  node.start();
  node.run(500);
  node.network.stopBroker("n1");
  node.run(10_000);
  node.author.node.resume();
  node.network.startBroker("n1");
  node.run(10_000);
  t.same(node.story("a"), ["TASK_RUNNING"], "it was asked again when it could answer");
});

t.test("an executor whose agent stays away ends its tasks and itself", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  node.crash();
  node.run(40_000);
  t.notOk(node.author.events.some(({ kind }) => kind === "shutdown"));
  node.until(() => node.author.events.some(({ kind }) => kind === "shutdown"), "ends", 15_000);
});

t.test("a shutdown lets the executor end by itself, then takes what is left", async (t) => {
  const stubborn: Behave = (event, driver) => {
    if (event.kind !== "shutdown") runsAll(event, driver);
  };
  for (const behave of [runsAll, stubborn]) {
    const node = anExecutorNode(behave);
    node.runTask(executorTask("a"));
    node.until(() => node.story("a").length === 1, "runs");
    const body = { frameworkId: node.frameworkId, executorId: asId<never>("ex") };
    node.order({ kind: "ShutdownExecutor", body });
    node.until(() => node.story("a").length === 2, "ends", 12_000);
    t.same(node.story("a"), ["TASK_RUNNING", "TASK_KILLED REASON_EXECUTOR_TERMINATED"]);
    node.until(() => node.machine.containers.size === 0, "nothing is left", 12_000);
  }
});

t.test("a new leader makes executors come back, and nothing is said twice", async (t) => {
  const node = anExecutorNode();
  node.runTask(executorTask("a"));
  node.until(() => node.story("a").length === 1, "runs");
  node.restartLeader(12);
  node.until(() => node.leader.registered === 2, "registers again");
  node.run(5_000);
  node.kill("a");
  node.until(() => node.story("a").length === 2, "is killed");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_KILLED"]);
  t.equal(node.authors.length, 1);
});

/** Launches a task as a leader does that counts its executor, or counts on one that runs. */
function launches(
  node: ReturnType<typeof anExecutorNode>,
  task: ReturnType<typeof executorTask>,
  launchExecutor: boolean,
): void {
  const { framework, frameworkId } = node;
  node.order({ kind: "RunTask", body: { frameworkId, framework, task, launchExecutor } });
}

t.test("a task for an executor that has ended meanwhile is dropped, and begins none", async (t) => {
  const node = anExecutorNode();
  launches(node, executorTask("a"), true);
  node.until(() => node.story("a").length === 1, "runs");
  launches(node, executorTask("b"), false);
  node.until(() => node.story("b").length === 1, "runs");
  const [container] = node.machine.containers.values();
  if (container !== undefined) node.machine.signal(container, 9);
  node.until(() => node.story("b").length === 2, "fails");
  launches(node, executorTask("c"), false);
  node.until(() => node.story("c").length === 1, "is dropped");
  t.same(node.story("c"), ["TASK_LOST REASON_EXECUTOR_TERMINATED"]);
  t.equal(node.running?.agent.state.model.executors.size, 0);
});

t.test("an executor that was counted and is not begun is said to have ended", async (t) => {
  const node = anExecutorNode();
  const large = { ...executorTask("a"), resources: Resources.of("cpus:1000").toWire() };
  launches(node, large, true);
  node.until(() => node.story("a").length === 1, "is dropped");
  t.same(node.story("a"), ["TASK_LOST REASON_RESOURCES_UNKNOWN"]);
  const exited = () => node.leader.heard.find(({ kind }) => kind === "ExitedExecutor");
  node.until(() => exited() !== undefined, "is said");
  t.match(exited()?.body, { executorId: "ex", status: -1 });
});
