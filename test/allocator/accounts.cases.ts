/**
 * Mesos' allocator tests that check by assertion what is booked, counted and shown, by their names
 * (mesos.md §12.2), in the numbers of the original where it has any.
 */
import { AGENT_CAPABILITIES } from "#protocol";
import { type Resource, Resources } from "#resources";
import t from "tap";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";
import { sharedVolume, Sorter } from "./sorter.ts";

const F = frameworkId("F");
const A = agentId("A");
const R = "cpus:1;mem:100;disk:10";
const HUNDRED = "cpus:100;mem:100;disk:100";

const disk = (mib: number, more: Partial<Resource>): Resources =>
  Resources.fromWire([{ name: "disk", type: "SCALAR", scalar: { milli: mib * 1000 }, ...more }]);
const revocable = (text: string): Resources =>
  Resources.fromWire([...Resources.of(text)].map((each) => ({ ...each, revocable: {} })));

/** All of an agent of HUNDRED is offered to F, which converts something of it and gives it back. */
function converted(total: string, consumed: Resources, into: Resources): Harness {
  const h = new Harness();
  h.agent("A", total);
  const [offer] = h.framework("F", "role1", { capabilities: ["MULTI_ROLE", "SHARED_RESOURCES"] });
  if (offer === undefined) throw new Error("nothing is offered");
  h.allocator.updateAllocation(F, A, "role1", [{ consumed, converted: into }]);
  h.recover([{ ...offer, resources: h.allocator.held(F, A) }]);
  return h;
}

t.test("UpdateAllocation", async (t) => {
  const volume = disk(5, {
    disk: { persistence: { id: "ID" }, volume: { containerPath: "data", mode: "RW" } },
  });
  const h = converted(HUNDRED, Resources.of("disk:5"), volume);
  const [offer] = h.batch();
  const expected = Resources.of("cpus:100;mem:100;disk:95").add(volume);
  t.ok(offer?.resources.unallocate().equals(expected));
});

t.test("UpdateAllocationRemoveResources", async (t) => {
  const h = converted(HUNDRED, Resources.of("disk:100"), Resources.EMPTY);
  t.equal(show(h.batch(), "full"), "A→F cpus:100; mem:100");
  t.ok(h.allocator.total(A).equals(Resources.of("cpus:100;mem:100")));
  t.equal(`${h.allocator.shares().total}`, "cpus:100; mem:100");
});

t.test("UpdateAllocationSharedPersistentVolume", async (t) => {
  const volume = sharedVolume(5);
  const whole = Resources.of("cpus:100;mem:100;disk(role1):100");
  const h = converted("cpus:100;mem:100;disk(role1):100", Resources.of("disk(role1):5"), volume);
  const [offer] = h.batch();
  t.ok(
    offer?.resources.unallocate().equals(whole.subtract(Resources.of("disk(role1):5")).add(volume)),
  );
  const destroy = { consumed: volume, converted: Resources.of("disk(role1):5") };
  h.allocator.updateAllocation(F, A, "role1", [destroy]);
  t.ok(h.allocator.held(F, A).unallocate().equals(whole));
  t.ok(h.allocator.total(A).equals(whole));
});

t.test("SharedResourcesCapability", async (t) => {
  const volume = sharedVolume(5);
  const h = new Harness();
  h.agent("A", Resources.of("cpus:4;mem:1024;disk(role1):2043").add(volume));
  const [without] = h.framework("F", "role1");
  t.ok(without?.resources.unallocate().equals(Resources.of("cpus:4;mem:1024;disk(role1):2043")));
  if (without !== undefined) h.recover([without], 60_000);
  const [aware] = h.framework("S", "role1", { capabilities: ["MULTI_ROLE", "SHARED_RESOURCES"] });
  t.equal(aware?.frameworkId, "S");
  t.ok(aware?.resources.unallocate().contains(volume));
});

t.test("UpdateAvailableSuccess", async (t) => {
  const h = new Harness();
  h.agent("A", HUNDRED);
  const all = Resources.of(HUNDRED);
  const reserved = all.pushReservation({ type: "DYNAMIC", role: "role1", principal: "ops" });
  t.ok(h.allocator.updateAvailable(A, [{ consumed: all, converted: reserved }]));
  const [offer] = h.framework("F", "role1");
  t.ok(offer?.resources.unallocate().equals(reserved));
});

t.test("UpdateAvailableFail", async (t) => {
  const h = new Harness();
  h.agent("A", HUNDRED);
  h.framework("F", "role1");
  const all = Resources.of(HUNDRED);
  const reserved = all.pushReservation({ type: "DYNAMIC", role: "role1", principal: "ops" });
  t.notOk(h.allocator.updateAvailable(A, [{ consumed: all, converted: reserved }]));
  t.ok(h.allocator.total(A).equals(all), "and nothing is done");
});

t.test("AddResourceProvider", async (t) => {
  const h = new Harness();
  for (const [name, role] of [
    ["F1", "role1"],
    ["F2", "role2"],
  ] as const) {
    h.allocator.addFramework(frameworkId(name), frameworkSpec([role]), false);
  }
  // What a provider brings is part of what its agent has; two thirds of it are in use.
  const used = Resources.of(R).add(Resources.of(R));
  t.equal(show(h.agent("A1", used.add(Resources.of(R)), { F1: used.allocate("role1") })), "");
  h.allocator.activateFramework(frameworkId("F2"));
  t.equal(show(h.event(), "full"), "A1→F2 cpus:1; mem:100; disk:10");
  h.allocator.activateFramework(frameworkId("F1"));
  t.equal(show(h.agent("A2", R), "full"), "A2→F2 cpus:1; mem:100; disk:10");
});

t.test("AddResourceProviderOverallocated", async (t) => {
  const h = new Harness();
  h.allocator.addFramework(F, frameworkSpec(["role"]), false);
  const half = Resources.of(R);
  h.agent("A", half.add(half), { F: half.allocate("role") });
  h.allocator.activateFramework(F);
  t.equal(show(h.batch(), "full"), "A→F cpus:1; mem:100; disk:10");
});

t.test("UpdateSlaveCapabilities", async (t) => {
  const h = new Harness();
  h.allocator.addAgent(A, agentSpec(HUNDRED, { capabilities: [] }));
  t.equal(show(h.framework("F", "role1")), "", "the framework is MULTI_ROLE, the agent is not");
  h.allocator.updateAgent(A, { capabilities: AGENT_CAPABILITIES });
  t.equal(show(h.event()), "A→F");
});

t.test("NonScalarReservationTrackingMESOS_9555", async (t) => {
  const h = new Harness();
  h.framework("F1", "role1");
  h.framework("F2", "role2");
  h.quota("role1", "cpus:1;mem:64");
  const total = "cpus:1;mem:64;ports(role1):[31000-31001];ports(role2):[1-9]";
  const offers = h.agent("A", total);
  t.equal(show(offers), "A→F1");
  t.equal(`${h.allocator.consumedBy("role1")}`, "cpus:1; mem:64", "ports are no quantity here");
  h.recover(offers);
  h.allocator.updateAgent(A, { total: Resources.of("cpus:1;mem:64;ports(role1):[31001-31002]") });
  t.equal(`${h.allocator.consumedBy("role1")}${h.allocator.consumedBy("role2")}`, "");
  h.allocator.removeAgent(A);
  t.equal(`${h.allocator.consumedBy("role1")}`, "");
});

t.test("RecoverOversubscribedResources", async (t) => {
  const h = new Harness();
  const capabilities = ["MULTI_ROLE", "REVOCABLE_RESOURCES"];
  h.agent("A", HUNDRED);
  const plain = h.framework("F", "role1", { capabilities });
  const both = Resources.of(HUNDRED).add(revocable("cpus:10"));
  h.allocator.updateAgent(A, { total: both });
  const oversubscribed = h.event();
  t.ok(oversubscribed[0]?.resources.unallocate().equals(revocable("cpus:10")));
  h.recover([...plain, ...oversubscribed]);
  const [offer] = h.batch();
  t.ok(offer?.resources.unallocate().equals(both));
});

t.test("ActiveOfferFiltersMetrics", async (t) => {
  const h = new Harness();
  h.agent("A", "cpus:1;mem:1024");
  const active = (): unknown => Object.fromEntries(h.allocator.activeFilters());
  h.recover(h.framework("F1", "roleA"), 60_000);
  t.same(active(), { roleA: 1 });
  h.recover(h.framework("F2", "roleB"), 60_000);
  t.same(active(), { roleA: 1, roleB: 1 });
  h.recover(h.framework("F3", "roleA"), 60_000);
  t.same(active(), { roleA: 2, roleB: 1 });
  h.nowMs = 61_000;
  h.batch();
  h.batch();
  t.same(active(), {});
});

t.test("ResourceMetrics", async (t) => {
  const h = new Harness();
  const held = (): string =>
    h.allocator
      .shares()
      .roles.map((role) => `${role.allocated}`)
      .join();
  const total = (): string => `${h.allocator.shares().total}`;
  h.agent("A", "cpus:2;mem:1024;disk:0");
  t.same([total(), held()], ["cpus:2; mem:1024", ""]);
  h.framework("F", "role1");
  t.same([total(), held()], ["cpus:2; mem:1024", "cpus:2; mem:1024"]);
  h.allocator.removeAgent(A);
  t.same([total(), held()], ["", ""]);
});

t.test("QuotaMetrics", async (t) => {
  const h = new Harness();
  const shown = (): string => {
    const quota = h.allocator.quotaOf("role");
    return quota === undefined ? "none" : `${quota.guarantee} | ${quota.limit}`;
  };
  t.equal(shown(), "none");
  h.allocator.setQuota("role", h.quotaFrom("cpus:1", "mem:1024"));
  t.equal(shown(), "cpus:1 | mem:1024");
  h.allocator.setQuota("role", h.quotaFrom("cpus:2", "mem:1024"));
  t.equal(shown(), "cpus:2 | mem:1024");
  h.allocator.setQuota("role", h.quotaFrom("", ""));
  t.equal(shown(), "none");
});

t.test("AllocationRunsMetric", async (t) => {
  const h = new Harness();
  t.equal(h.allocator.runs(), 0);
  h.agent("A", "cpus:2;mem:1024");
  t.equal(h.allocator.runs(), 1);
  h.framework("F", "role");
  t.equal(h.allocator.runs(), 2);
});

t.test("CommonSorterTest.UpdateAllocation", async (t) => {
  const s = new Sorter("cpus:10;mem:10;disk:10");
  s.plus("a", "cpus:10;mem:10;disk:10");
  s.update("a", "disk:5", "disk:5");
  t.equal(s.held("a"), "cpus:10; disk:10; mem:10");
  s.update("a", "cpus:10;mem:10;disk:10", "");
  t.equal(s.held("a"), "");
});

for (const [title, more] of [
  ["MultipleSlaves", ""],
  ["MultipleSlavesUpdateAllocation", ";disk:10"],
] as const) {
  t.test(`CommonSorterTest.${title}`, async (t) => {
    const bag = `cpus:2;mem:512${more};ports:[31000-32000]`;
    const s = new Sorter();
    for (const agent of ["A", "B"]) {
      s.total(bag, agent);
      s.plus("framework", bag, agent);
    }
    const twice = `cpus:4;mem:1024${more === "" ? "" : ";disk:20"}`;
    t.equal(s.held("framework"), [...twice.split(";"), "ports:2002"].sort().join("; "));
    if (more !== "") s.update("framework", "disk:5", "disk:5");
    s.minus("framework", bag, "A");
    t.equal(s.held("framework"), [...bag.split(";").slice(0, -1), "ports:1001"].sort().join("; "));
  });
}
