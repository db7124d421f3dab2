/** Snapshots in the log: what they restore, where a truncated log begins, versions (P-7.7, P-7.8). */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { type AgentId, asId, encodePlain, type FrameworkId } from "#protocol";
import {
  apply,
  chunksOf,
  EMPTY_HEAD,
  EMPTY_REGISTRY,
  Follower,
  type Head,
  judge,
  type LogBytes,
  open,
  operationsOf,
  RECORD_VERSION,
  type Registry,
  type RegistryOperation,
  seal,
  sha256,
  takenOf,
  toHex,
} from "#replication";
import { admitAgent, admitFramework, elected, LOG_CREATED, recordAfter } from "./records.ts";

/** A log that grows by whole records, with what it has been replayed to. */
class GrowingLog {
  readonly entries: LogBytes[] = [];
  head: Head = EMPTY_HEAD;
  registry: Registry = EMPTY_REGISTRY;

  put(...operations: RegistryOperation[]): this {
    const record = recordAfter(this.head, "m1", operations);
    const position = this.head.position + 1;
    const { bytes } = seal(record);
    this.entries.push({ position, record: bytes });
    const judged = judge(this.head, position, bytes);
    assert.equal(judged.kind, "next");
    if (judged.kind === "next") this.head = judged.head;
    this.registry = apply(this.registry, record);
    return this;
  }

  snapshot(): this {
    const { registry, head } = this;
    const chunks = [...chunksOf(registry, head.validPosition)];
    for (const chunk of chunks) this.put(chunk, { kind: "Proof" });
    return this.put(takenOf(registry, head, chunks.length));
  }

  behind(position: number): LogBytes[] {
    return this.entries.filter((entry) => entry.position > position);
  }
}

function followed(entries: readonly LogBytes[], step = 3): Follower {
  const follower = new Follower();
  for (let at = 0; at < entries.length; at += step) {
    const fed = follower.feed(entries.slice(at, at + step));
    assert.equal(fed.kind, "fed", fed.kind === "stop" ? fed.why : "");
  }
  return follower;
}

const ids = ["a1", "a2", "a3"];
const anOperation: fc.Arbitrary<RegistryOperation> = fc.oneof(
  fc.constantFrom(...ids).map((id) => admitAgent(id)),
  fc.record({
    kind: fc.constantFrom("AgentMarkedUnreachable" as const, "AgentMarkedGone" as const),
    agentId: fc.constantFrom(...ids).map((id) => asId<AgentId>(id)),
    atMs: fc.nat(1000),
  }),
  fc.constantFrom("f1", "f2", "f3").map((id) => admitFramework(id)),
  fc.record({
    kind: fc.constantFrom("FrameworkDisconnected" as const, "FrameworkReturned" as const),
    frameworkId: fc.constantFrom("f1", "f2").map((id) => asId<FrameworkId>(id)),
  }),
  fc.record({
    kind: fc.constant("FrameworkCompleted" as const),
    frameworkId: fc.constantFrom("f2", "f3").map((id) => asId<FrameworkId>(id)),
    why: fc.constant("operator" as const),
  }),
  fc.record({
    kind: fc.constant("WeightSet" as const),
    role: fc.constantFrom("r1", "r2"),
    weight: fc.constantFrom(1, 2, 3),
  }),
);

/** What a snapshot and its tail must bring back; when it was taken stands outside. */
function kept({ snapshot: _taken, snapshotBefore: _before, ...registry }: Registry): object {
  return { ...registry, agents: [...registry.agents], completed: [...registry.completed] };
}

t.test("a snapshot and what follows it are what the whole log is", async () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(anOperation, { minLength: 1, maxLength: 3 }), { maxLength: 20 }),
      fc.array(fc.array(anOperation, { minLength: 1, maxLength: 3 }), { maxLength: 10 }),
      fc.integer({ min: 1, max: 9 }),
      (before, after, step) => {
        const log = new GrowingLog().put(LOG_CREATED).put(elected("m1"));
        for (const operations of before) log.put(...operations);
        const { position } = log.head;
        log.snapshot();
        for (const operations of after) log.put(...operations);
        const whole = followed(log.entries, step);
        const late = followed(log.behind(position), step);
        assert.deepEqual(kept(late.registry), kept(whole.registry));
        assert.deepEqual(late.head, whole.head);
        assert.equal(late.fault, undefined);
      },
    ),
    { numRuns: 200 },
  );
});

t.test("a large registry is cut into chunks that fit into records", async (t) => {
  const log = new GrowingLog().put(LOG_CREATED).put(elected("m1"));
  for (let n = 0; n < 3000; n += 500) {
    log.put(...Array.from({ length: 500 }, (_, index) => admitAgent(`a${n + index}`)));
  }
  const { position } = log.head;
  log.snapshot();
  t.ok(log.head.position - position > 3, "several chunks");
  t.ok(log.behind(position).every(({ record }) => record.length < 300_000));
  t.equal(followed(log.behind(position)).registry.agents.size, 3000);
});

t.test("a log without its beginning and without a whole snapshot is not acted on", async (t) => {
  const log = new GrowingLog().put(LOG_CREATED).put(elected("m1")).put(admitAgent("a1"));
  const { registry, head } = log;
  const [chunk] = [...chunksOf(registry, head.validPosition)];
  if (chunk === undefined) throw new Error("no chunk");
  log
    .put(chunk)
    .put(takenOf(registry, head, 2))
    .put({ kind: "Proof" });
  const late = followed(log.behind(3));
  t.match(late.fault, /begins at 4 and holds no whole snapshot/);
  log.snapshot();
  t.equal(followed(log.behind(3)).fault, undefined, "a later snapshot is one to begin from");
});

t.test("the first record that is left must follow the snapshot's", async (t) => {
  const log = new GrowingLog().put(LOG_CREATED).put(elected("m1"));
  const { registry, head } = log;
  const forged = { ...head, hash: "00" };
  for (const chunk of chunksOf(registry, head.validPosition)) log.put(chunk);
  log.put(takenOf(registry, forged, 1));
  t.match(followed(log.behind(2)).fault, /holds no whole snapshot/);
});

t.test("who fell behind what was truncated begins anew from the snapshot", async (t) => {
  const log = new GrowingLog().put(LOG_CREATED).put(elected("m1")).put(admitAgent("a1"));
  const follower = followed(log.entries);
  for (let n = 0; n < 5; n += 1) log.put({ kind: "Proof" });
  const { position } = log.head;
  log.put(...operationsOf(log.registry)).snapshot();
  t.equal(follower.next, 4);
  follower.restart(position + 1);
  t.equal(follower.next, position + 1);
  t.equal(follower.feed(log.behind(position)).kind, "fed");
  t.same(kept(follower.registry), kept(log.registry));
});

t.test("a record of a newer version is refused with what to do", async (t) => {
  const record = { ...recordAfter(EMPTY_HEAD, "m1", [LOG_CREATED]), v: RECORD_VERSION + 1 };
  const unknown = { ...record, operations: [{ kind: "Unheard" }] };
  for (const each of [record, unknown]) {
    const body = encodePlain(each);
    const digest = sha256(body);
    const bytes = Uint8Array.from([0x4d, 0x53, 0x52, 0x31, ...digest, ...body]);
    t.same(open(bytes), {
      kind: "stop",
      why: `it has version 4, this build reads up to 3; update this master`,
    });
  }
  t.equal(toHex(sha256(new Uint8Array(0))).length, 64);
});

t.test("a snapshot is refused as the records would be that it stands for", async (t) => {
  const created = { kind: "LogCreated", logId: "log", generation: 0, minimumVersion: 3 } as const;
  const log = new GrowingLog().put(created).put(elected("m1")).snapshot();
  const behind = log.behind(2);
  t.equal(new Follower(undefined, 3).feed(behind).kind, "fed");
  t.match(new Follower(undefined, 2).feed(behind), {
    kind: "stop",
    why: /it has version 3, this build reads up to 2; update this master/,
  });
});

t.test("a record has the lowest version that knows its operations", async (t) => {
  const versionOf = (...operations: RegistryOperation[]): number =>
    recordAfter(EMPTY_HEAD, "m1", operations).v;
  t.equal(versionOf(elected("m1"), admitAgent("a1")), 1);
  t.equal(versionOf(admitAgent("a1"), { kind: "LogTruncated", before: 1 }), 2);
  t.equal(versionOf({ kind: "MinimumVersion", version: 2 }), 2, "who does not know it stops here");
});
