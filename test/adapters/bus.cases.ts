/** The real bus and the one within the process, under the contract of the port. */
import t from "tap";
import type { Identity } from "#access";
import { MemoryBroker, systemClock } from "#adapters";
import { asId, type ClusterId, subjectsOf } from "#protocol";
import type { Bus } from "#runtime";
import { type BusHarness, busContract } from "../contracts/bus.cases.ts";
import { startTestBroker, type TestBroker } from "../support/broker.ts";
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
