/** The vectors of Mesos' allocator tests that need no quota and no hierarchy (mesos.md §12.2). */
import type { OfferCandidate } from "#allocator";
import { Quantities, Resources } from "#resources";
import t from "tap";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";

const perFramework = (offers: readonly OfferCandidate[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { frameworkId: id } of offers) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
};

t.test("UnreservedDRF", async (t) => {
  const h = new Harness();
  t.equal(show(h.agent("A1", "cpus:2;mem:1024")), "");
  t.equal(show(h.framework("F1", "role1"), "full"), "A1→F1 cpus:2; mem:1024");
  h.framework("F2", "role2");
  t.equal(show(h.agent("A2", "cpus:1;mem:512")), "A2→F2");
  t.equal(show(h.agent("A3", "cpus:3;mem:2048")), "A3→F2");
  h.framework("F3", "role1");
  t.equal(show(h.agent("A4", "cpus:4;mem:4096")), "A4→F3");
  h.framework("F4", "role1");
  t.equal(show(h.agent("A5", "cpus:1;mem:512")), "A5→F2");
});

t.test("ReservedDRF", async (t) => {
  const h = new Harness();
  h.agent("A1", "cpus:1;mem:512;cpus(role1):100;mem(role1):1024");
  const first = h.framework("F1", "role1");
  t.equal(show(first), "A1→F1");
  t.equal(first[0]?.resources.cpusMilli, 101_000);
  h.framework("F2", "role2");
  t.equal(show(h.agent("A2", "cpus:2;mem:512")), "A2→F2");
  t.equal(show(h.agent("A3", "cpus:2;mem:512")), "A3→F2");
  h.framework("F3", "role1");
  t.equal(show(h.agent("A4", "cpus(role1):2;mem(role1):1024")), "A4→F3");
});

t.test("DRFWithFairnessExclusion", async (t) => {
  const h = new Harness({ fairnessExcluded: ["gpus"] });
  h.agent("A1", "cpus:2;mem:1024;gpus:1");
  const gpus = { capabilities: ["MULTI_ROLE", "GPU_RESOURCES"] };
  t.equal(show(h.framework("F1", "role1", gpus)), "A1→F1");
  h.framework("F2", "role2");
  t.equal(show(h.agent("A2", "cpus:1;mem:512")), "A2→F2");
  t.equal(show(h.agent("A3", "cpus:3;mem:2048")), "A3→F2");
  h.framework("F3", "role1");
  t.equal(show(h.agent("A4", "cpus:4;mem:4096")), "A4→F3");
});

t.test("CoarseGrained", async (t) => {
  const h = new Harness();
  h.agent("A1", "cpus:2;mem:1024");
  h.agent("A2", "cpus:2;mem:1024");
  const both = h.framework("F1", "role1");
  t.same(perFramework(both), { F1: 2 });
  h.recover(both);
  t.same(perFramework(h.framework("F2", "role2")), { F1: 1, F2: 1 });
});

t.test("SameShareFairness", async (t) => {
  const h = new Harness();
  h.framework("F1", "*");
  h.framework("F2", "*");
  let offers = h.agent("A", "cpus:2;mem:1024");
  const all: OfferCandidate[] = [];
  for (let i = 0; i < 10; i++) {
    all.push(...offers);
    h.recover(offers);
    offers = h.batch();
  }
  t.same(perFramework(all), { F1: 5, F2: 5 });
});

t.test("UpdateWeight", async (t) => {
  const h = new Harness();
  for (let i = 0; i < 6; i++) h.agent(`A${i}`, "cpus:2;mem:1024");
  let offers = h.framework("F1", "role1");
  t.same(perFramework(offers), { F1: 6 });
  h.framework("F2", "role2");
  h.recover(offers);
  offers = h.batch();
  t.same(perFramework(offers), { F1: 3, F2: 3 });
  h.recover(offers);
  h.allocator.setWeight("role2", 2);
  offers = h.batch();
  t.same(perFramework(offers), { F1: 2, F2: 4 });
  h.recover(offers);
  h.allocator.setWeight("role3", 3);
  t.same(perFramework(h.framework("F3", "role3")), { F1: 1, F2: 2, F3: 3 });
  t.throws(() => h.allocator.setWeight("role1", 0), /weight of role role1: 0/);
  t.throws(() => h.allocator.setWeight("role1", Number.NaN), RangeError);
});

t.test("Allocatable", async (t) => {
  const h = new Harness();
  h.framework("F", "role1");
  t.equal(show(h.agent("A1", "cpus:0.005;mem:16;disk:128")), "");
  t.equal(show(h.agent("A2", "cpus:0.01;mem:16;disk:128")), "A2→F");
  t.equal(show(h.agent("A3", "cpus:0.005;mem:32;disk:128")), "A3→F");
  const mixed = h.agent("A4", "cpus:0.015;mem:16;cpus(role1):0.015;mem(role1):16;disk:128");
  t.equal(show(mixed), "A4→F");
  t.equal(mixed[0]?.resources.length, 5);
});

t.test("FrameworkMinAllocatable and FrameworkEmptyMinAllocatable", async (t) => {
  const h = new Harness();
  h.framework("F", "role1");
  t.equal(show(h.agent("A", "cpus:0.005;mem:16;disk:128")), "");
  const minAllocatable = new Map([["role1", [Quantities.parse("cpus:0.003")]]]);
  h.allocator.updateFramework(frameworkId("F"), frameworkSpec(["role1"], { minAllocatable }));
  t.equal(show(h.batch()), "A→F");
  const empty = new Harness();
  empty.framework("F", "role1", { minAllocatable: new Map([["role1", []]]) });
  t.equal(show(empty.agent("A", "cpus:0.005;mem:16;disk:128")), "A→F");
});

t.test("Reservations", async (t) => {
  const h = new Harness();
  h.agent("A1", "cpus(role1):2;mem(role1):1024");
  h.agent("A2", "cpus(role2):2;mem(role2):1024;cpus:1;mem:1024");
  h.agent("A3", "cpus(role3):2;mem(role3):1024");
  t.equal(
    show(h.framework("F1", "role1"), "full"),
    "A1→F1 cpus(role1):2; mem(role1):1024 | A2→F1 cpus:1; mem:1024",
  );
  t.equal(show(h.framework("F2", "role2"), "full"), "A2→F2 cpus(role2):2; mem(role2):1024");
});

t.test("OfferAncestorReservationsToDescendantChild", async (t) => {
  const h = new Harness();
  h.framework("F", "a/b/c");
  t.equal(show(h.agent("A1", "cpus(a):1;mem(a):512")), "A1→F");
  const whole = h.agent("A2", "cpus:2;mem:1024;cpus(a/b):4;mem(a/b):2048");
  t.equal(whole[0]?.resources.cpusMilli, 6000);
});

t.test("RecoverResources", async (t) => {
  const h = new Harness();
  h.agent("A1", "cpus:1;mem:200;cpus(role1):2;mem(role1):400");
  const [offer] = h.framework("F1", "role1");
  if (offer === undefined) throw new Error("no offer");
  for (const part of [offer.resources.reserved(), offer.resources.unreserved()]) {
    h.recover([{ ...offer, resources: part }]);
    const again = h.batch();
    t.equal(again.length, 1);
    t.ok(again[0]?.resources.equals(part), "each part is offered alone");
  }
});

t.test("RemoveSlaveRecoverResources", async (t) => {
  const h = new Harness();
  h.framework("F1", "role");
  t.equal(show(h.agent("A1", "cpus:2;mem:200")), "A1→F1");
  h.framework("F2", "role");
  t.equal(show(h.agent("A2", "cpus:1;mem:100")), "A2→F2");
  h.allocator.removeAgent(agentId("A1"));
  t.equal(show(h.agent("A3", "cpus:1;mem:100")), "A3→F1");
  h.allocator.removeAgent(agentId("A1"));
  t.equal(h.allocator.hasAgent(agentId("A1")), false);
});

t.test("UpdateSlaveTotalResources", async (t) => {
  const h = new Harness();
  const cpus = (n: number): string => `cpus:${n};mem:100;disk:100`;
  h.framework("F", "role");
  const first = h.agent("A", cpus(100));
  const update = (total: string): OfferCandidate[] => {
    h.allocator.updateAgent(agentId("A"), { total: Resources.of(total) });
    return h.event();
  };
  const more = update(cpus(112));
  t.equal(show(more, "full"), "A→F cpus:12");
  t.equal(show(update("cpus:50;mem:50;disk:50")), "");
  t.ok(h.allocator.free(agentId("A")).isEmpty, "clamped, not negative");
  h.recover([...first, ...more]);
  t.equal(show(h.batch(), "full"), "A→F cpus:50; mem:50; disk:50");
  t.equal(show(update("cpus:100;mem:100;disk:100"), "full"), "A→F cpus:50; mem:50; disk:50");
});

t.test("UpdateSlaveOversubscribedResources and OversubscribedNotAllocated", async (t) => {
  const plain = Resources.of("cpus:100;mem:100;disk:100");
  const revocable = (cpus: number): Resources =>
    Resources.fromWire([
      { name: "cpus", type: "SCALAR", scalar: { milli: cpus * 1000 }, revocable: {} },
    ]);
  const h = new Harness();
  h.framework("F", "role", { capabilities: ["MULTI_ROLE", "REVOCABLE_RESOURCES"] });
  h.agent("A", plain);
  const update = (cpus: number): Resources[] => {
    h.allocator.updateAgent(agentId("A"), { total: plain.add(revocable(cpus)) });
    return h.event().map(({ resources }) => resources.unallocate());
  };
  t.ok(update(10)[0]?.equals(revocable(10)));
  t.ok(update(12)[0]?.equals(revocable(2)));
  t.same(update(5), []);
  const without = new Harness();
  without.framework("F", "role");
  const offers = without.agent("A", plain.add(revocable(10)));
  t.ok(offers[0]?.resources.revocable().isEmpty);
});

t.test("AllocateSharedResources without quota", async (t) => {
  const h = new Harness();
  const sharing = { capabilities: ["MULTI_ROLE", "SHARED_RESOURCES"] };
  h.framework("F1", "role1", sharing);
  h.framework("F2", "role1", sharing);
  const [offer] = h.agent("A", "cpus:4;mem:1024;disk(role1):2048");
  if (offer === undefined) throw new Error("no offer");
  t.equal(offer.frameworkId, "F1");
  const volume = Resources.fromWire([
    {
      name: "disk",
      type: "SCALAR",
      scalar: { milli: 5000 },
      reservations: [{ type: "STATIC", role: "role1" }],
      disk: { persistence: { id: "id1" }, volume: { containerPath: "p", mode: "RW" } },
      shared: {},
    },
  ]);
  const consumed = Resources.of("disk(role1):5");
  h.allocator.updateAllocation(offer.frameworkId, offer.agentId, "role1", [
    { consumed, converted: volume },
  ]);
  t.ok(h.allocator.total(offer.agentId).contains(volume));
  t.ok(h.allocator.free(offer.agentId).equals(volume), "a shared volume is free to others at once");
  const task = Resources.of("cpus:1;mem:5").add(volume).allocate("role1");
  const held = h.allocator.held(offer.frameworkId, offer.agentId);
  h.recover([{ ...offer, resources: held.subtract(task) }]);
  const [rest, ...none] = h.batch();
  t.same(none, []);
  t.equal(rest?.frameworkId, "F2");
  const expected = Resources.of("cpus:3;mem:1019;disk(role1):2043").add(volume);
  t.ok(rest?.resources.unallocate().equals(expected), `${rest?.resources}`);
});

t.test(
  "UpdateAllocation and UpdateAvailable: a reservation changes hands, not amounts",
  async (t) => {
    const h = new Harness();
    const bag = Resources.of("cpus:2;mem:64");
    const reserved = bag.pushReservation({ type: "DYNAMIC", role: "role1" });
    h.agent("A", bag);
    const [offer] = h.framework("F", "role1");
    if (offer === undefined) throw new Error("no offer");
    const before = h.allocator.shares().roles[0];
    h.allocator.updateAllocation(offer.frameworkId, offer.agentId, "role1", [
      { consumed: bag, converted: reserved },
    ]);
    t.equal(h.allocator.shares().roles[0]?.share, before?.share);
    t.equal(h.allocator.shares().roles[0]?.allocations, before?.allocations);
    t.equal(
      h.allocator.updateAvailable(agentId("A"), [{ consumed: reserved, converted: bag }]),
      false,
    );
    h.recover([{ ...offer, resources: reserved.allocate("role1") }]);
    t.equal(
      h.allocator.updateAvailable(agentId("A"), [{ consumed: reserved, converted: bag }]),
      true,
    );
    t.ok(h.allocator.free(agentId("A")).equals(bag));
    t.throws(
      () =>
        h.allocator.updateAllocation(offer.frameworkId, offer.agentId, "role1", [
          { consumed: bag, converted: reserved },
        ]),
      /holds .* not/,
    );
  },
);

t.test("DominantShareMetrics", async (t) => {
  const h = new Harness();
  const share = (role: string): number | undefined =>
    h.allocator.shares().roles.find((each) => each.role === role)?.share;
  h.agent("A1", "cpus:1;mem:1024");
  const first = h.framework("F1", "roleA");
  t.equal(share("roleA"), 1);
  h.recover(first);
  t.equal(share("roleA"), 0);
  h.framework("F2", "roleB");
  h.batch();
  t.same([share("roleA"), share("roleB")], [0, 1]);
  const second = h.agent("A2", "cpus:1;mem:1024");
  t.same([share("roleA"), share("roleB")], [0.5, 0.5]);
  t.equal(show(second), "A2→F1");
  const held = h.allocator.held(frameworkId("F2"), agentId("A1"));
  h.allocator.recoverResources(frameworkId("F2"), agentId("A1"), held, undefined, 0);
  h.allocator.removeFramework(frameworkId("F2"));
  t.equal(share("roleB"), undefined);
});

t.test("DominantShareMetrics with an exclusion", async (t) => {
  const h = new Harness({ fairnessExcluded: ["gpus"] });
  h.framework("F1", "roleA", { capabilities: ["MULTI_ROLE", "GPU_RESOURCES"] });
  h.agent("A1", "cpus:1;mem:1024;gpus:1");
  h.framework("F2", "roleB");
  h.agent("A2", "cpus:3;mem:3072");
  t.same(
    h.allocator.shares().roles.map(({ role, share }) => [role, share]),
    [
      ["roleA", 0.25],
      ["roleB", 0.75],
    ],
  );
});

t.test("NoDoubleAccounting: the order of additions does not matter", async (t) => {
  const used = {
    F1: Resources.of("cpus:1").allocate("*"),
    F2: Resources.of("cpus:1").allocate("*"),
  };
  const digest = (h: Harness): unknown =>
    h.allocator
      .shares()
      .roles.map(({ role, share, frameworks }) => [
        role,
        share,
        frameworks.map(({ frameworkId: id, share: part }) => [id, part]).sort(),
      ]);
  const frameworksLast = new Harness();
  frameworksLast.agent("A1", "cpus:2", used);
  frameworksLast.agent("A2", "cpus:2", used);
  frameworksLast.framework("F1", "*");
  frameworksLast.framework("F2", "*");
  const frameworksFirst = new Harness();
  frameworksFirst.framework("F1", "*");
  frameworksFirst.framework("F2", "*");
  frameworksFirst.agent("A1", "cpus:2", used);
  frameworksFirst.agent("A2", "cpus:2", used);
  t.same(digest(frameworksLast), digest(frameworksFirst));
  t.same(digest(frameworksLast), [
    [
      "*",
      1,
      [
        ["F1", 0.5],
        ["F2", 0.5],
      ],
    ],
  ]);
});

t.test("SuppressAndReviveOffers and DeactivateAndReactivateFramework", async (t) => {
  const h = new Harness();
  const id = frameworkId("F");
  const offers = h.framework("F", "role1");
  h.allocator.suppress(id);
  t.equal(show([...offers, ...h.agent("A", "cpus:1;mem:512")]), "");
  h.allocator.deactivateFramework(id);
  t.equal(show(h.batch()), "");
  h.allocator.activateFramework(id);
  t.equal(show(h.event()) + show(h.batch()), "", "suppression outlives a disconnect");
  h.allocator.revive(id);
  t.equal(show(h.event()), "A→F");
});

t.test("SuppressAndReviveOffersWithMultiRole", async (t) => {
  const h = new Harness();
  const id = frameworkId("F");
  h.allocator.addFramework(id, frameworkSpec(["role1", "role2"]), true);
  h.allocator.suppress(id, ["role1"]);
  const [offer] = h.agent("A1", "cpus:1;mem:512");
  t.equal(offer?.role, "role2");
  h.allocator.suppress(id, ["role2"]);
  t.equal(show(h.agent("A2", "cpus:1;mem:512")), "");
  h.allocator.revive(id, ["role1"]);
  t.equal(h.event()[0]?.role, "role1");
});

t.test("DontOfferOldAgentToMultiRoleFramework, and other capabilities", async (t) => {
  const h = new Harness({ region: "r1" });
  h.allocator.addFramework(frameworkId("F"), frameworkSpec(["role1", "a/b"]), true);
  const add = (name: string, more: object, total = "cpus:1;mem:512"): string => {
    h.allocator.addAgent(agentId(name), agentSpec(total, more));
    return h
      .event()
      .map(({ role }) => role)
      .join();
  };
  t.equal(add("A1", { capabilities: [] }), "");
  t.equal(add("A2", { capabilities: ["MULTI_ROLE"] }), "role1");
  t.equal(add("A3", { capabilities: ["MULTI_ROLE", "HIERARCHICAL_ROLE"] }), "a/b");
  t.equal(add("A4", {}, "cpus:1;mem:512;gpus:1"), "");
  t.equal(add("A5", { domain: { region: "r2", zone: "z" } }), "");
  t.equal(add("A6", { domain: { region: "r1", zone: "z" } }).length > 0, true);
  const counted = h.allocator.refusals();
  for (const reason of ["role", "scarce", "constraint"] as const) {
    t.ok((counted.get(reason) ?? 0) > 0, reason);
  }
  h.allocator.updateAgent(agentId("A1"), { capabilities: ["MULTI_ROLE"] });
  t.equal(h.event().length, 1, "UpdateSlaveCapabilities: offered at once");
});

t.test("FrameworkLoopMESOS_9554: an incapable framework does not stop the loop", async (t) => {
  const h = new Harness();
  h.framework("F1", "role1");
  h.framework("F2", "role1", { capabilities: ["MULTI_ROLE", "GPU_RESOURCES"] });
  t.equal(show(h.agent("A", "cpus:1;mem:512;gpus:1")), "A→F2");
});

t.test("an agent that is not active is not offered, and says why", async (t) => {
  const h = new Harness();
  h.agent("A", "cpus:1;mem:512");
  h.allocator.deactivateAgent(agentId("A"), "draining");
  t.equal(show(h.framework("F", "role1")), "");
  t.equal(h.allocator.refusals().get("draining"), 1);
  h.allocator.activateAgent(agentId("A"));
  t.equal(show(h.event()), "A→F");
});

t.test("who goes while it holds something keeps it until it is recovered", async (t) => {
  const h = new Harness();
  h.framework("F1", "role1");
  const offers = h.agent("A", "cpus:1;mem:512");
  h.allocator.removeFramework(frameworkId("F1"));
  t.equal(h.allocator.shares().roles[0]?.share, 1);
  t.equal(show(h.framework("F2", "role2")), "");
  h.recover(offers, 5000);
  t.equal(show(h.event()), "A→F2");
  t.same(
    h.allocator.shares().roles.map(({ role }) => role),
    ["role2"],
  );
  t.throws(() => h.recover(offers), /framework F1 holds .* on agent A, not/);
});

t.test("a shared resource is offered once in a run, and again in the next", async (t) => {
  const h = new Harness({ minAllocatable: [] });
  const volume = Resources.fromWire([
    {
      name: "disk",
      type: "SCALAR",
      scalar: { milli: 5000 },
      disk: { persistence: { id: "id1" } },
      shared: {},
    },
  ]);
  const sharing = { capabilities: ["MULTI_ROLE", "SHARED_RESOURCES"] };
  h.framework("F1", "role1", sharing);
  h.framework("F2", "role2", sharing);
  t.equal(show(h.agent("A", Resources.of("cpus:1").add(volume))), "A→F1");
  t.equal(show(h.batch()), "A→F2", "F1's share is higher now");
});
