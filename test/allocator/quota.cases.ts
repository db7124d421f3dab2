/** The vectors of Mesos' allocator tests about quota, by their names (mesos.md §12.2). */
import type { OfferCandidate } from "#allocator";
import { Limits, Quantities, Resources } from "#resources";
import t from "tap";
import { agentId, frameworkId, Harness, show } from "./harness.ts";

const DAY_MS = 24 * 3600 * 1000;
const r = (cpus: number, mem: number): string => `cpus:${cpus};mem:${mem}`;
const reserved = (role: string, cpus: number, mem: number): string =>
  `cpus(${role}):${cpus};mem(${role}):${mem}`;
const held = (role: string, text: string): Resources => Resources.of(text).allocate(role);
const mount = (mib: number): Resources =>
  Resources.fromWire([
    {
      name: "disk",
      type: "SCALAR",
      scalar: { milli: mib * 1000 },
      disk: { source: { type: "MOUNT", root: "/mnt" } },
    },
  ]);
const bare = (offers: readonly OfferCandidate[]): string => show(offers, "full");

t.test("QuotaProvidesGuarantee", async (t) => {
  const h = new Harness();
  h.quota("q", r(2, 1024));
  h.framework("F1", "q");
  h.framework("F2", "n");
  t.equal(show(h.agent("A1", r(1, 512))), "A1→F1");
  const second = h.agent("A2", r(1, 512));
  t.equal(show(second), "A2→F1");
  h.recover(second, 2000);
  t.equal(show(h.batch()), "");
  t.equal(show(h.batch()), "A2→F1");
});

t.test("QuotaProvidesLimit", async (t) => {
  const h = new Harness();
  h.framework("F1", "*");
  h.limit("*", "cpus:0;mem:0;disk:0");
  t.equal(show(h.agent("A1", "cpus:2;mem:1024;disk:1024")), "");
  t.equal(show(h.framework("F2", "n")), "A1→F2");
  h.limit("*", "cpus:1;mem:512;disk:512");
  t.equal(
    bare(h.agent("A2", "cpus:2;mem:1024;disk:1024")),
    "A2→F1 cpus:1; mem:512; disk:512 | A2→F2 cpus:1; mem:512; disk:512",
  );
});

t.test("RemoveQuota", async (t) => {
  const h = new Harness();
  h.quota("q", r(2, 1024));
  h.framework("F1", "q");
  h.framework("F2", "n");
  const all = held("q", r(1, 512));
  t.equal(show(h.agent("A1", r(1, 512), { F1: all })), "");
  t.equal(show(h.agent("A2", r(1, 512), { F1: all })), "");
  h.allocator.setQuota("q", undefined);
  t.equal(h.allocator.quotaOf("q"), undefined);
  h.allocator.recoverResources(frameworkId("F1"), agentId("A1"), all, undefined, h.nowMs);
  t.equal(show(h.batch()), "A1→F2");
});

t.test("MultipleFrameworksInRoleWithQuota", async (t) => {
  const h = new Harness();
  h.framework("F1a", "q");
  h.quota("q", r(4, 2048));
  h.framework("F2", "n");
  t.equal(show(h.agent("A1", r(1, 512))), "A1→F1a");
  h.framework("F1b", "q");
  t.equal(show(h.agent("A2", r(2, 1024))), "A2→F1b");
  const third = h.agent("A3", r(1, 512));
  t.equal(show(third), "A3→F1a");
  h.recover(third, 5000);
  t.equal(show(h.batch()), "A3→F1b");
});

t.test("QuotaAllocationGranularity", async (t) => {
  const h = new Harness();
  h.framework("F1", "q");
  h.quota("q", r(0.5, 200));
  t.equal(bare(h.agent("A", r(1, 512))), "A→F1 cpus:0.5; mem:200");
  t.equal(bare(h.framework("F2", "n")), "A→F2 cpus:0.5; mem:312");
});

t.test("QuotaAllocationGranularityUnchoppableResource", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:2;mem:2048;disk:150");
  const half = Resources.of(r(0.5, 512));
  h.agent("A1", half.add(mount(100)));
  const first = h.framework("F", "q");
  t.ok(first[0]?.resources.unallocate().equals(half.add(mount(100))));
  t.equal(bare(h.agent("A2", half.add(mount(100)))), "A2→F cpus:0.5; mem:512");
  t.equal(bare(h.agent("A3", "cpus:2;mem:2048;disk:150")), "A3→F cpus:1; mem:1024; disk:50");
});

t.test("QuotaAllocationMultipleDisk", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:1;mem:512;disk:100");
  h.framework("F", "q");
  const total = Resources.of("cpus:1;mem:512;disk:50").add(mount(50));
  const offers = h.agent("A", total);
  t.equal(offers.length, 1);
  t.ok(offers[0]?.resources.unallocate().equals(total));
});

t.test("QuotaRoleAllocateNonQuotaResource", async (t) => {
  const total = "cpus:1;mem:1024;ports:[31000-32000]";
  const third = (h: Harness): OfferCandidate[] => {
    h.quota("quota1", "cpus:2");
    h.framework("F", "quota1");
    t.equal(bare(h.agent("A1", total)), "A1→F cpus:1; mem:1024; ports:[31000-32000]");
    h.quota("quota2", "mem:1024");
    const [second] = h.agent("A2", total);
    t.ok(second?.resources.unallocate().equals(Resources.of("cpus:1;ports:[31000-32000]")));
    return h.agent("A3", total);
  };
  const [last] = third(new Harness({ minAllocatable: [] }));
  t.ok(last?.resources.unallocate().equals(Resources.of("mem:1024;ports:[31000-32000]")));
  // Mesos gives that with its usual minimum too: memory without any cpus, past a limit on cpus.
  t.equal(show(third(new Harness())), "", "what lost all its cpus is of no use to anybody");
});

t.test("DRFWithQuota", async (t) => {
  const h = new Harness();
  h.quota("q", r(0.25, 128));
  h.framework("F1", "q");
  h.framework("F2", "n");
  t.equal(
    bare(h.agent("A1", r(1, 512), { F1: held("q", r(0.25, 128)) })),
    "A1→F2 cpus:0.75; mem:384",
  );
  t.equal(show(h.agent("A2", r(1, 512))), "A2→F2");
});

t.test("QuotaAgainstStarvation", async (t) => {
  const h = new Harness();
  h.framework("F1", "q");
  h.framework("F2", "n");
  h.agent("A1", r(1, 512), { F1: held("q", r(1, 512)) });
  let offers = h.agent("A2", r(1, 512));
  t.equal(show(offers), "A2→F2");
  h.recover(offers, 0);
  offers = h.batch();
  t.equal(show(offers), "A2→F2");
  h.recover(offers, 0);
  h.quota("q", r(2, 1024));
  t.equal(show(h.batch()), "A2→F1");
});

t.test("QuotaAbsentFrameworkWholeAgent", async (t) => {
  const h = new Harness();
  h.quota("q", r(2, 1024));
  h.framework("F", "n");
  t.equal(show(h.agent("A1", r(2, 1024))), "");
  t.equal(h.agent("A2", r(2, 1024)).length, 1);
});

t.test("MultiQuotaAbsentFrameworks", async (t) => {
  const h = new Harness();
  h.agent("A", r(2, 2048));
  h.quota("quota1", r(1, 1024));
  h.quota("quota2", r(2, 2048));
  t.equal(bare(h.framework("F", "quota2")), "A→F cpus:2; mem:2048");
});

t.test("MultiQuotaWithFrameworks", async (t) => {
  const h = new Harness();
  h.quota("quota1", r(1, 200));
  h.quota("quota2", r(2, 2000));
  h.framework("F1", "quota1");
  h.framework("F2", "quota2");
  h.agent("A1", r(1, 1024), { F1: held("quota1", r(1, 1024)) });
  h.agent("A2", r(1, 1024), { F2: held("quota2", r(1, 1024)) });
  t.equal(bare(h.agent("A3", r(2, 2048))), "A3→F2 cpus:1; mem:976");
});

t.test("ReservationWithinQuota", async (t) => {
  const h = new Harness();
  h.quota("q", r(2, 256));
  h.framework("F1", "q");
  h.framework("F2", "n");
  const used = held("q", "cpus:2;mem(q):256");
  t.equal(bare(h.agent("A1", "cpus:8;mem(q):256", { F1: used })), "A1→F2 cpus:6");
  t.equal(bare(h.agent("A2", "cpus:4")), "A2→F2 cpus:4");
});

t.test("QuotaSetAsideReservedResources", async (t) => {
  const h = new Harness();
  h.agent("A1", r(4, 512));
  h.agent("A2", reserved("n", 4, 512));
  h.quota("q", r(4, 512));
  let offers = h.framework("F1", "q");
  t.equal(show(offers), "A1→F1");
  h.recover(offers, 10_000);
  t.equal(show(h.batch()), "");
  offers = h.framework("F2", "n");
  t.equal(show(offers), "A2→F2");
  h.recover(offers, 10_000);
  t.equal(show(h.batch()), "");
});

t.test("DisproportionateQuotaVsAllocation", async (t) => {
  const h = new Harness();
  h.quota("q", r(4, 1024));
  h.framework("F", "q");
  t.equal(bare(h.agent("A1", r(2, 1024))), "A1→F cpus:2; mem:1024");
  t.equal(bare(h.agent("A2", r(2, 1024))), "A2→F cpus:2");
});

t.test("ReservationUnallocated", async (t) => {
  const h = new Harness();
  h.quota("q", r(1, 1024));
  h.agent("A1", reserved("q", 1, 1024));
  const offers = h.framework("F1", "q");
  t.equal(show(offers), "A1→F1");
  h.recover(offers, DAY_MS);
  t.equal(show(h.agent("A2", r(1, 1024))), "");
});

t.test("ReservationAllocated", async (t) => {
  const h = new Harness();
  h.quota("q", r(2, 2048));
  h.agent("A1", reserved("q", 1, 1024));
  t.equal(show(h.framework("F1", "q")), "A1→F1");
  t.equal(show(h.agent("A2", r(1, 1024))), "A2→F1");
  t.equal(show(h.agent("A3", r(1, 1024))), "");
});

t.test("NonQuotaRoleReservationWithQuotaRole", async (t) => {
  const h = new Harness();
  h.agent("A1", `${r(2, 2048)};${reserved("n", 2, 2048)}`);
  h.quota("q", r(2, 2048));
  const offers = h.framework("F1", "q");
  t.equal(bare(offers), "A1→F1 cpus:2; mem:2048");
  h.recover(offers, DAY_MS);
  t.equal(bare(h.framework("F2", "n")), "A1→F2 cpus(n):2; mem(n):2048");
});

t.test("QuotaHeadroomWhenReservationsExceedQuota", async (t) => {
  const h = new Harness();
  h.quota("q1", r(1, 1024));
  h.quota("q2", r(1, 1024));
  h.agent("A1", reserved("q1", 2, 2048));
  h.agent("A2", r(1, 1024));
  t.equal(show(h.framework("F", "n")), "");
  t.equal(h.agent("A3", r(1, 1024)).length, 1);
});

t.test("QuotaAccountingReserveAllocatedResources", async (t) => {
  const h = new Harness();
  h.quota("q", r(10, 1024));
  h.framework("F", "q");
  const [offer] = h.agent("A1", r(5, 512));
  t.equal(bare(offer === undefined ? [] : [offer]), "A1→F cpus:5; mem:512");
  const consumed = Resources.of(r(5, 512));
  const converted = consumed.pushReservation({ type: "DYNAMIC", role: "q" });
  h.allocator.updateAllocation(frameworkId("F"), agentId("A1"), "q", [{ consumed, converted }]);
  t.equal(`${h.allocator.consumedBy("q")}`, "cpus:5; mem:512");
  t.equal(bare(h.agent("A2", r(10, 1024))), "A2→F cpus:5; mem:512");
});

t.test("QuotaAccountingUnreserveAllocatedResources", async (t) => {
  const h = new Harness();
  h.quota("q", r(1, 1024));
  h.framework("F", "q");
  const consumed = Resources.of(r(1, 1024)).pushReservation({ type: "DYNAMIC", role: "q" });
  t.equal(show(h.agent("A1", consumed)), "A1→F");
  t.equal(show(h.agent("A2", r(1, 1024))), "");
  const converted = consumed.popReservation();
  h.allocator.updateAllocation(frameworkId("F"), agentId("A1"), "q", [{ consumed, converted }]);
  t.equal(show(h.batch()), "");
});

t.test("SharedAllocatedResourceQuotaAccounting", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:3;mem:2048;disk:100");
  h.framework("F", "q", { capabilities: ["MULTI_ROLE", "SHARED_RESOURCES"] });
  const [offer] = h.agent("A1", `${reserved("q", 2, 1024)};disk(q):50`);
  if (offer === undefined) throw new Error("no offer");
  const consumed = Resources.of("disk(q):50");
  const volume = Resources.fromWire(
    consumed.toWire().map((each) => ({ ...each, disk: { persistence: { id: "v" } }, shared: {} })),
  );
  const change = [{ consumed, converted: volume }];
  h.allocator.updateAllocation(frameworkId("F"), agentId("A1"), "q", change);
  const back = Resources.of(reserved("q", 1, 512));
  h.recover([{ ...offer, resources: back.allocate("q") }]);
  const again = h.batch();
  t.ok(again[0]?.resources.unallocate().equals(back.add(volume)));
  t.equal(show(h.agent("A2", "cpus:1;mem:1024;disk:50")), "A2→F");
  t.equal(show(h.agent("A3", "cpus:0.5;mem:512;disk:50")), "");
});

t.test("QuotaWithNestedRoleReservation", async (t) => {
  const h = new Harness();
  h.quota("a", r(2, 200));
  h.agent("A1", reserved("a/b", 1, 100));
  h.agent("A2", r(10, 1000));
  t.equal(bare(h.framework("F1", "a")), "A2→F1 cpus:1; mem:100");
});

t.test(
  "QuotaWithNestedRoleAllocation: other than in Mesos, a/b is held to the limit of a",
  async (t) => {
    const h = new Harness();
    h.framework("F1", "a/b");
    t.equal(show(h.agent("A1", r(1, 1024))), "A1→F1");
    h.quota("a", r(1, 1024));
    h.framework("F2", "a");
    t.equal(show(h.agent("A2", r(1, 1024))), "", "Mesos gives A2 to F1, past the limit of a");
    t.equal(show(h.framework("F3", "n")), "A2→F3");
  },
);

t.test("QuotaHeadroomWithNestedRoleAllocation", async (t) => {
  const h = new Harness();
  h.framework("F1", "a/b");
  t.equal(show(h.agent("A1", r(1, 100))), "A1→F1");
  h.framework("F2", "a");
  t.equal(show(h.agent("A2", r(1, 100))), "A2→F2");
  h.quota("q", r(1, 100));
  t.equal(show(h.agent("A3", r(1, 100))), "");
  t.equal(h.agent("A4", r(1, 100)).length, 1);
});

t.test("QuotaWithAncestorReservations", async (t) => {
  const h = new Harness();
  h.quota("q", r(1, 1024));
  h.agent("A1", reserved("a", 1, 1024));
  t.equal(show(h.framework("F1", "a/b")), "A1→F1");
  t.equal(show(h.framework("F2", "n")), "");
  const offers = [...h.agent("A2", r(1, 1024)), ...h.agent("A3", r(1, 1024))];
  t.equal(offers.length, 1);
});

t.test("AllocateSharedResources with quota", async (t) => {
  const h = new Harness();
  h.quota("role1", "cpus:8;mem:2048;disk:4096");
  const capabilities = ["MULTI_ROLE", "SHARED_RESOURCES"];
  const [offer] = [
    ...h.framework("F1", "role1", { capabilities }),
    ...h.agent("A", "cpus:4;mem:1024;disk(role1):2048"),
  ];
  if (offer === undefined) throw new Error("no offer");
  h.framework("F2", "role1", { capabilities });
  const consumed = Resources.of("disk(role1):5");
  const volume = Resources.fromWire(
    consumed.toWire().map((each) => ({ ...each, disk: { persistence: { id: "v" } }, shared: {} })),
  );
  const change = [{ consumed, converted: volume }];
  h.allocator.updateAllocation(frameworkId("F1"), agentId("A"), "role1", change);
  const rest = Resources.of("cpus:3;mem:1019;disk(role1):2043");
  h.recover([{ ...offer, resources: rest.allocate("role1") }]);
  const next = h.batch();
  t.equal(show(next), "A→F2");
  t.ok(next[0]?.resources.unallocate().equals(rest.add(volume)));
});

t.test("a quota whose guarantee is above its limit is refused with the figures", async (t) => {
  const h = new Harness();
  t.throws(
    () =>
      h.allocator.setQuota("q", {
        guarantee: Quantities.parse("cpus:2"),
        limit: Limits.parse("cpus:1.5"),
      }),
    /quota of role q: guarantee cpus 2 is above its limit 1.5/,
  );
});
