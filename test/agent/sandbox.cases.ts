/** When sandboxes go: by age, sooner on a full disk, never under a task that is not over. */
import t from "tap";
import { AGENT_DEFAULTS, sandboxAgeMsMax } from "#actors/agent";
import { task, TestNode } from "./a-node.ts";

const WEEK_MS = 604_800_000;

for (const [used, ageMs] of [
  [0, WEEK_MS * 0.9],
  [0.4, WEEK_MS * 0.5],
  [0.9, 0],
  [1, 0],
] as const) {
  t.test(`with ${used * 100} % of the disk in use sandboxes live ${ageMs} ms`, async (t) => {
    t.ok(Math.abs(sandboxAgeMsMax(AGENT_DEFAULTS, used) - ageMs) < 1);
  });
}

function sandboxes(node: TestNode): string[] {
  return [...node.disk.files.keys()].filter((path) => path.startsWith("sandboxes/"));
}

t.test("an old sandbox goes, a full disk takes young ones too, a live task's stays", async (t) => {
  const node = new TestNode({ config: { gcDelayMs: 600_000 } });
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "true"));
  node.runTask(task("b", "hang"));
  node.until(() => node.story("a").length === 2 && node.story("b").length === 1, "run");
  // The machine makes the folders in reality; here a file stands for each.
  for (const id of node.trace.records().filter(({ kind }) => kind === "start")) {
    const containerId = id.summary.split(" ")[0] ?? "";
    node.disk.files.set(`sandboxes/${containerId}/stdout`, new Uint8Array(1));
  }
  t.equal(sandboxes(node).length, 2);
  node.run(400_000);
  t.equal(sandboxes(node).length, 2, "young enough");
  node.running?.agent.tell("daemon", Object.assign({ kind: "DiskUsage" }, { used: 0.6 }));
  node.run(61_000);
  t.equal(sandboxes(node).length, 1, "the disk is fuller now");
  t.equal(node.running?.agent.state.model.sandboxes.size, 0);
  node.crash();
  node.start();
  node.untilRegistered(2);
  t.equal(node.running?.agent.state.model.sandboxes.size, 0, "and that is on disk");
  t.equal(node.story("b").length, 1);
});
