/** Whether a broker stands with the others: what it makes of their answers, and what it does then. */
import t from "tap";
import { type BrokerAnswer, Formation, standingOf } from "#daemon";

const answer = (name: string, leader: string, replicas?: readonly string[]): BrokerAnswer => ({
  server: { name },
  data: {
    meta_cluster: {
      leader,
      ...(replicas === undefined ? {} : { replicas: replicas.map((one) => ({ name: one })) }),
    },
  },
});

t.test("the leader's list says who belongs to it", (t) => {
  const whole = [answer("b1", "b2"), answer("b2", "b2", ["b3", "b1"]), answer("b3", "b2")];
  t.same(standingOf("b1", whole), { kind: "together", leader: "b2", all: ["b1", "b2", "b3"] });
  t.same(standingOf("b2", whole), { kind: "together", leader: "b2", all: ["b1", "b2", "b3"] });
  // As nats-server 2.10.27 answered: b3 knows who leads, and is not counted.
  const short = [answer("b1", "b2"), answer("b2", "b2", ["b1"]), answer("b3", "b2")];
  t.same(standingOf("b3", short), { kind: "left-out", leader: "b2", all: ["b1", "b2"] });
  t.equal(standingOf("b1", short).kind, "together");
  t.end();
});

t.test("without the answer of one leader nothing is known", (t) => {
  t.same(standingOf("b1", [answer("b1", "")]), { kind: "no-leader", heard: ["b1"] });
  t.equal(standingOf("b1", [answer("b1", "b2")]).kind, "no-leader", "the leader is not heard");
  const two = [answer("b1", "b1", ["b2"]), answer("b2", "b2", ["b1"])];
  t.equal(standingOf("b3", two).kind, "no-leader", "two say that they lead");
  t.equal(standingOf("b1", [{}, { server: {} }]).kind, "no-leader", "answers of another shape");
  t.end();
});

const LEFT_OUT = { kind: "left-out", leader: "b2", all: ["b1", "b2"] } as const;
const TOGETHER = { kind: "together", leader: "b2", all: ["b1", "b2", "b3"] } as const;

t.test("who is left out is started again, ever more rarely", (t) => {
  const formation = new Formation("b3", 3);
  t.same(formation.see(LEFT_OUT, 0), { again: false });
  t.same(formation.see(LEFT_OUT, 7_000), { again: false });
  const first = formation.see(LEFT_OUT, 8_000);
  t.equal(first.again, true);
  t.match(first.say, /b2, which leads the brokers, has left b3 out for 8 s \(it counts b1, b2\)/);
  t.same(formation.see(LEFT_OUT, 10_000), { again: false });
  t.same(formation.see(LEFT_OUT, 20_000), { again: false }, "it is given twice the time");
  t.equal(formation.see(LEFT_OUT, 26_000).again, true);
  t.match(formation.see(TOGETHER, 30_000), { say: /b1, b2, b3 hold the log together; b2 leads/ });
  t.same(formation.see(TOGETHER, 32_000), { again: false }, "it is said once");
  formation.see(LEFT_OUT, 40_000);
  t.equal(formation.see(LEFT_OUT, 48_000).again, true, "and begins anew");
  t.end();
});

t.test("a moment out of the list is none, and a broker alone is told so", (t) => {
  const formation = new Formation("b3", 3);
  formation.see(LEFT_OUT, 0);
  formation.see(TOGETHER, 7_000);
  t.same(formation.see(LEFT_OUT, 9_000), { again: false });
  const alone = { kind: "no-leader", heard: ["b3"] } as const;
  t.same(formation.see(alone, 10_000), { again: false });
  t.match(formation.see(alone, 25_000), {
    say: /no broker leads: of 3 b3 can be heard here; 2 must run/,
    again: false,
  });
  t.same(formation.see(alone, 60_000), { again: false });
  const voting = { kind: "no-leader", heard: ["b1", "b3"] } as const;
  t.match(formation.see(voting, 61_000), { say: /no broker leads: b1, b3 hear each other and/ });
  t.end();
});
