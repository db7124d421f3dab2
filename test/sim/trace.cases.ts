/** The trace of a run: whether causes lead back to what began it, and what the digest is over. */
import t from "tap";
import type { TraceRecord } from "#runtime";
import { Trace, World } from "#sim";
import { type ClusterOptions, SimCluster } from "../../sim/cluster.ts";

const FAULTY: ClusterOptions = {
  seed: "trace",
  masters: 3,
  agents: 3,
  frameworks: 1,
  brokers: 3,
  items: 20,
  profile: "hostile",
  untilMs: 30_000,
  faultEveryMs: 500,
  onlyFaults: ["isolate", "bus-restart", "disconnect-client", "crash-agent"],
};

function ran(keepTrace: boolean, seed = FAULTY.seed): SimCluster {
  const cluster = new SimCluster({ ...FAULTY, keepTrace, seed });
  cluster.run();
  return cluster;
}

t.test(
  "every record names an earlier one as its cause, and chains end at a beginning",
  async (t) => {
    const { trace } = ran(true);
    const records = trace.records();
    t.same(
      records.filter(({ n }, index) => n !== index + 1),
      [],
      "numbers are consecutive",
    );
    t.same(
      records.filter(({ n, cause }) => cause >= n),
      [],
      "no cause is later than what it caused",
    );
    const roots = new Set(records.filter(({ cause }) => cause === 0).map(({ kind }) => kind));
    // A violation that a recount finds has no cause in hand.
    const beginnings = ["fault", "heal", "log-leader", "up", "violation"];
    t.same(
      [...roots].filter((kind) => !beginnings.includes(kind)),
      [],
    );
    const causeOf = ({ cause }: TraceRecord) => records[cause - 1]?.kind ?? "";
    const strange = records.filter((record) => {
      const cause = causeOf(record);
      if (record.kind === "mail") return cause !== "send";
      if (record.kind === "lost")
        return cause !== "send" && !record.summary.endsWith("disconnected");
      if (record.kind === "down") return !/fault|over|uncaught/.test(cause);
      return false;
    });
    t.same(strange, [], "mail comes of what was sent, ends of faults");
    // One run need not lose words in every way.
    const runs = [records, ...["a", "b", "c"].map((seed) => ran(true, seed).trace.records())];
    const lost = runs.flat().filter(({ kind }) => kind === "lost");
    const reasons = lost.map(({ summary }) => summary);
    for (const why of ["dropped", "the connection broke", "disconnected"]) {
      t.ok(
        reasons.some((summary) => summary.endsWith(why)),
        `some were lost: ${why}`,
      );
    }
  },
);

t.test("keeping the records changes nothing that the digest is over", async (t) => {
  const [kept, bare] = [ran(true), ran(false)];
  t.equal(kept.trace.digest(), bare.trace.digest());
  t.equal(kept.trace.count, bare.trace.count);
  t.same(bare.trace.records(), []);
});

t.test("what is recorded within an account comes after it and names it", async (t) => {
  const trace = new Trace({ keepAll: true });
  const world = new World({ seed: "account", recorder: trace });
  const happening = (summary: string) => ({ node: "a", kind: "k", summary });
  world.record(happening("before"));
  const { n } = world.account(
    () => world.record(happening("inner")),
    () => happening("outer"),
  );
  world.account(
    () => undefined,
    () => undefined,
  );
  world.record(happening("after"));
  t.equal(n, 2);
  t.same(
    trace.records().map(({ n, cause, summary }) => [n, cause, summary]),
    [
      [1, 0, "before"],
      [2, 0, "outer"],
      [3, 2, "inner"],
      [4, 0, "after"],
    ],
  );
  t.throws(
    () =>
      world.account(
        () => world.record(happening("told")),
        () => undefined,
      ),
    { message: /nobody tells/ },
  );
});
