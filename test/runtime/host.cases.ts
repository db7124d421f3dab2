import t from "tap";
import { MASTER_PEER } from "#protocol";
import { DeskBroker, DeskClock, deskPorts } from "./desk.ts";
import { A1, addressOf, startScripted } from "./scripted.ts";

t.test("a session opens, carries messages both ways and is acknowledged", async (t) => {
  const clock = new DeskClock();
  const broker = new DeskBroker(clock);
  const master = startScripted(deskPorts(broker, 1), addressOf(MASTER_PEER), (input, _env, out) => {
    if (input.family === "done" && input.what === "link" && input.link.change === "hello") {
      out.push({ kind: "come", peer: input.peer, session: input.link.session });
    }
  });
  const agent = startScripted(deskPorts(broker, 2), addressOf(A1));
  master.run({ kind: "listen", to: "from-agents", listen: true });
  agent.run(
    { kind: "listen", to: "from-master", listen: true },
    { kind: "hello", peer: MASTER_PEER, incarnation: 1 },
  );
  clock.pass(10);
  agent.run({
    kind: "send",
    to: MASTER_PEER,
    message: { kind: "AgentUsage", body: { containers: [] } },
  });
  master.run({
    kind: "send",
    to: A1,
    message: { kind: "ReconcileTasks", body: { tasks: [] } },
  });
  clock.pass(5_000);
  t.same(master.seen, [
    "entered working by xstate.init",
    "link agent.a1 hello",
    "mail AgentUsage from agent.a1",
  ]);
  t.same(agent.seen, [
    "entered working by xstate.init",
    "link master come",
    "mail ReconcileTasks from master",
  ]);
  t.same([...master.actor.counters], []);
  t.same([...agent.actor.counters], []);
});
