/** Death, backoff, poison and giving up. */
import t from "tap";
import { MASTER_PEER } from "#protocol";
import { DEATHS_MAX, supervise } from "#runtime";
import { DeskBroker, DeskClock, DeskLogger, deskPorts } from "./desk.ts";
import { A1, addressOf, type Scripted, startScripted } from "./scripted.ts";

function setUp(afterEnd: boolean) {
  const clock = new DeskClock();
  const broker = new DeskBroker(clock);
  const logger = new DeskLogger();
  const lives: { readonly atMs: number; readonly refused: string[] }[] = [];
  const overs: string[] = [];
  let scripted: Scripted | undefined;
  const supervisor = supervise({
    name: "master",
    clock,
    logger,
    afterEnd,
    start({ poisonous }) {
      lives.push({ atMs: clock.nowMs, refused: [...poisonous] });
      scripted = startScripted(deskPorts(broker, 1), addressOf(MASTER_PEER), { poisonous });
      scripted.onHello = (peer, session, out) => out.push({ kind: "come", peer, session });
      scripted.run({ kind: "listen", to: "from-agents", listen: true });
      scripted.script = (input) => {
        if (input.family === "mail") throw new Error("poison");
      };
      return scripted.actor;
    },
    onOver: ({ kind }) => overs.push(kind),
  });
  const current = (): Scripted => {
    if (scripted === undefined) throw new Error("nobody lives");
    return scripted;
  };
  return { clock, broker, logger, lives, overs, supervisor, current };
}

t.test("a sender whose messages killed two lives is refused by the third", async (t) => {
  const { clock, broker, lives, supervisor, current } = setUp(false);
  const agent = startScripted(deskPorts(broker, 2), addressOf(A1));
  agent.run({ kind: "listen", to: "from-master", listen: true });
  for (let i = 0; i < 4; i++) {
    clock.pass(500);
    agent.run({ kind: "hello", peer: MASTER_PEER, incarnation: 1 });
    clock.pass(100);
    agent.run({
      kind: "send",
      to: MASTER_PEER,
      message: { kind: "AgentUsage", body: { containers: [] } },
    });
    clock.pass(100);
  }
  t.same(
    lives.map(({ refused }) => refused),
    [[], [], [A1]],
  );
  t.ok(supervisor.current()?.alive);
  t.ok(current().actor.counters.get("dropped", "poisonous-sender") > 0);
  supervisor.clear(A1);
  t.equal(supervisor.blamed().size, 0);
});

t.test("deaths are followed by lives at growing distances, then by nothing, loudly", async (t) => {
  const { clock, lives, overs, logger, current } = setUp(false);
  for (let i = 0; i < 30; i++) {
    clock.pass(1);
    if (overs.length > 0) break;
    current().script = () => {
      throw new Error("broken");
    };
    current().actor.tell("test", { kind: "said" });
    clock.pass(50_000);
  }
  t.equal(lives.length, DEATHS_MAX);
  t.same(overs, ["gave-up"]);
  t.match(logger.lines.at(-1), /died 10 times .* nobody starts another/);
});

t.test("an end by itself is followed only where that is wanted; stop is final", async (t) => {
  const once = setUp(false);
  once.clock.pass(10);
  once.current().run({ kind: "fence", why: "deposed" });
  once.clock.pass(10_000);
  t.same([once.lives.length, once.overs], [1, ["ended"]]);
  const again = setUp(true);
  again.clock.pass(10);
  again.current().run({ kind: "fence", why: "deposed" });
  again.clock.pass(10_000);
  t.same([again.lives.length, again.overs], [2, []]);
  again.supervisor.stop();
  again.clock.pass(10_000);
  t.same([again.lives.length, again.overs], [2, ["stopped"]]);
});

t.test(
  "lives that end soon after they began are followed ever later, a long one at once",
  async (t) => {
    const { clock, lives, current } = setUp(true);
    for (let i = 0; i < 9; i++) {
      const known = lives.length;
      current().run({ kind: "fence", why: "a newer log" });
      for (let ms = 0; lives.length === known && ms < 60_000; ms += 10) clock.pass(10);
    }
    const waits = lives.slice(1).map(({ atMs }, index) => atMs - (lives[index]?.atMs ?? 0));
    t.ok((waits[0] ?? 0) < 200, "the first at once");
    t.ok((waits[5] ?? 0) >= 3_200);
    t.ok((waits[8] ?? 0) >= 5_000 && (waits[8] ?? 0) < 5_200, "but no later than that");
    clock.pass(20_000);
    const endedAtMs = clock.nowMs;
    const known = lives.length;
    current().run({ kind: "fence", why: "deposed" });
    clock.pass(300);
    t.equal(lives.length, known + 1);
    t.ok((lives.at(-1)?.atMs ?? 0) - endedAtMs < 200);
  },
);

t.test("a short life that was of use is followed at once, as often as it happens", async (t) => {
  const { clock, lives, current } = setUp(true);
  for (let i = 0; i < 9; i++) {
    const known = lives.length;
    current().served = true;
    current().run({ kind: "fence", why: "has given the lead away" });
    clock.pass(300);
    t.equal(lives.length, known + 1);
  }
});
