/** Sessions between hosts (P-3), and what hostile peers achieve: counts and nothing else. */
import t from "tap";
import {
  type AnyMessage,
  asId,
  decodeSingle,
  encodeFrame,
  encodeNobody,
  encodePlain,
  encodeSingle,
  type Kind,
  MASTER_PEER,
  operatorPeer,
  type Principal,
} from "#protocol";
import type { Effect } from "#runtime";
import { processorMsOf } from "../support/processor.ts";
import { DeskRandom, deskPorts } from "./desk.ts";
import { A1, A2, addressOf, startScripted, SUBJECTS } from "./scripted.ts";
import { Desk, exited, mails, toMaster } from "./story.ts";

const UUID = "0b8d5a4e-6e0c-4a51-8f7e-9a4f2c1d3e55";
const frame = (fields: object): Parameters<typeof encodeFrame>[0] => ({
  epoch: 1,
  session: UUID,
  number: 1,
  ack: 0,
  window: 1,
  ...fields,
});

function message(kind: Kind, body: object): Uint8Array {
  return encodePlain([kind, 0, 0, encodePlain(body)]);
}

t.test("a frame lost in the middle closes the session on both sides at once", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.broker.lose = (subject) => subject.endsWith("a1");
  desk.a1.run(toMaster(1));
  desk.clock.settle();
  desk.broker.lose = () => false;
  desk.a1.run(toMaster(2));
  desk.clock.settle();
  t.equal(mails(desk), 0, "what comes behind a hole is not handled");
  t.equal(desk.master.seen.at(-1), "link agent.a1 closed gap");
  t.equal(desk.a1.seen.at(-1), "link master closed gap");
  t.ok(
    desk.a2.seen.every((line) => !line.includes("closed")),
    "others go on",
  );
  desk.a1.run(toMaster(3));
  desk.clock.settle();
  t.equal(desk.a1.actor.counters.get("dropped", "no-session"), 1, "there is nowhere to say it");
});

t.test("a lost tail is noticed within two seconds without another word", async (t) => {
  const desk = new Desk();
  desk.connect();
  let lose = true;
  desk.broker.lose = (subject) => lose && subject.endsWith("a1");
  desk.a1.run(toMaster(1));
  desk.clock.settle();
  lose = false;
  desk.clock.pass(2_000);
  t.equal(desk.a1.seen.at(-1), "link master closed gap");
  t.equal(desk.master.seen.at(-1), "link agent.a1 closed gap");
});

t.test("a reconnect without a loss is no gap; with one it is", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.a1Ports.bus.cut();
  desk.clock.pass(500);
  desk.a1Ports.bus.mend();
  desk.clock.pass(3_000);
  desk.a1.run(toMaster(1));
  desk.clock.pass(100);
  t.equal(mails(desk), 1);
  desk.a1Ports.bus.cut();
  desk.a1.run(toMaster(2));
  desk.clock.pass(100);
  t.equal(desk.a1.actor.counters.get("dropped", "bus-down"), 1);
  desk.a1Ports.bus.mend();
  desk.clock.settle();
  t.equal(desk.a1.seen.at(-1), "link master closed gap", "at once, not by a timer");
});

t.test("a lost broker is told once for each reason, and so is its return", async (t) => {
  const desk = new Desk();
  desk.connect();
  const { bus, logger } = desk.a1Ports;
  const told = (): string[] => logger.lines.filter((line) => line.includes("The broker"));
  bus.cut();
  bus.cut();
  t.same(told(), ["warn The broker is lost, and is dialled again: cut"]);
  bus.mend();
  t.equal(told().at(-1), "info The broker is reached again");
  t.equal(told().length, 2);
});

t.test("a Hello whose Come was lost is said again, and the same session opens", async (t) => {
  const desk = new Desk();
  desk.master.run({ kind: "listen", to: "from-agents", listen: true });
  desk.clock.settle();
  desk.broker.lose = (subject) => subject.endsWith("agent.a1") && !subject.includes("master");
  desk.a1.run(
    { kind: "listen", to: "from-master", listen: true },
    { kind: "hello", peer: MASTER_PEER, incarnation: 1 },
  );
  desk.clock.pass(500);
  desk.broker.lose = () => false;
  desk.clock.pass(1_000);
  t.same(desk.a1.seen.slice(1), ["link master come"]);
  t.same(desk.master.seen.slice(1), ["link agent.a1 hello"], "asked once");
});

t.test("a peer's newest Hello is the one that counts, however many it says", async (t) => {
  const desk = new Desk();
  desk.connect();
  for (let i = 0; i < 1_000; i++) {
    const body = { session: `0b8d5a4e-6e0c-4a51-8f7e-${String(i).padStart(12, "0")}` };
    const hello = { ...body, incarnation: 1, epoch: 1, version: 1, kinds: [] };
    const data = encodeFrame(frame({ ...body, number: 0 }), [message("Hello", hello)]);
    desk.a1Ports.bus.publish(SUBJECTS.toMaster(A1), data);
  }
  desk.clock.settle();
  const told = desk.master.seen.filter((line) => line === "link agent.a1 hello").length;
  t.ok(told < 20, `${told} of 1,000 were handed on`);
  t.notOk(desk.master.actor.counters.get("dropped", "mailbox-full"));
});

t.test("a sender never has more under way than the window, and all arrives", async (t) => {
  const desk = new Desk({ windows: { agent: 8, master: 8 } });
  desk.connect();
  let underWay = 0;
  desk.a1.run(...Array.from({ length: 100 }, (_, n) => toMaster(n)));
  desk.frames.length = 0;
  desk.clock.settle();
  underWay = desk.said("#1 ").length;
  t.equal(underWay, 1, "the first frame takes the window");
  desk.clock.pass(1_000);
  t.equal(mails(desk), 100);
  t.same(desk.refusals(), []);
});

t.test("whoever ignores its window is closed before its messages count", async (t) => {
  const desk = new Desk({ windows: { agent: 2 } });
  desk.connect();
  const session = desk.sessionOf(A1);
  const three = [1, 2, 3].map((n) => message("ExitedExecutor", exited(n).body));
  desk.a1Ports.bus.publish(SUBJECTS.toMaster(A1), encodeFrame(frame({ session }), three));
  desk.clock.settle();
  t.equal(mails(desk), 0);
  t.equal(desk.master.seen.at(-1), "link agent.a1 closed window-exceeded");
});

t.test("clients wait for Come until there is room for their window", async (t) => {
  const desk = new Desk({ windows: { agent: 8 }, mailMax: 8 });
  desk.connect();
  t.equal(desk.a1.seen.at(-1), "link master come");
  t.notOk(desk.a2.seen.some((line) => line.startsWith("link master come")));
  desk.master.run({ kind: "close", peer: A1, reason: "no-session" });
  desk.clock.settle();
  t.equal(desk.a2.seen.at(-1), "link master come");
});

t.test("where many come each gets a smaller window, so that nobody is left waiting", async (t) => {
  const desk = new Desk({ windows: { agent: 16 }, mailMax: 24 });
  desk.connect();
  t.equal(desk.a1.seen.at(-1), "link master come");
  t.equal(desk.a2.seen.at(-1), "link master come", "two full windows would be too much");
});

t.test(
  "frames of foreign sessions are answered with Closed once a second, not obeyed",
  async (t) => {
    const desk = new Desk();
    desk.connect();
    desk.frames.length = 0;
    const data = encodeFrame(frame({}), [message("ExitedExecutor", exited(1).body)]);
    for (let i = 0; i < 500; i++) {
      desk.a1Ports.bus.publish(SUBJECTS.toMaster(A1), data);
      desk.clock.pass(10);
    }
    t.equal(mails(desk), 0);
    t.equal(desk.master.actor.counters.get("dropped", "foreign-session"), 500);
    const closed = desk.said("Closed").length;
    t.ok(closed >= 2 && closed <= 5, `${closed} answers in 5 s`);
    t.equal(desk.a1.seen.at(-1), "link master come", "its own session goes on");
  },
);

const REFUSED: readonly [title: string, kind: string, body: object, reason: string][] = [
  ["a kind nobody knows", "Nothing", {}, "unknown-kind"],
  ["a kind of another role", "KILL", { taskId: "t" }, "not-said-by-this-peer"],
  ["a kind of the other direction", "RunTask", {}, "not-said-by-this-peer"],
  ["a system kind in a numbered frame", "Heartbeat", {}, "not-said-by-this-peer"],
  ["a body against its schema", "ExitedExecutor", { frameworkId: "../x" }, "schema-failed"],
];

for (const [title, kind, body, reason] of REFUSED) {
  t.test(`${title} is counted and logged once, and the session goes on`, async (t) => {
    const desk = new Desk();
    desk.connect();
    const session = desk.sessionOf(A1);
    const list = new Array(20).fill([kind, 7, 0, encodePlain(body)]);
    const data = encodePlain([1, 1, session, 1, 0, 1, list]);
    desk.a1Ports.bus.publish(SUBJECTS.toMaster(A1), data);
    desk.clock.settle();
    t.equal(mails(desk), 0);
    t.equal(desk.master.actor.counters.get("dropped", reason), 20);
    t.equal(desk.masterPorts.logger.lines.filter((line) => line.includes(reason)).length, 1);
    t.ok(desk.master.seen.every((line) => !line.includes("closed")));
  });
}

t.test("subjects that name nobody are refused", async (t) => {
  const desk = new Desk();
  desk.connect();
  for (const name of ["-x", "a b", "ü"]) {
    desk.a1Ports.bus.publish(`meseta.desk.master.agent.${name}`, encodeNobody(1));
  }
  desk.clock.settle();
  t.equal(desk.master.actor.counters.get("dropped", "bad-subject"), 3);
});

t.test("100,000 mutated frames are counted and have no effect", async (t) => {
  const desk = new Desk();
  desk.connect();
  const random = new DeskRandom(99);
  const session = desk.sessionOf(A1);
  const good = message("ExitedExecutor", { frameworkId: "f", executorId: "e", status: 1 });
  const hello = message("Hello", {
    session: UUID,
    incarnation: 1,
    epoch: 1,
    version: 1,
    kinds: ["KillTask"],
  });
  const originals = [
    encodeFrame(frame({ session, number: 9 }), [good, good]),
    encodeFrame(frame({ number: 0 }), [hello]),
    encodeFrame(frame({ session: "", number: 0 }), [good]),
    encodeFrame(frame({ session: "foreign" }), [good]),
  ];
  let sent = 0;
  const tookMs = processorMsOf(() => {
    for (let n = 0; n < 100_000; n++) {
      const original = originals[n % originals.length] ?? new Uint8Array(0);
      const data = mutate(original, random);
      if (originals.some((each) => Buffer.compare(each, data) === 0)) continue;
      sent++;
      desk.a2Ports.bus.publish(SUBJECTS.toMaster(A2), data);
      if (n % 100 === 99) desk.clock.settle();
    }
  });
  const microseconds = (tookMs * 1_000) / sent;
  t.ok(desk.master.actor.alive);
  t.equal(mails(desk), 0);
  const counts = desk.master.actor.counters.under("dropped");
  const dropped = [...counts.values()].reduce((sum, count) => sum + count, 0);
  t.ok(dropped > sent * 0.8, `${dropped} of ${sent} counted: ${[...counts].join(" ")}`);
  t.ok(microseconds < 200, `${microseconds.toFixed(1)} µs each, the desk's bus included`);
  t.ok(desk.masterPorts.logger.lines.length < 40, `${desk.masterPorts.logger.lines.length} lines`);
  desk.a1.run(toMaster(1));
  desk.clock.pass(100);
  t.equal(mails(desk), 1, "others are heard as before");
});

function mutate(original: Uint8Array, random: DeskRandom): Uint8Array {
  const data = Uint8Array.from(original);
  switch (random.below(4)) {
    case 0:
      return data.slice(0, random.below(data.length));
    case 1: {
      const longer = new Uint8Array(data.length + 1 + random.below(9));
      longer.set(data);
      return longer;
    }
    default:
      for (let i = 1 + random.below(4); i > 0; i--) {
        data[random.below(data.length)] = random.below(256);
      }
      return data;
  }
}

t.test("an operator's call is answered at the door when it cannot be handed on", async (t) => {
  const desk = new Desk();
  desk.connect();
  const ask = (data: Uint8Array): unknown => {
    let answer: unknown;
    const subject = SUBJECTS.toMaster(operatorPeer(asId<Principal>("people")));
    desk.a1Ports.bus.request(subject, data, 1_000, (outcome) => {
      if (outcome.kind !== "reply") answer = outcome.kind;
      else answer = { message: undefined, ...decodeSingle(outcome.message.data) }.message;
    });
    desk.clock.pass(1_500);
    return answer;
  };
  const wrong = encodePlain([1, 0, "", 0, 0, 0, [["OPERATOR_KILL", 4, 0, encodePlain({})]]]);
  t.match(ask(wrong), { kind: "OPERATOR_ANSWER", re: 4, body: { reason: "schema-failed" } });
  const level: AnyMessage = { kind: "OPERATOR_SET_LOG_LEVEL", body: { level: "info" } };
  const other = encodeSingle(level, 9).bytes ?? new Uint8Array(0);
  t.match(ask(other), { body: { accepted: false, reason: "wrong-epoch", epoch: 1 } });
  desk.master.script = (input, out) => {
    if (input.family !== "mail" || input.reply === undefined) return;
    const body = { accepted: true, epoch: 1 };
    out.push({ kind: "reply", reply: input.reply, message: { kind: "OPERATOR_ANSWER", body } });
  };
  t.match(ask(encodeSingle(level, 0).bytes ?? other), { body: { accepted: true } });
});

t.test("a standby learns at once that nobody leads, and no answer from one who does", async (t) => {
  const desk = new Desk();
  const standby = startScripted(deskPorts(desk.broker, 9), addressOf(MASTER_PEER));
  standby.run({ kind: "ask-leader", token: "q1", timeoutMs: 500 });
  desk.clock.pass(10);
  t.same(standby.asks, ["no-responders"]);
  desk.connect();
  standby.run({ kind: "ask-leader", token: "q2", timeoutMs: 500 });
  desk.clock.pass(600);
  t.same(standby.asks, ["no-responders", "timeout"]);
  const people = operatorPeer(asId<Principal>("people"));
  let outcome = "";
  desk.a1Ports.bus.request(SUBJECTS.toMaster(people), encodeNobody(0), 500, ({ kind }) => {
    outcome = kind;
  });
  desk.clock.pass(600);
  t.equal(outcome, "reply", "people are");
});

t.test("a client that asks who leads hears it alone, where the leader speaks to it", async (t) => {
  const desk = new Desk();
  desk.connect();
  for (const client of [desk.a1, desk.a2]) client.seen.length = 0;
  desk.master.script = (input, out) => {
    if (input.family !== "done" || input.what !== "sought") return;
    const body = { masterId: "m", epoch: 1, logId: "l", generation: 0, position: 1, hash: "" };
    const message = { kind: "Beacon", body: { ...body, windowMs: 2, intervalMs: 1000 } };
    out.push({ kind: "publish", topic: "leader", to: input.peer, message } as Effect);
  };
  desk.a1.run({ kind: "ask-leader", token: "q", timeoutMs: 500 });
  desk.clock.pass(10);
  t.same(desk.a1.seen, ["mail Beacon from master"]);
  t.same(desk.a2.seen, []);
});

t.test(
  "what a refusing state is told is counted by state and kind, and not acknowledged",
  async (t) => {
    const desk = new Desk();
    desk.connect();
    desk.master.run({ kind: "lifecycle", event: { type: "Depose" } });
    desk.a1.run(toMaster(1), toMaster(2));
    desk.clock.pass(100);
    t.equal(desk.master.actor.counters.get("refused", "deposed:ExitedExecutor"), 2);
    t.equal(desk.master.actor.counters.get("dropped", "not-handled-in-this-state"), 2);
    t.equal(mails(desk), 0);
  },
);

t.test("a poisonous peer is refused by name", async (t) => {
  const desk = new Desk({ poisonous: new Set([A1]) });
  desk.connect();
  t.notOk(desk.a1.seen.some((line) => line.startsWith("link master come")));
  t.equal(desk.a2.seen.at(-1), "link master come");
  t.ok(desk.master.actor.counters.get("dropped", "poisonous-sender") > 0);
});

t.test("after a client's own Hello nothing of the older session reaches it", async (t) => {
  const desk = new Desk({ batchMax: () => 1 });
  desk.connect();
  const task = (taskId: string): Effect => ({
    kind: "send",
    to: A1,
    message: { kind: "KillTask", body: { frameworkId: asId("f"), taskId: asId(taskId) } },
  });
  desk.a1.script = (input, out) => {
    if (input.family !== "mail") return;
    out.push({ kind: "hello", peer: MASTER_PEER, incarnation: 2 });
  };
  desk.master.run(task("t1"), task("t2"), task("t3"));
  desk.clock.pass(100);
  t.equal(desk.a1.seen.filter((line) => line.startsWith("mail")).length, 1);
  t.equal(desk.a1.actor.counters.get("dropped", "old-session"), 2);
  t.equal(desk.a1.seen.at(-1), "link master come");
});

t.test("ten thousand peers cost two timers and nothing while they are silent", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.clock.pass(2_000);
  const before = desk.frames.length;
  desk.clock.pass(60_000);
  t.equal(desk.frames.length, before, "an idle session says nothing by itself");
  t.equal(desk.clock.timers, 0);
});

t.test("peers without a session make room for others; those with one do not", async (t) => {
  const desk = new Desk({ peersMax: 1 });
  desk.connect();
  t.equal(desk.a1.seen.at(-1), "link master come");
  t.equal(desk.master.actor.counters.get("dropped", "mailbox-full"), 1, "no place for the second");
  desk.master.run({ kind: "close", peer: A1, reason: "no-session" });
  desk.clock.pass(1_500);
  t.equal(desk.a2.seen.at(-1), "link master come", "its next Hello finds one");
});

t.test("a client that gives up before Come is not let in afterwards", async (t) => {
  const desk = new Desk();
  desk.master.onHello = () => undefined;
  desk.connect();
  const session = desk.sessionOf(A1);
  const closed = message("Closed", { session, reason: "no-session" });
  const data = encodeFrame(frame({ session, number: 0 }), [closed]);
  desk.a1Ports.bus.publish(SUBJECTS.toMaster(A1), data);
  desk.clock.settle();
  desk.master.run({ kind: "come", peer: A1, session: asId(session) });
  desk.clock.settle();
  t.notOk(desk.a1.seen.some((line) => line === "link master come"));
  t.equal(desk.master.actor.counters.get("dropped", "old-session"), 1);
});
