/** The chain of records: what is next, void, or a reason to stop; golden bytes of each version. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import t from "tap";
import { type AgentId, asId, type FrameworkId, type MasterId, type Principal } from "#protocol";
import {
  EMPTY_HEAD,
  Follower,
  type Head,
  judge,
  open,
  type RegistryOperation,
  seal,
  witnessFault,
  witnessOf,
} from "#replication";
import {
  admitAgent,
  admitFramework,
  agentInfo,
  elected,
  frameworkInfo,
  LOG_CREATED,
  recordAfter,
  uuidOf,
} from "./records.ts";

const STRAY = new TextEncoder().encode("something that was published here by mistake");

function next(head: Head, writer: string, operations: RegistryOperation[]) {
  const { bytes } = seal(recordAfter(head, writer, operations));
  const judged = judge(head, head.position + 1, bytes);
  if (judged.kind !== "next") throw new Error(judged.kind);
  return { bytes, head: judged.head };
}

t.test("a log begins with its name and an election, and epochs are positions", async (t) => {
  const first = next(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  t.match(first.head, { position: 1, epoch: 1, logId: "log", generation: 0 });
  const second = next(first.head, "m1", [admitAgent("a1")]);
  const third = next(second.head, "m2", [elected("m2")]);
  t.equal(third.head.epoch, 3);
});

t.test("a stray publish is stepped over by all alike and counted", async (t) => {
  const first = next(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  const voided = judge(first.head, 2, STRAY);
  if (voided.kind !== "void") throw new Error(voided.kind);
  const third = next(voided.head, "m1", [admitAgent("a1")]);
  const follower = new Follower();
  const fed = follower.feed([
    { position: 1, record: first.bytes },
    { position: 2, record: STRAY },
    { position: 3, record: third.bytes },
  ]);
  t.equal(fed.kind, "fed");
  t.same([...follower.voids], [["no-mark", 1]]);
  t.equal(follower.registry.agents.size, 1);
});

t.test("what a replaced leader still gets into the log is void", async (t) => {
  const first = next(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  const late = seal(recordAfter(first.head, "m1", [admitAgent("late")]));
  const second = next(first.head, "m2", [elected("m2")]);
  t.match(judge(second.head, 3, late.bytes), { kind: "void", why: "other-epoch" });
});

t.test("a missing position, a wrong predecessor or damaged bytes stop the reader", async (t) => {
  const first = next(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  const good = seal(recordAfter(first.head, "m1", [admitAgent("a1")]));
  t.match(judge(first.head, 3, good.bytes), { kind: "stop", why: /position 2 is missing/ });
  const strange = recordAfter({ ...first.head, hash: "00ff" }, "m1", [admitAgent("a1")]);
  t.match(judge(first.head, 2, seal(strange).bytes), { kind: "stop", why: /follows 00ff, not/ });
  const damaged = good.bytes.slice();
  damaged[60] = (damaged[60] ?? 0) ^ 1;
  t.match(judge(first.head, 2, damaged), { kind: "stop", why: /do not match their hash/ });
});

t.test("a record of a later version stops the reader by naming both versions", async (t) => {
  const record = { ...recordAfter(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]), v: 99 };
  t.match(open(seal(record).bytes), { kind: "stop", why: /version 99, this build reads up to 3/ });
});

t.test("an unknown operation stops the reader", async (t) => {
  const record = recordAfter(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  const operations = [{ kind: "QuotaSetByMagic" }] as unknown[] as RegistryOperation[];
  t.equal(open(seal({ ...record, operations }).bytes).kind, "stop");
});

t.test("a log that ends before a witness, or differs from it, went backwards", async (t) => {
  const first = next(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  const second = next(first.head, "m1", [admitAgent("a1")]);
  const witness = witnessOf(second.head);
  if (witness === undefined) throw new Error("no witness");
  t.equal(witnessFault(witness, second.head, witness.hash), undefined);
  t.match(
    witnessFault(witness, first.head, undefined)?.why ?? "",
    /log went backwards: it ends at 1/,
  );
  t.match(witnessFault(witness, second.head, "other")?.why ?? "", /position 2 is not the record/);
  t.match(
    witnessFault({ ...witness, logId: "x" }, second.head, undefined)?.why ?? "",
    /the log is log/,
  );
  t.equal(witnessFault(witness, { ...first.head, generation: 1 }, undefined), undefined);
});

const agentId = asId<AgentId>("a1");
const masterId = asId<MasterId>("m1");
const principal = asId<Principal>("p");
const frameworkId = asId<FrameworkId>("f1");
const described = { agentId, incarnation: 2, bootId: "boot-2", info: agentInfo("a1", 8000) };
/** Every operation there is, so that the golden file holds all of them. */
const ALL: RegistryOperation[] = [
  LOG_CREATED,
  elected("m1"),
  { kind: "Proof" },
  admitAgent("a1"),
  { kind: "AgentUpdated", ...described },
  { kind: "AgentMarkedUnreachable", agentId, atMs: 1_700_000_000_123 },
  { kind: "AgentMarkedReachable", ...described },
  admitFramework("f1"),
  { kind: "FrameworkUpdated", frameworkId, info: frameworkInfo("renamed") },
  { kind: "FrameworkDisconnected", frameworkId },
  { kind: "FrameworkReturned", frameworkId },
  { kind: "FrameworkCompleted", frameworkId, why: "teardown" },
  { kind: "WeightSet", role: "eng", weight: 2.5 },
  { kind: "AgentMarkedGone", agentId, atMs: 1_700_000_000_456 },
  { kind: "AgentRemoved", agentId },
];

/** What operators say of agents, machines and resources. */
const ACTIVITY: RegistryOperation[] = [
  { kind: "AgentDeactivated", agentId },
  { kind: "AgentDraining", agentId, maxGracePeriodMs: 5000, markGone: true, atMs: 7 },
  { kind: "AgentDrained", agentId, atMs: 8 },
  { kind: "AgentReactivated", agentId },
  {
    kind: "MaintenanceScheduled",
    windows: [{ hostnames: ["a1.test"], unavailability: { startMs: 9, durationMs: 10 } }],
  },
  { kind: "MachinesDown", hostnames: ["a1.test"] },
  { kind: "MachinesUp", hostnames: ["a1.test"] },
  {
    kind: "OperationOpened",
    operationUuid: uuidOf(2),
    agentId,
    operation: {
      type: "RESERVE",
      resources: [
        {
          name: "cpus",
          type: "SCALAR",
          scalar: { milli: 1500 },
          reservations: [{ type: "DYNAMIC", role: "eng/web", principal: "p" }],
        },
      ],
    },
  },
  { kind: "OperationClosed", operationUuid: uuidOf(2) },
];

/** Kinds that came later stand in a file of their own: one that was written is never changed. */
const GOLDEN: Readonly<Record<string, RegistryOperation[]>> = {
  v1: ALL,
  "v1-quota": [
    {
      kind: "QuotaSet",
      role: "eng/web",
      guarantee: [{ name: "cpus", milli: 1500 }],
      limit: [{ name: "mem", milli: 0 }],
      lends: true,
    },
    { kind: "QuotaRemoved", role: "eng/web" },
  ],
  v2: [
    { kind: "LogCreated", logId: "log", generation: 0, minimumVersion: 2 },
    { kind: "LeaderElected", masterId, version: 2 },
    { kind: "MinimumVersion", version: 2 },
    { kind: "FrameworkRemembered", frameworkId, principal, nonce: uuidOf(1), why: "operator" },
    { kind: "FrameworkDisconnected", frameworkId, sinceMs: 5 },
    { kind: "SnapshotChunk", of: 7, index: 0, parts: [Uint8Array.of(1, 2, 3)] },
    {
      kind: "SnapshotTaken",
      position: 7,
      hash: "ab",
      logId: "log",
      generation: 0,
      epoch: 1,
      clusterTimeMs: 9,
      minimumVersion: 2,
      masters: [{ masterId, version: 2 }],
      chunks: 1,
    },
    { kind: "LogTruncated", before: 5 },
    { kind: "LeadYielded", masterId },
  ],
  v3: ACTIVITY,
  "v3-whitelist": [{ kind: "WhitelistSet", hostnames: ["a1.test"] }, { kind: "WhitelistSet" }],
};

t.test("records of every version written so far can be read, byte for byte", async (t) => {
  for (const [name, operations] of Object.entries(GOLDEN)) {
    const path = `test/golden/records/${name}.cbor`;
    const sealed = seal(recordAfter(EMPTY_HEAD, "m1", operations));
    const write = process.env["MESETA_WRITE_GOLDEN"] === "1" && !existsSync(path);
    if (write) writeFileSync(path, sealed.bytes);
    const golden = new Uint8Array(readFileSync(path));
    t.same(golden, sealed.bytes, `this build writes ${name} as it always was`);
    const opened = open(golden);
    if (opened.kind !== "record") throw new Error(opened.kind);
    t.same(opened.record.operations, operations);
  }
});
