/** In which epoch each end speaks, and what a change of it ends (P-4.3, P-4.5). */
import t from "tap";
import {
  agentPeer,
  asId,
  type ContainerId,
  executorPeer,
  MASTER_PEER,
  type Peer,
  type Principal,
} from "#protocol";
import type { Effect } from "#runtime";
import { deskPorts } from "./desk.ts";
import { A2, addressOf, startScripted } from "./scripted.ts";
import { Desk, mails, toMaster } from "./story.ts";

t.test("a lower epoch is not obeyed; another epoch is told that its session is over", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.epoch = 2;
  desk.a1.run(toMaster(1));
  desk.clock.pass(100);
  t.equal(mails(desk), 0);
  t.equal(desk.master.actor.counters.get("dropped", "lower-epoch"), 1);
  t.equal(desk.a1.seen.at(-1), "link master closed lower-epoch");
  desk.epoch = 0;
  desk.master.run({
    kind: "send",
    to: A2,
    message: { kind: "ReconcileTasks", body: { tasks: [] } },
  });
  desk.clock.pass(100);
  t.notOk(desk.a2.seen.some((line) => line.startsWith("mail ReconcileTasks from master")));
  t.ok(desk.a2.actor.counters.get("dropped", "lower-epoch") >= 1);
});

t.test("a client that knows a newer epoch says nothing more in an older session", async (t) => {
  const desk = new Desk();
  desk.connect();
  desk.frames.length = 0;
  const held: Effect = { ...toMaster(1), after: "x" } as Effect;
  desk.a1.run({ kind: "write", token: "x", path: "p", bytes: new Uint8Array(1), mode: "append" });
  desk.a1.run(held, toMaster(2));
  desk.a2.script = () => {
    desk.agentEpoch = 2;
  };
  desk.master.run({
    kind: "send",
    to: A2,
    message: { kind: "ReconcileTasks", body: { tasks: [] } },
  });
  desk.clock.settle();
  desk.a1Ports.disk.open.shift()?.({ kind: "done" });
  desk.clock.pass(3_000);
  t.same(desk.said("→ master"), [], "neither messages nor acknowledgements nor probes");
  t.equal(desk.a1.actor.counters.get("dropped", "lower-epoch"), 2);
  desk.epoch = 2;
  desk.a1.run({ kind: "hello", peer: MASTER_PEER, incarnation: 1 });
  desk.clock.settle();
  desk.a1.run(toMaster(3));
  desk.clock.settle();
  t.equal(mails(desk), 1, "the next session is one of the newer epoch");
});

t.test("a client speaks in the epoch of the Come, whether or not it knew it before", async (t) => {
  const desk = new Desk();
  desk.epoch = 2;
  desk.connect();
  desk.a1.run(toMaster(1));
  desk.clock.settle();
  t.equal(mails(desk), 1);
  t.same(desk.refusals(), []);
});

t.test("an agent's executors stay connected when the master's epoch changes", async (t) => {
  const desk = new Desk();
  const principal = asId<Principal>("a3");
  let epochOfMaster = 1;
  const incarnation = 5;
  const epoch = (peer: Peer): number => (peer === MASTER_PEER ? epochOfMaster : incarnation);
  const agent = startScripted(deskPorts(desk.broker, 7), addressOf(agentPeer(principal), epoch));
  agent.onHello = (peer, session, out) => out.push({ kind: "come", peer, session });
  agent.run({ kind: "listen", to: "from-executors", listen: true });
  let obeyed = 0;
  const executor = startScripted(
    deskPorts(desk.broker, 8),
    addressOf(executorPeer(principal, asId<ContainerId>("c1")), () => obeyed),
  );
  executor.script = (input) => {
    if (input.family !== "done" || input.what !== "link") return;
    if (input.link.change === "come") obeyed = input.link.epoch;
  };
  executor.run(
    { kind: "listen", to: "from-agent", listen: true },
    { kind: "hello", peer: agentPeer(principal), incarnation: 1 },
  );
  desk.clock.settle();
  t.equal(obeyed, incarnation, "it speaks in its agent's incarnation");
  epochOfMaster = 2;
  executor.run({
    kind: "send",
    to: agentPeer(principal),
    message: { kind: "EXECUTOR_MESSAGE", body: { data: Uint8Array.of(1) } },
  });
  desk.clock.pass(100);
  t.equal(agent.seen.at(-1), "mail EXECUTOR_MESSAGE from executor.a3.c1");
});
