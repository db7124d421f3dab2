/** The registry: what operations do, and that everybody who replays a log gets the same. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { type AgentId, asId, type FrameworkId } from "#protocol";
import {
  apply,
  applyAll,
  EMPTY_HEAD,
  EMPTY_REGISTRY,
  Follower,
  judge,
  type LogBytes,
  type LogRecord,
  type Registry,
  type RegistryOperation,
  seal,
} from "#replication";
import { processorMsOf } from "../support/processor.ts";
import {
  admitAgent,
  admitFramework,
  agentInfo,
  elected,
  frameworkInfo,
  LOG_CREATED,
  recordAfter,
} from "./records.ts";

const A1 = asId<AgentId>("a1");
const F1 = asId<FrameworkId>("f1");

/** With its agents as they stand, which no comparison finds inside of their map. */
function shown(registry: Registry): object {
  return { ...registry, agents: [...registry.agents] };
}

function replay(...operations: RegistryOperation[]): Registry {
  return apply(EMPTY_REGISTRY, recordAfter(EMPTY_HEAD, "m1", operations));
}

t.test("an agent is admitted, lost, found again with what it is now", async (t) => {
  const lost = replay(admitAgent("a1"), {
    kind: "AgentMarkedUnreachable",
    agentId: A1,
    atMs: 5,
  });
  t.match(lost.agents.get(A1), { condition: "unreachable", sinceMs: 5 });
  const found = apply(
    lost,
    recordAfter(EMPTY_HEAD, "m1", [
      {
        kind: "AgentMarkedReachable",
        agentId: A1,
        incarnation: 7,
        bootId: "b2",
        info: agentInfo("a1", 8000),
      },
    ]),
  );
  t.match(found.agents.get(A1), { condition: "admitted", incarnation: 7, bootId: "b2" });
  t.equal(lost.agents.get(A1)?.incarnation, 1, "the version before is untouched");
});

t.test("an agent that is gone stays gone, whatever comes", async (t) => {
  const gone = replay(
    admitAgent("a1"),
    { kind: "AgentMarkedGone", agentId: A1, atMs: 5 },
    admitAgent("a1", 2),
    { kind: "AgentMarkedUnreachable", agentId: A1, atMs: 9 },
    {
      kind: "AgentMarkedReachable",
      agentId: A1,
      incarnation: 3,
      bootId: "b",
      info: agentInfo("a1"),
    },
  );
  t.match(gone.agents.get(A1), { condition: "gone", sinceMs: 5, incarnation: 1 });
});

t.test("a completed framework is never admitted again", async (t) => {
  const registry = replay(
    admitFramework("f1"),
    { kind: "FrameworkCompleted", frameworkId: F1, why: "teardown" },
    admitFramework("f1"),
  );
  t.equal(registry.frameworks.size, 0);
  t.match(registry.completed.get(F1), { why: "teardown" });
});

t.test("a disconnection is dated by the cluster time of its record", async (t) => {
  const gone = replay(admitFramework("f1"), { kind: "FrameworkDisconnected", frameworkId: F1 });
  t.equal(gone.frameworks.get(F1)?.disconnectedAtMs, 1000);
  const back = apply(
    gone,
    recordAfter(EMPTY_HEAD, "m1", [{ kind: "FrameworkReturned", frameworkId: F1 }]),
  );
  t.equal(back.frameworks.get(F1)?.disconnectedAtMs, undefined);
});

t.test("a quota is set whole, and goes; a weight of 1 is none", async (t) => {
  const guarantee = [{ name: "cpus", milli: 2000 }];
  const limit = [{ name: "mem", milli: 0 }];
  const first = replay(
    { kind: "QuotaSet", role: "eng", guarantee, limit: [], lends: true },
    { kind: "WeightSet", role: "eng", weight: 3 },
  );
  t.match(first.quotas.get("eng"), { guarantee, limit: [], lends: true });
  const second = apply(
    first,
    recordAfter(EMPTY_HEAD, "m1", [
      { kind: "QuotaSet", role: "eng", guarantee: [], limit, lends: false },
      { kind: "WeightSet", role: "eng", weight: 1 },
    ]),
  );
  t.same(second.quotas.get("eng"), { role: "eng", guarantee: [], limit, lends: false });
  t.equal(second.weights.size, 0);
  t.equal(first.weights.get("eng"), 3, "the version before is untouched");
  const third = apply(
    second,
    recordAfter(EMPTY_HEAD, "m1", [{ kind: "QuotaRemoved", role: "eng" }]),
  );
  t.equal(third.quotas.size, 0);
});

const agent = fc.constantFrom("a1", "a2", "a3");
const framework = fc.constantFrom("f1", "f2");
const described = agent.map((id) => ({
  agentId: asId<AgentId>(id),
  incarnation: 2,
  bootId: "b2",
  info: agentInfo(id, 1000),
}));
const anyOperation: fc.Arbitrary<RegistryOperation> = fc.oneof(
  fc.constant<RegistryOperation>({ kind: "Proof" }),
  agent.map((id) => admitAgent(id)),
  described.map((fields): RegistryOperation => ({ kind: "AgentUpdated", ...fields })),
  described.map((fields): RegistryOperation => ({ kind: "AgentMarkedReachable", ...fields })),
  fc
    .tuple(agent, fc.nat(99), fc.constantFrom("AgentMarkedUnreachable", "AgentMarkedGone"))
    .map(([id, atMs, kind]): RegistryOperation => {
      return { kind: kind as "AgentMarkedGone", agentId: asId<AgentId>(id), atMs };
    }),
  agent.map((id): RegistryOperation => ({ kind: "AgentRemoved", agentId: asId<AgentId>(id) })),
  framework.map((id) => admitFramework(id)),
  framework.map((id): RegistryOperation => {
    return {
      kind: "FrameworkUpdated",
      frameworkId: asId<FrameworkId>(id),
      info: frameworkInfo("new"),
    };
  }),
  fc
    .tuple(framework, fc.constantFrom("FrameworkDisconnected", "FrameworkReturned"))
    .map(([id, kind]): RegistryOperation => {
      return { kind: kind as "FrameworkReturned", frameworkId: asId<FrameworkId>(id) };
    }),
  framework.map((id): RegistryOperation => {
    return { kind: "FrameworkCompleted", frameworkId: asId<FrameworkId>(id), why: "operator" };
  }),
  fc
    .tuple(fc.constantFrom("eng", "ops"), fc.integer({ min: 1, max: 9 }))
    .map(([role, weight]): RegistryOperation => ({ kind: "WeightSet", role, weight })),
  fc
    .tuple(fc.constantFrom("eng", "ops"), fc.nat(9000), fc.boolean())
    .map(([role, milli, lends]): RegistryOperation => {
      const guarantee = [{ name: "cpus", milli }];
      return { kind: "QuotaSet", role, guarantee, limit: [], lends };
    }),
  fc.constantFrom("eng", "ops").map((role): RegistryOperation => ({ kind: "QuotaRemoved", role })),
);

/** A log as its writer left it, and the registry that the writer had while writing. */
function write(batches: readonly (readonly RegistryOperation[])[]) {
  const entries: LogBytes[] = [];
  const records: LogRecord[] = [];
  let head = EMPTY_HEAD;
  let leader = EMPTY_REGISTRY;
  for (const operations of [[LOG_CREATED, elected("m1")], ...batches]) {
    const record = recordAfter(head, "m1", [...operations]);
    const { bytes } = seal(record);
    const judged = judge(head, head.position + 1, bytes);
    if (judged.kind !== "next") throw new Error(judged.kind);
    head = judged.head;
    entries.push({ position: head.position, record: bytes });
    records.push(record);
    leader = apply(leader, record);
  }
  return { entries, records, leader, head };
}

t.test("a standby that reads the log in any pieces has what the leader has", async (t) => {
  const batch = fc.array(anyOperation, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 12 }), fc.nat(5), (batches, piece) => {
      const { entries, records, leader, head } = write(batches);
      const follower = new Follower();
      for (let from = 0; from < entries.length; from += piece + 1) {
        // Pieces overlap, as a follower that re-reads gives them.
        const part = entries.slice(Math.max(0, from - 2), from + piece + 1);
        if (follower.feed(part).kind !== "fed") return false;
      }
      assert.deepEqual(shown(follower.registry), shown(leader));
      assert.deepEqual(shown(applyAll(EMPTY_REGISTRY, records)), shown(leader));
      return follower.head.hash === head.hash;
    }),
    { numRuns: 100 },
  );
  t.pass("100 runs");
});

/** One produce for each operation would need ten times as much (P-1.7). */
const REPLAY_PROCESSOR_MS_MAX = 4_000;

t.test("a replay of twelve thousand admissions makes one registry of each record", async (t) => {
  const operations = Array.from({ length: 4000 }, (_, n) => admitAgent(`a${n}`));
  const record = recordAfter(EMPTY_HEAD, "m1", operations);
  let registry = EMPTY_REGISTRY;
  const tookMs = processorMsOf(() => {
    registry = applyAll(registry, [record, record, record]);
  });
  t.equal(registry.agents.size, 4000);
  t.ok(tookMs < REPLAY_PROCESSOR_MS_MAX, `${tookMs.toFixed(0)} ms of processor`);
});
