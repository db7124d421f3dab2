/** Operations on resources: offered ones, operators', and what becomes of both in every weather. */
import t from "tap";
import type { BodyOf, OfferOperation, OperationId, OperationRecord } from "#protocol";
import { asId } from "#protocol";
import { Resources } from "#resources";
import { reconciledOperation } from "../../src/actors/master/operations.ts";
import {
  AT,
  ROOT,
  accept,
  agentId,
  agentOf,
  frameworkIdOf,
  frameworkOf,
  launch,
  offersOf,
  register,
  resources,
  subscribe,
  task,
  uuidOf,
} from "./cluster.ts";
import { Stage, type StageOptions } from "./stage.ts";

type Wire = BodyOf<"OPERATOR_APPLY_OPERATION">["resources"];

const ALL = "cpus:4;mem:1024;disk:100";

function reserved(text: string, role = "eng", principal = "f"): Wire {
  return Resources.of(text).pushReservation({ type: "DYNAMIC", role, principal }).toWire();
}

function volume(id: string, mib: number, role = "eng", principal = "f"): Wire {
  return reserved(`disk:${mib}`, role).map((resource) => ({
    ...resource,
    disk: { persistence: { id, principal }, volume: { containerPath: "data", mode: "RW" } },
  }));
}

const op = (type: "RESERVE" | "UNRESERVE" | "CREATE" | "DESTROY", wire: Wire, id?: string) =>
  ({
    type,
    resources: wire,
    ...(id === undefined ? {} : { id: asId<OperationId>(id) }),
  }) satisfies OfferOperation;

/** One agent and a framework of role eng that holds an offer of all of it. */
function set(more: StageOptions = {}): Stage {
  const stage = new Stage(more).lead();
  register(stage, "a1", { resources: ALL });
  subscribe(stage, "f", { info: { roles: ["eng"] } });
  stage.elapse(1000);
  stage.take();
  return stage;
}

function operate(stage: Stage, type: "RESERVE" | "UNRESERVE" | "CREATE" | "DESTROY", wire: Wire) {
  const body = { agentId: agentId("a1"), type, resources: wire };
  stage.mail(ROOT, "OPERATOR_APPLY_OPERATION", body, AT);
  return stage.take();
}

/** What the agent was told to do, last. */
function applied(lines: readonly string[]): BodyOf<"ApplyOperation"> {
  const line = lines.filter((each) => each.includes("ApplyOperation")).at(-1) ?? "";
  return JSON.parse(line.slice(line.indexOf("{")));
}

function record(
  { operationUuid, frameworkId, operationId, operation }: BodyOf<"ApplyOperation">,
  state: OperationRecord["status"]["state"] = "OPERATION_FINISHED",
  n = 900,
): OperationRecord {
  return {
    operationUuid,
    ...(frameworkId === undefined ? {} : { frameworkId }),
    operation,
    status: {
      state,
      agentId: agentId("a1"),
      uuid: uuidOf(n),
      ...(operationId === undefined ? {} : { operationId }),
    },
  };
}

function says(stage: Stage, said: OperationRecord): string[] {
  stage.mail(agentOf("a1"), "OperationStatusUpdate", said);
  return stage.take();
}

const totalOf = (stage: Stage): string => `${stage.state.allocator.total(agentId("a1"))}`;

t.test("RESERVE, CREATE and LAUNCH in one ACCEPT rest on each other", async (t) => {
  const stage = set();
  const uses = [...resources("cpus:1;mem:64"), ...volume("v1", 30)];
  accept(
    stage,
    "f",
    [
      op("RESERVE", reserved("disk:60"), "r1"),
      op("CREATE", volume("v1", 30), "c1"),
      launch(task("t1", "a1", { resources: uses })),
    ],
    { refuseMs: 60_000 },
  );
  const lines = stage.take();
  const kinds = lines.flatMap((line) => /ApplyOperation|RunTask|ANSWER/.exec(line)?.[0] ?? []);
  t.same(kinds, ["ApplyOperation", "ApplyOperation", "RunTask", "ANSWER"]);
  t.match(totalOf(stage), /\[v1:data\]:30/);
  stage.elapse(1000);
  const [again] = offersOf(stage, "f");
  const offered = again === undefined ? undefined : stage.state.offers.get(again)?.resources;
  const rest = offered?.reserved("eng").get("disk");
  t.equal(rest, 30_000, "what was reserved and not used is offered again at once");
});

const REFUSED: readonly (readonly [OfferOperation, RegExp])[] = [
  [op("RESERVE", reserved("cpus:1", "ops"), "x"), /reserved for ops, the offers are to eng/],
  [op("RESERVE", reserved("cpus:1", "eng", "other"), "x"), /names other as its principal.* is f/],
  [op("RESERVE", reserved("cpus:5"), "x"), /needs cpus.*:5, free for it is .*cpus:4/],
  [op("UNRESERVE", reserved("cpus:1"), "x"), /needs cpus.*eng.*:1, free for it is/],
  [op("CREATE", volume("v1", 10), "x"), /needs disk.*:10/],
  [op("RESERVE", Resources.of("cpus:1").toWire(), "x"), /cpus is not reserved/],
];

t.test("an operation that is wrong is refused alone, with its reason", async (t) => {
  for (const [operation, sentence] of REFUSED) {
    const stage = set();
    accept(stage, "f", [operation, launch(task("t1", "a1"))]);
    const lines = stage.take();
    const [status = ""] = lines.filter((line) => line.includes("UPDATE_OPERATION_STATUS"));
    t.match(status, /OPERATION_ERROR/);
    t.match(status.replaceAll("\\", ""), sentence);
    t.ok(
      lines.some((line) => line.includes("RunTask")),
      "the others go on",
    );
  }
});

t.test("a void ACCEPT says so of its operations", async (t) => {
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"), "r1")], { offerIds: [asId("o-9-9")] });
  t.match(stage.taken("UPDATE_OPERATION_STATUS").join(), /OPERATION_ERROR.*not outstanding/);
});

t.test("feedback goes to the framework, its acknowledgement to the agent", async (t) => {
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"), "r1")]);
  const done = record(applied(stage.take()));
  t.match(says(stage, done).join(), /UPDATE_OPERATION_STATUS.*OPERATION_FINISHED/);
  const body = { agentId: agentId("a1"), operationId: asId<OperationId>("r1"), uuid: uuidOf(900) };
  stage.mail(frameworkOf("f"), "ACKNOWLEDGE_OPERATION_STATUS", body);
  t.match(stage.take().join(), /a1 ← OperationStatusAcknowledgement/);
  t.equal(stage.state.agents.get(agentId("a1"))?.operations.size, 0);
});

t.test("without an id nobody waits: the leader acknowledges", async (t) => {
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"))]);
  const lines = says(stage, record(applied(stage.take())));
  t.match(lines.join(), /OperationStatusAcknowledgement/);
  t.notMatch(lines.join(), /UPDATE_OPERATION_STATUS/);
});

t.test("what the agent refuses though it was counted makes it register anew", async (t) => {
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"), "r1")]);
  const failed = record(applied(stage.take()), "OPERATION_FAILED");
  says(stage, failed);
  t.equal(stage.state.agents.get(agentId("a1"))?.condition, "disconnected");
  register(stage, "a1", { resources: ALL, operations: [failed] });
  t.match(stage.take().join("\n"), /UPDATE_OPERATION_STATUS.*OPERATION_FAILED/);
  t.equal(totalOf(stage), `${Resources.of(ALL)}`);
});

t.test("an operation that a lost session took with it is dropped, and said to be", async (t) => {
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"), "r1")]);
  stage.closed(agentOf("a1"));
  stage.take();
  register(stage, "a1", { resources: ALL });
  t.match(
    stage.taken("UPDATE_OPERATION_STATUS").join(),
    /OPERATION_DROPPED.*r1|r1.*OPERATION_DROPPED/,
  );
  t.equal(totalOf(stage), `${Resources.of(ALL)}`, "and nothing is reserved");
});

t.test("an operator's is intent in the log, then done, then closed (P-8.1)", async (t) => {
  const stage = set();
  const lines = operate(stage, "RESERVE", reserved("cpus:2", "ops"));
  t.equal(lines[0], "log ← OperationOpened a1");
  t.match(lines.join("\n"), /RESCIND.*an operator changes what it holds/);
  t.equal(stage.state.registry.operations.size, 1);
  t.notMatch(lines.join("\n"), /OPERATOR_ANSWER/, "not before the agent has it on disk");
  t.match(totalOf(stage), /cpus.*ops.*:2/, "nobody is offered it from here on");
  const done = says(stage, record(applied(lines)));
  t.match(done.join("\n"), /log ← OperationClosed/);
  t.match(done.join("\n"), /OPERATOR_ANSWER.*"accepted":true/);
  t.match(done.join("\n"), /OperationStatusAcknowledgement/);
  t.equal(stage.state.registry.operations.size, 0);
});

t.test("offers that are not in its way stay", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1", { resources: "cpus:4;mem:1024;disk:100;cpus(eng):2" });
  subscribe(stage, "f", { info: { roles: ["eng"] } });
  stage.elapse(1000);
  const [offer] = offersOf(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1", { resources: resources("cpus(eng):1") }))]);
  t.ok(offer);
  stage.elapse(10_000);
  stage.take();
  const lines = operate(stage, "RESERVE", reserved("disk:10", "ops"));
  t.equal(lines.filter((line) => line.includes("RESCIND")).length, 1, "the one that has the disk");
});

/** So many reservations, each with a label of 900 characters. */
function manyLabels(length: number): Wire {
  const labels = [{ key: "k".repeat(900) }];
  return Array.from({ length }, (_, n) => ({
    name: "cpus",
    type: "SCALAR" as const,
    scalar: { milli: 10 },
    reservations: [{ type: "DYNAMIC" as const, role: `r${n}`, labels }],
  }));
}

const OPERATORS: readonly (readonly [Parameters<typeof operate>[1], Wire, RegExp])[] = [
  ["RESERVE", reserved("cpus:5"), /needs cpus.*:5, free for it is .*cpus:4/],
  ["DESTROY", volume("v1", 10), /needs disk.*v1/],
  [
    "RESERVE",
    reserved("cpus:1").map((each) => ({ ...each, allocationInfo: { role: "eng" } })),
    /is allocated; an operator's operation names no allocation/,
  ],
  ["RESERVE", manyLabels(64), /takes \d+ bytes, above 24576/],
];

t.test("what an operator cannot have is refused, with its reason", async (t) => {
  const stage = set();
  for (const [type, wire, sentence] of OPERATORS) {
    const [line = ""] = operate(stage, type, wire);
    t.match(line, /OPERATOR_ANSWER.*"accepted":false/);
    t.match(line.replaceAll("\\", ""), sentence);
  }
  t.equal(stage.state.registry.operations.size, 0);
});

t.test("an intent waits for its agent, across leaders, and is sent by its id", async (t) => {
  const stage = set();
  stage.closed(agentOf("a1"));
  stage.take();
  const lines = operate(stage, "RESERVE", reserved("cpus:2", "ops"));
  t.match(lines.join("\n"), /OPERATOR_ANSWER.*"accepted":true.*it is done when it registers/);
  const next = new Stage({ log: stage.log, name: "m2" }).lead();
  register(next, "a1", { resources: ALL, incarnation: 1 });
  const sent = applied(next.take());
  t.ok(next.state.registry.operations.has(sent.operationUuid));
  const done = record(sent);
  next.closed(agentOf("a1"));
  register(next, "a1", { resources: "cpus:2;cpus(ops):2;mem:1024;disk:100", operations: [done] });
  const closed = next.take().join("\n");
  t.match(closed, /log ← .*OperationClosed/);
  t.notMatch(closed, /ApplyOperation/, "it is not sent again");
  t.equal(next.state.registry.operations.size, 0);
});

t.test("what is said of a closed operation again is acknowledged again", async (t) => {
  const stage = set();
  const done = record(applied(operate(stage, "RESERVE", reserved("cpus:2", "ops"))));
  says(stage, done);
  const again = says(stage, done);
  t.match(again.join(), /OperationStatusAcknowledgement/);
  t.notMatch(again.join(), /OperationClosed/);
});

t.test(
  "while a master that led does not know the kind, nothing is written of it (P-7.8)",
  async (t) => {
    const stage = set();
    stage.state.registry = { ...stage.state.registry, minimumVersion: 2 };
    t.match(operate(stage, "RESERVE", reserved("cpus:1")).join(), /does not know version 3/);
  },
);

t.test("reserved resources are offered to their role alone", async (t) => {
  const stage = set();
  operate(stage, "RESERVE", reserved("cpus:4", "ops"));
  stage.elapse(6000);
  const offered = offersOf(stage, "f").map((offer) => stage.state.offers.get(offer)?.resources);
  t.equal(
    offered.reduce((sum, each) => sum + (each?.get("cpus") ?? 0), 0),
    0,
  );
});

t.test("what is told of an operation that nobody knows, by its agent", async (t) => {
  t.equal(reconciledOperation("registered", false), "OPERATION_UNKNOWN");
  t.equal(reconciledOperation("disconnected", false), "OPERATION_UNKNOWN");
  t.equal(reconciledOperation("absent", true), "OPERATION_RECOVERING");
  t.equal(reconciledOperation("unreachable", false), "OPERATION_UNREACHABLE");
  t.equal(reconciledOperation("gone", false), "OPERATION_GONE_BY_OPERATOR");
  t.equal(reconciledOperation("unknown", false), "OPERATION_UNKNOWN");
  t.equal(reconciledOperation("unnamed", true), "OPERATION_RECOVERING");
  t.equal(reconciledOperation("unnamed", false), "OPERATION_UNKNOWN");
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"), "r1")]);
  stage.take();
  const operations = ["r1", "r2"].map((id) => ({
    operationId: asId<OperationId>(id),
    agentId: agentId("a1"),
  }));
  stage.mail(frameworkOf("f"), "RECONCILE_OPERATIONS", { operations });
  const told = stage.taken("UPDATE_OPERATION_STATUS");
  t.match(told[0], /OPERATION_PENDING/);
  t.match(told[1], /OPERATION_UNKNOWN/);
});

t.test("a completed framework's operations are acknowledged for it", async (t) => {
  const stage = set();
  accept(stage, "f", [op("RESERVE", reserved("cpus:1"), "r1")]);
  const done = record(applied(stage.take()));
  stage.mail(frameworkOf("f"), "TEARDOWN", {}, { id: 2 });
  stage.take();
  t.match(says(stage, done).join(), /OperationStatusAcknowledgement/);
  t.equal(stage.state.frameworks.has(frameworkIdOf("f")), false);
});
