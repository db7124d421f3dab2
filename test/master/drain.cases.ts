/** Drains, deactivation and the end of agents by operators' word, across sessions and leaders. */
import t from "tap";
import type { BodyOf } from "#protocol";
import {
  AT,
  ROOT,
  accept,
  acknowledge,
  agentId,
  agentInfo,
  agentOf,
  frameworkIdOf,
  frameworkInfo,
  frameworkOf,
  launch,
  offersOf,
  register,
  reported,
  subscribe,
  task,
  update,
} from "./cluster.ts";
import { Stage, type StageOptions } from "./stage.ts";

type Verb = "DRAIN" | "DEACTIVATE" | "REACTIVATE";

function set(more: StageOptions = {}): Stage {
  const stage = new Stage(more).lead();
  register(stage, "a1");
  subscribe(stage, "f");
  stage.elapse(1000);
  stage.take();
  return stage;
}

function order(
  stage: Stage,
  verb: Verb,
  more: Partial<BodyOf<"OPERATOR_DRAIN_AGENT">> = {},
): string[] {
  const body = { agentId: agentId("a1"), markGone: false, ...more };
  stage.mail(ROOT, `OPERATOR_${verb}_AGENT`, body, AT);
  return stage.take();
}

function running(stage: Stage): void {
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_RUNNING");
  stage.take();
}

const drainOf = (stage: Stage) => stage.state.registry.agents.get(agentId("a1"))?.drain;
const sweep = (stage: Stage): string[] => {
  stage.take();
  stage.elapse(1000);
  return stage.take();
};

t.test("a deactivated agent is not offered, and what runs there goes on", async (t) => {
  const stage = set();
  running(stage);
  stage.elapse(6000);
  t.equal(offersOf(stage, "f").length, 1);
  const lines = order(stage, "DEACTIVATE").join("\n");
  t.match(lines, /log ← AgentDeactivated/);
  t.match(lines, /RESCIND/);
  t.match(lines, /OPERATOR_ANSWER.*"accepted":true/);
  t.notMatch(lines, /KillTask|DrainAgent/);
  stage.elapse(20_000);
  t.same(offersOf(stage, "f"), []);
  t.match(order(stage, "DEACTIVATE").join(), /is deactivated already/);
  order(stage, "REACTIVATE");
  stage.elapse(6000);
  t.equal(offersOf(stage, "f").length, 1);
  t.match(order(stage, "REACTIVATE").join(), /a1 is active/);
});

t.test("it stays so when it registers again, and with the next leader", async (t) => {
  const stage = set();
  order(stage, "DEACTIVATE");
  stage.closed(agentOf("a1"));
  register(stage, "a1");
  stage.elapse(6000);
  t.same(offersOf(stage, "f"), []);
  const next = new Stage({ log: stage.log, name: "m2" }).lead();
  register(next, "a1");
  subscribe(next, "f");
  next.elapse(6000);
  t.same(offersOf(next, "f"), []);
});

t.test("a drain kills, waits for the last acknowledgement, and ends as drained", async (t) => {
  const stage = set();
  running(stage);
  const lines = order(stage, "DRAIN", { maxGracePeriodMs: 5000 });
  t.match(lines.join("\n"), /a1 ← DrainAgent .*"maxGracePeriodMs":5000.*"markGone":false/);
  sweep(stage);
  t.equal(drainOf(stage)?.drainedAtMs, undefined, "a task lives");
  update(stage, "a1", "f", "t1", "TASK_KILLED", { n: 2 });
  sweep(stage);
  t.equal(drainOf(stage)?.drainedAtMs, undefined, "its end is not acknowledged");
  acknowledge(stage, "a1", "f", "t1", 2);
  t.match(sweep(stage).join("\n"), /log ← AgentDrained/);
  t.type(drainOf(stage)?.drainedAtMs, "number");
  stage.elapse(10_000);
  t.same(offersOf(stage, "f"), [], "until it is reactivated");
  t.match(order(stage, "REACTIVATE").join("\n"), /a1 ← ReactivateAgent/);
  stage.elapse(6000);
  t.equal(offersOf(stage, "f").length, 1);
});

t.test("a drain can be called off", async (t) => {
  const stage = set();
  running(stage);
  order(stage, "DRAIN");
  const lines = order(stage, "REACTIVATE").join("\n");
  t.match(lines, /a1 ← ReactivateAgent/);
  t.equal(drainOf(stage), undefined);
  stage.elapse(6000);
  t.equal(offersOf(stage, "f").length, 1);
  t.notMatch(sweep(stage).join(), /AgentDrained/);
});

t.test("a drain goes on with the next leader, and in the next session", async (t) => {
  const stage = set();
  running(stage);
  order(stage, "DRAIN", { maxGracePeriodMs: 7 });
  const next = new Stage({ log: stage.log, name: "m2" }).lead();
  const frameworks = [{ frameworkId: frameworkIdOf("f"), info: frameworkInfo() }];
  register(next, "a1", { tasks: [reported("t1", "a1", "f", "TASK_RUNNING")], frameworks });
  t.match(next.take().join("\n"), /AgentRegistered[\s\S]*DrainAgent .*"maxGracePeriodMs":7/);
  next.closed(agentOf("a1"));
  register(next, "a1");
  t.match(next.take().join("\n"), /DrainAgent/);
  t.match(sweep(next).join("\n"), /log ← AgentDrained/);
});

t.test("an agent that is away is not drained, and drains when it returns", async (t) => {
  const stage = set();
  stage.closed(agentOf("a1"));
  order(stage, "DRAIN");
  sweep(stage);
  t.equal(drainOf(stage)?.drainedAtMs, undefined);
  register(stage, "a1");
  t.match(sweep(stage).join("\n"), /AgentDrained/);
});

t.test("marked gone: with its last task the agent is gone, and cannot come back", async (t) => {
  const stage = set();
  order(stage, "DRAIN", { markGone: true });
  t.match(sweep(stage).join("\n"), /log ← AgentDrained a1, AgentMarkedGone a1/);
  t.equal(stage.state.registry.agents.get(agentId("a1"))?.condition, "gone");
  register(stage, "a1");
  t.match(stage.take().join("\n"), /AgentRefused .*was marked gone/);
  t.match(order(stage, "DRAIN").join(), /was marked gone; nothing brings it back/);
});

t.test("gone by the operator: its tasks are, also those that were unreachable", async (t) => {
  const stage = set();
  running(stage);
  stage.closed(agentOf("a1"));
  for (let waitedMs = 0; waitedMs < 200_000; waitedMs += 1000) {
    stage.heard(frameworkOf("f"));
    stage.elapse(1000);
  }
  stage.take();
  t.equal(stage.state.registry.agents.get(agentId("a1"))?.condition, "unreachable");
  stage.mail(ROOT, "OPERATOR_MARK_AGENT_GONE", { agentId: agentId("a1") }, AT);
  const lines = stage.take().join("\n");
  t.match(lines, /UPDATE .*TASK_GONE_BY_OPERATOR/);
  t.match(lines, /OPERATOR_ANSWER.*"accepted":true/);
  t.equal(stage.state.frameworks.get(frameworkIdOf("f"))?.tasks.size, 0);
});

t.test("who comes back though it is gone is told to end its tasks, then refused", async (t) => {
  const stage = set();
  running(stage);
  stage.mail(ROOT, "OPERATOR_MARK_AGENT_GONE", { agentId: agentId("a1") }, AT);
  stage.take();
  const frameworkId = frameworkIdOf("f");
  register(stage, "a1", { frameworks: [{ frameworkId, info: frameworkInfo() }] });
  t.match(stage.take().join("\n"), /ShutdownFramework .*\n.*AgentRefused .*was marked gone/);
});

t.test("what an operator cannot order is refused, with its reason", async (t) => {
  const stage = set();
  const nobody = { agentId: agentId("nobody") };
  stage.mail(ROOT, "OPERATOR_DRAIN_AGENT", { ...nobody, markGone: false }, AT);
  t.match(stage.take().join(), /not-found.*nobody is not known/);
  stage.hello(agentOf("old"), "old");
  const agent = { ...agentInfo("old"), capabilities: ["MULTI_ROLE"] };
  const rest = { bootId: "b", incarnation: 1, part: 0, parts: 1, tasks: [], frameworks: [] };
  stage.mail(agentOf("old"), "RegisterAgent", { agent, ...rest });
  stage.take();
  stage.mail(ROOT, "OPERATOR_DRAIN_AGENT", { agentId: agentId("old"), markGone: false }, AT);
  t.match(stage.take().join(), /does not know AGENT_DRAINING; upgrade it first/);
  stage.state.registry = { ...stage.state.registry, minimumVersion: 2 };
  t.match(order(stage, "DEACTIVATE").join(), /does not know version 3/);
});
