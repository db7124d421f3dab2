/** A running task gets other resources: written down, counted, and kept across a crash. */
import t from "tap";
import type { TaskInfo } from "#protocol";
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

t.test(
  "what a task asks of its machine comes to the isolators, which refuse it here",
  async (t) => {
    const node = running();
    const cases = [
      [{ exclusiveCpus: true }, /^exclusive cpus: this agent has not looked at its hardware$/],
      [{ memHighMib: 16 }, /^cgroups\/mem: memHighMib: this agent has no cgroups$/],
      [{ hugetlbMib: { "2MB": 4 } }, /^cgroups\/hugetlb: hugetlb: this agent has no cgroups$/],
      [{ io: [{ device: "vda", writeBps: 1 }] }, /^cgroups\/blkio: io: this agent has no cgroups$/],
      [{ devices: ["/dev/fuse"] }, /^cgroups\/devices: devices: this agent has no cgroups$/],
    ] as const;
    for (const [index, [controls, sentence]] of cases.entries()) {
      const told = node.leader.updates.length;
      node.runTask(task(`c${index}`, "true", { controls } as Partial<TaskInfo>));
      node.until(() => node.leader.updates.length > told, "is refused");
      const status = node.leader.updates.at(-1)?.status;
      t.match(status, { state: "TASK_FAILED", reason: "REASON_CONTAINER_LAUNCH_FAILED" });
      t.match(status?.message, sentence);
    }
  },
);

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
