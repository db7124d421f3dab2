/** The agent is emptied: every task within its grace, and nothing more is run. */
import t from "tap";
import { drainGraceMs } from "../../src/actors/agent/drain.ts";
import { task, TestNode } from "./a-node.ts";

function running(capabilities: string[] = ["PARTITION_AWARE"]): TestNode {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "hang"), capabilities);
  node.until(() => node.story("a").length === 1, "runs");
  return node;
}

t.test("tasks are killed with the drain as reason, and what comes is dropped", async (t) => {
  const node = running();
  node.order({ kind: "DrainAgent", body: { markGone: false } });
  node.until(() => node.story("a").length > 1, "ends");
  t.match(node.story("a").at(-1), /^TASK_KILLED.* REASON_AGENT_DRAINING$/);
  node.runTask(task("b", "hang"), ["PARTITION_AWARE"]);
  node.until(() => node.story("b").length > 0, "is dropped");
  t.same(node.story("b"), ["TASK_DROPPED REASON_AGENT_DRAINING"]);
  node.order({ kind: "ReactivateAgent", body: {} });
  node.runTask(task("c", "hang"), ["PARTITION_AWARE"]);
  node.until(() => node.story("c").length > 0, "runs");
  t.same(node.story("c"), ["TASK_RUNNING"]);
});

t.test("with mark-gone an aware framework is told that the task is gone", async (t) => {
  const node = running(["PARTITION_AWARE", "TASK_KILLING_STATE"]);
  node.order({ kind: "DrainAgent", body: { markGone: true } });
  node.until(() => node.story("a").length > 2, "ends");
  const [, killing, end] = node.story("a");
  t.equal(killing, "TASK_KILLING REASON_AGENT_DRAINING", "which is no end yet");
  t.match(end, /^TASK_GONE_BY_OPERATOR.* REASON_AGENT_DRAINING$/);
});

t.test("others are told that it was killed", async (t) => {
  const node = running([]);
  node.order({ kind: "DrainAgent", body: { markGone: true } });
  node.until(() => node.story("a").length > 1, "ends");
  t.match(node.story("a").at(-1), /^TASK_KILLED.* REASON_AGENT_DRAINING$/);
});

t.test("a drain is forgotten with the session: the leader says it again", async (t) => {
  const node = running();
  node.order({ kind: "DrainAgent", body: { markGone: false } });
  node.until(() => node.story("a").length > 1, "ends");
  node.restartLeader(6);
  node.untilRegistered(2);
  t.equal(node.running?.agent.state.draining, undefined);
});

t.test("the grace is the lesser of the task's own and the drain's (mesos.md §18)", async (t) => {
  const config = { killGraceMs: 3000 } as Parameters<typeof drainGraceMs>[0]["config"];
  const grace = (own: number | undefined, most: number | undefined): number =>
    drainGraceMs(
      { config },
      { info: task("a", "", own === undefined ? {} : { killPolicy: { gracePeriodMs: own } }) },
      { markGone: false, ...(most === undefined ? {} : { maxGracePeriodMs: most }) },
    );
  t.equal(grace(undefined, undefined), 3000);
  t.equal(grace(9000, undefined), 9000);
  t.equal(grace(9000, 5000), 5000);
  t.equal(grace(1000, 5000), 1000);
  t.equal(grace(undefined, 60_000), 60_000, "even above the default");
});
