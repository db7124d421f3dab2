/** The simulated log: conflicts, late commits, lost leaders, minorities. */
import t from "tap";
import type { AppendOutcome, Log } from "#runtime";
import { BusNetwork, LogCluster, Paths, SimLog, type SimNode } from "#sim";
import { aWorld } from "./a-world.ts";

const RECORD = new Uint8Array([1, 2, 3]);

function aLog(seed = "7") {
  const { world, node } = aWorld(seed);
  const paths = new Paths(world);
  const brokers = ["n1", "n2", "n3"];
  const network = new BusNetwork(world, paths, { brokers, profile: "nats" });
  const cluster = new LogCluster(network, brokers);
  const master = (name: string, via = "n2"): { log: Log; node: SimNode } => {
    const made = node(name);
    world.runUntil(world.nowMs + 1);
    return { log: new SimLog(cluster, made, () => via), node: made };
  };
  return { world, paths, network, cluster, master };
}

const told = (outcome: AppendOutcome): string =>
  outcome.kind === "committed" ? `committed ${outcome.position}` : outcome.kind;

t.test("of two who append at one position one commits, the other meets a conflict", async (t) => {
  const { world, master } = aLog();
  const said: string[] = [];
  for (const name of ["m1", "m2"]) {
    master(name).log.append(0, RECORD, (outcome) => said.push(told(outcome)));
  }
  world.runUntil(100);
  t.same(said.sort(), ["committed 1", "conflict"]);
});

t.test("appends in a row commit in order and reach followers on other members", async (t) => {
  const { world, master } = aLog();
  const m1 = master("m1");
  const m2 = master("m2", "n3");
  const said: string[] = [];
  const followed: number[] = [];
  m2.log.follow(1, (entries) => followed.push(...entries.map(({ position }) => position)));
  for (let expected = 0; expected < 5; expected++) {
    m1.log.append(expected, RECORD, (outcome) => said.push(told(outcome)));
  }
  t.same(said, []);
  world.runUntil(200);
  t.same(
    said,
    [1, 2, 3, 4, 5].map((position) => `committed ${position}`),
  );
  t.same(followed, [1, 2, 3, 4, 5]);
});

t.test("a lost leader answers unknown; what it had may commit late, or never", async (t) => {
  const ends = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const { world, network, cluster, master } = aLog(`lost ${seed}`);
    const m1 = master("m1");
    const said: string[] = [];
    cluster.slowness = 20;
    m1.log.append(0, RECORD, (outcome) => said.push(told(outcome)));
    world.runUntil(world.nowMs + 3);
    m1.log.append(0, RECORD, (outcome) => said.push(told(outcome)));
    world.runUntil(world.nowMs + 2);
    network.stopBroker("n1");
    world.runUntil(10_000);
    t.equal(said.length, 2);
    if (said[0] === "unknown") ends.add(cluster.end);
  }
  t.same([...ends].sort(), [0, 1]);
});

t.test("without a majority nothing commits; after the heal it goes on", async (t) => {
  const { world, network, cluster, master } = aLog();
  const m1 = master("m1");
  const said: string[] = [];
  network.stopBroker("n1");
  network.stopBroker("n3");
  m1.log.append(0, RECORD, (outcome) => said.push(told(outcome)));
  world.runUntil(5_000);
  t.same(said, ["unknown"]);
  network.startBroker("n3");
  world.runUntil(10_000);
  m1.log.append(cluster.end, RECORD, (outcome) => said.push(told(outcome)));
  world.runUntil(15_000);
  t.match(said[1], /committed/);
  const at = cluster.end;
  m1.log.read(1, 10, (outcome) => t.equal(outcome.kind === "read" && outcome.entries.length, at));
  world.runUntil(16_000);
});
