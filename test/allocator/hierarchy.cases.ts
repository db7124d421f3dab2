/** The vectors of Mesos' sorter tests about trees and draws, by their names (mesos.md §12.1). */
import t from "tap";
import { weightedShuffle } from "../../src/allocator/random-order.ts";
import { agentId, agentSpec, Harness, seeded, show } from "./harness.ts";
import { r, Sorter } from "./sorter.ts";

const n = (amount: number): string => r(amount, amount);

for (const [title, names] of [
  ["ShallowHierarchy", ["a/a", "b/b", "c/c", "d/d", "e/e", "f/f"]],
  ["DeepHierarchy", ["a/a/a/a/a", "b/b/b/b", "c/c/c", "d/d", "e/e/e/e/e/e", "f/f"]],
] as const) {
  t.test(`DRFSorterTest.${title}`, async (t) => {
    const [a, b, c, d, e, f] = names;
    const s = new Sorter(r(100, 100));
    const order = (letters: string, text: string): void =>
      void t.equal(
        text,
        [...letters].map((letter) => names.find((name) => name.startsWith(letter))).join(),
      );
    s.plus(a, r(5, 5));
    s.plus(b, r(6, 6));
    order("ab", `${s}`);
    s.plus(c, r(1, 1));
    s.plus(d, r(3, 1));
    order("cdab", `${s}`);
    s.remove(a);
    s.minus(b, r(4, 4));
    order("cbd", `${s}`);
    s.plus(e, r(1, 5));
    s.total(r(50, 100));
    order("cbed", `${s}`);
    s.total(r(50, 200));
    s.plus(f, r(5, 1));
    s.plus(c, r(0, 15));
    order("ebdcf", `${s}`);
    t.same([s.contains(b), s.contains(a), s.count], [true, false, 5]);
    s.deactivate(d);
    order("ebcf", `${s}`);
    t.same([s.contains(d), s.count], [true, 5]);
    s.activate(d);
    order("ebdcf", `${s}`);
  });
}

t.test("DRFSorterTest.HierarchicalAllocation", async (t) => {
  const s = new Sorter(r(100, 100));
  s.join("a", "b/c", "b/d");
  t.equal(s.count, 3);
  t.equal(`${s}`, "a,b/c,b/d");
  s.plus("a", n(6));
  t.equal(`${s}`, "b/c,b/d,a");
  s.plus("b/c", n(4));
  s.plus("b/d", n(3));
  t.equal(`${s}`, "a,b/d,b/c");
  s.plus("a", n(2));
  t.equal(`${s}`, "b/d,b/c,a");
  s.join("b/e/f");
  t.equal(`${s}`, "b/e/f,b/d,b/c,a");
  s.plus("b/e/f", n(3.5));
  t.equal(`${s}`, "a,b/d,b/e/f,b/c");
  s.remove("b/e/f");
  t.equal(`${s}`, "b/d,b/c,a");
  s.update("b/c", n(4), n(1));
  t.equal(`${s}`, "b/c,b/d,a");
  s.plus("b/e/f", n(3.5));
  t.equal(`${s}`, "b/c,b/d,b/e/f,a");
  t.equal(s.count, 4);
  t.same([s.contains("b"), s.contains("b/e")], [false, false]);
});

t.test("DRFSorterTest.HierarchicalIterationOrder", async (t) => {
  const s = new Sorter(r(100, 100));
  s.join("a/b", "c", "d", "d/e");
  t.equal(`${s}`, "a/b,c,d,d/e");
  s.plus("c", n(8));
  t.equal(`${s}`, "a/b,d,d/e,c");
  s.plus("d", n(3));
  s.plus("d/e", n(2));
  t.equal(`${s}`, "a/b,d/e,d,c");
  s.plus("a/b", n(6));
  t.equal(`${s}`, "d/e,d,a/b,c");
});

t.test("DRFSorterTest.AddChildToLeaf", async (t) => {
  const s = new Sorter(r(100, 100));
  s.plus("a", n(10));
  s.plus("b", n(6));
  t.equal(`${s}`, "b,a");
  s.plus("a/c", n(5));
  t.equal(`${s}`, "b,a/c,a");
  s.remove("a");
  t.equal(`${s}`, "a/c,b");
  s.plus("a", n(10));
  t.equal(`${s}`, "b,a/c,a");
  s.weight("a/c", 0.2);
  t.equal(`${s}`, "b,a,a/c");
  s.weight("a", 3);
  t.equal(`${s}`, "a,a/c,b");
  s.weight("a/c", 1);
  t.equal(`${s}`, "a/c,a,b");
});

t.test("DRFSorterTest.AddChildToInternal", async (t) => {
  const s = new Sorter(r(100, 100));
  s.plus("x/a", n(10));
  s.plus("x/b", n(6));
  t.equal(`${s}`, "x/b,x/a");
  s.plus("x", n(7));
  t.equal(`${s}`, "x/b,x,x/a");
  s.plus("z", n(20));
  t.equal(`${s}`, "z,x/b,x,x/a");
  s.remove("x");
  t.equal(`${s}`, "x/b,x/a,z");
});

t.test("DRFSorterTest.AddChildToInactiveLeaf", async (t) => {
  const s = new Sorter(r(100, 100));
  s.plus("a", n(10));
  s.plus("b", n(6));
  s.deactivate("a");
  t.equal(`${s}`, "b");
  s.plus("a/c", n(5));
  t.equal(`${s}`, "b,a/c");
});

t.test("DRFSorterTest.RemoveLeafCollapseParent and …Inactive", async (t) => {
  for (const inactive of [false, true]) {
    const s = new Sorter(r(100, 100));
    s.plus("a", n(10));
    s.plus("b", n(6));
    s.plus("a/c", n(5));
    t.same(`${s}`.split(",").sort(), ["a", "a/c", "b"]);
    if (inactive) {
      s.deactivate("a");
      t.same(`${s}`.split(",").sort(), ["a/c", "b"]);
    }
    s.remove("a/c");
    t.same(`${s}`.split(",").sort(), inactive ? ["b"] : ["a", "b"]);
  }
});

t.test("DRFSorterTest.ChangeWeightOnSubtree", async (t) => {
  const s = new Sorter(r(100, 100));
  s.weight("b", 3);
  s.weight("a", 2);
  s.join("a/x", "b/y");
  t.equal(`${s}`, "a/x,b/y");
  s.plus("a/x", n(10));
  s.plus("b/y", n(10));
  t.equal(`${s}`, "b/y,a/x");
  s.plus("b/z", n(5));
  t.equal(`${s}`, "b/z,b/y,a/x", "0.15 / 3 is below 0.10 / 2 in doubles");
  s.plus("b", n(4));
  t.equal(`${s}`, "a/x,b,b/z,b/y");
  s.plus("a/zz", n(2));
  t.equal(`${s}`, "a/zz,a/x,b,b/z,b/y");
});

t.test("a weight of an inner node takes effect at once, though it is no client", async (t) => {
  const s = new Sorter(r(100, 100));
  s.plus("a/x", n(10));
  s.plus("b/y", n(8));
  t.equal(`${s}`, "b/y,a/x");
  s.weight("a", 2);
  t.equal(`${s}`, "a/x,b/y");
});

t.test("CommonSorterTest.UpdateAllocationNestedClient", async (t) => {
  const s = new Sorter("cpus:10;mem:10;disk:10");
  s.plus("a/x", "cpus:10;mem:10;disk:10");
  s.update("a/x", "disk:5", "disk:5");
  t.equal(s.held("a/x"), "cpus:10; disk:10; mem:10");
  s.update("a/x", "cpus:10;mem:10;disk:10", "");
  t.equal(s.held("a/x"), "");
});

/** P(item i at position j), as Mesos' tests have it for the weights 1 to 5. */
const CHANCES = [
  [0.07, 0.08, 0.12, 0.2, 0.54],
  [0.13, 0.16, 0.2, 0.28, 0.23],
  [0.2, 0.22, 0.24, 0.22, 0.12],
  [0.27, 0.26, 0.23, 0.17, 0.07],
  [0.33, 0.28, 0.21, 0.13, 0.04],
];

function frequencies(names: readonly string[], rounds: number, draw: () => string[]): number[][] {
  const counts = names.map(() => names.map(() => 0));
  for (let i = 0; i < rounds; i++) {
    for (const [place, name] of draw().entries()) {
      const row = counts[names.indexOf(name)];
      if (row !== undefined) row[place] = (row[place] ?? 0) + 1 / rounds;
    }
  }
  return counts;
}

function close(
  t: { ok(pass: boolean, message: string): unknown },
  got: number[][],
  expected: readonly (readonly number[])[],
): void {
  for (const [i, row] of expected.entries()) {
    for (const [j, chance] of row.entries()) {
      const seen = got[i]?.[j] ?? 0;
      t.ok(Math.abs(seen - chance) <= 0.05, `${i} at ${j}: ${seen.toFixed(3)} for ${chance}`);
    }
  }
}

t.test("WeightedShuffleTest and RandomSorterTest, flat", async (t) => {
  const random = seeded(3);
  const names = ["a", "b", "c", "d", "e"];
  const weights = [1, 2, 3, 4, 5];
  close(
    t,
    frequencies(names, 1000, () => weightedShuffle(names, weights, random)),
    CHANCES,
  );
  const s = new Sorter(r(100, 100), random);
  for (const [i, name] of names.entries()) s.weight(name, weights[i] ?? 1);
  s.join(...names);
  close(
    t,
    frequencies(names, 1000, () => `${s}`.split(",")),
    CHANCES,
  );
});

t.test("RandomSorterTest, hierarchy", async (t) => {
  const s = new Sorter(r(100, 100), seeded(5));
  for (const [name, weight] of [
    ["a/b", 2],
    ["c", 2],
    ["c/e", 2],
  ] as const)
    s.weight(name, weight);
  const names = ["a", "a/b", "c/d", "c/e"];
  s.join(...names);
  close(
    t,
    frequencies(names, 10_000, () => `${s}`.split(",")),
    [
      [0.11, 0.15, 0.23, 0.51],
      [0.22, 0.27, 0.3, 0.21],
      [0.22, 0.27, 0.3, 0.21],
      [0.44, 0.31, 0.18, 0.07],
    ],
  );
});

t.test("random sorters are drawn from the seed and follow the weights of roles", async (t) => {
  const run = (seed: number): string => {
    const h = new Harness({
      random: seeded(seed),
      roleSorter: "random",
      frameworkSorter: "random",
    });
    h.allocator.setWeight("heavy", 9);
    h.framework("F1", "light");
    h.framework("F2", "heavy");
    for (let i = 0; i < 40; i++) h.allocator.addAgent(agentId(`A${i}`), agentSpec(r(1, 64)));
    return show(h.batch());
  };
  t.equal(run(1), run(1));
  t.not(run(1), run(2));
  t.ok(run(1).split("F2").length > run(1).split("F1").length * 2);
});

t.test("NestedRoleDRF", async (t) => {
  const h = new Harness();
  h.agent("A1", r(2, 1024));
  t.equal(show(h.framework("F1", "a/b")), "A1→F1");
  h.framework("F2", "a/c");
  h.framework("F3", "d/e");
  t.equal(show(h.agent("A2", r(1, 512))), "A2→F3");
  h.framework("F4", "d/f");
  t.equal(show(h.agent("A3", r(2, 1024))), "A3→F4");
});
