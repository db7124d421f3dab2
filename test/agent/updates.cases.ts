/** Queues of updates: at least once, in order, until acknowledged, one uuid each. */
import fc from "fast-check";
import t from "tap";
import { UPDATES_PER_TASK_MAX } from "#actors/agent";
import { task, TestNode } from "./a-node.ts";

t.test("an update is sent again after 10 s, 20 s, 40 s, until it is acknowledged", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  let mute = true;
  node.leader.acknowledges = () => !mute;
  node.runTask(task("a", "hang"));
  node.until(() => node.leader.updates.length === 1, "is told");
  const times = [node.world.nowMs];
  for (let count = 2; count <= 4; count++) {
    node.until(() => node.leader.updates.length === count, "is told again");
    times.push(node.world.nowMs);
  }
  const pauses = times.slice(1).map((at, i) => Math.round((at - (times[i] ?? 0)) / 1_000));
  t.same(pauses, [10, 20, 40]);
  t.equal(new Set(node.leader.updates.map(({ status }) => status.uuid)).size, 1);
  mute = false;
  node.until(() => node.leader.updates.length === 5, "is told again");
  node.run(200_000);
  t.equal(node.leader.updates.length, 5, "and never after its acknowledgement");
});

t.test("the next update waits for the acknowledgement of the one before", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  let mute = true;
  node.leader.acknowledges = () => !mute;
  node.runTask(task("a", "sleep 1; exit 2"));
  node.run(8_000);
  t.same(node.story("a"), ["TASK_RUNNING"]);
  t.equal(node.leader.updates.at(-1)?.latestState, "TASK_RUNNING");
  node.run(5_000);
  t.equal(node.leader.updates.at(-1)?.latestState, "TASK_FAILED", "the leader sees further");
  mute = false;
  node.until(() => node.story("a").length === 2, "is told");
});

t.test("an acknowledgement of something else changes nothing", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.leader.acknowledges = () => false;
  node.runTask(task("a", "hang"));
  node.until(() => node.story("a").length === 1, "is told");
  const uuid = "00000000-0000-4000-8000-000000000000" as never;
  const body = { frameworkId: node.frameworkId, taskId: "a" as never, uuid };
  node.order({ kind: "StatusUpdateAcknowledgement", body });
  node.run(100);
  const { agent } = node.running ?? {};
  t.equal(agent?.counters.get("acknowledgement-ignored", "other-uuid"), 1);
  t.equal(agent?.state.model.tasks.values().next().value?.updates.length, 1);
});

t.test(
  "whatever is lost, crashes or changes, every update comes, in order, as itself",
  async (t) => {
    const event = fc.constantFrom("crash", "leader", "mute", "hear", "cut", "wait");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(event, fc.integer({ min: 1, max: 900 })), { maxLength: 8 }),
        fc.nat(1_000),
        async (events, seed) => {
          const node = new TestNode({ seed: `${seed}` });
          node.start();
          node.untilRegistered();
          let mute = false;
          let epoch = node.leader.epoch;
          node.leader.acknowledges = () => !mute;
          for (const id of ["a", "b"])
            node.runTask(task(id, `sleep 0.7; exit ${id === "a" ? 0 : 4}`));
          for (const [what, ms] of events) {
            if (what === "crash") {
              node.crash();
              node.run(ms);
              node.start();
            } else if (what === "leader") {
              epoch += 1;
              node.restartLeader(epoch);
            } else if (what === "cut") {
              node.network.stopBroker("n1");
              node.run(ms);
              node.network.startBroker("n1");
            } else if (what !== "wait") mute = what === "mute";
            node.run(ms);
          }
          mute = false;
          const done = (): boolean => ["a", "b"].every((id) => node.story(id).length === 2);
          node.until(done, "all is told", 700_000);
          const stories = `${node.story("a").join()} ${node.story("b").join()}`;
          return stories === "TASK_RUNNING,TASK_FINISHED 0 TASK_RUNNING,TASK_FAILED 4";
        },
      ),
      { numRuns: 25 },
    );
    t.ok(UPDATES_PER_TASK_MAX > 0);
  },
);
