/** Agents: admission, identity, silence, return, as stories. */
import t from "tap";
import { asId, type ExecutorId } from "#protocol";
import { Stage } from "./stage.ts";
import {
  accept,
  acknowledge,
  agentId,
  agentInfo,
  agentOf,
  frameworkIdOf,
  frameworkInfo,
  launch,
  register,
  reported,
  resources,
  subscribe,
  task,
  update,
} from "./cluster.ts";

function leading(options = {}): Stage {
  return new Stage(options).lead();
}

t.test("an agent is told that it is registered when the log has admitted it", async (t) => {
  const stage = leading();
  stage.moods.push("late");
  register(stage, "a1");
  t.same(stage.take(), ["agent.a1 ← Come", "log ← AgentAdmitted a1"]);
  t.equal(stage.state.agents.size, 0, "nothing derives from what is only proposed");
  stage.settleLog();
  t.match(stage.take(), [/agent.a1 ← AgentRegistered/]);
  t.equal(stage.state.agents.get(agentId("a1"))?.condition, "registered");
});

t.test("an agent that registers again before the log has answered is admitted once", async (t) => {
  const stage = leading();
  stage.moods.push("late");
  register(stage, "a1");
  stage.closed(agentOf("a1"));
  register(stage, "a1");
  stage.settleLog();
  stage.elapse(1000);
  const lines = stage.take();
  t.same(
    lines.filter((line) => line.startsWith("log ←")),
    ["log ← AgentAdmitted a1"],
  );
  t.match(lines.at(-1), /agent.a1 ← AgentRegistered/);
});

t.test("agents are called a few at a time, the next when one has registered", async (t) => {
  const stage = leading({ comingMax: 2 });
  for (const name of ["a1", "a2", "a3"]) stage.hello(agentOf(name), name);
  t.same(stage.take(), ["agent.a1 ← Come", "agent.a2 ← Come"]);
  stage.elapse(12_000);
  t.same(stage.take().slice(0, 3), [
    "agent.a1 closed: no-session",
    "agent.a2 closed: no-session",
    "agent.a3 ← Come",
  ]);
});

t.test("parts of a registration must follow each other", async (t) => {
  const stage = leading();
  stage.hello(agentOf("a1"), "a1");
  const part = { agent: agentInfo("a1"), bootId: "b", incarnation: 1, parts: 3 };
  const lists = { tasks: [], frameworks: [] };
  stage.mail(agentOf("a1"), "RegisterAgent", { ...part, ...lists, part: 0 });
  stage.mail(agentOf("a1"), "RegisterAgent", { ...part, ...lists, part: 2 });
  t.match(stage.taken("Refused"), [/AgentRefused .*part 2 does not follow/]);
  t.equal(stage.state.registry.agents.size, 0);
});

t.test("a gap in the session is no loss: the agent registers again and tasks go on", async (t) => {
  const stage = leading();
  register(stage, "a1");
  subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  stage.closed(agentOf("a1"));
  stage.take();
  stage.elapse(3000);
  t.same(stage.take(), []);
  register(stage, "a1", { tasks: [reported("t1", "a1", "f")] });
  t.match(
    stage.take(),
    ["agent.a1 ← Come", /agent.a1 ← AgentRegistered/, /framework.f.i1 ← OFFERS .* cpus 3000/],
    "what the task holds is not offered",
  );
  t.equal(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size, 1);
});

t.test("an executor without tasks is counted, until it has ended", async (t) => {
  const stage = leading();
  const executorId = asId<ExecutorId>("idle");
  const held = resources("cpus:1.5;mem:64").map((each) => ({
    ...each,
    allocationInfo: { role: "eng" },
  }));
  const executor = { executorId, type: "CUSTOM" as const, resources: held };
  const frameworkId = frameworkIdOf("f");
  subscribe(stage, "f", { info: { roles: ["*", "eng"] } });
  stage.take();
  const frameworks = [{ frameworkId, info: frameworkInfo({ roles: ["*", "eng"] }) }];
  register(stage, "a1", { executors: [{ frameworkId, executor }], frameworks });
  t.match(stage.taken("OFFERS"), [/ cpus 2500/]);
  t.equal([...(stage.state.agents.get(agentId("a1"))?.executors.values() ?? [])][0]?.role, "eng");
  stage.mail(agentOf("a1"), "ExitedExecutor", { frameworkId, executorId, status: 0 });
  stage.elapse(6_000);
  t.match(stage.taken("OFFERS"), [/ cpus 1500/], "what it held is offered too");
});

t.test("what a registration does not list will never run, and is said to be dropped", async (t) => {
  const stage = leading();
  register(stage, "a1");
  subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  stage.closed(agentOf("a1"));
  stage.take();
  register(stage, "a1");
  t.match(stage.taken("UPDATE"), [/t1 TASK_DROPPED REASON_AGENT_DISCONNECTED/]);
  t.equal(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size, 0);
});

t.test("a session that ends takes the agent's offers back", async (t) => {
  const stage = leading();
  register(stage, "a1");
  subscribe(stage, "f");
  stage.take();
  stage.closed(agentOf("a1"));
  t.match(stage.take(), [/RESCIND .*"offerId":"o-1-1"/]);
  stage.elapse(3000);
  t.same(stage.take(), [], "nothing of it is offered meanwhile");
});

t.test("a silent agent is unreachable when the log has said so, and may return", async (t) => {
  const stage = leading();
  register(stage, "a1");
  const framework = subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  stage.take();
  for (let second = 0; second < 77; second += 1) {
    stage.heard(framework);
    stage.elapse(1000);
  }
  t.match(stage.take().slice(-5), [
    "log ← AgentMarkedUnreachable a1",
    /framework.f.i1 ← RESCIND/,
    "agent.a1 closed: no-session",
    `${framework} ← UPDATE t1 TASK_UNREACHABLE REASON_AGENT_REMOVED`,
    /framework.f.i1 ← FAILURE {"agentId":"a1"}/,
  ]);
  t.equal(stage.state.registry.agents.get(agentId("a1"))?.condition, "unreachable");
  t.equal(stage.state.allocator.hasAgent(agentId("a1")), false);
  register(stage, "a1", { tasks: [reported("t1", "a1", "f")] });
  t.match(stage.take().slice(0, 4), [
    "agent.a1 ← Come",
    "log ← AgentMarkedReachable a1",
    /agent.a1 ← AgentRegistered/,
    `${framework} ← UPDATE t1 TASK_RUNNING REASON_AGENT_REREGISTERED`,
  ]);
});

t.test("after standing still nobody is judged by the time that went by", async (t) => {
  const stage = leading();
  register(stage, "a1");
  stage.elapse(1000);
  stage.take();
  stage.standStill(500_000);
  stage.elapse(70_000);
  t.same(stage.taken("AgentMarkedUnreachable"), []);
  stage.elapse(10_000);
  t.equal(stage.taken("AgentMarkedUnreachable").length, 1);
});

t.test("nobody is judged while the master's own connection is down", async (t) => {
  const stage = leading();
  register(stage, "a1");
  stage.busConnected = false;
  stage.elapse(200_000);
  t.same(stage.taken("AgentMarkedUnreachable"), []);
});

t.test("many silent agents are removed a few a minute", async (t) => {
  const stage = leading();
  for (let n = 0; n < 8; n += 1) register(stage, `a${n}`);
  stage.elapse(80_000);
  const removed = () =>
    stage
      .taken("log ←")
      .join()
      .match(/AgentMarkedUnreachable/g)?.length;
  t.equal(removed(), 3);
  t.ok(stage.counters.get("removals-queued", "busy") > 0);
  stage.elapse(50_000);
  t.equal(removed(), undefined, "not before a whole minute is over");
  stage.elapse(10_000);
  t.equal(removed(), 3);
});

t.test("an id belongs to the principal that brought it", async (t) => {
  const stage = leading();
  register(stage, "a1");
  stage.take();
  register(stage, "a1", { as: "thief", incarnation: 9 });
  t.match(stage.taken("agent.thief"), [
    "agent.thief ← Come",
    /AgentRefused .*identity-claimed.*"final":true/,
  ]);
  t.equal(stage.state.agents.get(agentId("a1"))?.condition, "registered");
});

t.test("a lower start count never displaces a higher one", async (t) => {
  const stage = leading();
  register(stage, "a1", { incarnation: 5 });
  stage.closed(agentOf("a1"));
  stage.take();
  register(stage, "a1", { incarnation: 4 });
  t.same(stage.take(), [], "it is not even called");
  t.equal(stage.counters.get("refusals", "stale-incarnation"), 1);
});

t.test("a new work directory of the same principal makes the old one unreachable", async (t) => {
  const stage = leading();
  register(stage, "a1");
  stage.closed(agentOf("a1"));
  stage.take();
  register(stage, "b1", { as: "a1" });
  t.match(stage.taken("log ←"), ["log ← AgentMarkedUnreachable a1, AgentAdmitted b1"]);
  t.equal(stage.state.agents.has(agentId("a1")), false);
  t.equal(stage.state.agentsByPeer.get(agentOf("a1"))?.agentId, "b1");
});

t.test("a task that ended with its agent unheard is said to be unreachable", async (t) => {
  const cases = [
    // What was said of it, its state by then, what the framework is told in the end.
    {
      said: "TASK_KILLING",
      latest: "TASK_KILLED",
      told: [/t1 TASK_UNREACHABLE REASON_AGENT_REMOVED/],
    },
    { said: "TASK_KILLED", latest: "TASK_KILLED", told: [] },
  ] as const;
  for (const { said, latest, told } of cases) {
    const stage = leading();
    register(stage, "a1");
    subscribe(stage, "f");
    accept(stage, "f", [launch(task("t1", "a1"))]);
    update(stage, "a1", "f", "t1", said, { latest });
    stage.closed(agentOf("a1"));
    stage.take();
    register(stage, "b1", { as: "a1" });
    t.match(stage.taken("UPDATE"), told, said);
    t.equal(stage.taken("UPDATE").length, 0);
  }
});

t.test("an end that is acknowledged when its agent is lost is kept no longer", async (t) => {
  const stage = leading();
  register(stage, "a1");
  subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_FINISHED");
  stage.closed(agentOf("a1"));
  register(stage, "b1", { as: "a1" });
  const tasks = () => stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size;
  t.equal(tasks(), 1, "nobody has said yet that it was heard");
  acknowledge(stage, "a1", "f", "t1");
  t.equal(tasks(), 0);
  t.equal(stage.state.agents.has(agentId("a1")), false, "nor is the agent");
});

t.test("also for a leader that knows the old one from the log alone", async (t) => {
  const first = leading();
  register(first, "a1");
  register(first, "c1");
  const stage = leading({ name: "m2", log: first.log });
  register(stage, "b1", { as: "a1" });
  t.match(stage.taken("AgentAdmitted"), [/AgentMarkedUnreachable a1, AgentAdmitted b1/]);
});

t.test(
  "two processes under one identity: the later one waits for the first to contest",
  async (t) => {
    const stage = leading();
    register(stage, "a1");
    stage.take();
    stage.hello(agentOf("a1"), "a1", 1);
    t.same(stage.take(), [], "its twin may still live");
    stage.hello(agentOf("a1"), "a1", 1);
    t.equal(stage.counters.get("refusals", "identity-claimed"), 1);
    stage.hello(agentOf("a2"), "a2", 1);
    t.same(stage.take(), ["agent.a2 ← Come"], "others need not wait");
    stage.elapse(2000);
    t.same(stage.take(), ["agent.a1 ← Come"]);
  },
);

t.test("a restarted agent displaces its earlier life at once", async (t) => {
  const stage = leading();
  register(stage, "a1", { incarnation: 1 });
  stage.take();
  register(stage, "a1", { incarnation: 2 });
  t.match(stage.take(), ["agent.a1 ← Come", "log ← AgentUpdated a1", /agent.a1 ← AgentRegistered/]);
});

t.test("a crowd hears its heartbeats in parts, each of it once in an interval", async (t) => {
  const stage = leading();
  const names = Array.from({ length: 600 }, (_, n) => `a${n}`);
  for (const name of names) register(stage, name);
  t.equal(stage.state.agentsByPeer.size, 600);
  const heard = (ms: number): number => {
    stage.heartbeats.length = 0;
    stage.elapse(ms);
    return stage.heartbeats.length;
  };
  heard(15_000);
  t.equal(heard(7_500), 300, "half of them in half the interval");
  heard(7_500);
  heard(30_000);
  const times = new Map<string, number>();
  for (const peer of stage.heartbeats) times.set(peer, (times.get(peer) ?? 0) + 1);
  t.same([...new Set(times.values())], [2]);
  t.equal(times.size, 600);
});
