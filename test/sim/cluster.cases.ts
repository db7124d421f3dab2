/**
 * Whole clusters of real actors in virtual time: what they do without faults, that each fault
 * can be applied and healed, and that the same seed is the same run.
 */
import t from "tap";
import { type ClusterOptions, SimCluster } from "../../sim/cluster.ts";
import { FAULTS } from "../../sim/faults/index.ts";

const SMALL: ClusterOptions = {
  seed: "small",
  masters: 3,
  agents: 3,
  frameworks: 1,
  brokers: 3,
  items: 20,
  profile: "nats",
  untilMs: 120_000,
  faultEveryMs: 0,
};

/** Faults that one run is given, one after another. */
const FAULTS_PER_RUN = 7;

function ran(changes: Partial<ClusterOptions>): SimCluster {
  const cluster = new SimCluster({ ...SMALL, ...changes });
  cluster.run();
  return cluster;
}

t.test("a cluster does its work, and survives the death of its leader", async (t) => {
  const cluster = ran({});
  t.same(cluster.violations, []);
  t.equal(cluster.swarm.counts.get("leader-kill"), 1);
  t.ok(cluster.leaders.length >= 2, "another master leads afterwards");
});

t.test("the same seed is the same run to the last byte, another seed is another", async (t) => {
  const faults = { faultEveryMs: 5_000, untilMs: 60_000 };
  const digest = ran(faults).trace.digest();
  t.equal(ran(faults).trace.digest(), digest);
  t.not(ran({ ...faults, seed: "other" }).trace.digest(), digest);
});

const HOSTILE: ReadonlySet<string> = new Set(["drop", "duplicate", "reorder", "replay-old"]);

t.test("every fault finds something to be done to, and heals", async (t) => {
  // What is never drawn breaks a cluster for good.
  const drawn = FAULTS.filter(({ weight }) => weight > 0);
  for (let first = 0; first < drawn.length; first += FAULTS_PER_RUN) {
    const faults = drawn.slice(first, first + FAULTS_PER_RUN).map(({ name }) => name);
    // What NATS never does can be done to the hostile profile only.
    const profile = faults.some((name) => HOSTILE.has(name)) ? "hostile" : "nats";
    const options = { ...SMALL, agents: 2, items: 120, untilMs: 100_000, profile } as const;
    const cluster = new SimCluster(options);
    const attempt = (name: string, tries: number): void => {
      if (cluster.swarm.apply(name, { lastsMs: 5_000 }) || tries === 0) return;
      cluster.world.after(500, () => attempt(name, tries - 1));
    };
    faults.forEach((name, index) => {
      cluster.world.at(8_000 + index * 8_000, () => attempt(name, 100));
    });
    cluster.run();
    const applied = new Set(cluster.swarm.applied.map(({ name }) => name));
    t.same(
      faults.filter((name) => !applied.has(name)),
      [],
      "all were applied",
    );
    t.same(cluster.violations, [], faults.join(" "));
  }
});
