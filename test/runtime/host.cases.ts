/** The rules of P-1 as stories: what an actor asked for, and what left in which order. */
import t from "tap";
import {
  type AnyMessage,
  asId,
  decodeChunk,
  encodeChunk,
  encodeCredit,
  MASTER_PEER,
  type Peer,
  type Principal,
} from "#protocol";
import { BATCH_EFFECTS_MAX, type Effect, MAILBOX_UNSOLICITED_MAX } from "#runtime";
import { Desk } from "./story.ts";
import { A1, A2, SUBJECTS } from "./scripted.ts";

function usage(n: number): AnyMessage {
  const body = { frameworkId: `f${n}`, executorId: "e", status: n };
  return { kind: "ExitedExecutor", body } as AnyMessage;
}

const toMaster = (n: number, after?: string | readonly string[]): Effect => ({
  kind: "send",
  to: MASTER_PEER,
  message: usage(n),
  ...(after === undefined ? {} : { after }),
});

const kill = (to: Peer, taskId: string, after?: string): Effect => ({
  kind: "send",
  to,
  message: { kind: "KillTask", body: { frameworkId: "f", taskId } } as AnyMessage,
  ...(after === undefined ? {} : { after }),
});

const append = (token: string): Effect => ({
  kind: "append",
  token,
  expected: 0,
  record: new Uint8Array(1),
});

const write = (token: string): Effect => ({
  kind: "write",
  token,
  mode: "replace",
  path: "state",
  bytes: new Uint8Array(1),
});

t.test("a session opens, carries messages both ways and is acknowledged", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.a1.run(toMaster(1));
  desk.master.run(kill(A1, "t1"));
  desk.clock.pass(5_000);
  t.same(desk.master.seen, [
    "entered working by xstate.init",
    "link agent.a1 hello",
    "link agent.a2 hello",
    "mail ExitedExecutor from agent.a1",
  ]);
  t.same(desk.a1.seen, [
    "entered working by xstate.init",
    "link master come",
    "mail KillTask from master",
  ]);
  t.same(desk.refusals(), []);
});

t.test("all messages of a drain leave in one frame for each peer", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.frames.length = 0;
  desk.a1.run(toMaster(1), toMaster(2), toMaster(3));
  desk.clock.settle();
  t.same(desk.frames, ["agent.a1 → master #1 ExitedExecutor f1 f2 f3"]);
});

t.test(
  "durable first, then said: a held message holds back its peer and nobody else",
  async (t) => {
    const desk = new Desk();
    desk.connect();
    desk.frames.length = 0;
    desk.master.run(
      kill(A1, "before"),
      kill(A1, "held", "x"),
      kill(A1, "behind"),
      kill(A2, "other"),
      append("x"),
    );
    desk.clock.pass(100);
    t.same(desk.said("KillTask"), [
      "master → agent.a1 #1 KillTask before",
      "master → agent.a2 #1 KillTask other",
    ]);
    desk.masterPorts.log.open.shift()?.({ kind: "committed", position: 1 });
    desk.clock.settle();
    t.same(desk.said("KillTask").slice(2), ["master → agent.a1 #2 KillTask held behind"]);
    desk.master.run(kill(A1, "later", "x"));
    desk.clock.settle();
    t.same(desk.said("KillTask").slice(3), ["master → agent.a1 #3 KillTask later"]);
  },
);

t.test("a message after two tokens waits for both; a void token takes only its own", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.frames.length = 0;
  desk.a1.run(
    write("w1"),
    write("w2"),
    toMaster(1, ["w1", "w2"]),
    toMaster(2, "never"),
    toMaster(3),
  );
  desk.clock.settle();
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.settle();
  t.same(desk.said("ExitedExecutor"), []);
  desk.a1Ports.disk.open.shift()?.({ kind: "full" });
  desk.clock.settle();
  t.same(desk.said("ExitedExecutor"), [], "a full disk is not durable");
  desk.a1.run(write("w2"));
  desk.clock.settle();
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.settle();
  t.same(desk.said("ExitedExecutor"), ["agent.a1 → master #1 ExitedExecutor f1"]);
  desk.a1.run({ kind: "settle", token: "never", durable: false });
  desk.clock.settle();
  t.same(desk.said("ExitedExecutor").slice(1), ["agent.a1 → master #2 ExitedExecutor f3"]);
});

t.test("a batch ends when it has asked for enough, and the rest follows in the next", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.frames.length = 0;
  let handled = 0;
  desk.master.script = (input, out) => {
    if (input.family !== "mail") return;
    handled += 1;
    out.push(kill(A2, `t${handled}`));
    for (let n = 1; n < BATCH_EFFECTS_MAX / 2; n++)
      out.push({ kind: "count", name: "n", reason: "r" });
  };
  desk.a1.run(toMaster(1), toMaster(2), toMaster(3));
  desk.clock.settle();
  t.same(desk.said("KillTask"), [
    "master → agent.a2 #1 KillTask t1 t2",
    "master → agent.a2 #2 KillTask t3",
  ]);
});

t.test("words to neighbours and the launcher wait for tokens too, in their lanes", async (t) => {
  const desk = new Desk();
  const heard: string[] = [];
  desk.a1.actor.connect("isolator", { tell: (_by, { kind }) => void heard.push(kind) });
  desk.a1.actor.connect("other", { tell: (_by, { kind }) => void heard.push(kind) });
  const tell = (to: string, kind: string, after?: string): Effect => ({
    kind: "tell",
    to,
    message: { kind },
    ...(after === undefined ? {} : { after }),
  });
  desk.a1.run(
    tell("isolator", "held", "w"),
    tell("isolator", "behind"),
    tell("other", "free"),
    write("w"),
  );
  desk.clock.settle();
  t.same(heard, ["free"]);
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.settle();
  t.same(heard, ["free", "held", "behind"]);
});

t.test("from the fence on nothing leaves: not the batch, nothing held, no timer", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.master.run(append("x"), kill(A1, "held", "x"), { kind: "timer", name: "tick", inMs: 50 });
  desk.clock.settle();
  desk.frames.length = 0;
  const ends: string[] = [];
  desk.master.actor.onEnd(({ kind, why }) => ends.push(`${kind} ${why}`));
  desk.master.run(
    kill(A2, "in the same batch, before"),
    { kind: "fence", why: "another leads" },
    kill(A2, "in the same batch, behind"),
    append("y"),
    { kind: "lifecycle", event: { type: "Depose" } },
  );
  desk.clock.settle();
  t.equal(desk.masterPorts.log.open.length, 1, "the append behind the fence was not made");
  desk.masterPorts.log.open.shift()?.({ kind: "committed", position: 1 });
  desk.a1.run(toMaster(9));
  desk.clock.pass(1_000);
  t.same(
    desk.said("").filter((line) => line.startsWith("master →")),
    [],
  );
  t.same(ends, ["ended another leads"]);
  t.equal(desk.master.seen.at(-1), "entered deposed by Depose");
  t.notOk(desk.master.actor.alive);
});

t.test("a mute actor holds everything and loses nothing", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.frames.length = 0;
  const beacon = {
    kind: "Beacon",
    body: {
      masterId: "m",
      epoch: 1,
      logId: "l",
      generation: 0,
      position: 1,
      hash: "",
      windowMs: 0,
      intervalMs: 1_000,
    },
  } as AnyMessage;
  desk.master.run({ kind: "mute", mute: true }, kill(A1, "t1"), {
    kind: "publish",
    topic: "leader",
    message: beacon,
  });
  desk.a1.run(toMaster(1));
  desk.clock.pass(400);
  t.same(
    desk.said("").filter((line) => line.startsWith("master →")),
    [],
  );
  t.equal(desk.master.seen.at(-1), "mail ExitedExecutor from agent.a1", "but it hears");
  desk.master.run({ kind: "mute", mute: false }, kill(A1, "t2"));
  desk.clock.pass(100);
  const said = desk.said("").filter((line) => line.startsWith("master →"));
  t.match(said, ["master → leader #0 Beacon", "master → agent.a1 #1 KillTask t1 t2"]);
  t.ok(desk.a1.actor.alive);
  t.same(desk.refusals(), []);
});

t.test("lifecycle events are given in the order of the effects", async (t) => {
  const desk = new Desk();
  desk.a1.run(
    { kind: "count", name: "story", reason: "before" },
    { kind: "lifecycle", event: { type: "Rest" } },
    { kind: "timer", name: "later", inMs: 10 },
  );
  desk.clock.pass(100);
  t.same(desk.a1.seen, ["entered working by xstate.init", "entered resting by Rest"]);
  t.equal(desk.a1.actor.lifecycle(), "resting");
  desk.a1.run({ kind: "lifecycle", event: { type: "Wake" } });
  desk.clock.pass(100);
  t.equal(desk.a1.actor.lifecycle(), "resting", "what neighbours say waits while it rests");
});

t.test("a resting actor hears its own writes and nothing else until it wakes", async (t) => {
  const desk = new Desk();
  desk.a1.run(
    write("w"),
    { kind: "timer", name: "tick", inMs: 5 },
    {
      kind: "lifecycle",
      event: { type: "Rest" },
    },
  );
  desk.clock.settle();
  desk.a1.onDone = (out) => out.push({ kind: "lifecycle", event: { type: "Wake" } });
  desk.clock.pass(10);
  t.notOk(desk.a1.seen.some((line) => line.startsWith("due tick")));
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.pass(10);
  t.same(desk.a1.seen.slice(2), ["write w done", "entered working by Wake", "due tick late 0"]);
});

t.test("a handler that throws voids its batch, kills the actor and names the sender", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.master.script = (input, out) => {
    if (input.family !== "mail") return;
    out.push(kill(A2, "never"));
    if (input.from === A1) throw new Error("cannot");
  };
  const ends: unknown[] = [];
  desk.master.actor.onEnd((end) => ends.push(end));
  desk.frames.length = 0;
  desk.a2.run(toMaster(1));
  desk.a1.run(toMaster(2));
  desk.clock.pass(3_000);
  t.same(ends, [{ kind: "died", why: "cannot", by: A1 }]);
  t.same(
    desk.said("").filter((line) => line.startsWith("master →")),
    [],
    "nothing leaves",
  );
  t.notOk(desk.master.actor.alive);
});

t.test("timers stand behind mail that arrived before, and say how late they are", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.master.run({ kind: "timer", name: "tick", inMs: 100 });
  desk.clock.settle();
  desk.a1.run(toMaster(1));
  desk.clock.settle();
  desk.clock.nowMs += 150;
  desk.a1.run(toMaster(2));
  desk.clock.pass(1);
  t.same(desk.master.seen.slice(-3), [
    "mail ExitedExecutor from agent.a1",
    "mail ExitedExecutor from agent.a1",
    "due tick late 50",
  ]);
});

t.test("a timer that fires while mail waits comes behind that mail", async (t) => {
  const desk = new Desk({ batchMax: () => 1 });
  desk.connect();
  desk.master.run({ kind: "timer", name: "tick", inMs: 100 });
  desk.clock.settle();
  desk.master.work = () => {
    desk.clock.nowMs += 60;
    desk.clock.fireDue();
  };
  desk.a1.run(toMaster(1), toMaster(2), toMaster(3));
  desk.clock.settle();
  t.same(desk.master.seen.slice(-4), [
    "mail ExitedExecutor from agent.a1",
    "mail ExitedExecutor from agent.a1",
    "mail ExitedExecutor from agent.a1",
    "due tick late 20",
  ]);
});

t.test("a timer armed again or cancelled is void even when it waits in the mailbox", async (t) => {
  const desk = new Desk({ batchMax: () => 1 });
  const timer = (name: string, inMs: number): Effect => ({ kind: "timer", name, inMs });
  desk.a1.run(timer("first", 10), timer("again", 10), timer("gone", 10));
  desk.a1.script = (input, out) => {
    if (input.family !== "due" || input.timer !== "first") return;
    out.push(timer("again", 500), { kind: "cancel-timer", name: "gone" });
  };
  desk.clock.pass(100);
  t.same(desk.a1.seen.slice(1), ["due first late 0"]);
  desk.clock.pass(1_000);
  t.same(desk.a1.seen.slice(2), ["due again late 0"]);
});

t.test("a batch ends at its limit and at ten milliseconds of work", async (t) => {
  const desk = new Desk();
  const handledAtMs: number[] = [];
  desk.a1.script = () => void handledAtMs.push(desk.clock.nowMs);
  desk.a1.work = () => {
    desk.clock.nowMs += 1;
  };
  for (let i = 0; i < 40; i++) desk.a1.actor.tell("test", { kind: "said" });
  const drains = desk.clock.count(() => desk.clock.settle());
  t.equal(handledAtMs.length, 40);
  t.equal(drains, 3, "two batches end by time, the third has the rest");
});

t.test("what nobody granted is bounded; what the actor asked for comes before it", async (t) => {
  const desk = new Desk();
  for (let i = 0; i < MAILBOX_UNSOLICITED_MAX + 5; i++) desk.a1.actor.tell("x", { kind: "said" });
  desk.clock.pass(10);
  t.equal(desk.a1.seen.filter((line) => line === "told").length, MAILBOX_UNSOLICITED_MAX);
  t.same(desk.refusals(), ["dropped mailbox-full 5"]);
});

t.test("a port that throws is an answer, not an end", async (t) => {
  const desk = new Desk();
  desk.masterPorts.log.throwing = true;
  desk.master.run(append("x"));
  desk.clock.pass(10);
  t.same(desk.master.seen.slice(1), ["append x unknown"]);
  t.ok(desk.master.actor.alive);
  t.equal(desk.master.actor.counters.get("port-threw", "log"), 1);
});

t.test(
  "a conflict is told and fences nothing by itself; a failed disk ends the actor",
  async (t) => {
    const desk = new Desk();
    desk.connect();
    desk.master.run(append("x"), kill(A1, "held", "x"));
    desk.clock.settle();
    desk.masterPorts.log.open.shift()?.({ kind: "conflict" });
    desk.clock.settle();
    t.equal(desk.master.seen.at(-1), "append x conflict");
    t.same(desk.said("KillTask"), []);
    desk.master.run({ kind: "settle", token: "x", durable: true });
    desk.clock.settle();
    t.same(desk.said("KillTask"), ["master → agent.a1 #1 KillTask held"], "the writer proved it");
    const ends: string[] = [];
    desk.a1.actor.onEnd(({ kind, why }) => ends.push(`${kind}: ${why}`));
    desk.a1.run(write("w"));
    desk.clock.settle();
    desk.a1Ports.disk.open.shift()?.({ kind: "failed", why: "EIO" });
    t.same(ends, ["died: the disk failed at state: EIO"]);
  },
);

t.test("stop ends an actor when its machine is through; kill ends it at once", async (t) => {
  const desk = new Desk();
  desk.connect();
  const ends: string[] = [];
  desk.a1.actor.onEnd(({ kind, why }) => ends.push(`${kind}: ${why}`));
  desk.a1.run(toMaster(1));
  desk.a1.actor.stop(() => ends.push("stopped"));
  desk.clock.settle();
  t.same(ends, ["ended: ended", "stopped"]);
  desk.a2.actor.onEnd(() => ends.push("never"));
  desk.frames.length = 0;
  desk.a2.run(toMaster(2));
  desk.a2.actor.kill();
  desk.clock.pass(5_000);
  t.equal(ends.length, 2);
  t.same(
    desk.said("").filter((line) => line.startsWith("agent.a2")),
    [],
  );
});

t.test("a token that is used again waits again", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.frames.length = 0;
  desk.a1.run(write("journal"), toMaster(1, "journal"));
  desk.clock.settle();
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.settle();
  desk.a1.run(write("journal"), toMaster(2, "journal"));
  desk.clock.settle();
  t.same(desk.said("ExitedExecutor"), ["agent.a1 → master #1 ExitedExecutor f1"]);
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.settle();
  t.equal(desk.said("ExitedExecutor").length, 2);
});

t.test("byte streams go beside the sessions, and their credits come in", async (t) => {
  const desk = new Desk();
  const chunks: Uint8Array[] = [];
  const principal = asId<Principal>("a1");
  const subject = SUBJECTS.stream(principal, "s1", "out");
  desk.masterPorts.bus.subscribe(subject, ({ data }) => void chunks.push(data));
  const chunk = { offset: 0, end: 5, eof: true, bytes: Uint8Array.of(1, 2, 3, 4, 5) };
  desk.a1.run(
    { kind: "listen-credits", streamId: "s1", listen: true },
    { kind: "chunk", streamId: "s1", data: encodeChunk(chunk) },
  );
  desk.clock.settle();
  t.same(chunks.map(decodeChunk), [chunk]);
  const credits = SUBJECTS.stream(principal, "s1", "in");
  for (const data of [encodeCredit(3), Uint8Array.of(0xff)]) {
    desk.masterPorts.bus.publish(credits, data);
  }
  desk.clock.settle();
  t.same(desk.a1.seen.slice(1), ["credit"]);
  t.equal(desk.a1.actor.counters.get("dropped", "decode-failed"), 1);
  desk.a1.run({ kind: "listen-credits", streamId: "s1", listen: false });
  desk.clock.settle();
  desk.masterPorts.bus.publish(credits, encodeCredit(1));
  desk.clock.settle();
  t.same(desk.a1.seen.slice(1), ["credit"]);
});

t.test(
  "nothing leaves after the lease, acknowledgements neither, until there is another",
  async (t) => {
    const desk = new Desk();
    desk.connect();
    const said = (): string[] => desk.said("").filter((line) => line.startsWith("master →"));
    desk.master.run({ kind: "lease", untilMs: desk.clock.nowMs + 100 });
    desk.clock.pass(95);
    desk.frames.length = 0;
    // Due 20 ms later: by a timer of the host, which no word of the actor precedes.
    desk.a1.run(toMaster(1));
    desk.clock.pass(300);
    t.same(said(), []);
    desk.master.run(kill(A1, "t1"));
    desk.clock.pass(100);
    t.same(said(), [], "nor what the actor says");
    desk.master.run({ kind: "lease", untilMs: desk.clock.nowMs + 60_000 });
    desk.clock.pass(100);
    t.match(said(), ["master → agent.a1 #1 KillTask t1"]);
  },
);
