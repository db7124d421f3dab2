/** A failed run as a file: it repeats to the same violation, and shrinks to what it needs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type ClusterOptions, SimCluster } from "../../sim/cluster.ts";
import { failureOf, readFailure, rerun, writeFailure } from "../../sim/failure.ts";
import { FAULTS } from "../../sim/faults/index.ts";
import { shrink } from "../../sim/shrink.ts";

/** A run that is over before its work can be: LV is violated, whatever the faults. */
const TOO_SHORT: ClusterOptions = {
  seed: "short-2",
  masters: 3,
  agents: 2,
  frameworks: 1,
  brokers: 3,
  items: 60,
  profile: "nats",
  untilMs: 6_000,
  faultEveryMs: 300,
};

function failed() {
  const cluster = new SimCluster(TOO_SHORT);
  cluster.run();
  const again = rerun(TOO_SHORT, cluster.swarm.applied, ["LV"]);
  const failure = failureOf(again);
  if (failure === undefined) throw new Error("the run did not fail");
  return { cluster, failure };
}

t.test("a failure repeats from its file: same faults, same violation, same digest", async (t) => {
  const { cluster, failure } = failed();
  t.ok(failure.faults.length > 2, "faults were applied");
  t.equal(failure.violation.message, cluster.violations[0]?.message);
  const folder = mkdtempSync(join(tmpdir(), "meseta-failure-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "failure.json");
  writeFailure(file, failure);
  const read = readFailure(file);
  t.same(read, failure);
  const again = rerun(read.scenario, read.faults, [read.violation.id]);
  t.equal(again.trace.digest(), failure.digest);
  t.same(again.swarm.applied, cluster.swarm.applied, "each fault hits what it hit then");
  writeFileSync(file, JSON.stringify({ ...failure, version: 9 }));
  t.throws(() => readFailure(file), { message: /version/ });
  writeFileSync(file, "{");
  t.throws(() => readFailure(file), { message: /JSON/ });
});

t.test("shrinking leaves out the faults and the work that a failure does not need", async (t) => {
  const { failure } = failed();
  const { failure: small, runs } = shrink(failure, { budget: 40 });
  t.same(small.faults, []);
  t.equal(small.scenario.onlyItems?.length, 1, "with one piece of work");
  t.equal(small.violation.id, "LV");
  t.ok(runs <= 40);
  t.equal(shrink(failure, { budget: 1 }).runs, 1, "the budget is kept");
});

t.test("a plan of more brokers does nothing to those that are not here", async (t) => {
  const ofBrokers = ["anyBroker", "brokers", "logLeader"];
  const plan = FAULTS.filter(({ on }) => ofBrokers.includes(on));
  t.ok(plan.length > 2, plan.map(({ name }) => name).join(", "));
  const fewer = { ...{}, ...TOO_SHORT, brokers: 1, items: 1 };
  const faults = plan.map(({ name }, index) => ({
    atMs: 1_000 + 100 * index,
    name,
    lastsMs: 100,
    on: ["broker-2"],
  }));
  const again = rerun(fewer, faults, ["LV"]);
  t.same(again.swarm.applied, [], "and the run goes on");
});
