/** The isolator's own duties: what must go is asked for until it is gone, and counted. */
import t from "tap";
import { ContainerLife, containerMachine, isolatorMachine } from "#isolation";
import { task, TestNode } from "./a-node.ts";

t.test("a container that cannot be killed is asked for until it can, its task waits", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "ignore-term; hang"));
  node.until(() => node.story("a").length === 1, "runs");
  node.machine.killIgnoredUntilMs = node.world.nowMs + 40_000;
  node.kill("a", 100);
  node.run(35_000);
  t.same(node.story("a"), ["TASK_RUNNING"], "its resources are not free");
  const counters = node.running?.isolator.counters;
  t.ok((counters?.get("destroy-retried", "notEmpty") ?? 0) >= 3);
  node.until(() => node.story("a").length === 2, "is killed");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_KILLED 137"]);
});

t.test("what a task leaves behind is ended with it", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "fork 500; exit 0"));
  node.until(() => node.story("a").length === 2, "ends");
  const [left] = [...node.machine.containers.values()].map((container) => container.left);
  t.ok(left === undefined || left === 0);
});

t.test("more launches than the launcher takes at once are asked again, all run", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.machine.slowness = 200;
  const resources = [{ name: "cpus", type: "SCALAR" as const, scalar: { milli: 10 } }];
  const ids = Array.from({ length: 1_100 }, (_, index) => `t${index}`);
  for (const id of ids) node.runTask(task(id, "hang", { resources }));
  node.until(() => node.leader.updates.length >= ids.length, "all run", 600_000);
  t.ok((node.running?.isolator.counters.get("launch-retried", "busy") ?? 0) > 0);
  t.equal(node.starts("/bin/sh -c hang"), 1_100);
});

t.test("a program that ended before its launch was answered is cleared away", async (t) => {
  let answers = 0;
  const node = new TestNode({
    ports: (ports) => {
      const { launcher } = ports;
      if (launcher === undefined) return ports;
      const launch = launcher.launch.bind(launcher);
      // It was carried out, but the launcher is gone before it says so; asked again, it says so.
      launcher.launch = (plan, done) =>
        launch(plan, (answer) => {
          answers += 1;
          if (answers > 1) return done(answer);
          done({ ok: false, reason: "launcherGone", message: "the launcher ended" });
        });
      return ports;
    },
  });
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "exit 4"));
  node.until(() => node.story("a").length === 2, "ends");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FAILED 4"]);
  t.same([answers, node.starts("/bin/sh -c exit 4")], [2, 1]);
});

t.test("a container goes through its states and no others", async (t) => {
  const made = new ContainerLife(false);
  const states = [made.state];
  for (const type of [
    "Launched",
    "Isolate",
    "Launched",
    "Isolate",
    "Exited",
    "Launched",
  ] as const) {
    made.send({ type });
    states.push(made.state);
  }
  made.send({ type: "Destroyed" });
  states.push(made.state);
  t.same(states, [
    "preparing",
    "preparing",
    "isolating",
    "running",
    "running",
    "stopping",
    "stopping",
    "destroyed",
  ]);
  t.equal(new ContainerLife(true).state, "running");
});

t.test("every state of the isolator says whether it hears anything", async (t) => {
  for (const state of Object.values(isolatorMachine.root.states)) {
    t.equal(state.tags.filter((tag) => tag === "handle" || tag === "refuse").length, 1, state.key);
  }
  t.ok(Object.keys(containerMachine.root.states).length >= 5);
});
