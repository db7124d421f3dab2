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

t.test("a full disk refuses launches, frees what it can, and leaves tasks alone", async (t) => {
  const node = new TestNode({ config: { gcDelayMs: WEEK_MS, gcIntervalMs: WEEK_MS } });
  const fill = (used: number): void =>
    node.running?.agent.tell("daemon", Object.assign({ kind: "DiskUsage" }, { used }));
  node.start();
  node.untilRegistered();
  node.runTask(task("runs", "hang"));
  node.runTask(task("over", "true"));
  node.until(() => node.story("over").length === 2 && node.story("runs").length === 1, "run");
  node.run(100);
  t.equal(node.running?.agent.state.model.sandboxes.size, 1);
  fill(0.995);
  node.run(100);
  t.equal(node.running?.agent.state.model.sandboxes.size, 0, "its sandbox has gone at once");
  node.runTask(task("new", "true"));
  node.until(() => node.story("new").length === 1, "is refused");
  const refused = node.leader.updates.at(-1)?.status;
  // The framework knows no partitions: DROPPED is told as LOST.
  t.match(refused, { state: "TASK_LOST", reason: "REASON_CONTAINER_LAUNCH_FAILED" });
  t.match(refused?.message, /^disk: .* is 99\.5 % full, nothing is launched from 99\.0 % on; /);
  const counted = [...(node.running?.agent.counters ?? [])].map(String);
  t.ok(counted.includes("task-refused,REASON_CONTAINER_LAUNCH_FAILED,1"), counted.join(" "));
  fill(0.5);
  node.runTask(task("later", "true"));
  node.until(() => node.story("later").length === 2, "runs when there is room again");
  t.same(node.story("runs"), ["TASK_RUNNING"]);
});
