/** A master keeps the log bounded and knows it again: snapshots, truncation, witnesses, yields. */
import t from "tap";
import { EMPTY_HEAD, type LogBytes, open, RECORD_VERSION, seal } from "#replication";
import { elected, LOG_CREATED, recordAfter } from "../replication/records.ts";
import { register } from "./cluster.ts";
import { Stage } from "./stage.ts";

const OFTEN = { snapshotRecords: 20, snapshotIntervalMs: 10_000 };

t.test(
  "snapshots are read back and announced, and what lies before the last but one goes",
  async (t) => {
    const stage = new Stage(OFTEN).lead();
    register(stage, "a1");
    stage.elapse(11_000);
    t.same(stage.taken("Snapshot"), ["log ← SnapshotChunk", "log ← SnapshotTaken"]);
    const first = stage.state.registry.snapshot?.position ?? 0;
    stage.elapse(11_000);
    const lines = stage.take().filter((line) => /Snapshot|Truncated|forgets/.test(line));
    t.same(lines, [
      "log ← SnapshotChunk",
      "log ← SnapshotTaken",
      "log ← LogTruncated",
      `log forgets before ${first + 1}`,
    ]);
    t.equal(stage.log[0]?.position, first + 1);
    stage.elapse(60_000);
    t.ok(stage.log.length < 60, `${stage.log.length} records are left, whatever time passes`);

    const next = new Stage({ ...OFTEN, log: stage.log, name: "m2" }).lead();
    t.equal(next.lifecycle, "leading", "it begins from a snapshot");
    t.ok(next.state.registry.agents.has("a1" as never));
  },
);

t.test("a snapshot that cannot be read back is not announced", async (t) => {
  const stage = new Stage(OFTEN).lead();
  const { log } = stage;
  const push = log.push.bind(log);
  log.push = (entry: LogBytes): number => {
    const opened = open(entry.record);
    const chunk =
      opened.kind === "record" &&
      opened.record.operations.some(({ kind }) => kind === "SnapshotChunk");
    const record = chunk
      ? entry.record.map((byte, at) => (at === 60 ? byte ^ 1 : byte))
      : entry.record;
    return push({ ...entry, record });
  };
  stage.elapse(11_000);
  t.same(stage.taken("SnapshotTaken"), []);
});

t.test("a new leader carries out a truncation that its predecessor only wrote", async (t) => {
  const stage = new Stage(OFTEN).lead();
  stage.elapse(25_000);
  const whole = stage.log.slice();
  t.match(stage.taken("forgets"), [/log forgets before/]);
  const next = new Stage({ ...OFTEN, log: whole, name: "m2" });
  next.elapse(5_000);
  t.match(next.taken("forgets"), [/log forgets before/]);
});

t.test(
  "a master writes down what it saw of the log, and leads none that ends before",
  async (t) => {
    const disk = new Map<string, Uint8Array>();
    const stage = new Stage({ disk }).lead();
    stage.elapse(20_000);
    t.ok(disk.has("witness"));
    const all = stage.log.slice();

    const whole = new Stage({ disk: new Map(disk), log: all.slice(), name: "m1" });
    whole.elapse(10_000);
    t.equal(whole.lifecycle, "leading");

    const cut = new Stage({ disk: new Map(disk), log: all.slice(0, 5), name: "m1" });
    cut.elapse(10_000);
    t.match(cut.ended, /log went backwards: it ends at 5/);

    const empty = new Stage({ disk: new Map(disk), log: [], name: "m1" });
    empty.elapse(10_000);
    t.match(empty.ended, /the log is empty, this master's was/);

    const other = new Stage({ disk: new Map(disk), log: new Stage().lead().log, name: "m1" });
    other.elapse(10_000);
    t.match(other.ended, /went backwards|this master's was/);
  },
);

t.test("a damaged witness is said, counted and written anew", async (t) => {
  const disk = new Map([["witness", Uint8Array.of(1, 2, 3)]]);
  const stage = new Stage({ disk }).lead();
  t.equal(stage.counters.get("witness-damaged", "invalid"), 1);
  stage.elapse(10_000);
  t.ok((disk.get("witness")?.length ?? 0) > 32);
});

t.test("a standby writes witnesses too", async (t) => {
  const leader = new Stage().lead();
  const disk = new Map<string, Uint8Array>();
  const standby = new Stage({ log: leader.log, name: "m2", disk });
  standby.ask = "timeout";
  for (let step = 0; step < 80; step += 1) {
    leader.elapse(100);
    standby.elapse(100);
  }
  t.equal(standby.lifecycle, "standby");
  t.ok(disk.has("witness"));
});

t.test(
  "who gives the lead away is silent before it says so; the next one speaks at once",
  async (t) => {
    const leader = new Stage().lead();
    register(leader, "a1");
    leader.take();
    leader.mail("operator.o" as never, "OPERATOR_TRANSFER", {}, { id: 1, reply: "R" });
    t.match(leader.take(), [/^R ← OPERATOR_ANSWER/, "mute", "log ← LeadYielded", "fence"]);

    const given = leader.log.slice();
    const next = new Stage({ log: leader.log, name: "m2" });
    next.elapse(50);
    t.equal(next.lifecycle, "leading", "nobody is left to wait for");
    t.notOk(next.muted);

    const same = new Stage({ log: given, name: "m1" });
    same.elapse(1_000);
    t.equal(same.lifecycle, "standby", "it leaves the lead to the others");
    same.elapse(3_000);
    t.equal(same.lifecycle, "leading", "where there are none it leads again");
  },
);

t.test("a transfer from somebody who does not lead is refused", async (t) => {
  const leader = new Stage().lead();
  const masterId = "m7" as never;
  leader.mail("operator.o" as never, "OPERATOR_TRANSFER", { masterId }, { id: 1, reply: "R" });
  t.match(leader.take(), [/not-found.*m7 does not lead, m1 does/]);
  const alone = new Stage({ exclusive: true }).lead();
  alone.mail("operator.o" as never, "OPERATOR_TRANSFER", {}, { id: 1, reply: "R" });
  t.match(alone.take(), [/no other master can lead/]);
});

t.test("new kinds of records wait until every master that ever led knows them", async (t) => {
  const first = recordAfter(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")]);
  t.equal(first.v, 1, "as an older build wrote it");
  const log = [{ position: 1, record: seal(first).bytes }];
  const other = new Stage({ ...OFTEN, log, name: "m2" }).lead();
  other.elapse(30_000);
  t.equal(other.state.registry.minimumVersion, 1, "m1 led, and said nothing of version 2");
  t.same(other.taken("Snapshot"), [], "nothing is written that m1 could not read");
  other.mail("operator.o" as never, "OPERATOR_TRANSFER", {}, { id: 1, reply: "R" });
  t.match(other.take(), [/stop the leader instead/]);

  const updated = new Stage({ ...OFTEN, log, name: "m1" }).lead();
  const { minimumVersion } = updated.state.registry;
  t.equal(minimumVersion, RECORD_VERSION, "both have led with this version by now (P-7.8)");
  updated.elapse(30_000);
  t.match(updated.taken("SnapshotTaken"), [/SnapshotTaken/]);
});
