/** Each checker sees the fault it is there for, and is silent about what is in order. */
import t from "tap";
import { type AnyMessage, asId, type MasterId, type Peer } from "#protocol";
import { seal } from "#replication";
import type { SimNode } from "#sim";
import type { CheckedWorld, Checker, MakeChecker } from "../../sim/checkers/checker.ts";
import { absenceChecker } from "../../sim/checkers/absence.ts";
import { allocationChecker } from "../../sim/checkers/allocation.ts";
import { boundChecker } from "../../sim/checkers/bounds.ts";
import { callChecker } from "../../sim/checkers/calls.ts";
import { durableChecker } from "../../sim/checkers/durable.ts";
import { reservationChecker } from "../../sim/checkers/reservations.ts";
import { sessionChecker } from "../../sim/checkers/sessions.ts";
import { epochChecker } from "../../sim/checkers/epochs.ts";
import { quotaChecker } from "../../sim/checkers/quota.ts";
import { fairnessChecker } from "../../sim/checkers/fairness.ts";
import { livenessChecker } from "../../sim/checkers/liveness.ts";
import { logChecker } from "../../sim/checkers/log.ts";
import { taskChecker } from "../../sim/checkers/tasks.ts";
import { updateChecker } from "../../sim/checkers/updates.ts";
import { Watch } from "../../sim/checkers/watch.ts";
import type { SeenFrame } from "../../sim/observation.ts";
import { aWorld } from "./a-world.ts";

const { node } = aWorld();
const nodes = new Map<string, SimNode>();
const nodeOf = (name: string): SimNode => {
  const made = nodes.get(name) ?? node(name);
  nodes.set(name, made);
  return made;
};

/** A checker on a world of which the case changes what it needs. */
function watched(make: MakeChecker) {
  const said: string[] = [];
  const world = {
    nowMs: 0,
    offerTimeoutMs: 60_000,
    pending: 0,
    restingSinceMs: 0 as number | undefined,
    backlogged: (): Iterable<string> => [],
    waiting: () => new Map([["one", 0]]),
    log: {
      first: 1,
      end: 0,
      wholeEnd: 0,
      acknowledged: new Map<number, Uint8Array>(),
      record: (_position: number): Uint8Array | undefined => undefined,
    },
    running: (): Iterable<readonly [string, readonly string[]]> => [],
    agents: (): Iterable<readonly [string, boolean]> => [],
    unfinished: (): Iterable<readonly [string, string]> => [],
    wrong: (): Iterable<string> => [],
    witnesses: () => [],
    paused: () => [],
    meta: () => undefined,
    journal: (_principal: string): Uint8Array | undefined => undefined,
  };
  const made = make(world satisfies CheckedWorld, (id, message) => said.push(`${id} ${message}`));
  // As in a run: it is shown what it says that it looks at, and no more.
  const watch = new Watch([made]);
  const checker: Checker = { ...made, on: (observation) => watch.tell(observation) };
  const frame = (from: string, speaker: string, epoch: number, messages: unknown[]) => {
    const seen: SeenFrame = {
      speaker: speaker as Peer,
      subject: speaker === "master" ? "meseta.c.framework.f.i" : `meseta.c.master.${speaker}`,
      bytes: 100,
      epoch,
      session: "s",
      number: 1,
      count: messages.length,
      messages: messages as AnyMessage[],
    };
    return { node: nodeOf(from), frame: seen };
  };
  return {
    said,
    world,
    checker,
    says: (from: string, speaker: string, epoch: number, ...messages: unknown[]): void =>
      checker.on({ what: "said", ...frame(from, speaker, epoch, messages) }),
    hears: (by: string, speaker: string, epoch: number, ...messages: unknown[]): void =>
      checker.on({ what: "heard", ...frame(by, speaker, epoch, messages) }),
    unsent: (from: string, speaker: string, epoch: number, ...messages: unknown[]): void =>
      checker.on({ what: "unsent", ...frame(from, speaker, epoch, messages) }),
  };
}

const cpus = (milli: number) => [{ name: "cpus", type: "SCALAR", scalar: { milli } }];
const offers = (offerId: string, milli: number, allocationRole = "*") => ({
  kind: "OFFERS",
  body: { offers: [{ offerId, agentId: "a1", allocationRole, resources: cpus(milli) }] },
});
const runTask = (taskId: string, agentId: string, milli = 0) => ({
  kind: "RunTask",
  body: { task: { taskId, agentId, resources: cpus(milli) } },
});
const registration = (agentId: string, milli: number, tasks: unknown[] = []) => ({
  kind: "RegisterAgent",
  body: { part: 0, agent: { agentId, resources: cpus(milli) }, tasks },
});
const update = (taskId: string, state: string, uuid: string, timestampMs: number) => ({
  kind: "StatusUpdate",
  body: { latestState: state, status: { taskId, state, uuid, timestampMs } },
});

t.test("R1 sees an agent that is given away twice, when that lasts", async (t) => {
  for (const [second, wrong] of [
    [2_000, false],
    [3_000, true],
  ] as const) {
    const { said, world, checker, says, hears } = watched(allocationChecker);
    says("m1", "master", 9, { kind: "Beacon", body: {} });
    hears("m1", "agent.a1", 9, registration("a1", 4_000));
    says("m1", "master", 9, runTask("t1", "a1", 2_000));
    says("m1", "master", 9, offers("o1", second));
    checker.recount?.();
    world.nowMs = 5_000;
    checker.recount?.();
    t.equal(said.length > 0, wrong, `${said}`);
  }
});

t.test("R1 lets go what a leader has ended, by whatever it says or hears", async (t) => {
  const master = "m1";
  const ends: Record<string, (one: ReturnType<typeof watched>) => void> = {
    "the framework subscribes again": ({ says }) =>
      says(master, "master", 9, { kind: "SUBSCRIBED", body: {} }),
    "it is taken back, and nobody can be told": ({ unsent }) =>
      unsent(master, "master", 9, { kind: "RESCIND", body: { offerId: "o1" } }),
    "it is told that another has its place": ({ says }) =>
      says(master, "master", 9, { kind: "ERROR", body: {} }),
    "it was started anew and knows no leader": ({ hears }) =>
      hears(master, "framework.f.i", 0, { kind: "Closed", body: {} }),
    "it has asked for another session": ({ hears }) =>
      hears(master, "framework.f.i", 4, { kind: "Hello", body: {} }),
    "it declines": ({ hears }) =>
      hears(master, "framework.f.i", 9, { kind: "DECLINE", body: { offerIds: ["o1"] } }),
  };
  const says: Record<string, (one: ReturnType<typeof watched>) => void> = {
    ...ends,
    "another process hears that": ({ hears }) =>
      hears("m2", "framework.f.i", 9, { kind: "DECLINE", body: { offerIds: ["o1"] } }),
    "it suppresses": ({ hears }) =>
      hears(master, "framework.f.i", 9, { kind: "SUPPRESS", body: { roles: [] } }),
  };
  for (const [name, end] of Object.entries(says)) {
    const one = watched(allocationChecker);
    one.says(master, "master", 9, { kind: "Beacon", body: {} });
    one.hears(master, "agent.a1", 9, registration("a1", 4_000));
    one.says(master, "master", 9, offers("o1", 4_000));
    end(one);
    one.says(master, "master", 9, offers("o2", 4_000));
    one.checker.recount?.();
    one.world.nowMs = 5_000;
    one.checker.recount?.();
    t.equal(one.said.length > 0, !(name in ends), `${name}: ${one.said}`);
  }
});

t.test("R1 counts no registration that a master reads which led long ago", async (t) => {
  const { said, world, checker, says, hears } = watched(allocationChecker);
  says("m1", "master", 9, { kind: "Beacon", body: {} });
  hears("m1", "agent.a1", 9, registration("a1", 4_000));
  says("m1", "master", 9, offers("o1", 4_000));
  const old = registration("a1", 4_000, [
    { info: { taskId: "t1", agentId: "a1", resources: cpus(2_000) } },
  ]);
  hears("m2", "agent.a1", 5, old);
  hears("m1", "agent.a1", 5, old);
  checker.recount?.();
  world.nowMs = 5_000;
  checker.recount?.();
  t.same(said, []);
});

t.test("D1 sees unequal parts that last, where all want more and nothing is broken", async (t) => {
  for (const [held, since, wants, wrong] of [
    [["x", "x", "y"], 0, ["x", "y"], undefined],
    [["x", "x", "x"], 0, ["x", "y"], /hold x 1.000, y 0.000; a task takes 0.333/],
    [["x", "x", "x"], 0, ["x"], undefined],
    [["x", "x", "x"], undefined, ["x", "y"], undefined],
    [["x", "x", "x"], 39_000, ["x", "y"], undefined],
  ] as const) {
    const { said, world, says, hears, checker } = watched(fairnessChecker);
    says("m1", "master", 9, { kind: "Beacon", body: {} });
    for (const index of held.keys()) {
      hears("m1", "agent.a1", 9, registration(`a${index}`, 4_000));
    }
    for (const [index, role] of held.entries()) {
      says("m1", "master", 9, offers(`o${index}`, 4_000, role));
    }
    world.backlogged = () => wants;
    world.restingSinceMs = since;
    for (world.nowMs = 40_000; world.nowMs <= 48_000; world.nowMs += 500) checker.recount?.();
    if (wrong === undefined) t.same(said, [], `${held} ${since} ${wants}`);
    else t.match(said[0], wrong);
  }
});

t.test(
  "Q1 sees what is offered beyond a limit or a guarantee, once the moment is over",
  async (t) => {
    const quota = (role: string, guarantee: number, limit: number) => {
      const amounts = (milli: number) => [{ name: "cpus", milli }];
      const ranges = { guarantee: amounts(guarantee), limit: amounts(limit) };
      return { kind: "QuotaSet", role, ...ranges, lends: false } as const;
    };
    const record = seal({
      v: 1,
      id: "r",
      epoch: 9,
      previous: "",
      writer: asId<MasterId>("m1"),
      clusterTimeMs: 0,
      wallMs: 0,
      operations: [quota("limited", 0, 2_000), quota("owed", 3_000, 4_000)],
    }).bytes;
    for (const [role, milli, rescinds, wrong] of [
      ["limited", 1_000, false, undefined],
      ["limited", 2_500, false, /beyond its limit: 2500 of 2000/],
      ["*", 1_000, false, undefined],
      ["*", 2_000, false, /that is guaranteed: 2000 left, 3000 lack/],
      // What was given to another is taken back in the same batch, and said a little later.
      ["*", 1_000, true, undefined],
    ] as const) {
      const { said, world, says, hears } = watched(quotaChecker);
      world.log.end = 1;
      world.log.record = () => record;
      says("m1", "master", 9, { kind: "Beacon", body: {} });
      hears("m1", "agent.a1", 9, registration("a1", 4_000));
      if (rescinds) says("m1", "master", 9, offers("o1", 1_000, "x"));
      world.nowMs = 10_000;
      says("m1", "master", 9, offers("o2", milli, role));
      if (rescinds) says("m1", "master", 9, { kind: "RESCIND", body: { offerId: "o1" } });
      world.nowMs = 10_001;
      says("m1", "master", 9);
      if (wrong === undefined) t.same(said, [], role);
      else t.match(said, [wrong], role);
    }
  },
);

t.test(
  "A1 sees an offer of an agent that has not come, not of one that another leader has",
  async (t) => {
    const { said, world, checker, says, unsent } = watched(absenceChecker);
    const registered = { kind: "AgentRegistered", body: { agentId: "a1" } };
    const later = (): void => {
      world.nowMs += 5_000;
      checker.recount?.();
    };
    says("m1", "master", 5, registered);
    says("m2", "master", 9, registered);
    says("m1", "master", 5, offers("o1", 1_000));
    later();
    t.same(said, [], "it slept, and has registered the agent long ago");
    unsent("m3", "master", 11, registered);
    says("m3", "master", 11, offers("o3", 1_000));
    later();
    t.same(said, [], "the word of its registration reached nobody");
    says("m3", "master", 12, offers("o2", 1_000));
    later();
    t.match(said, [/A1 o2 is made before a1 has registered in epoch 12/]);
  },
);

t.test(
  "V1 sees a reservation that a restart has lost, and one that is offered to others",
  async (t) => {
    const { said, says } = watched(reservationChecker);
    const reservations = [{ type: "DYNAMIC", role: "eng" }];
    const cpus = (milli: number) => ({ name: "cpus", type: "SCALAR", scalar: { milli } });
    const reserved = { ...cpus(2000), reservations };
    const done = {
      operationUuid: "u1",
      operation: { type: "RESERVE", resources: [reserved] },
      status: { state: "OPERATION_FINISHED", agentId: "a1", uuid: "u2" },
    };
    const register = (resources: object[], operations: object[] = []) => ({
      kind: "RegisterAgent",
      body: { agent: { agentId: "a1", resources }, part: 0, parts: 1, operations },
    });
    says("x", "agent.a1", 5, register([cpus(4000)]));
    says("x", "agent.a1", 5, register([cpus(2000), reserved], [done]));
    says("x", "agent.a1", 5, register([cpus(2000), reserved]));
    t.same(said, [], "listed once, acknowledged, and still there");
    says("x", "agent.a1", 5, register([cpus(4000)]));
    t.match(said.splice(0), [/V1 a1 registers with , by its operations it has cpus.*eng.*:2/]);
    const offer = { offerId: "o1", agentId: "a1", allocationRole: "ops", resources: [reserved] };
    says("m1", "master", 5, { kind: "OFFERS", body: { offers: [offer] } });
    t.match(said, [/V1 o1 to ops has cpus of another role/]);
  },
);

t.test("E1 sees two masters in one epoch, and a client that goes back", async (t) => {
  const { said, says } = watched(epochChecker);
  says("m1", "master", 5);
  says("m2", "master", 6);
  says("x", "agent.a1", 6);
  t.same(said, []);
  says("m2", "master", 5);
  says("x", "agent.a1", 5);
  t.match(said, [/E1 .* both speak in epoch 5/, /E1 agent.a1 speaks in epoch 5 after/]);
});

t.test("E1 lets a driver begin anew in its process, and an agent on another disk", async (t) => {
  const { said, says, checker } = watched(epochChecker);
  says("f1", "framework.f.i", 6);
  says("x", "agent.x", 6, { kind: "RegisterAgent", body: {} });
  says("x", "agent.x", 7, { kind: "Hello", body: {} });
  checker.on({ what: "actor-ended", node: nodeOf("f1"), kind: "ended", why: "ended" });
  checker.on({ what: "actor-ended", node: nodeOf("x"), kind: "ended", why: "ended" });
  says("f1", "framework.f.i", 5);
  says("x", "agent.x", 6);
  t.same(said, [], "a Hello may be forgotten");
  says("x", "agent.x", 5);
  t.match(said, [/E1 agent.x speaks in epoch 5 after it followed 6/], "its disk remembers");
  checker.on({ what: "actor-ended", node: nodeOf("x"), kind: "ended", why: "ended" });
  says("x", "agent.x", 4, { kind: "Hello", body: { identity: "x-S2" } });
  t.equal(said.length, 1);
});

t.test("S1 sees an update that is said before the journal has it", async (t) => {
  const { said, world, says } = watched(durableChecker);
  world.journal = () => new TextEncoder().encode("… u1 …");
  says("a1", "agent.a1", 1, update("t1", "TASK_RUNNING", "u1", 1));
  t.same(said, []);
  says("a1", "agent.a1", 1, update("t1", "TASK_FINISHED", "u2", 2));
  t.match(said, [/S1 a1 says that t1 is TASK_FINISHED before its journal has it/]);
});

t.test("N1 sees an agent that obeys a session it has left, not one it is in", async (t) => {
  const { said, says, hears } = watched(sessionChecker);
  const hello = (session: string) => ({ kind: "Hello", body: { session } });
  says("a1", "agent.a1", 1, hello("s"));
  hears("a1", "master", 1, runTask("t1", "a1"));
  says("a1", "agent.a1", 1, hello("later"));
  hears("a1", "master", 1, runTask("t2", "a1"));
  says("a1", "agent.a1", 1, update("t1", "TASK_RUNNING", "u1", 1));
  t.same(said, []);
  says("a1", "agent.a1", 1, update("t2", "TASK_RUNNING", "u2", 1));
  t.match(said, [/N1 agent.a1 obeys an older session: it has t2/]);
});

t.test("R2 sees an offer that is taken twice or too late, C1 a second answer", async (t) => {
  const { said, says } = watched(callChecker);
  const accept = (id: number, offerId: string) => ({
    kind: "ACCEPT",
    id,
    body: { offerIds: [offerId], operations: [] },
  });
  const answer = (re: number, accepted: boolean) => ({ kind: "ANSWER", re, body: { accepted } });
  const rescind = { kind: "RESCIND", body: { offerId: "o2" } };
  says("f1", "framework.f.i", 1, accept(1, "o1"), accept(2, "o1"), accept(3, "o2"));
  says("m1", "master", 1, answer(1, true), answer(1, true), answer(2, false), rescind);
  says("m1", "master", 1, answer(3, false));
  t.same(said, []);
  says("m1", "master", 1, answer(2, true), answer(3, true));
  t.match(said, [
    /C1 .* 2 is refused, then accepted/,
    /R2 o1 is taken by .* 1 and by .* 2/,
    /C1 .* 3 is refused, then accepted/,
    /R2 o2 is taken after it was taken back/,
  ]);
});

t.test("E1 sees a master that speaks after it has read of its successor", async (t) => {
  const { said, checker, says } = watched(epochChecker);
  const elected = seal({
    v: 1,
    id: "r",
    epoch: 6,
    previous: "",
    writer: asId<MasterId>("m2"),
    clusterTimeMs: 0,
    wallMs: 0,
    operations: [{ kind: "LeaderElected", masterId: asId<MasterId>("m2") }],
  }).bytes;
  says("m1", "master", 5);
  says("m1", "master", 5);
  t.same(said, []);
  checker.on({ what: "read", node: nodeOf("m1"), entries: [{ position: 6, record: elected }] });
  says("m1", "master", 5);
  t.match(said, [/E1 m1#\d speaks in epoch 5 after it read of another election/]);
});

t.test("L1 sees an acknowledged record that changes or goes", async (t) => {
  const { said, world, checker } = watched(logChecker);
  world.log.acknowledged.set(1, new Uint8Array([1]));
  world.log.record = () => new Uint8Array([1]);
  checker.settled?.();
  t.same(said, []);
  world.log.record = () => new Uint8Array([2]);
  checker.settled?.();
  world.log.record = () => undefined;
  checker.settled?.();
  t.match(said, [/has changed/, /is gone/]);
});

t.test("T1 and T2 see a task on two agents, a wrong move, and what never ends", async (t) => {
  const { said, world, checker, says } = watched(taskChecker);
  says("m1", "master", 1, runTask("t1", "a1"));
  says("a1", "agent.a1", 1, update("t1", "TASK_RUNNING", "u1", 1));
  says("a1", "agent.a1", 1, update("t1", "TASK_FINISHED", "u2", 2));
  says("a1", "agent.a1", 1, update("t1", "TASK_RUNNING", "u1", 1));
  const told = (state: string): void =>
    checker.on({ what: "told", framework: "f1", taskId: "t1", state, uuid: undefined });
  told("TASK_FINISHED");
  checker.settled?.();
  t.same(said, []);
  told("TASK_RUNNING");
  says("m1", "master", 1, runTask("t1", "a2"));
  says("m1", "master", 1, runTask("t2", "a3"));
  says("a1", "agent.a1", 1, update("t1", "TASK_RUNNING", "u3", 3));
  world.running = () => [["a1", ["c1"]]];
  checker.settled?.();
  world.unfinished = () => [["f1", "item"]];
  checker.settled?.();
  t.match(said, [
    /T2 t1 was sent to a1 and to a2/,
    /T2 t1 goes from TASK_FINISHED to TASK_RUNNING/,
    /I1 a1 still runs container c1/,
    /T1 t1 on a2 was last said to be TASK_RUNNING/,
    /T1 t2 was launched on a3; its scheduler was last told undefined/,
    /LV f1 still waits for item/,
  ]);
});

t.test(
  "U1 sees a skipped update, an invented one, a second uuid, and one never told",
  async (t) => {
    const { said, checker, says, hears } = watched(updateChecker);
    const told = (uuid: string): void =>
      checker.on({ what: "told", framework: "f", taskId: "t1", state: "", uuid });
    const acknowledged = (uuid: string): void =>
      hears("a1", "master", 1, {
        kind: "StatusUpdateAcknowledgement",
        body: { taskId: "t1", uuid },
      });
    says("a1", "agent.a1", 1, update("t1", "TASK_RUNNING", "u1", 1));
    told("u1");
    told("u1");
    acknowledged("u1");
    says("a1", "agent.a1", 1, update("t1", "TASK_FINISHED", "u2", 2));
    told("u2");
    acknowledged("u2");
    checker.settled?.();
    t.same(said, []);
    says("a1", "agent.a1", 1, update("t1", "TASK_FINISHED", "u3", 2));
    acknowledged("u3");
    says("a1", "agent.a1", 1, update("t1", "TASK_FINISHED", "u4", 3));
    told("u4");
    told("u9");
    says("a1", "agent.a1", 1, update("t1", "TASK_FINISHED", "u5", 4));
    checker.settled?.();
    t.match(said, [
      /has the uuids u2 and u3/,
      /two terminal updates/,
      /two terminal updates/,
      /update 4 was told before update 3/,
      /nobody made the update u9/,
      /u5 is said before u4 was acknowledged/,
      /two terminal updates/,
      /only 4 were ever told/,
      /nobody acknowledged u4/,
    ]);
  },
);

t.test("B1 sees a crowd of unread mail, LV a cluster without a leader", async (t) => {
  const bounds = watched(boundChecker);
  bounds.checker.recount?.();
  t.same(bounds.said, []);
  bounds.world.waiting = () => new Map([["one", 1_000_000]]);
  bounds.checker.recount?.();
  t.match(bounds.said, [/B1 one has 1000000 unread/]);
  const liveness = watched(livenessChecker);
  liveness.says("m1", "master", 7, { kind: "Beacon", body: {} });
  liveness.world.agents = () => [["a1", true]];
  liveness.world.nowMs = 100_000;
  liveness.checker.settled?.();
  t.match(liveness.said, [/LV no leader: m1/, /LV a1 is registered in epoch 0, not 7/]);
});
