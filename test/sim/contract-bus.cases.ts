/** The simulated bus under the same contract as the real ones; waiting runs the world. */
import t from "tap";
import { type Identity, inboxOf, mayPublish, maySubscribe, permissionsOf } from "#access";
import { asId, type ClusterId, subjectsOf } from "#protocol";
import type { Bus } from "#runtime";
import { BusNetwork, Paths } from "#sim";
import { busContract } from "../contracts/bus.cases.ts";
import { aWorld, settleIn, untilIn } from "./a-world.ts";

for (const brokers of [["n1"], ["n1", "n2", "n3"]]) {
  busContract(t, {
    name: `the simulated bus with ${brokers.length} brokers`,
    async make() {
      const { world, node } = aWorld();
      const subjects = subjectsOf(asId<ClusterId>("test"));
      const network = new BusNetwork(world, new Paths(world), { brokers, profile: "nats" });
      const until = untilIn(world);
      const buses: Bus[] = [];
      let before: Bus[] = [];
      let count = 0;
      return {
        subjects,
        async connect(identity: Identity) {
          const permissions = permissionsOf(subjects, identity);
          count += 1;
          let bus: Bus | undefined;
          const made = node(`client-${count}`, () => {
            bus = network.connect(made, {
              inbox: inboxOf(identity),
              permissions: {
                mayPublish: (subject) => mayPublish(permissions, subject),
                maySubscribe: (subject) => maySubscribe(permissions, subject),
              },
            });
          });
          await until(() => bus?.connected === true, "a connection");
          if (bus === undefined) throw new Error("no bus");
          buses.push(bus);
          return bus;
        },
        until,
        settle: settleIn(world),
        async interrupt() {
          before = buses.filter((bus) => bus.connected);
          for (const name of brokers) network.stopBroker(name);
          await until(() => before.every((bus) => !bus.connected), "all have lost it");
          await settleIn(world)();
        },
        async resume() {
          for (const name of brokers) network.startBroker(name);
          await until(() => before.every((bus) => bus.connected), "all are back");
          await settleIn(world)();
        },
      };
    },
    teardown: async () => undefined,
  });
}
