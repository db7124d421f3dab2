/** Frameworks: subscription, failover, displacement, deadlines, the end, as stories. */
import t from "tap";
import { asId } from "#protocol";
import type { LogBytes } from "#replication";
import {
  accept,
  agentOf,
  frameworkIdOf,
  frameworkInfo,
  frameworkOf,
  launch,
  register,
  reported,
  subscribe,
  task,
  update,
} from "./cluster.ts";
import { Stage } from "./stage.ts";

const F = frameworkIdOf("f");

t.test("a subscription asked twice is answered with the same id", async (t) => {
  const stage = new Stage().lead();
  subscribe(stage, "f");
  t.same(stage.take(), [
    "framework.f.i1 ← Come",
    `log ← FrameworkAdmitted ${F}`,
    `framework.f.i1 ← SUBSCRIBED ${F} count 1`,
  ]);
  subscribe(stage, "f");
  t.same(stage.take(), ["framework.f.i1 ← Come", `framework.f.i1 ← SUBSCRIBED ${F} count 2`]);
});

t.test("a framework that asks again before the log has answered is admitted once", async (t) => {
  const stage = new Stage().lead();
  stage.moods.push("late");
  const peer = subscribe(stage, "f");
  stage.closed(peer);
  subscribe(stage, "f");
  stage.settleLog();
  stage.elapse(1000);
  t.same(stage.take(), [
    `${peer} ← Come`,
    `log ← FrameworkAdmitted ${F}`,
    `${peer} ← Come`,
    `${peer} ← SUBSCRIBED ${F} count 1`,
  ]);
});

t.test("a new instance fails over by id, and the old one is displaced for good", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1");
  const old = subscribe(stage, "f");
  stage.take();
  const next = subscribe(stage, "f", { instance: "i2", frameworkId: F });
  t.match(stage.take(), [
    `${next} ← Come`,
    /framework.f.i1 ← ERROR .*displaced/,
    `${next} ← SUBSCRIBED ${F} count 2`,
    /framework.f.i2 ← OFFERS o-1-2/,
  ]);
  stage.mail(old, "REVIVE", { roles: [] }, { id: 9 });
  t.match(stage.take(), [/framework.f.i1 ← ERROR .*displaced/], "whenever it speaks");
  subscribe(stage, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
  t.match(stage.taken("ERROR"), [/framework.f.i1 ← ERROR .*displaced/], "its token is lower");
  subscribe(stage, "f", { instance: "i2", frameworkId: F, token: { epoch: 1, count: 2 } });
  t.match(stage.taken("SUBSCRIBED"), [`${next} ← SUBSCRIBED ${F} count 3`]);
});

t.test("descriptions that cannot be are refused by name", async (t) => {
  const stage = new Stage({ refuseRoot: true }).lead();
  const cases = [
    [{ roles: ["a", "a"] }, /roles: one occurs twice/],
    [{ roles: ["/x"] }, /roles: /],
    [{ user: "root" }, /root is not allowed/],
  ] as const;
  for (const [info, sentence] of cases) {
    subscribe(stage, "f", {
      info: { ...info, roles: [...("roles" in info ? info.roles : ["*"])] },
    });
    t.match(stage.taken("ERROR"), [sentence]);
  }
  subscribe(stage, "f", { suppressedRoles: ["other"] });
  t.match(stage.taken("ERROR"), [/other is none of the framework's roles/]);
});

t.test("another principal cannot take a framework", async (t) => {
  const stage = new Stage().lead();
  subscribe(stage, "f");
  stage.take();
  subscribe(stage, "g", { frameworkId: F });
  t.match(stage.taken("ERROR"), [/framework.g.i1 ← ERROR .*identity-claimed/]);
});

t.test("a framework that stays away is completed when its timeout is over", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1");
  const peer = subscribe(stage, "f", { info: { failoverTimeoutMs: 30_000 } });
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_RUNNING");
  stage.closed(peer);
  stage.take();
  const elapse = (seconds: number): string[] => {
    for (let second = 0; second < seconds; second += 1) {
      stage.heard(agentOf("a1"));
      stage.elapse(1000);
    }
    return stage.take();
  };
  t.same(elapse(14), [], "a gap is no disconnection");
  t.same(elapse(3), [`log ← FrameworkDisconnected ${F}`]);
  t.same(elapse(27), []);
  t.match(elapse(5), [`log ← FrameworkCompleted ${F}`, /agent.a1 ← ShutdownFramework/]);
  update(stage, "a1", "f", "t1", "TASK_KILLED", { n: 2 });
  t.match(stage.take(), [/StatusUpdateAcknowledgement/], "the leader acknowledges in its place");
  t.equal(stage.state.frameworks.size, 0);
  subscribe(stage, "f", { frameworkId: F });
  t.match(stage.taken("ERROR"), [/framework-completed/]);
});

t.test("a framework that returns in time goes on, and its record says so", async (t) => {
  const stage = new Stage().lead();
  const peer = subscribe(stage, "f");
  stage.closed(peer);
  stage.elapse(20_000);
  stage.take();
  subscribe(stage, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
  t.same(stage.take(), [
    `${peer} ← Come`,
    `log ← FrameworkReturned ${F}`,
    `${peer} ← SUBSCRIBED ${F} count 2`,
  ]);
  stage.closed(peer);
  subscribe(stage, "f", { frameworkId: F, token: { epoch: 1, count: 2 } });
  t.equal(stage.state.registry.frameworks.get(F)?.disconnectedAtMs, undefined);
});

t.test("a teardown is answered when the log has it", async (t) => {
  const stage = new Stage().lead();
  const peer = subscribe(stage, "f");
  stage.take();
  stage.moods.push("late");
  stage.mail(peer, "TEARDOWN", {}, { id: 4 });
  t.same(stage.take(), [`log ← FrameworkCompleted ${F}`]);
  stage.settleLog();
  t.same(stage.take(), [`${peer} ← ANSWER to 4 {"accepted":true}`]);
});

t.test("suppress stops offers, revive brings them", async (t) => {
  const stage = new Stage().lead();
  const peer = subscribe(stage, "f");
  stage.mail(peer, "SUPPRESS", { roles: [] }, { id: 1 });
  stage.take();
  register(stage, "a1");
  stage.elapse(3000);
  t.same(stage.taken("OFFERS"), []);
  stage.mail(peer, "REVIVE", { roles: ["*"] }, { id: 2 });
  t.equal(stage.taken("OFFERS").length, 1);
  stage.mail(peer, "REVIVE", { roles: ["nope"] }, { id: 3 });
  t.match(stage.take(), [/ANSWER to 3 .*nope is none of the framework's roles/]);
});

t.test("a framework changes what it may change", async (t) => {
  const stage = new Stage().lead();
  const peer = subscribe(stage, "f");
  stage.take();
  const body = { frameworkInfo: frameworkInfo({ name: "renamed" }), suppressedRoles: [] };
  stage.mail(peer, "UPDATE_FRAMEWORK", body, { id: 1 });
  t.same(stage.take(), [`log ← FrameworkUpdated ${F}`, `${peer} ← ANSWER to 1 {"accepted":true}`]);
  t.equal(stage.state.frameworks.get(F)?.info.name, "renamed");
  const other = { ...body, frameworkInfo: frameworkInfo({ user: "other" }) };
  stage.mail(peer, "UPDATE_FRAMEWORK", other, { id: 2 });
  t.match(stage.take(), [/user: cannot change/]);
});

t.test("a framework with a full window is offered nothing, with the reason counted", async (t) => {
  const stage = new Stage().lead();
  const peer = subscribe(stage, "f");
  const link = stage.links.get(peer);
  if (link === undefined) throw new Error("no link");
  link.room = 0;
  stage.take();
  register(stage, "a1");
  t.same(stage.taken("OFFERS"), []);
  t.equal(stage.counters.get("not-offered", "framework-slow"), 1);
  link.room = 100;
  stage.elapse(7000);
  t.equal(stage.taken("OFFERS").length, 1);
});

/** A leader that had an agent with a task, and what the log holds of it. */
function reign(): LogBytes[] {
  const stage = new Stage().lead();
  register(stage, "a1");
  subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  return stage.log;
}

t.test(
  "a new leader knows frameworks and agents from the log, tasks from the agents",
  async (t) => {
    const stage = new Stage({ log: reign(), name: "m2" }).lead();
    t.equal(stage.state.agents.size, 1);
    t.equal(stage.state.frameworks.get(F)?.connected, false);
    subscribe(stage, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
    stage.mail(frameworkOf("f"), "RECONCILE", { tasks: [{ taskId: task("t1", "a1").taskId }] });
    stage.mail(frameworkOf("f"), "RECONCILE", {
      tasks: [{ taskId: task("t1", "a1").taskId, agentId: task("t1", "a1").agentId }],
    });
    t.same(stage.taken("UPDATE"), [], "absence is no evidence");
    register(stage, "a1", { tasks: [reported("t1", "a1", "f")] });
    t.match(stage.take(), [
      "agent.a1 ← Come",
      /agent.a1 ← AgentRegistered/,
      /framework.f.i1 ← UPDATE t1 TASK_RUNNING REASON_AGENT_REREGISTERED/,
      /framework.f.i1 ← OFFERS o-\d+-1 a1 \* cpus 3000/,
    ]);
    t.equal(stage.state.epoch > 1, true);
  },
);

t.test("agents that do not come back within the window are unreachable", async (t) => {
  const stage = new Stage({ log: reign(), name: "m2", returnWindowMs: 120_000 }).lead();
  const framework = subscribe(stage, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
  stage.take();
  const elapse = (seconds: number): string[] => {
    for (let second = 0; second < seconds; second += 1) {
      stage.heard(framework);
      stage.elapse(1000);
    }
    return stage.taken("log ←");
  };
  t.same(elapse(118), []);
  t.same(elapse(5), ["log ← AgentMarkedUnreachable a1"]);
  stage.mail(framework, "RECONCILE", {
    tasks: [{ taskId: task("t1", "a1").taskId, agentId: task("t1", "a1").agentId }],
  });
  t.match(stage.taken("UPDATE"), [/t1 TASK_UNREACHABLE REASON_RECONCILIATION/]);
});

t.test("tasks of a completed framework are shut down when their agent returns", async (t) => {
  const first = new Stage({ log: reign(), name: "m2" }).lead();
  subscribe(first, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
  first.mail(frameworkOf("f"), "TEARDOWN", {}, { id: 1 });
  const stage = new Stage({ log: first.log, name: "m3" }).lead();
  const frameworks = [{ frameworkId: F, info: frameworkInfo() }];
  register(stage, "a1", { tasks: [reported("t1", "a1", "f")], frameworks });
  t.match(stage.taken("ShutdownFramework"), [
    `agent.a1 ← ShutdownFramework {"frameworkId":"${F}"}`,
  ]);
  // What a new leader offered here while the task was still being killed, ran twice (R1).
  const free = (): string => String(stage.state.allocator.free(asId("a1")));
  const whole = String(stage.state.allocator.total(asId("a1")));
  t.not(free(), whole, "what its task has is nobody else's until it has ended");
  update(stage, "a1", "f", "t1", "TASK_KILLED");
  t.match(stage.taken("Acknowledgement"), [/a1/], "the leader acknowledges in its place");
  t.equal(free(), whole);
  t.equal(stage.state.frameworks.size, 0);
});

t.test("a completed framework whose tasks have all ended is not taken in", async (t) => {
  const first = new Stage({ log: reign(), name: "m2" }).lead();
  subscribe(first, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
  first.mail(frameworkOf("f"), "TEARDOWN", {}, { id: 1 });
  const stage = new Stage({ log: first.log, name: "m3" }).lead();
  const frameworks = [{ frameworkId: F, info: frameworkInfo() }];
  register(stage, "a1", { tasks: [reported("t1", "a1", "f", "TASK_FINISHED")], frameworks });
  t.equal(stage.state.frameworks.size, 0);
});

t.test(
  "an agent that says the end of a completed framework's task once is understood",
  async (t) => {
    const first = new Stage({ log: reign(), name: "m2" }).lead();
    subscribe(first, "f", { frameworkId: F, token: { epoch: 1, count: 1 } });
    first.mail(frameworkOf("f"), "TEARDOWN", {}, { id: 1 });
    const stage = new Stage({ log: first.log, name: "m3" }).lead();
    const frameworks = [{ frameworkId: F, info: frameworkInfo() }];
    register(stage, "a1", { tasks: [reported("t1", "a1", "f")], frameworks });
    const { taskId } = task("t1", "a1");
    // Without a uuid: the agent knows that nobody will acknowledge it.
    const said = { state: "TASK_KILLED", source: "SOURCE_EXECUTOR", timestampMs: 0 } as const;
    const status = { taskId, ...said };
    stage.mail(agentOf("a1"), "StatusUpdate", {
      frameworkId: F,
      status,
      latestState: "TASK_KILLED",
    });
    t.equal(stage.state.frameworks.size, 0);
    stage.elapse(1_500);
    const shown = stage.events.filter(({ type }) => type === "TASK_UPDATED");
    t.match(shown.at(-1), { taskId, state: "TASK_KILLED" }, "people are told how it ended");
    t.equal(
      String(stage.state.allocator.free(asId("a1"))),
      String(stage.state.allocator.total(asId("a1"))),
    );
  },
);
