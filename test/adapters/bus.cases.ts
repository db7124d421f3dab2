/** The real bus and the one within the process, under the contract of the port. */
import type { Socket } from "node:net";
import t from "tap";
import type { Identity } from "#access";
import { MemoryBroker, natsBus, systemClock } from "#adapters";
import { agentPeer, asId, type ClusterId, subjectsOf } from "#protocol";
import type { Bus } from "#runtime";
import { AGENT, type BusHarness, busContract, MASTER } from "../contracts/bus.cases.ts";
import { startTestBroker, type TestBroker } from "../support/broker.ts";
import { startRelay } from "../support/relay.ts";
import { until } from "../support/until.ts";

busContract(t, {
  name: "the bus within the process",
  async make() {
    const subjects = subjectsOf(asId<ClusterId>("test"));
    const broker = new MemoryBroker(systemClock(), subjects);
    return {
      subjects,
      async connect(identity) {
        const bus = broker.connect(identity);
        await turns();
        return bus;
      },
      until,
      settle: turns,
      interrupt: async () => {
        broker.interrupt();
        await turns();
      },
      resume: async () => {
        broker.resume();
        await turns();
      },
    };
  },
  teardown: async () => undefined,
});

/** A few turns of the event loop: nothing waits longer in the process. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const brokers = new Map<BusHarness, TestBroker>();

busContract(t, {
  name: "the bus over a broker",
  async make() {
    const broker = await startTestBroker();
    const buses: Bus[] = [];
    const connected = (): Bus[] => buses.filter((bus) => bus.connected);
    const flushAll = async (): Promise<void> => {
      const open = connected();
      let answers = 0;
      for (const bus of open) {
        bus.flush(() => {
          answers += 1;
        });
      }
      await until(() => answers === open.length, "all have flushed");
    };
    let before: Bus[] = [];
    const harness: BusHarness = {
      subjects: broker.subjects,
      async connect(identity: Identity) {
        const bus = await broker.connect(identity);
        buses.push(bus);
        return bus;
      },
      until,
      // The first brings everything to the broker, the second comes back behind its deliveries.
      async settle() {
        await flushAll();
        await flushAll();
      },
      async interrupt() {
        before = connected();
        await broker.kill();
        await until(() => connected().length === 0, "all have lost the broker");
      },
      async resume() {
        await broker.back();
        await until(() => before.every((bus) => bus.connected), "all are connected again");
        await harness.settle();
      },
    };
    brokers.set(harness, broker);
    return harness;
  },
  async teardown(harness) {
    await brokers.get(harness)?.stop();
  },
});

t.test("a broker that takes nothing any more makes the bus drop, not grow", async (test) => {
  const broker = await startTestBroker();
  test.teardown(() => broker.stop());
  const [master, agent] = [await broker.connect(MASTER), await broker.connect(AGENT)];
  let heard = 0;
  master.subscribe(broker.subjects.fromAgents, () => {
    heard += 1;
  });
  let flushed = false;
  master.flush((reached) => {
    flushed = reached;
  });
  await until(() => flushed, "the ear is there");
  const { pid = 0 } = broker.broker;
  process.kill(pid, "SIGSTOP");
  const large = new Uint8Array(1024 * 1024 - 1024);
  const outcomes = Array.from({ length: 60 }, () =>
    agent.publish(broker.subjects.toMaster(agentPeer(asId("a1"))), large),
  );
  process.kill(pid, "SIGCONT");
  const sent = outcomes.filter((outcome) => outcome === "sent").length;
  test.equal(agent.dropped.get("broker-slow"), 60 - sent);
  test.ok(sent >= 32 && sent <= 34, `${sent} were taken`);
  await until(() => heard === sent, "what was taken arrives");
  test.equal(agent.publish(broker.subjects.toMaster(agentPeer(asId("a1"))), large), "sent");
  await until(() => heard === sent + 1, "and it goes on");
  let open = 2;
  for (const bus of [master, agent]) {
    bus.close(() => {
      open -= 1;
    });
  }
  await until(() => open === 0, "closed");
});

/** A quarter of a second instead of five: the rule is two open pings, whatever the rhythm. */
const PING_MS = 250;

t.test("a connection that falls silent is given up for another", async (test) => {
  const broker = await startTestBroker();
  test.teardown(() => broker.stop());
  const sockets: Socket[] = [];
  const { url, close } = await startRelay(broker.broker.url, (near, far) => {
    near.pipe(far);
    far.pipe(near);
    sockets.push(near, far);
  });
  test.teardown(close);
  const options = { ...broker.optionsFor(AGENT), servers: [url], pingMs: PING_MS };
  const bus = natsBus(options);
  await until(() => bus.connected, "it is connected");
  const before = sockets.length;
  // Nothing passes and nothing is closed, as behind a broken switch.
  for (const socket of sockets) socket.unpipe().pause();
  const silentMs = performance.now();
  await until(() => sockets.length > before && bus.connected, "it dials again");
  const tookMs = performance.now() - silentMs;
  test.ok(tookMs > PING_MS, `not for one ping that is late: after ${tookMs.toFixed(0)} ms`);
  let answered = false;
  bus.flush((reached) => {
    answered = reached;
  });
  await until(() => answered, "and is heard");
  await new Promise<void>((done) => bus.close(done));
});
