/** The journal's bytes: torn tails, damage, replay of what was written, rewriting. */
import fc from "fast-check";
import t from "tap";
import {
  type AgentRecord,
  apply,
  Checkpoint,
  crc32,
  frameRecords,
  JOURNAL_PATH,
  JournalWriter,
  readRecords,
  replay,
  snapshot,
  taskKey,
} from "#actors/agent";
import { asId, encodePlain, type TaskStatus, type Uuid } from "#protocol";
import type { Effect } from "#runtime";
import { AGENT, FRAMEWORK, framework, task, TestNode } from "./a-node.ts";

const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 });

t.test("the checksum is the one that everybody calls CRC-32", async (t) => {
  t.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

t.test("a journal cut anywhere gives its whole records and calls the rest torn", async (t) => {
  fc.assert(
    fc.property(payloads, fc.nat(), (records, cut) => {
      const bytes = frameRecords(records);
      const kept = bytes.subarray(0, bytes.length === 0 ? 0 : cut % (bytes.length + 1));
      const read = readRecords(kept);
      const whole = read.payloads.map((each) => [...each]);
      const expected = records.slice(0, whole.length).map((each) => [...each]);
      return (
        read.end === (read.at === kept.length ? "whole" : "torn") &&
        JSON.stringify(whole) === JSON.stringify(expected) &&
        (read.payloads.length === records.length || kept.length < bytes.length)
      );
    }),
  );
  t.pass();
});

t.test("a bit flipped before the last record is damage, not a torn tail", async (t) => {
  const records = [1, 2, 3].map((byte) => new Uint8Array(20).fill(byte));
  const bytes = frameRecords(records);
  bytes[28 + 12] = (bytes[28 + 12] ?? 0) ^ 1;
  t.same(readRecords(bytes).end, "corrupt");
  const tail = frameRecords(records);
  tail[tail.length - 1] = 0;
  t.same(readRecords(tail).end, "torn");
  t.same(readRecords(new Uint8Array(64)).end, "torn", "a stretch of zeros too");
});

const KEY = taskKey(FRAMEWORK, asId("a"));
const uuid = (n: number) => `00000000-0000-4000-8000-00000000000${n}` as Uuid;
const status = (n: number, state: TaskStatus["state"]): TaskStatus => ({
  taskId: asId("a"),
  state,
  source: "SOURCE_AGENT",
  timestampMs: n,
  uuid: uuid(n),
});

const RECORDS: readonly AgentRecord[] = [
  { k: "framework", frameworkId: FRAMEWORK, info: framework() },
  {
    k: "task",
    task: {
      frameworkId: FRAMEWORK,
      executorId: asId("a"),
      info: task("a", "true"),
      manner: "command",
      containerId: asId("c1"),
      groupId: null,
      acceptedAtMs: 1,
      bootId: "boot",
    },
  },
  { k: "update", key: KEY, status: status(1, "TASK_RUNNING") },
  { k: "kill", key: KEY, kill: { why: "asked", untilMs: 9 } },
  { k: "update", key: KEY, status: status(2, "TASK_KILLING") },
  { k: "ack", key: KEY, uuid: uuid(1) },
  { k: "update", key: KEY, status: status(3, "TASK_KILLED") },
  { k: "sandbox", sandbox: { containerId: asId("c1"), keys: [KEY], endedAtMs: 5 } },
  { k: "ack", key: KEY, uuid: uuid(2) },
  { k: "framework-shutdown", frameworkId: FRAMEWORK },
  { k: "ack", key: KEY, uuid: uuid(3) },
  { k: "task-gone", key: KEY },
  { k: "sandbox-gone", containerId: asId("c1") },
];

t.test("a rewritten journal says what the records said, after each of them", async (t) => {
  const live = new Checkpoint();
  for (const [index, record] of RECORDS.entries()) {
    apply(live, record);
    const again = replay(frameRecords(snapshot(live).map(encodePlain)));
    if (!again.ok) t.fail(again.message);
    else t.same(again.model, live, `after record ${index}, ${record.k}`);
  }
  t.equal(live.frameworks.size, 0, "a framework goes with the last of it");
});

t.test("a record of a kind that is not known is refused: a newer agent wrote it", async (t) => {
  const read = replay(frameRecords([encodePlain({ k: "hologram" })]));
  t.match(read, { ok: false, message: /newer agent/ });
});

t.test("writes go one at a time, and what depends on them names the right one", async (t) => {
  const writer = new JournalWriter(JOURNAL_PATH);
  const out: Effect[] = [];
  t.equal(writer.after, undefined);
  writer.add(new Uint8Array([1]));
  const first = writer.after;
  writer.flush(out);
  t.match(out, [{ kind: "write", token: first, mode: "append" }]);
  writer.add(new Uint8Array([2]));
  const second = writer.after;
  t.not(second, first);
  writer.flush(out);
  t.equal(out.length, 1, "the second waits for the first");
  t.ok(writer.written(first ?? ""));
  writer.add(new Uint8Array([3]));
  t.equal(writer.after, second, "what came meanwhile shares the next write");
  writer.flush(out);
  t.match(out[1], { token: second });
});

t.test("an agent that was torn in the middle of an append starts from what is whole", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "sleep 5; exit 3"));
  node.until(() => node.story("a").length === 1, "runs");
  node.crash();
  const bytes = node.disk.files.get(JOURNAL_PATH) ?? new Uint8Array(0);
  node.disk.files.set(JOURNAL_PATH, new Uint8Array([...bytes, 0, 0, 1, 7, 9, 9]));
  node.start();
  node.until(() => node.story("a").length === 2, "ends");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FAILED 3"]);
});

for (const [title, spoil] of [
  ["of another agent", (node: TestNode) => renamed(node)],
  [
    "whose meta is damaged",
    (node: TestNode) => node.disk.files.set("agent/meta", new Uint8Array(9)),
  ],
  ["whose meta is gone", (node: TestNode) => node.disk.files.delete("agent/meta")],
  ["whose meta is of a later version", (node: TestNode) => renamed(node, 2)],
  [
    "whose journal is of a later version",
    (node: TestNode) => {
      const bytes = node.disk.files.get(JOURNAL_PATH) ?? new Uint8Array(0);
      const later = frameRecords([encodePlain({ k: "of-a-later-version" })]);
      node.disk.files.set(JOURNAL_PATH, new Uint8Array([...bytes, ...later]));
    },
  ],
  [
    "with a container of a later version",
    (node: TestNode) => {
      for (const { plan } of node.machine.containers.values()) {
        Object.assign(plan, { config: plan.config.replace('"v":1', '"v":2') });
      }
    },
  ],
] as const) {
  t.test(`a work directory ${title} is refused before a word is said`, async (t) => {
    const node = new TestNode();
    node.start();
    node.untilRegistered();
    node.runTask(task("a", "hang"));
    node.until(() => node.story("a").length === 1, "runs");
    node.crash();
    spoil(node);
    const { hellos } = node.leader;
    node.start();
    node.until(() => node.lifecycle === "failed", "fails");
    t.equal(node.leader.hellos, hellos);
    node.run(5_000);
    const [container] = node.machine.containers.values();
    t.equal(container?.exit, null, "its task runs on");
  });
}

function renamed(node: TestNode, v = 1): void {
  const meta = { v, agentId: `${AGENT}-2`, incarnation: 3, epoch: 1, logId: "log" };
  const rest = { generation: 0, position: 1, hash: "00" };
  node.disk.files.set("agent/meta", frameRecords([encodePlain({ ...meta, ...rest })]));
}

t.test("a full disk is waited for, nothing is said meanwhile", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.disk.full = true;
  node.runTask(task("a", "sleep 1"));
  node.run(5_000);
  t.same(node.story("a"), []);
  t.equal(node.starts("/bin/sh -c sleep 1"), 0, "what is not written down does not run");
  node.disk.full = false;
  node.until(() => node.story("a").length === 2, "runs");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FINISHED 0"]);
});
