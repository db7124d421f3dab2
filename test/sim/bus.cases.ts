/** The simulated bus: order, loss, cuts, permissions, slow readers, the hostile profile. */
import t from "tap";
import type { Bus, BusStatus, RequestOutcome } from "#runtime";
import { BusNetwork, type BusPermissions, Paths, type SimNode } from "#sim";
import { aWorld } from "./a-world.ts";

const text = (data: Uint8Array): string => new TextDecoder().decode(data);
const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

function aBus(options: { profile?: "nats" | "hostile"; brokers?: string[]; seed?: string } = {}) {
  const { world, node } = aWorld(options.seed);
  const paths = new Paths(world);
  const brokers = options.brokers ?? ["n1", "n2", "n3"];
  const network = new BusNetwork(world, paths, { brokers, profile: options.profile ?? "nats" });
  const client = (name: string, permissions?: BusPermissions): { bus: Bus; node: SimNode } => {
    let bus: Bus | undefined;
    const made = node(name, () => {
      bus = network.connect(made, permissions === undefined ? {} : { permissions });
    });
    world.runUntil(world.nowMs + 1);
    if (bus === undefined) throw new Error("the node has not booted");
    return { bus, node: made };
  };
  return { world, paths, network, client };
}

t.test("messages arrive in order, whichever brokers the two are connected to", async (t) => {
  for (const seed of ["1", "2", "3", "4"]) {
    const { world, client } = aBus({ seed });
    const one = client("one");
    const two = client("two");
    const heard: string[] = [];
    two.bus.subscribe("a.*.c", (message) => heard.push(text(message.data)));
    world.runUntil(50);
    for (let index = 0; index < 50; index++) one.bus.publish("a.b.c", bytes(String(index)));
    one.bus.publish("a.b", bytes("no"));
    world.runUntil(100);
    t.same(
      heard,
      Array.from({ length: 50 }, (_, index) => String(index)),
    );
  }
});

t.test("a request is answered, or told at once that nobody listens, or times out", async (t) => {
  const { world, client } = aBus();
  const one = client("one");
  const two = client("two");
  two.bus.subscribe("echo", (message) => {
    if (message.reply !== undefined) two.bus.publish(message.reply, message.data);
  });
  two.bus.subscribe("mute", () => undefined);
  world.runUntil(50);
  const outcomes: string[] = [];
  const done = (outcome: RequestOutcome): void => {
    const said = outcome.kind === "reply" ? text(outcome.message.data) : outcome.kind;
    outcomes.push(`${said} ${Math.floor(world.nowMs / 100)}`);
  };
  for (const subject of ["echo", "nobody", "mute"]) {
    one.bus.request(subject, bytes("hi"), 500, done);
  }
  world.runUntil(1_000);
  t.same(outcomes.sort(), ["hi 0", "no-responders 0", "timeout 5"]);
});

t.test(
  "what is published without a connection is dropped, counted, and never sent later",
  async (t) => {
    const { world, network, client } = aBus({ brokers: ["n1"] });
    const one = client("one");
    const two = client("two");
    const heard: string[] = [];
    const statuses: BusStatus["kind"][] = [];
    one.bus.onStatus((status) => statuses.push(status.kind));
    two.bus.subscribe("x", (message) => heard.push(text(message.data)));
    world.runUntil(50);
    network.stopBroker("n1");
    world.runUntil(60);
    t.equal(one.bus.publish("x", bytes("lost")), "dropped");
    world.runUntil(1_000);
    network.startBroker("n1");
    world.runUntil(3_000);
    t.equal(one.bus.publish("x", bytes("later")), "sent");
    world.runUntil(3_100);
    t.same(heard, ["later"]);
    t.equal(one.bus.dropped.get("disconnected"), 1);
    t.same(statuses, ["disconnected", "connected"]);
  },
);

t.test("a short cut delays, a long one ends the connection on both sides", async (t) => {
  const { world, paths, client } = aBus({ brokers: ["n1"] });
  const one = client("one");
  const two = client("two");
  const heard: string[] = [];
  two.bus.subscribe("x", (message) => heard.push(text(message.data)));
  world.runUntil(50);
  paths.cut("one", "n1");
  one.bus.publish("x", bytes("late"));
  world.runUntil(1_000);
  t.same(heard, []);
  paths.heal("one", "n1");
  world.runUntil(2_000);
  t.same(heard, ["late"]);
  paths.cut("n1", "one");
  world.runUntil(10_000);
  t.equal(one.bus.connected, false);
});

t.test("a subject or a size that is not allowed is dropped with its reason", async (t) => {
  const { world, client } = aBus();
  const own = (subject: string): boolean => subject.startsWith("mine.");
  const one = client("one", { mayPublish: own, maySubscribe: own });
  const forbidden: string[] = [];
  one.bus.onStatus((status) => {
    if (status.kind === "forbidden") forbidden.push(status.subject);
  });
  world.runUntil(50);
  t.equal(one.bus.publish("yours.x", bytes("hi")), "dropped");
  t.equal(one.bus.publish("mine.x", new Uint8Array(1024 * 1024 + 1)), "dropped");
  t.equal(one.bus.publish("mine.x", bytes("hi")), "sent");
  one.bus.subscribe("yours.y", () => t.fail("not allowed"));
  world.runUntil(100);
  t.same(forbidden, ["yours.x", "yours.y"]);
  t.same(
    [...one.bus.dropped],
    [
      ["forbidden", 1],
      ["payload-too-large", 1],
    ],
  );
});

t.test("who does not read is cut off as a slow consumer", async (t) => {
  const { world, client } = aBus();
  const one = client("one");
  const two = client("two");
  two.bus.subscribe("x", () => undefined);
  world.runUntil(50);
  two.node.halt("pause");
  for (let index = 0; index < 80; index++) one.bus.publish("x", new Uint8Array(1024 * 1024));
  world.runUntil(1_000);
  two.node.resume();
  const whys: string[] = [];
  two.bus.onStatus((status) => {
    if (status.kind === "disconnected") whys.push(status.why);
  });
  world.runUntil(1_100);
  t.same(whys, ["slow consumer"]);
});

t.test(
  "the hostile profile drops, repeats and reorders; a crash takes the connection along",
  async (t) => {
    const { world, client } = aBus({ profile: "hostile" });
    const one = client("one");
    const two = client("two");
    const heard: number[] = [];
    two.bus.subscribe("x", (message) => heard.push(Number(text(message.data))));
    world.runUntil(50);
    for (let index = 0; index < 3_000; index++) one.bus.publish("x", bytes(String(index)));
    world.runUntil(5_000);
    const different = new Set(heard);
    t.ok(different.size < 3_000, "some are lost");
    t.ok(heard.length > different.size, "some come twice");
    t.ok(
      heard.some((value, index) => value < (heard[index - 1] ?? 0)),
      "some come late",
    );
    two.node.crash();
    one.bus.publish("x", bytes("4000"));
    world.runUntil(6_000);
    t.notOk(heard.includes(4_000));
  },
);
