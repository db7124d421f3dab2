/** A master and its log: election, proof, silence, deposition, as stories. */
import t from "tap";
import { agentPeer, asId, type Principal } from "#protocol";
import { type LogBytes, open, seal, SINGLE_MASTER_TIMES } from "#replication";
import { register } from "./cluster.ts";
import { Stage } from "./stage.ts";

t.test("an empty log is named, led and proven by its first master", async (t) => {
  const stage = new Stage();
  stage.elapse(2000);
  t.same(stage.take(), [
    "is campaigning",
    "log ← LogCreated, LeaderElected",
    "is recovering",
    "is leading",
  ]);
  t.ok(stage.log.length >= 4, "a proof every half second");
  t.equal(stage.state.epoch, 1);
});

/** What a master that led for a while has left. */
function past(): LogBytes[] {
  const stage = new Stage().lead();
  stage.elapse(1000);
  return stage.log;
}

t.test("a standby waits until its predecessor is silent for certain", async (t) => {
  const log = past();
  const stage = new Stage({ log, name: "m2" });
  stage.elapse(990);
  t.same(stage.take(), [], "the log must have answered for two proof intervals");
  stage.elapse(300);
  t.same(stage.take(), ["is campaigning", "log ← LeaderElected", "is recovering", "mute"]);
  stage.elapse(1000);
  t.same(stage.take(), ["speaks", "is leading"], "1.6 s after the last record it received");
});

t.test("a standby stays one while the leader's subject answers and the log goes on", async (t) => {
  const leader = new Stage().lead();
  const standby = new Stage({ log: leader.log, name: "m2" });
  standby.ask = "timeout";
  for (let step = 0; step < 100; step += 1) {
    leader.elapse(100);
    standby.elapse(100);
  }
  t.equal(standby.lifecycle, "standby");
  standby.elapse(4600);
  t.equal(standby.lifecycle !== "standby", true, "the log fell silent");
});

t.test("a master whose id is locked does not wait for its own earlier life", async (t) => {
  const stage = new Stage({ log: past(), masterIdLocked: true });
  stage.elapse(300);
  t.equal(stage.lifecycle, "leading");
  const single = new Stage({ masterIdLocked: true, election: SINGLE_MASTER_TIMES });
  single.elapse(3000);
  t.equal(single.lifecycle, "leading");
});

t.test("a lock of the log's adapter needs no proofs", async (t) => {
  const stage = new Stage({ exclusive: true, log: past(), name: "m2" });
  stage.elapse(10_000);
  t.equal(stage.lifecycle, "leading");
  const { length } = stage.log;
  stage.elapse(10_000);
  t.equal(stage.log.length, length);
});

t.test("a leader that cannot prove its lead is mute until it can", async (t) => {
  const stage = new Stage().lead();
  stage.moods.push("late");
  stage.elapse(3000);
  t.same(stage.take(), ["mute"]);
  stage.settleLog();
  stage.elapse(700);
  t.same(stage.take(), ["speaks"]);
});

t.test("an answer that is unknown is resolved by reading", async (t) => {
  const stage = new Stage().lead();
  stage.moods.push("unknown", "conflict");
  register(stage, "a1");
  stage.elapse(2000);
  t.match(stage.taken("agent.a1"), ["agent.a1 ← Come", /AgentRegistered/]);
  t.equal(stage.ended, undefined, "a conflict that nobody's record proves is none");
});

t.test("another master's record deposes at once, and nothing leaves any more", async (t) => {
  const stage = new Stage().lead();
  const rival = new Stage({ log: stage.log, name: "m2" });
  rival.lead();
  stage.take();
  register(stage, "a1");
  stage.elapse(1000);
  t.same(stage.take(), ["agent.a1 ← Come", "log ← AgentAdmitted a1", "fence"]);
  t.match(stage.ended, /m2 wrote position/);
});

t.test("who loses an election stands by again, and follows the winner", async (t) => {
  const first = new Stage({ name: "m1", moods: ["late"] });
  const second = new Stage({ name: "m2", log: first.log });
  first.settleLog();
  first.elapse(100);
  t.match(first.take(), ["is campaigning", "log ← LogCreated, LeaderElected", "is standby"]);
  t.equal(second.lifecycle, "leading");
  t.equal(first.state.registry.leader, "m2");
});

t.test("a log that ends before what this master has seen is not led", async (t) => {
  const log = past();
  const opened = log.map(({ record }) => open(record));
  const last = opened.at(-1);
  if (last?.kind !== "record") throw new Error("no record");
  const logId = new Stage({ log }).lead().state.registry.logId ?? "";
  const { hash } = last;
  const witness = { logId, generation: 0, position: log.length, hash };
  const cut = new Stage({ log: log.slice(0, 2), name: "m1", witness });
  cut.elapse(10_000);
  t.match(cut.ended, /log went backwards/);
  t.match(cut.take(), ["another copy of the log is asked for: it ends at 2", "fence"]);
});

t.test("a leader under whom the log grows shorter asks for another copy, and ends", async (t) => {
  const stage = new Stage({ log: past(), name: "m1" }).lead();
  const cut = stage.log.length - 3;
  stage.log.splice(cut);
  stage.take();
  stage.elapse(20_000);
  t.match(stage.ended, /log went backwards: position \d+, which was committed, is not there/);
  t.ok(stage.take().some((line) => line.startsWith("another copy of the log is asked for")));
});

t.test("a broken chain stops the master", async (t) => {
  const log = past();
  const opened = open(log[1]?.record ?? new Uint8Array());
  if (opened.kind !== "record") throw new Error(opened.kind);
  const forged = seal({ ...opened.record, previous: "00" }).bytes;
  const stage = new Stage({ log: [...log.slice(0, 1), { position: 2, record: forged }] });
  t.match(stage.ended, /position 2 follows 00/);
});

t.test("after a reconnection it is mute until an append commits", async (t) => {
  const stage = new Stage().lead();
  stage.elapse(100);
  stage.take();
  stage.moods.push("late");
  stage.done({ what: "bus", connected: true, why: "" });
  t.same(stage.take(), ["mute"]);
  stage.settleLog();
  t.same(stage.take(), ["speaks"]);
});

t.test("who asks hears who leads, and is spread among those who ask", async (t) => {
  const stage = new Stage().lead();
  const ask = (name: string): void =>
    stage.done({ what: "sought", peer: agentPeer(asId<Principal>(name)) });
  for (const name of ["a", "b", "c"]) ask(name);
  const { epoch } = stage.state;
  t.same(stage.taken("Beacon"), [
    `agent.a ← Beacon of ${epoch}, window 2`,
    `agent.b ← Beacon of ${epoch}, window 4`,
    `agent.c ← Beacon of ${epoch}, window 6`,
  ]);
  for (let n = 0; n < 1000; n++) ask("a");
  t.match(stage.taken("Beacon").at(-1), /window 1000$/);
  stage.elapse(1000);
  ask("d");
  t.match(stage.taken("Beacon"), [/^agent.d ← .* window 2$/]);
});

t.test("a leader is heard of when the broker has its subscriptions, not before", async (t) => {
  const standby = new Stage({ log: past(), name: "m2" });
  t.equal(standby.lifecycle, "standby");
  t.same([...standby.hears], [], "a standby hears nobody");
  const stage = new Stage({ reachesBroker: false });
  stage.elapse(3000);
  const ask = (): void => stage.done({ what: "sought", peer: agentPeer(asId<Principal>("a")) });
  ask();
  t.equal(stage.lifecycle, "leading");
  t.same([...stage.hears].sort(), ["from-agents", "from-frameworks", "from-operators"]);
  t.notOk(stage.state.announced);
  t.same(stage.taken("Beacon"), []);
  stage.reachesBroker = true;
  stage.elapse(1000);
  ask();
  t.ok(stage.state.announced);
  t.equal(stage.taken("Beacon").length, 1);
});
