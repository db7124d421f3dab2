/** People's calls and what people are told: answers after proof, events that fold to the truth. */
import t from "tap";
import { ClusterView } from "#views";
import {
  AT,
  ROOT,
  accept,
  agentId,
  agentOf,
  frameworkIdOf,
  launch,
  register,
  resources,
  subscribe,
  task,
  taskId,
  update,
} from "./cluster.ts";
import { Stage } from "./stage.ts";

const F = frameworkIdOf("f");

function set(): Stage {
  const stage = new Stage().lead();
  register(stage, "a1");
  subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_RUNNING");
  stage.take();
  return stage;
}

t.test("an explanation is answered after a proof of lead", async (t) => {
  const stage = set();
  stage.moods.push("late");
  stage.mail(ROOT, "OPERATOR_EXPLAIN", { frameworkId: F, demand: resources("cpus:100") }, AT);
  t.same(stage.take(), [], "a master that was replaced would never answer");
  stage.settleLog();
  t.match(stage.take(), [
    /inbox ← OPERATOR_ANSWER to 1 .*needs cpus 100, free 3 of 4.*"counts":{"offered":0,"cpus":1}/,
  ]);
  stage.mail(ROOT, "OPERATOR_EXPLAIN", { frameworkId: frameworkIdOf("x") }, AT);
  t.match(stage.take(), [/not-found.*see framework list/]);
});

t.test("a mute leader answers nobody's questions", async (t) => {
  const stage = set();
  stage.moods.push("late");
  stage.elapse(3000);
  stage.take();
  stage.mail(ROOT, "OPERATOR_KILL", { frameworkId: F, taskId: taskId("t1") }, AT);
  t.match(stage.take(), [/"accepted":false,"reason":"mute"/]);
});

t.test("people kill tasks, open logs, set the log level", async (t) => {
  const stage = set();
  stage.mail(ROOT, "OPERATOR_KILL", { frameworkId: F, taskId: taskId("t1") }, AT);
  t.match(stage.take(), [/agent.a1 ← KillTask/, /"accepted":true/]);
  const stream = {
    streamId: "s1",
    frameworkId: F,
    taskId: taskId("t1"),
    file: "stdout" as const,
    offset: 0,
    follow: true,
  };
  stage.mail(ROOT, "OPERATOR_OPEN_STREAM", { ...stream, agentId: agentId("a1") }, AT);
  t.match(stage.take(), [/agent.a1 ← OpenStream {"streamId":"s1"/, /"accepted":true/]);
  stage.mail(ROOT, "OPERATOR_CLOSE_STREAM", { streamId: "s1", agentId: agentId("a9") }, AT);
  t.match(stage.take(), [/agent-not-connected/]);
  stage.mail(ROOT, "OPERATOR_SET_LOG_LEVEL", { level: "debug" }, AT);
  t.match(stage.take(), ["set-log-level", /"accepted":true/]);
  stage.mail(ROOT, "OPERATOR_KILL", { frameworkId: F, taskId: taskId("ghost") }, AT);
  t.match(stage.take(), [/ghost of .* is not known or has ended/]);
});

t.test("a framework torn down by people is answered when the log has it", async (t) => {
  const stage = set();
  stage.moods.push("late");
  stage.mail(ROOT, "OPERATOR_TEARDOWN", { frameworkId: F }, AT);
  t.same(stage.take(), [`log ← FrameworkCompleted ${F}`]);
  stage.settleLog();
  const said = [/ERROR .*"framework-completed"/, /RESCIND|ShutdownFramework/, /"accepted":true/];
  t.match(stage.take(), said, "who speaks for it is told, its agents are, and who asked");
});

/** What a reader of all events sees, told as one batch per event. */
function fold(stage: Stage): ClusterView {
  const view = new ClusterView();
  for (const [index, event] of stage.events.entries()) {
    view.apply({ epoch: 1, first: index + 1, atMs: 0, events: [event] });
  }
  return view;
}

t.test("events fold to what the leader knows, with or without a snapshot in between", async (t) => {
  const stage = set();
  const check = (title: string) => {
    stage.elapse(1500);
    const view = fold(stage);
    t.equal(view.stale, false, title);
    t.same([...view.agents.keys()], [...stage.state.agents.keys()], title);
    t.same([...view.frameworks.keys()], [...stage.state.frameworks.keys()], title);
    t.same([...view.offers.keys()].sort(), [...stage.state.offers.keys()].sort(), title);
    return view;
  };
  const view = check("after a launch");
  t.match([...view.tasks.values()], [{ state: "TASK_RUNNING" }]);
  stage.mail(ROOT, "OPERATOR_SNAPSHOT", {}, AT);
  check("after a snapshot");
  stage.closed(agentOf("a1"));
  check("after a disconnection");
  stage.mail(ROOT, "OPERATOR_TEARDOWN", { frameworkId: F }, AT);
  check("after a teardown");
  t.ok(stage.events.some(({ type }) => type === "ROLE_UPDATED"));
  stage.elapse(6000);
  t.ok(stage.events.some(({ type }) => type === "COUNTERS"));
});
