/**
 * What every bus must do, whatever carries it. The harness drives the world: real adapters wait,
 * bounded; a simulated one runs its events.
 */
import type t from "tap";
import type { Identity } from "#access";
import { inboxOf } from "#access";
import {
  agentPeer,
  asId,
  type ContainerId,
  frameworkPeer,
  type InstanceId,
  MASTER_PEER,
  type MasterId,
  operatorPeer,
  type Principal,
  type Subjects,
} from "#protocol";
import {
  type Bus,
  BUS_PAYLOAD_BYTES_MAX,
  type BusMessage,
  type BusStatus,
  type RequestOutcome,
} from "#runtime";

export interface BusHarness {
  readonly subjects: Subjects;
  /** A connection that is up, and whose first `connected` has been told. */
  connect(identity: Identity): Promise<Bus>;
  /** Lets the world go on until the condition holds; throws after a bound. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Lets everything that is on its way arrive: for what must not come. */
  settle(): Promise<void>;
  /** Takes the broker away from everybody; returns when all have lost it. */
  interrupt(): Promise<void>;
  /** Brings it back; returns when all are connected again. */
  resume(): Promise<void>;
}

export interface BusSubject {
  readonly name: string;
  make(): Promise<BusHarness>;
  teardown(harness: BusHarness): Promise<void>;
}

export const MASTER: Identity = { role: "master", masterId: asId<MasterId>("m1") };
export const AGENT: Identity = { role: "agent", principal: asId<Principal>("a1") };
export const OTHER_AGENT: Identity = { role: "agent", principal: asId<Principal>("a2") };
export const FRAMEWORK: Identity = {
  role: "framework",
  principal: asId<Principal>("f1"),
  instance: asId<InstanceId>("i1"),
};
export const OPERATOR: Identity = { role: "operator", principal: asId<Principal>("ops") };
export const EXECUTOR: Identity = {
  role: "executor",
  principal: asId<Principal>("a1"),
  containerId: asId<ContainerId>("c1"),
};

const A1 = agentPeer(asId("a1"));
const A2 = agentPeer(asId("a2"));
const F1 = frameworkPeer(asId("f1"), asId("i1"));
const F2 = frameworkPeer(asId("f1"), asId("i2"));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = ({ data }: BusMessage): string => new TextDecoder().decode(data);

/** Registers the suite as one test with a subtest for each sentence. */
export function busContract(tap: typeof t, subject: BusSubject): void {
  tap.test(`${subject.name}: the contract of the bus`, async (suite) => {
    const harness = await subject.make();
    suite.teardown(() => subject.teardown(harness));
    for (const [title, run] of CASES) {
      await suite.test(title, async (test) => run(test, harness));
    }
  });
}

type Test = Pick<typeof t, "same" | "equal" | "ok" | "notOk">;
type Case = readonly [title: string, run: (test: Test, harness: BusHarness) => Promise<void>];

const inOrder: Case = [
  "messages of one sender on one subject arrive in order, each once, with their wildcards",
  async (test, { subjects, connect, until }) => {
    const [master, agent, other] = [
      await connect(MASTER),
      await connect(AGENT),
      await connect(OTHER_AGENT),
    ];
    const heard = new Map<string, number[]>();
    master.subscribe(subjects.fromAgents, (message) => {
      const list = heard.get(message.subject) ?? [];
      heard.set(message.subject, list);
      list.push(Number(text(message)));
    });
    await flushed(master, until);
    const expected = Array.from({ length: 2_000 }, (_, index) => index);
    for (const index of expected) {
      agent.publish(subjects.toMaster(A1), bytes(String(index)));
      other.publish(subjects.toMaster(A2), bytes(String(index)));
    }
    const all = (): number => [...heard.values()].reduce((sum, list) => sum + list.length, 0);
    await until(() => all() >= 4_000, "both senders are heard");
    test.same(heard.get(subjects.toMaster(A1)), expected);
    test.same(heard.get(subjects.toMaster(A2)), expected);
    await closed([master, agent, other], until);
  },
];

const neverWithin: Case = [
  "nothing is called back within the call",
  async (test, { subjects, connect, until }) => {
    const master = await connect(MASTER);
    let within = true;
    const early: string[] = [];
    const note = (what: string) => (): void => void (within && early.push(what));
    let calls = 0;
    master.subscribe(subjects.leader, () => {
      note("message")();
      calls += 1;
    });
    master.publish(subjects.leader, bytes("x"));
    master.flush(() => {
      note("flush")();
      calls += 1;
    });
    master.request(subjects.toMaster(MASTER_PEER), bytes("x"), 5_000, () => {
      note("request")();
      calls += 1;
    });
    within = false;
    await until(() => calls === 3, "all three are called back");
    test.same(early, []);
    within = true;
    const end = new Promise<void>((resolve) => {
      master.close(() => {
        note("close")();
        resolve();
      });
    });
    within = false;
    await until(() => !master.connected, "it is closed");
    await end;
    test.same(early, []);
  },
];

const stamped: Case = [
  "a message carries subject, bytes and time of arrival, and a reply address only when asked",
  async (test, { subjects, connect, until }) => {
    const [master, agent] = [await connect(MASTER), await connect(AGENT)];
    const got: BusMessage[] = [];
    agent.subscribe(subjects.toPeer(A1), (message) => void got.push(message));
    await flushed(agent, until);
    master.publish(subjects.toPeer(A1), bytes("one"));
    master.publish(subjects.toPeer(A1), new Uint8Array(0), "_INBOX.master.m1.back");
    await until(() => got.length === 2, "both arrive");
    const [first, second] = got;
    test.same(
      [first?.subject, first && text(first), first?.reply],
      [subjects.toPeer(A1), "one", undefined],
    );
    test.same([second?.data.length, second?.reply], [0, "_INBOX.master.m1.back"]);
    test.ok(
      (first?.arrivedAtMs ?? 0) > 0 && (second?.arrivedAtMs ?? 0) >= (first?.arrivedAtMs ?? 1),
    );
    await closed([master, agent], until);
  },
];

const requests: Case = [
  "a request is answered, or nobody listens, or time runs out: once each",
  async (test, { subjects, connect, until }) => {
    const [master, person] = [await connect(MASTER), await connect(OPERATOR)];
    const subject = subjects.toMaster(operatorPeer(asId("ops")));
    const outcomes: RequestOutcome[] = [];
    const ask = (timeoutMs: number): void =>
      person.request(subject, bytes("q"), timeoutMs, (outcome) => void outcomes.push(outcome));
    ask(5_000);
    await until(() => outcomes.length === 1, "the first is over");
    test.equal(outcomes[0]?.kind, "no-responders");
    const listening = master.subscribe(subjects.fromOperators, ({ reply }) => {
      if (reply === undefined) return;
      master.publish(reply, bytes("answer"));
      master.publish(reply, bytes("late"));
    });
    await flushed(master, until);
    ask(5_000);
    await until(() => outcomes.length === 2, "the second is over");
    const second = outcomes[1];
    test.equal(second?.kind === "reply" && text(second.message), "answer");
    listening.stop();
    const deaf = master.subscribe(subjects.fromOperators, () => undefined);
    await flushed(master, until);
    ask(50);
    await until(() => outcomes.length === 3, "the third is over");
    test.equal(outcomes[2]?.kind, "timeout");
    deaf.stop();
    await closed([master, person], until);
    test.equal(outcomes.length, 3);
  },
];

const stopped: Case = [
  "a stopped subscription hears nothing any more, its neighbour does",
  async (test, { subjects, connect, until, settle }) => {
    const [master, agent] = [await connect(MASTER), await connect(AGENT)];
    let [one, two] = [0, 0];
    const first = agent.subscribe(subjects.leader, () => {
      one += 1;
    });
    agent.subscribe(subjects.leader, () => {
      two += 1;
    });
    await flushed(agent, until);
    master.publish(subjects.leader, bytes("x"));
    await until(() => two === 1, "the first beacon is heard");
    first.stop();
    await flushed(agent, until);
    master.publish(subjects.leader, bytes("x"));
    await until(() => two === 2, "the second beacon is heard");
    await settle();
    test.equal(one, 1);
    await closed([master, agent], until);
  },
];

const refused: Case = [
  "what is too large or no subject is dropped, counted, and harms nothing",
  async (test, { subjects, connect, until, settle }) => {
    const [master, agent] = [await connect(MASTER), await connect(AGENT)];
    const got: number[] = [];
    master.subscribe(subjects.fromAgents, ({ data }) => void got.push(data.length));
    await flushed(master, until);
    const own = subjects.toMaster(A1);
    test.equal(agent.publish(own, new Uint8Array(BUS_PAYLOAD_BYTES_MAX + 1)), "dropped");
    for (const bad of ["", "a b", `${own}\r\nPUB x 0`, `${own}.*`, `${own}.>`, `${own}..x`]) {
      test.equal(agent.publish(bad, bytes("x")), "dropped", JSON.stringify(bad));
    }
    test.equal(agent.dropped.get("payload-too-large"), 1);
    test.equal(agent.dropped.get("subject-invalid"), 6);
    test.equal(agent.publish(own, new Uint8Array(BUS_PAYLOAD_BYTES_MAX)), "sent");
    await until(() => got.length === 1, "the largest message arrives");
    await settle();
    test.same(got, [BUS_PAYLOAD_BYTES_MAX]);
    await closed([master, agent], until);
  },
];

/** Who tries what; each must come to nothing and be told as forbidden. */
type Attempt = readonly [title: string, who: Identity, publish: (subjects: Subjects) => string];

const PUBLISHES: readonly Attempt[] = [
  ["an agent as another agent", AGENT, (s) => s.toMaster(A2)],
  ["an agent as a framework", AGENT, (s) => s.toMaster(F1)],
  ["an agent as the master to itself", AGENT, (s) => s.toPeer(A1)],
  ["an agent as the master to another", AGENT, (s) => s.toPeer(A2)],
  ["an agent as a beacon", AGENT, (s) => s.leader],
  ["an agent as an event", AGENT, (s) => s.event("cluster")],
  ["an agent into the log", AGENT, (s) => s.log],
  ["an agent as its executor", AGENT, (s) => s.executor(asId("a1"), asId("c1"), "out")],
  ["an agent to another's executor", AGENT, (s) => s.executor(asId("a2"), asId("c1"), "in")],
  ["an agent as another's stream", AGENT, (s) => s.stream(asId("a2"), "s1", "out")],
  ["an agent as an answer to a person", AGENT, () => `${inboxOf(OPERATOR)}.x.1`],
  ["an agent as an answer to a framework", AGENT, () => `${inboxOf(FRAMEWORK)}.x.1`],
  ["an agent to the stream's own interface", AGENT, () => "$JS.API.STREAM.PURGE.meseta-test-log"],
  ["an agent to the broker's own interface", AGENT, () => "$SYS.REQ.SERVER.PING"],
  ["a framework as its other instance", FRAMEWORK, (s) => s.toMaster(F2)],
  ["a framework as the master", FRAMEWORK, (s) => s.toPeer(F1)],
  ["a framework as an answer to an agent", FRAMEWORK, () => `${inboxOf(AGENT)}.x.1`],
  ["an executor as its neighbour", EXECUTOR, (s) => s.executor(asId("a1"), asId("c2"), "out")],
  ["an executor as its agent", EXECUTOR, (s) => s.toMaster(A1)],
  ["a person as another person", OPERATOR, (s) => s.toMaster(operatorPeer(asId("other")))],
  ["a person as a framework", OPERATOR, (s) => s.toMaster(F1)],
  ["a master as an agent", MASTER, (s) => s.toMaster(A1)],
  ["a master as an answer to an agent", MASTER, () => `${inboxOf(AGENT)}.x.1`],
];

const LISTENS: readonly Attempt[] = [
  ["an agent to another agent's mail", AGENT, (s) => s.toPeer(A2)],
  ["an agent to all agents' mail", AGENT, (s) => s.toPeer(agentPeer("*" as Principal))],
  ["an agent to what agents say", AGENT, (s) => s.fromAgents],
  ["an agent to everything", AGENT, () => ">"],
  ["an agent to everything of the cluster", AGENT, (s) => `meseta.${s.cluster}.>`],
  ["an agent to all answers", AGENT, () => "_INBOX.>"],
  ["an agent to another's answers", AGENT, () => `${inboxOf(OTHER_AGENT)}.>`],
  ["an agent to another's executors", AGENT, (s) => s.fromExecutors(asId("a2"))],
  ["an agent to the log", AGENT, (s) => s.log],
  ["a framework to its other instance's mail", FRAMEWORK, (s) => s.toPeer(F2)],
  [
    "a framework to all instances' mail",
    FRAMEWORK,
    (s) => s.toPeer(frameworkPeer(asId("f1"), "*" as InstanceId)),
  ],
  ["a framework to a person's calls", FRAMEWORK, (s) => s.fromOperators],
  ["an executor to its neighbour", EXECUTOR, (s) => s.executor(asId("a1"), asId("c2"), "in")],
  ["an executor to beacons", EXECUTOR, (s) => s.leader],
  ["a person to an agent's streams", OPERATOR, (s) => s.stream("*" as Principal, "*", "out")],
  ["a master to a person's answers", MASTER, () => `${inboxOf(OPERATOR)}.>`],
];

const forbiddenSpeech: Case = [
  "nobody speaks or answers as another, and whoever tries is told",
  async (test, harness) => {
    const { subjects, until, settle } = harness;
    const everybody = await crowd(harness);
    const heard: string[] = [];
    for (const { bus, hears } of everybody.values()) {
      for (const subject of hears)
        bus.subscribe(subject, (m) => void heard.push(`${m.subject} ${text(m)}`));
      await flushed(bus, until);
    }
    for (const [title, who, subjectOf] of PUBLISHES) {
      const member = everybody.get(who);
      if (member === undefined) throw new Error(title);
      const subject = subjectOf(subjects);
      const before = member.bus.dropped.get("forbidden") ?? 0;
      member.bus.publish(subject, bytes(title));
      await until(() => member.forbidden.includes(subject), `${title} is told`);
      test.equal(member.bus.dropped.get("forbidden"), before + 1, title);
    }
    await settle();
    test.same(heard, []);
    await closed(
      [...everybody.values()].map(({ bus }) => bus),
      until,
    );
  },
];

const forbiddenEars: Case = [
  "nobody listens to what is not theirs, and whoever tries is told",
  async (test, harness) => {
    const { subjects, until, settle } = harness;
    const everybody = await crowd(harness);
    const heard: string[] = [];
    for (const [title, who, subjectOf] of LISTENS) {
      const member = everybody.get(who);
      if (member === undefined) throw new Error(title);
      const subject = subjectOf(subjects);
      member.bus.subscribe(subject, (message) => void heard.push(`${title}: ${message.subject}`));
      await until(() => member.forbidden.includes(subject), `${title} is told`);
    }
    for (const { bus, says } of everybody.values()) {
      for (const subject of says) bus.publish(subject, bytes("secret"));
    }
    await settle();
    test.same(heard, []);
    await closed(
      [...everybody.values()].map(({ bus }) => bus),
      until,
    );
  },
];

const interrupted: Case = [
  "what is said without a connection is dropped and counted, never sent later; ears stay",
  async (test, { subjects, connect, until, settle, interrupt, resume }) => {
    const [master, agent] = [await connect(MASTER), await connect(AGENT)];
    const heard: string[] = [];
    const news: string[] = [];
    master.subscribe(subjects.fromAgents, (message) => void heard.push(text(message)));
    agent.onStatus((status) => void news.push(status.kind));
    await flushed(master, until);
    agent.publish(subjects.toMaster(A1), bytes("before"));
    await until(() => heard.length === 1, "the first word is heard");
    await interrupt();
    test.notOk(agent.connected);
    test.equal(agent.publish(subjects.toMaster(A1), bytes("lost")), "dropped");
    const outcomes: string[] = [];
    agent.request(
      subjects.toMaster(A1),
      bytes("lost"),
      5_000,
      ({ kind }) => void outcomes.push(kind),
    );
    agent.flush((reached) => void outcomes.push(String(reached)));
    await until(() => outcomes.length === 2, "request and flush are over");
    test.same(outcomes.sort(), ["disconnected", "false"]);
    await resume();
    test.ok(agent.connected);
    agent.publish(subjects.toMaster(A1), bytes("after"));
    await until(() => heard.includes("after"), "the word after is heard");
    await settle();
    test.same(heard, ["before", "after"]);
    test.same(news, ["disconnected", "connected"]);
    test.equal(agent.dropped.get("disconnected"), 2);
    await closed([master, agent], until);
  },
];

const closing: Case = [
  "last words before close still leave, and afterwards nothing is called back",
  async (test, { subjects, connect, until, settle }) => {
    const [master, agent] = [await connect(MASTER), await connect(AGENT)];
    const heard: string[] = [];
    let after = 0;
    master.subscribe(subjects.fromAgents, (message) => void heard.push(text(message)));
    agent.subscribe(subjects.toPeer(A1), () => {
      after += 1;
    });
    await flushed(master, until);
    await flushed(agent, until);
    agent.publish(subjects.toMaster(A1), bytes("farewell"));
    agent.request(subjects.toMaster(A1), bytes("?"), 20, () => {
      after += 1;
    });
    master.publish(subjects.toPeer(A1), bytes("too late"));
    await closed([agent], until);
    test.equal(agent.publish(subjects.toMaster(A1), bytes("dead")), "dropped");
    await until(() => heard.includes("farewell"), "the last word is heard");
    await settle();
    test.equal(after, 0);
    await closed([master], until);
  },
];

const CASES: readonly Case[] = [
  inOrder,
  neverWithin,
  stamped,
  requests,
  stopped,
  refused,
  forbiddenSpeech,
  forbiddenEars,
  interrupted,
  closing,
];

interface Member {
  readonly bus: Bus;
  /** Subjects that the broker refused to this one. */
  readonly forbidden: string[];
  readonly hears: readonly string[];
  readonly says: readonly string[];
}

/** One connection of each identity, with what it may hear and say. */
async function crowd({ subjects, connect }: BusHarness): Promise<Map<Identity, Member>> {
  const s = subjects;
  const toOps = `${inboxOf(OPERATOR)}.x.1`;
  const rows: readonly (readonly [Identity, readonly string[], readonly string[]])[] = [
    [
      MASTER,
      [s.fromAgents, s.fromFrameworks, s.fromOperators],
      [s.toPeer(A2), s.toPeer(F2), toOps, s.leader],
    ],
    [AGENT, [s.toPeer(A1), s.fromExecutors(asId("a1")), `${inboxOf(AGENT)}.>`], [s.toMaster(A1)]],
    [OTHER_AGENT, [s.toPeer(A2), s.fromExecutors(asId("a2"))], [s.stream(asId("a2"), "s", "out")]],
    [FRAMEWORK, [s.toPeer(F1), `${inboxOf(FRAMEWORK)}.>`], [s.toMaster(F1)]],
    [
      EXECUTOR,
      [s.executor(asId("a1"), asId("c1"), "in")],
      [s.executor(asId("a1"), asId("c1"), "out")],
    ],
    [
      OPERATOR,
      [`${inboxOf(OPERATOR)}.>`, s.event("cluster")],
      [s.toMaster(operatorPeer(asId("ops")))],
    ],
  ];
  const members = new Map<Identity, Member>();
  for (const [identity, hears, says] of rows) {
    const bus = await connect(identity);
    const forbidden: string[] = [];
    bus.onStatus((status: BusStatus) => {
      if (status.kind === "forbidden") forbidden.push(status.subject);
    });
    members.set(identity, { bus, forbidden, hears, says });
  }
  return members;
}

async function flushed(bus: Bus, until: BusHarness["until"]): Promise<void> {
  let reached: boolean | undefined;
  bus.flush((outcome) => {
    reached = outcome;
  });
  await until(() => reached !== undefined, "a flush is over");
  if (reached !== true) throw new Error("a flush did not reach the broker");
}

async function closed(buses: readonly Bus[], until: BusHarness["until"]): Promise<void> {
  let open = buses.length;
  for (const bus of buses) {
    bus.close(() => {
      open -= 1;
    });
  }
  await until(() => open === 0, "all connections are closed");
}
