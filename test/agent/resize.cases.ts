/** A running task gets other resources: written down, counted, and kept across a crash. */
import t from "tap";
import { Resources } from "#resources";
import { task, TestNode } from "./a-node.ts";

function running(): TestNode {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "hang"));
  node.until(() => node.story("a").length === 1, "runs");
  return node;
}

const resize = (node: TestNode, text: string): void =>
  node.order({
    kind: "UpdateTask",
    body: {
      frameworkId: node.frameworkId,
      taskId: task("a", "").taskId,
      resources: Resources.of(text).toWire(),
    },
  });

const used = (node: TestNode): string => `${node.running?.agent.state.used}`;

t.test("a resized task keeps its resources when the agent crashes", async (t) => {
  const node = running();
  resize(node, "cpus:2;mem:256");
  node.run(200);
  t.equal(used(node), "cpus:2; mem:256");
  node.crash();
  node.start();
  node.untilRegistered(2);
  node.run(200);
  t.equal(used(node), "cpus:2; mem:256");
  const [told] = node.leader.registrations.at(-1)?.tasks ?? [];
  t.equal(`${Resources.fromWire(told?.info.resources ?? [])}`, "cpus:2; mem:256");
  t.same(node.story("a"), ["TASK_RUNNING"], "nothing ended by it");
});

t.test("a resize of what has ended is counted and changes nothing", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "exit 0"));
  node.until(() => node.story("a").length === 2, "ends");
  resize(node, "cpus:2;mem:256");
  node.run(200);
  t.equal(node.running?.agent.counters.get("resize-late", "ended"), 1);
  t.equal(used(node), "");
});
