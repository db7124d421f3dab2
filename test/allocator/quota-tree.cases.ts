/**
 * Quota on every level of the role tree: the three tests that Mesos left disabled, in its numbers,
 * and what they leave open.
 */
import { Limits, Quantities, ResourceNames, Resources } from "#resources";
import t from "tap";
import { RoleTree } from "../../src/allocator/role-tree.ts";
import { agentId, agentSpec, frameworkId, Harness, show } from "./harness.ts";

const r = (cpus: number, mem: number): string => `cpus:${cpus};mem:${mem}`;

t.test("NestedRoleQuota", async (t) => {
  const h = new Harness();
  h.framework("F1", "a/b");
  h.quota("a/b", r(2, 1024));
  const first = h.agent("A", r(1, 512));
  t.equal(show(first), "A→F1");
  h.recover(first, 10_000);
  // Mesos gives a role below nothing without a quota of its own, and means to (MESOS-7150).
  const second = h.framework("F2", "a/b/c");
  t.equal(show(second), "A→F2", "the guarantee of a/b is that of all below it");
  h.recover(second, 10_000);
  t.equal(show(h.batch()), "");
  h.quota("a/b/d", r(1, 512));
  t.equal(show(h.framework("F3", "a/b/d")), "A→F3");
});

t.test("NestedRoleQuotaAllocateToParent", async (t) => {
  const h = new Harness();
  h.quota("a/b", r(4, 2048));
  h.framework("F1", "a/b");
  t.equal(show(h.agent("A1", r(2, 1024))), "A1→F1");
  h.framework("F2", "a/b/c");
  h.quota("a/b/c", r(1, 512));
  t.equal(show(h.agent("A2", r(1, 512))), "A2→F2");
  t.equal(show(h.agent("A3", r(1, 512))), "A3→F1");
});

t.test("NestedQuotaAccounting", async (t) => {
  const h = new Harness();
  h.framework("F1", "aaa");
  h.quota("x/b", r(3, 300));
  h.framework("F2", "x/b");
  t.equal(show(h.agent("A1", r(2, 200))), "A1→F2");
  h.quota("x/b/c", r(1, 100));
  h.framework("F3", "x/b/c");
  t.equal(show(h.agent("A2", r(1, 100))), "A2→F3");
  t.equal(`${h.allocator.consumedBy("x/b")}`, "cpus:3; mem:300");
  t.equal(show(h.agent("A3", r(1, 100))), "A3→F1", "both are met, so fairness decides");
});

t.test("a role below gets what the role above is owed", async (t) => {
  const h = new Harness();
  h.quota("a", r(2, 1024));
  h.framework("F1", "a/b");
  h.framework("F2", "n");
  t.equal(show(h.agent("A1", r(1, 512))), "A1→F1");
  t.equal(show(h.agent("A2", r(1, 512))), "A2→F1", "what F1 holds counts for a");
  t.equal(show(h.agent("A3", r(1, 512))), "A3→F2", "and so does the limit");
  t.equal(`${h.allocator.consumedBy("a")}`, "cpus:2; mem:1024");
});

t.test("the role above shares with the one below", async (t) => {
  const h = new Harness();
  h.quota("a", r(4, 2048));
  h.quota("a/b", r(2, 1024));
  h.framework("F1", "a");
  h.framework("F2", "n");
  t.equal(show(h.agent("A1", r(2, 1024))), "A1→F1", "half of a is not owed to a/b");
  t.equal(show(h.agent("A2", r(2, 1024))), "", "the other half is");
  t.equal(show(h.framework("F3", "a/b")), "A2→F3");
  t.equal(show(h.agent("A3", r(2, 1024))), "A3→F2");
});

t.test("use and reservations count on every level", async (t) => {
  const h = new Harness();
  h.quota("a", r(4, 4096));
  h.limit("a/b", "cpus:1");
  h.framework("F", "a/b/c");
  h.agent("A1", `cpus(a/b/c):0.5;mem(a/b/c):64;${r(3, 256)}`);
  t.equal(`${h.allocator.consumedBy("a/b")}`, "cpus:1; mem:320");
  t.equal(`${h.allocator.consumedBy("a")}`, "cpus:1; mem:320");
  t.equal(`${h.allocator.consumedBy("a/b/c")}`, "cpus:1; mem:320");
  t.equal(`${h.allocator.free(agentId("A1"))}`, "cpus:2.5");
  h.allocator.removeAgent(agentId("A1"));
  t.equal(`${h.allocator.consumedBy("a")}`, "");
});

t.test("a guarantee below is not eaten by what else stands below the same role", async (t) => {
  const h = new Harness();
  h.quota("a", r(3, 3072));
  h.allocator.setQuota("a/b", { guarantee: Quantities.parse(r(2, 2048)), limit: Limits.NONE });
  h.framework("F1", "a/c");
  t.equal(show(h.agent("A1", r(1, 1024))), "A1→F1");
  t.equal(show(h.agent("A2", r(1, 1024))), "", "two cpus are left of a, both owed to a/b");
  h.framework("F2", "n");
  t.equal(show(h.agent("A3", r(1, 1024))), "", "and nobody else gets them");
  t.equal(show(h.agent("A4", r(1, 1024))).replace(/^A./, ""), "→F2");
  t.equal(h.framework("F3", "a/b").length, 2);
});

t.test("guarantees that a limit above does not cover are met as far as it goes", async (t) => {
  const h = new Harness();
  h.limit("a", r(1, 512));
  for (const role of ["a/b", "a/c"]) h.allocator.setQuota(role, h.quotaFrom(r(1, 512), ""));
  h.framework("F", "a/c");
  t.equal(show(h.agent("A1", r(1, 512))), "A1→F", "what a/b is owed is not kept from who is too");
  h.framework("G", "a/b");
  t.equal(show(h.agent("A2", r(1, 512))), "", "and the limit holds");
});

t.test("a guarantee that goes leaves no need, though a limit above held it back", async (t) => {
  const h = new Harness();
  h.limit("a", "cpus:0;mem:40");
  h.framework("F", "a/b/c");
  h.quota("a/b/c", "cpus:1;mem:64");
  h.allocator.addAgent(agentId("A"), agentSpec("cpus:4;mem:256;cpus(a):2;mem(a):64"));
  h.limit("a/b/c", "cpus:0;mem:40");
  h.allocator.setQuota("a", undefined);
  h.allocator.setQuota("a/b", h.quotaFrom("cpus:2", ""));
  t.equal(show(h.event(), "full"), "A→F cpus(a):2; mem(a):64; mem:40", "by fairness, of a's own");
});

t.test("a limit above holds what is below it, and names quota as the reason", async (t) => {
  const h = new Harness();
  h.limit("a", "cpus:1;mem:64");
  h.framework("F1", "a/b/c");
  t.equal(show(h.agent("A1", r(4, 1024)), "full"), "A1→F1 cpus:1; mem:64");
  t.equal(show(h.agent("A2", r(4, 1024))), "");
  const { counts } = h.allocator.explain({ frameworkId: frameworkId("F1") });
  t.equal(counts.get("quota"), 2);
  t.ok((h.allocator.refusals().get("quota") ?? 0) > 0);
});

t.test("RoleTreeTest.RolesTracking", async (t) => {
  const names = new ResourceNames();
  const tree = new RoleTree(names);
  const one = names.vectorOf(Resources.of("cpus:1").quantities());
  const quota = { guarantee: Quantities.parse("cpus:1"), limit: Limits.parse("cpus:1") };
  const paths = ["a", "a/b", "a/b/c"];
  const known = (): string[] => [...tree.nodes()].map(({ path }) => path).sort();
  const tracks: [(path: string) => void, (path: string) => void][] = [
    [(path) => tree.setWeight(path, 2), (path) => tree.setWeight(path, 1)],
    [(path) => tree.setQuota(path, quota), (path) => tree.setQuota(path, undefined)],
    [(path) => tree.reserve(path, one), (path) => tree.unreserve(path, one)],
    [
      (path) => {
        tree.ensure(path).pinned = true;
      },
      (path) => {
        const node = tree.ensure(path);
        node.pinned = false;
        tree.prune(node);
      },
    ],
  ];
  for (const [make, undo] of tracks) {
    for (const path of paths) {
      make(path);
      t.ok(tree.find(path));
      undo(path);
      t.same(known(), []);
    }
    make("a/b/c");
    t.same(known(), paths);
    t.same([tree.find("a")?.weight, tree.find("a")?.quota], [1, undefined]);
    undo("a/b/c");
    t.same(known(), []);
  }
  tree.reserve("a/b/c", one);
  for (const path of paths) t.same(tree.find(path)?.reserved, [1000]);
});

t.test("while agents are missing, roles under a limit get nothing and others go on", async (t) => {
  const h = new Harness();
  h.limit("a", "cpus:4");
  h.framework("F1", "a/b");
  h.allocator.holdLimited(true);
  t.equal(show(h.agent("A1", r(1, 512))), "", "what the missing ones run may be all of it");
  t.equal(show(h.framework("F2", "n")), "A1→F2");
  h.allocator.holdLimited(false);
  t.equal(show(h.agent("A2", r(1, 512))), "A2→F1");
});
