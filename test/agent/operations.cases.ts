/** Operations on the agent's resources: once each, durable with their result, judged here too. */
import t from "tap";
import { type ApplyOperation, isTerminal, type OperationRecord, type Uuid } from "#protocol";
import { Resources } from "#resources";
import { task, TestNode } from "./a-node.ts";

const uuidOf = (n: number): Uuid =>
  `00000000-0000-4000-9000-${n.toString(16).padStart(12, "0")}` as Uuid;

function started(): TestNode {
  const node = new TestNode({
    config: { resources: Resources.of("cpus:4;mem:1024;disk:100").toWire() },
  });
  node.start();
  node.untilRegistered();
  return node;
}

type Wire = ApplyOperation["operation"]["resources"];

function reserved(text: string, role = "eng"): Wire {
  return Resources.of(text).pushReservation({ type: "DYNAMIC", role, principal: "p" }).toWire();
}

function volume(id: string, mib: number, role = "eng"): Wire {
  return reserved(`disk:${mib}`, role).map((resource) => ({
    ...resource,
    disk: { persistence: { id }, volume: { containerPath: "data", mode: "RW" } },
  }));
}

function apply(node: TestNode, n: number, operation: ApplyOperation["operation"]): void {
  node.order({ kind: "ApplyOperation", body: { operationUuid: uuidOf(n), operation } });
  node.run(300);
}

function acknowledge(node: TestNode, n: number): void {
  const statusUuid = said(node, n).at(-1)?.status.uuid ?? uuidOf(0);
  const body = { operationUuid: uuidOf(n), statusUuid };
  node.order({ kind: "OperationStatusAcknowledgement", body });
  node.run(300);
}

/** Everything that was said of the operation. */
function said(node: TestNode, n: number): OperationRecord[] {
  return node.leader.heard.flatMap((message) => {
    if (message.kind !== "OperationStatusUpdate") return [];
    return message.body.operationUuid === uuidOf(n) ? [message.body] : [];
  });
}

const stateOf = (node: TestNode, n: number) => said(node, n).at(-1)?.status.state;
const totalOf = (node: TestNode): string => `${node.running?.agent.state.total}`;

t.test(
  "an operation and its result are on disk before they are said, and stay (P-8.1)",
  async (t) => {
    const node = started();
    apply(node, 1, { type: "RESERVE", resources: reserved("cpus:2;disk:60") });
    t.equal(stateOf(node, 1), "OPERATION_FINISHED");
    apply(node, 2, { type: "CREATE", resources: volume("v1", 40) });
    t.equal(stateOf(node, 2), "OPERATION_FINISHED");
    const before = totalOf(node);
    t.match(before, /disk.*v1.*:40/);
    node.crash();
    node.start();
    node.untilRegistered(2);
    t.equal(totalOf(node), before);
    const told = node.leader.registrations.slice(-2);
    t.same(
      told.flatMap(({ operations = [] }) => operations.map((each) => each.operationUuid)),
      [uuidOf(1), uuidOf(2)],
    );
    t.equal(`${Resources.fromWire(told[0]?.agent.resources ?? [])}`, before);
  },
);

t.test("an id that comes again gets its first answer, and nothing is done twice", async (t) => {
  const node = started();
  const operation = { type: "RESERVE", resources: reserved("cpus:2") } as const;
  apply(node, 1, operation);
  apply(node, 1, operation);
  const [first, second] = said(node, 1);
  t.same(first, second);
  t.equal(Resources.fromWire(node.running?.agent.state.model.checkpointed ?? []).cpusMilli, 2000);
});

t.test("what is not acknowledged is said again; what is, never", async (t) => {
  const node = started();
  apply(node, 1, { type: "RESERVE", resources: reserved("cpus:2") });
  node.run(15_000);
  t.ok(said(node, 1).length >= 2);
  acknowledge(node, 1);
  const times = said(node, 1).length;
  node.run(120_000);
  t.equal(said(node, 1).length, times);
  t.equal(node.running?.agent.state.model.operations.size, 0);
});

t.test("the agent refuses what no longer fits, and what a task uses", async (t) => {
  const node = started();
  apply(node, 1, { type: "RESERVE", resources: reserved("cpus:5") });
  t.match(said(node, 1)[0]?.status, {
    state: "OPERATION_FAILED",
    message: /cpus:5 is needed, .*cpus:4.* is free here/,
  });
  apply(node, 2, { type: "RESERVE", resources: reserved("disk:60") });
  apply(node, 3, { type: "CREATE", resources: volume("v1", 40) });
  node.runTask(
    task("a", "hang", { resources: [...volume("v1", 40), ...Resources.of("cpus:1").toWire()] }),
  );
  node.until(() => node.leader.updates.length > 0, "it was started or refused");
  const first = node.leader.updates[0]?.status;
  if (first !== undefined && !isTerminal(first.state)) {
    apply(node, 4, { type: "DESTROY", resources: volume("v1", 40) });
    t.equal(stateOf(node, 4), "OPERATION_FAILED");
  }
  apply(node, 5, { type: "CREATE", resources: volume("v1", 10) });
  t.match(said(node, 5)[0]?.status, { state: "OPERATION_FAILED", message: /v1 is there already/ });
});

t.test("a destroyed volume's bytes are removed, also when the agent crashes before", async (t) => {
  const node = started();
  apply(node, 1, { type: "RESERVE", resources: reserved("disk:60") });
  apply(node, 2, { type: "CREATE", resources: volume("v1", 40) });
  node.order({
    kind: "ApplyOperation",
    body: {
      operationUuid: uuidOf(3),
      operation: { type: "DESTROY", resources: volume("v1", 40) },
    },
  });
  node.until(() => said(node, 3).length > 0, "it is done");
  node.crash();
  node.start();
  node.untilRegistered(2);
  node.run(1_000);
  t.equal(node.running?.agent.state.model.doomed.size, 0);
  apply(node, 4, { type: "CREATE", resources: volume("v1", 20) });
  t.equal(stateOf(node, 4), "OPERATION_FINISHED", "its name is free again");
});

t.test("an agent whose flags lack what operations were done to does not start", async (t) => {
  const node = started();
  apply(node, 1, { type: "RESERVE", resources: reserved("cpus:3") });
  node.crash();
  node.start({ resources: Resources.of("cpus:2;mem:1024;disk:100").toWire() });
  node.run(2_000);
  t.equal(node.lifecycle, "failed");
});
