/** Very many peers of one actor: what is said to all of them is said in parts (P-1.6). */
import t from "tap";
import { agentPeer, asId, MASTER_PEER, type Principal } from "#protocol";
import type { Effect } from "#runtime";
import { deskPorts } from "./desk.ts";
import { addressOf, startScripted } from "./scripted.ts";
import { Desk } from "./story.ts";

const exited: Effect = {
  kind: "send",
  to: MASTER_PEER,
  message: {
    kind: "ExitedExecutor",
    body: { frameworkId: asId("f1"), executorId: asId("e"), status: 1 },
  },
};

t.test("many peers are acknowledged in parts, and each of them soon", async (t) => {
  const desk = new Desk();
  desk.connect();
  const acknowledged = new Map<number, number>();
  const note = desk.broker.onPublish;
  desk.broker.onPublish = (subject, data) => {
    note(subject, data);
    if (desk.frames.at(-1)?.startsWith("master → ") !== true) return;
    if (desk.frames.at(-1)?.includes("acknowledgement") !== true) return;
    const { nowMs } = desk.clock;
    acknowledged.set(nowMs, (acknowledged.get(nowMs) ?? 0) + 1);
  };
  const agents = Array.from({ length: 600 }, (_, n) => {
    const peer = agentPeer(asId<Principal>(`many-${n}`));
    return startScripted(deskPorts(desk.broker, n), addressOf(peer));
  });
  for (const agent of agents) {
    const hello = { kind: "hello", peer: MASTER_PEER, incarnation: 1 } as const;
    agent.run({ kind: "listen", to: "from-master", listen: true }, hello);
    desk.clock.settle();
  }
  desk.clock.pass(500);
  for (const agent of agents) agent.run(exited);
  desk.clock.pass(150);
  const parts = [...acknowledged.values()];
  t.equal(
    parts.reduce((sum, part) => sum + part, 0),
    agents.length,
  );
  t.ok(Math.max(...parts) <= 512, "each frame costs: no turn says them all (P-1.6)");
});
