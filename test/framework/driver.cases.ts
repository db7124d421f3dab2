/** Stories of the framework driver: what it hears, and what it says and tells, as text. */
import t from "tap";
import { createActor } from "xstate";
import { frameworkBehaviour, type SchedulerCall, type SchedulerEvent } from "#actors/framework";
import {
  asId,
  type BodyOf,
  type FrameworkId,
  type InstanceId,
  type Kind,
  MASTER_PEER,
  type MasterId,
  type Principal,
  type SessionId,
  type TaskId,
  type TaskState,
  type Uuid,
} from "#protocol";
import { Counters, type Effect, type Env, type Input, type LinkChange } from "#runtime";

const UUID = "00000000-0000-4000-8000-000000000001" as Uuid;

const CONFIG = {
  principal: asId<Principal>("p"),
  instance: asId<InstanceId>("i"),
  info: {
    name: "n",
    user: "u",
    roles: ["*"],
    failoverTimeoutMs: 1,
    checkpoint: true,
    capabilities: [],
  },
};

/** An effect as a line of the story; undefined for what no story tells. */
function lineOf(effect: Effect): string | undefined {
  switch (effect.kind) {
    case "send": {
      const { kind, id } = effect.message;
      return `say ${kind}${id === undefined || id === 0 ? "" : ` #${id}`}`;
    }
    case "timer":
      return `timer ${effect.name} ${effect.inMs}`;
    case "hello":
      return "hello";
    case "close":
      return `close ${effect.reason}`;
    case "ask-leader":
      return "ask who leads";
    case "count":
      return `count ${effect.reason}`;
    default:
      return undefined;
  }
}

/** What the host would let a step see, with a clock that the story moves. */
function surroundings(room: () => number) {
  const env: Env = {
    nowMs: 0,
    clockMs: () => clock.nowMs,
    wallMs: 0,
    random: { below: (bound) => bound - 1, uuid: () => UUID, token: () => "t" },
    counters: new Counters(),
    bus: { connected: false, sinceMs: 0 },
    lifecycle: "disconnected",
    lastHeardMs: () => 0,
    isOpen: () => true,
    room,
    oldestWaitingMs: () => clock.nowMs,
  };
  const clock = env as { nowMs: number; lifecycle: string; bus: { connected: boolean } };
  return { env, clock };
}

function beaconOf(epoch: number): BodyOf<"Beacon"> {
  return {
    masterId: asId<MasterId>(`m${epoch}`),
    epoch,
    logId: "l",
    generation: 0,
    position: epoch,
    hash: "",
    windowMs: 100,
    intervalMs: 500,
  };
}

/** The driver between a leader and a scheduler; one input is one batch, but for those of `batch`. */
function story(
  options: { acknowledgeForMe?: boolean; room?: () => number; connected?: boolean } = {},
) {
  const acknowledgeForMe = options.acknowledgeForMe ?? true;
  const behaviour = frameworkBehaviour({ ...CONFIG, acknowledgeForMe });
  const lines: string[] = [];
  const told: SchedulerEvent[] = [];
  const machine = behaviour.machine.provide({ actions: { handleBatch: () => undefined } });
  const actor = createActor(machine).start();
  const { env, clock } = surroundings(options.room ?? (() => 1000));
  clock.bus.connected = options.connected ?? false;
  const perform = (effects: Effect[]): void => {
    for (const effect of effects) {
      if (effect.kind === "lifecycle") {
        actor.send(effect.event);
        clock.lifecycle = String(actor.getSnapshot().value);
        const out: Effect[] = [];
        behaviour.entered(behaviour.state, clock.lifecycle, effect.event, env, out);
        perform(out);
      } else write(effect);
    }
  };
  const write = (effect: Effect): void => {
    if (effect.kind === "tell") told.push(effect.message as SchedulerEvent);
    const line = lineOf(effect);
    if (line !== undefined) lines.push(line);
  };
  let together: Effect[] | undefined;
  const input = (one: Input): void => {
    const out: Effect[] = together ?? [];
    behaviour.step(behaviour.state, one, env, out);
    if (together === undefined) perform(out);
  };
  /** What happens within comes in one batch. */
  const batch = (inputs: () => void): void => {
    const out: Effect[] = [];
    together = out;
    inputs();
    together = undefined;
    perform(out);
  };
  const mail = <K extends Kind>(kind: K, body: BodyOf<K>, re = 0): void =>
    input({
      family: "mail",
      kind,
      body,
      id: 0,
      re,
      from: MASTER_PEER,
      epoch: 1,
      arrivedAtMs: 0,
    } as Input);
  const link = (change: LinkChange): void =>
    input({ family: "done", what: "link", peer: MASTER_PEER, link: change });
  const scheduler = (message: SchedulerCall): void =>
    input({ family: "done", what: "told", by: "scheduler", message });
  let numbers = 0;
  const beacon = (epoch: number): void => mail("Beacon", beaconOf(epoch));
  const session = asId<SessionId>("s1");
  const subscribe = (epoch: number): void => {
    input({ family: "due", timer: "call", lateMs: 0 });
    link({ change: "come", session, epoch });
    mail("SUBSCRIBED", {
      frameworkId: asId<FrameworkId>("f1"),
      token: { epoch, count: 1 },
      heartbeatIntervalMs: 15_000,
      masterId: "m",
    });
  };
  const first: Effect[] = [];
  behaviour.entered(behaviour.state, "disconnected", { type: "xstate.init" }, env, first);
  perform(first);
  clock.bus.connected = true;
  return {
    lines,
    told,
    state: behaviour.state,
    lifecycle: () => clock.lifecycle,
    mail,
    batch,
    come: (epoch: number) => link({ change: "come", session, epoch }),
    beacon,
    subscribe,
    due: (timer: string, nowMs: number, lateMs = 0) => {
      clock.nowMs = nowMs;
      input({ family: "due", timer, lateMs });
    },
    closed: () => link({ change: "closed", session, reason: "gap" }),
    call: (message: Extract<SchedulerCall, { kind: "call" }>["message"]): number => {
      numbers += 1;
      scheduler({ kind: "call", number: numbers, message });
      return numbers;
    },
    update: (id: string, state: TaskState, uuid?: Uuid) =>
      mail("UPDATE", {
        status: {
          taskId: asId<TaskId>(id),
          agentId: asId<never>("a1"),
          state,
          source: "SOURCE_AGENT",
          timestampMs: 0,
          ...(uuid === undefined ? {} : { uuid }),
        },
      }),
    bus: (connected: boolean) => {
      clock.bus.connected = connected;
      input({ family: "done", what: "bus", connected, why: "" });
    },
    take: () => lines.splice(0),
  };
}

const LAUNCH = {
  kind: "ACCEPT" as const,
  body: {
    offerIds: [asId<never>("o1")],
    operations: [
      {
        type: "LAUNCH" as const,
        taskInfos: [
          { name: "n", taskId: asId<TaskId>("t1"), agentId: asId<never>("a1"), resources: [] },
        ],
      },
    ],
  },
};
const KILL = { kind: "KILL" as const, body: { taskId: asId<TaskId>("t1") } };

t.test("a beacon, a random wait, Hello, Come, SUBSCRIBE, SUBSCRIBED", async (t) => {
  const { beacon, subscribe, take, told, lifecycle } = story();
  beacon(7);
  subscribe(7);
  t.same(take(), [
    "timer call 100",
    "hello",
    "timer answer 5000",
    "say SUBSCRIBE",
    "timer heartbeat 15000",
  ]);
  t.equal(lifecycle(), "subscribed");
  t.match(told, [{ kind: "subscribed", frameworkId: "f1", epoch: 7 }]);
});

t.test("whoever knows no leader asks for one as soon as somebody could answer", async (t) => {
  t.same(story({ connected: true }).take(), ["ask who leads"], "at its start");
  const { bus, beacon, subscribe, closed, take } = story();
  t.same(take(), [], "not without a broker");
  bus(true);
  t.same(take(), ["ask who leads"]);
  beacon(7);
  subscribe(7);
  take();
  closed();
  bus(false);
  bus(true);
  t.notOk(take().includes("ask who leads"), "who was known to lead is called instead");
});

t.test("within an epoch open calls are said again under their numbers", async (t) => {
  const { beacon, subscribe, closed, call, take } = story();
  beacon(7);
  subscribe(7);
  call(LAUNCH);
  call(KILL);
  take();
  closed();
  subscribe(7);
  const lines = take();
  t.same(
    lines.filter((line) => line.startsWith("say")),
    ["say SUBSCRIBE", "say ACCEPT #1", "say KILL #2", "say RECONCILE"],
  );
});

t.test(
  "another leader is told wishes again, never an ACCEPT: its tasks are asked for",
  async (t) => {
    const { beacon, subscribe, call, take, told } = story();
    beacon(7);
    subscribe(7);
    call(LAUNCH);
    call(KILL);
    take();
    beacon(9);
    subscribe(9);
    t.same(
      take().filter((line) => line.startsWith("say") || line.startsWith("close")),
      ["close lower-epoch", "say SUBSCRIBE", "say KILL #2", "say RECONCILE"],
    );
    const answer = told.find((event) => event.kind === "answer");
    t.match(answer, { call: 1, of: "ACCEPT", answer: { accepted: false, reason: "wrong-epoch" } });
  },
);

t.test(
  "another leader is called within its window, whatever its predecessor had refused",
  async (t) => {
    const { beacon, subscribe, closed, take } = story();
    beacon(7);
    subscribe(7);
    closed();
    t.ok(take().includes("timer call 500"), "the same one is given time");
    subscribe(7);
    take();
    beacon(9);
    t.same(take(), ["close lower-epoch", "timer call 100"]);
  },
);

t.test("a lower epoch is not followed", async (t) => {
  const { beacon, subscribe, take, lifecycle } = story();
  beacon(9);
  subscribe(9);
  take();
  beacon(7);
  t.same(take(), ["count lower-epoch"]);
  t.equal(lifecycle(), "subscribed");
});

t.test("a leader that answers before its beacon came is followed from there", async (t) => {
  const { beacon, subscribe, take, lifecycle } = story();
  beacon(7);
  subscribe(9);
  take();
  beacon(9);
  t.same(take(), [], "the session that it opened goes on");
  beacon(8);
  t.same(take(), ["count lower-epoch"]);
  t.equal(lifecycle(), "subscribed");
});

t.test("an update is told once and acknowledged as often as it comes", async (t) => {
  const { beacon, subscribe, call, update, take, told } = story();
  beacon(7);
  subscribe(7);
  call(LAUNCH);
  take();
  update("t1", "TASK_RUNNING", UUID);
  update("t1", "TASK_RUNNING", UUID);
  t.same(take(), ["say ACKNOWLEDGE", "count update-repeated", "say ACKNOWLEDGE"]);
  t.equal(told.filter((event) => event.kind === "update").length, 1);
});

t.test("a scheduler that says when is not acknowledged for", async (t) => {
  const { beacon, subscribe, call, update, take } = story({ acknowledgeForMe: false });
  beacon(7);
  subscribe(7);
  call(LAUNCH);
  take();
  update("t1", "TASK_FINISHED", UUID);
  t.same(take(), []);
  const body = { taskId: asId<TaskId>("t1"), agentId: asId<never>("a1"), uuid: UUID };
  call({ kind: "ACKNOWLEDGE", body });
  t.same(take(), ["say ACKNOWLEDGE"]);
});

t.test(
  "tasks without an answer are asked for ever more slowly, answered ones no more",
  async (t) => {
    const { beacon, subscribe, call, update, take, due, closed } = story();
    beacon(7);
    subscribe(7);
    call(LAUNCH);
    closed();
    subscribe(7);
    take();
    due("reconcile", 1_000);
    due("reconcile", 3_000);
    t.same(take(), [
      "say RECONCILE",
      "timer reconcile 2000",
      "say RECONCILE",
      "timer reconcile 4000",
    ]);
    update("t1", "TASK_RUNNING");
    take();
    due("reconcile", 7_000);
    t.same(take(), []);
  },
);

t.test("calls beyond the window wait, and are said when there is room", async (t) => {
  let room = 0;
  const { beacon, subscribe, call, take, due } = story({ room: () => room });
  beacon(7);
  subscribe(7);
  take();
  call(KILL);
  t.same(take(), ["timer more 50"]);
  room = 10;
  due("more", 50);
  t.same(take(), ["say KILL #1"]);
});

t.test("a busy leader is asked again; any other refusal is the scheduler's to hear", async (t) => {
  const { beacon, subscribe, call, mail, take, due, told } = story();
  beacon(7);
  subscribe(7);
  const number = call(KILL);
  take();
  mail("ANSWER", { accepted: false, reason: "busy" }, number);
  t.same(take(), ["timer more 200"]);
  due("more", 200);
  t.same(take(), ["say KILL #1"]);
  mail("ANSWER", { accepted: false, reason: "not-found", message: "no such task" }, number);
  t.match(told.at(-1), { kind: "answer", call: number, answer: { reason: "not-found" } });
});

t.test("a displaced driver ends and does not come back by itself", async (t) => {
  const { beacon, subscribe, mail, lifecycle, told, take } = story();
  beacon(7);
  subscribe(7);
  take();
  mail("ERROR", { reason: "displaced", message: "another instance subscribed" });
  t.equal(lifecycle(), "ended");
  t.match(told.at(-1), { kind: "ended", reason: "displaced" });
  t.same(
    take().filter((line) => line.startsWith("timer")),
    [],
  );
});

t.test("silence of the leader counts only for one who could hear", async (t) => {
  const { beacon, subscribe, due, take, lifecycle } = story();
  beacon(7);
  subscribe(7);
  take();
  due("heartbeat", 80_000, 60_000);
  t.equal(lifecycle(), "subscribed", "this process stood still: nobody is judged");
  due("heartbeat", 95_000);
  t.equal(lifecycle(), "disconnected");
});

const OFFERS: BodyOf<"OFFERS"> = {
  offers: [
    {
      offerId: asId("o1"),
      frameworkId: asId("f1"),
      agentId: asId("a1"),
      hostname: "h",
      resources: [],
      attributes: [],
      allocationRole: "*",
    },
  ],
};
t.test("what a lost leader still says is not told: its offers are void", async (t) => {
  const { beacon, subscribe, take, told, mail, state, batch } = story();
  beacon(7);
  subscribe(7);
  take();
  batch(() => {
    beacon(9);
    mail("OFFERS", OFFERS);
  });
  t.equal(state.offers.size, 0);
  t.equal(told.at(-1)?.kind, "disconnected");
  t.ok(take().includes("count session-lost"));
  mail("OFFERS", OFFERS);
  t.equal(state.offers.size, 0);
  subscribe(9);
  mail("OFFERS", OFFERS);
  t.equal(told.at(-1)?.kind, "offers");
});

t.test("a leader that answers too late has a session that nobody follows: it ends", async (t) => {
  const { beacon, due, come, take, lifecycle } = story();
  beacon(7);
  due("call", 0);
  due("answer", 5_000);
  t.equal(lifecycle(), "disconnected");
  t.ok(take().includes("close no-session"));
  come(7);
  t.same(take(), ["count come-unasked"]);
});

t.test("offers and their calls are void when the session is over", async (t) => {
  const { beacon, subscribe, call, closed, take, told, mail, state } = story({ room: () => 0 });
  beacon(7);
  subscribe(7);
  mail("OFFERS", OFFERS);
  t.equal(state.offers.size, 1);
  call({ kind: "DECLINE", body: { offerIds: [asId("o1")] } });
  closed();
  t.equal(state.offers.size, 0);
  t.equal(state.pending.size, 0);
  t.match(told.at(-1), { kind: "disconnected" });
  take();
});
