/** Logs that are read through streams: credits, following, ends, and who may not. */
import t from "tap";
import { LOGS_OPEN_MAX } from "#actors/agent";
import { asId, decodeChunk, encodeCredit, type OpenStream, type StreamChunk } from "#protocol";
import type { Bus } from "#runtime";
import { FRAMEWORK, subjects, task, TestNode } from "./a-node.ts";

const PRINCIPAL = asId<never>("node1");

interface Reader {
  readonly node: TestNode;
  readonly chunks: StreamChunk[];
  open(streamId: string, more?: Partial<OpenStream>): void;
  credit(streamId: string, count: number): void;
  text(): string;
}

/** A node, and somebody beside it who reads a stream. */
function aReader(): Reader {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  const chunks: StreamChunk[] = [];
  let bus: Bus | undefined;
  const reading = node.world.addNode("reader");
  reading.start(() => {
    bus = node.network.connect(reading);
    bus.subscribe(subjects.stream(PRINCIPAL, "*", "out"), ({ data }) => {
      const chunk = decodeChunk(data);
      if (chunk !== undefined) chunks.push(chunk);
    });
  });
  node.run(50);
  return {
    node,
    chunks,
    open(streamId, more = {}) {
      const what = { streamId, frameworkId: FRAMEWORK, taskId: asId<never>("a") };
      const body = { ...what, file: "stdout" as const, offset: 0, follow: false, ...more };
      node.order({ kind: "OpenStream", body });
      node.run(20);
    },
    credit(streamId, count) {
      bus?.publish(subjects.stream(PRINCIPAL, streamId, "in"), encodeCredit(count));
      node.run(20);
    },
    text: () => chunks.map(({ bytes }) => new TextDecoder().decode(bytes)).join(""),
  };
}

t.test("nothing is sent without a credit, one chunk for each, then the end", async (t) => {
  const { node, chunks, open, credit, text } = aReader();
  node.runTask(task("a", "echo hello; sleep 60"));
  node.until(() => node.story("a").length === 1, "runs");
  open("s1");
  t.same(chunks, []);
  credit("s1", 1);
  t.equal(text(), "hello\n");
  credit("s1", 1);
  t.match(chunks.at(-1), { eof: true, offset: 6 });
  t.equal(node.running?.agent.state.logs.size, 0);
});

t.test("a followed log goes on until its task has ended, to the last byte", async (t) => {
  const { node, chunks, open, credit, text } = aReader();
  // The simulated machine keeps the output with the container, so its record must stay.
  node.leader.acknowledges = () => false;
  node.runTask(task("a", "echo one; sleep 2; echo two; exit 3"));
  node.until(() => node.story("a").length === 1, "runs");
  open("s1", { follow: true });
  credit("s1", 8);
  t.equal(text(), "one\n");
  node.run(1_000);
  t.notOk(chunks.some(({ eof }) => eof));
  node.until(() => chunks.some(({ eof }) => eof), "ends");
  t.equal(text(), "one\ntwo\n");
});

t.test("a log can be read from its end, and after its task is forgotten", async (t) => {
  const { node, chunks, open, credit, text } = aReader();
  // The simulated machine keeps the output with the container, so its record must stay.
  node.leader.acknowledges = () => false;
  node.runTask(task("a", "echo 12345"));
  node.run(2_000);
  open("s1", { offset: -3 });
  credit("s1", 2);
  t.equal(text(), "45\n");
  t.equal(chunks.at(-1)?.eof, true);
});

t.test("an unknown task, and one stream too many, are told why", async (t) => {
  const { node, chunks, open } = aReader();
  open("s1", { taskId: asId("nobody") });
  t.match(chunks, [{ eof: true, fault: /no sandbox of that task/ }]);
  node.runTask(task("a", "hang"));
  node.until(() => node.story("a").length === 1, "runs");
  for (let index = 0; index <= LOGS_OPEN_MAX; index++) open(`t${index}`, { follow: true });
  t.equal(node.running?.agent.state.logs.size, LOGS_OPEN_MAX);
  t.match(chunks.at(-1), { eof: true, fault: /its most/ });
});

t.test("a reader who says nothing for a minute is cut off; a closed stream is quiet", async (t) => {
  const { node, chunks, open, credit } = aReader();
  node.runTask(task("a", "hang"));
  node.until(() => node.story("a").length === 1, "runs");
  open("s1", { follow: true });
  open("s2", { follow: true });
  credit("s2", 4);
  node.order({ kind: "CloseStream", body: { streamId: "s2" } });
  node.run(125_000);
  t.same(chunks, []);
  t.equal(node.running?.agent.state.logs.size, 0);
  t.equal(node.running?.agent.counters.get("stream-closed", "idle"), 1);
});

t.test(
  "a silent stream says where it is when it is asked, and nothing of one it does not have",
  async (t) => {
    const { node, chunks, open, credit } = aReader();
    node.runTask(task("a", "echo hello; hang"));
    node.until(() => node.story("a").length === 1, "runs");
    open("s1", { follow: true });
    credit("s1", 8);
    const before = chunks.length;
    credit("s1", 0);
    t.match(chunks.slice(before), [{ offset: 6, eof: false, bytes: new Uint8Array() }]);
    credit("s2", 0);
    t.equal(chunks.length, before + 1);
  },
);
