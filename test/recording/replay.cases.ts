/** Actors of the simulator, recorded through a swarm of faults, come to the same state again. */
import t from "tap";
import { type ClusterOptions, effectText, eventLines, EventTexts, replay } from "#sim";
import { recordedCluster } from "./simulated.ts";

const SWARM: ClusterOptions = {
  seed: "recorded",
  masters: 3,
  agents: 3,
  frameworks: 2,
  brokers: 3,
  items: 30,
  profile: "nats",
  untilMs: 90_000,
  faultEveryMs: 3_000,
};

const CLUSTERS_MIN = 3;
const CLUSTERS_MAX = 20;

t.test("every life of every master and agent replays to its digest", async (t) => {
  const ends: string[] = [];
  const isReplaced = (): boolean => ends.some((why) => /wrote position/.test(why));
  // A leader that another one replaces while it lives is rare: clusters are drawn until one had it.
  for (let drawn = 1; drawn <= CLUSTERS_MIN || (!isReplaced() && drawn <= CLUSTERS_MAX); drawn++) {
    const seed = `recorded-${drawn}`;
    const { cluster, lives } = recordedCluster({ ...SWARM, seed });
    t.same(cluster.violations, []);
    let events = 0;
    for (const { head, sink, tape } of lives) {
      const result = replay({ head, blocks: sink.blocks });
      t.equal(result.divergence, undefined, `${head.name} of ${seed}`);
      t.equal(result.events, tape.turns);
      t.equal(result.digest, sink.blocks.at(-1)?.digest ?? "");
      events += result.events;
      if (sink.ended?.kind === "over") ends.push(sink.ended.why);
    }
    t.comment(`${seed}: ${lives.length} lives, ${events} events`);
    t.ok(lives.length > SWARM.masters + SWARM.agents, "some were killed and started again");
  }
  t.comment(ends.join("; "));
  t.ok(isReplaced(), "a leader was replaced");
});

t.test("a hostile bus is recorded as well", async (t) => {
  const { lives } = recordedCluster({ ...SWARM, seed: "hostile", profile: "hostile" });
  for (const { head, sink } of lives) {
    t.equal(replay({ head, blocks: sink.blocks }).divergence, undefined, head.name);
  }
});

t.test("a recorded cluster does its work, and no turn is missed", async (t) => {
  const { cluster, lives } = recordedCluster({ ...SWARM, seed: "same", faultEveryMs: 0 });
  t.same(cluster.violations, []);
  t.ok(lives.every(({ tape }) => tape.missed === 0));
});

t.test("another configuration diverges at the first event that differs, by name", async (t) => {
  const { lives } = recordedCluster({ ...SWARM, seed: "other", faultEveryMs: 0 });
  const agent = lives.find(({ head }) => head.recipe.kind === "agent");
  if (agent === undefined) throw new Error("there is no agent");
  const { head, sink } = agent;
  const { recipe } = head;
  if (recipe.kind !== "agent") throw new Error("an agent has an agent's recipe");
  const config = { ...recipe.config, registrationBackoffMs: 7_777 };
  const changed = { ...head, recipe: { ...recipe, config } };
  const { divergence, events } = replay({ head: changed, blocks: sink.blocks });
  t.ok(divergence !== undefined && divergence.event <= events + 1);
  t.match(divergence?.recorded, /clock\.(timer|cancel)|state/);
  t.not(divergence?.recorded, divergence?.replayed);
});

t.test("a changed input is a divergence, not an error", async (t) => {
  const { lives } = recordedCluster({ ...SWARM, seed: "changed", faultEveryMs: 0 });
  const [life] = lives;
  const block = life?.sink.blocks[0];
  if (life === undefined || block === undefined) throw new Error("nothing was recorded");
  let diverged = 0;
  for (let at = 10; at < block.entries.length; at += Math.ceil(block.entries.length / 12)) {
    const entries = Uint8Array.from(block.entries);
    entries[at] = (entries[at] as number) ^ 0x01;
    const blocks = [{ ...block, entries }, ...life.sink.blocks.slice(1)];
    if (replay({ head: life.head, blocks }).divergence !== undefined) diverged += 1;
    else t.fail(`the change at ${at} was not noticed`);
  }
  t.ok(diverged >= 10, `${diverged} changes were noticed`);
});

t.test("events are told one by one, with what the actor did", async (t) => {
  const calm = { ...SWARM, seed: "told", faultEveryMs: 0, untilMs: 30_000 };
  const { cluster, lives } = recordedCluster(calm);
  const leader = cluster.leaders[0]?.node;
  const master = lives.find(({ head }) => head.name === leader);
  if (master === undefined) throw new Error("there is no master");
  const texts = new EventTexts(master.head);
  const lines: string[] = [];
  const kinds = new Set<string>();
  let last = 0;
  const { events } = replay({
    head: master.head,
    blocks: master.sink.blocks,
    describe: effectText,
    onEvent(event) {
      const record = texts.record(event);
      t.equal(record.n, last + 1);
      t.ok(record.cause < record.n);
      last = record.n;
      kinds.add(record.kind);
      lines.push(...eventLines(record));
    },
  });
  t.equal(last, events);
  t.ok(
    ["start", "mail", "drain", "timer", "answer"].every((kind) => kinds.has(kind)),
    [...kinds].join(" "),
  );
  t.ok(lines.some((line) => line.includes("send meseta.sim.leader: Beacon")));
  t.ok(lines.some((line) => / mail from \S*agent-\d+: /.test(line)));
  const { events: few } = replay({ head: master.head, blocks: master.sink.blocks, toEvent: 50 });
  t.equal(few, 50);
});
