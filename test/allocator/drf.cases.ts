/** The flat vectors of Mesos' sorter tests under their own names (mesos.md §12.1), on one order. */
import { Resources } from "#resources";
import t from "tap";
import { r, sharedVolume, Sorter } from "./sorter.ts";

t.test("DRFSorterTest.DRF", async (t) => {
  const s = new Sorter(r(100, 100));
  t.equal(`${s}`, "");
  s.plus("a", r(5, 5));
  s.plus("b", r(6, 6));
  t.equal(`${s}`, "a,b");
  s.plus("c", r(1, 1));
  s.plus("d", r(3, 1));
  t.equal(`${s}`, "c,d,a,b");
  s.remove("a");
  s.minus("b", r(4, 4));
  t.equal(`${s}`, "c,b,d");
  s.plus("e", r(1, 5));
  s.total(r(50, 100));
  t.equal(`${s}`, "c,b,e,d");
  s.total(r(50, 200));
  s.plus("f", r(5, 1));
  s.plus("c", r(0, 15));
  t.equal(`${s}`, "e,b,d,c,f");
  t.same([s.contains("b"), s.contains("a"), s.count], [true, false, 5]);
  s.deactivate("d");
  t.equal(`${s}`, "e,b,c,f");
  t.same([s.contains("d"), s.count], [true, 5]);
  s.activate("d");
  t.equal(`${s}`, "e,b,d,c,f");
});

t.test("DRFSorterTest.WDRF", async (t) => {
  const s = new Sorter(r(100, 100));
  s.plus("a", r(5, 5));
  s.weight("b", 2);
  s.plus("b", r(6, 6));
  t.equal(`${s}`, "b,a");
  s.plus("c", r(4, 4));
  t.equal(`${s}`, "b,c,a");
  s.weight("d", 10);
  s.plus("d", r(10, 20));
  t.equal(`${s}`, "d,b,c,a");
  s.remove("b");
  t.equal(`${s}`, "d,c,a");
  s.plus("d", r(10, 25));
  t.equal(`${s}`, "c,d,a");
  s.weight("e", 0.1);
  s.plus("e", r(1, 1));
  t.equal(`${s}`, "c,d,a,e");
  s.remove("a");
  t.equal(`${s}`, "c,d,e");
});

t.test("DRFSorterTest.UpdateWeight", async (t) => {
  const s = new Sorter(r(100, 100));
  s.plus("a", r(5, 5));
  s.plus("b", r(6, 6));
  t.equal(`${s}`, "a,b");
  s.weight("b", 2);
  t.equal(`${s}`, "b,a");
});

t.test("DRFSorterTest.AllocationCountTieBreak", async (t) => {
  const s = new Sorter(r(100, 100));
  for (const name of ["a", "b", "e"]) s.plus(name, r(3, 3));
  for (let i = 0; i < 3; i++) s.plus("c", r(1, 1));
  s.plus("d", r(2, 2));
  s.plus("d", r(1, 1));
  t.equal(`${s}`, "a,b,e,d,c");
  s.minus("c", r(3, 3));
  t.equal(`${s}`, "c,a,b,e,d");
  s.plus("c", r(3, 3));
  t.equal(`${s}`, "a,b,e,d,c");
  s.deactivate("c");
  s.activate("c");
  t.equal(`${s}`, "a,b,e,d,c");
  s.minus("c", r(3, 3));
  s.plus("c", r(3, 3));
  t.equal(`${s}`, "a,b,e,d,c");
  s.deactivate("a");
  s.minus("a", r(1, 3));
  s.plus("a", r(1, 3));
  t.equal(`${s}`, "b,e,d,c");
  s.activate("a");
  t.equal(`${s}`, "b,e,a,d,c");
});

t.test("DRFSorterTest.SplitResourceShares", async (t) => {
  const s = new Sorter("cpus:100;mem:100;disk:100");
  const volume = Resources.fromWire([
    { name: "disk", type: "SCALAR", scalar: { milli: 5000 }, disk: { persistence: { id: "ID" } } },
  ]);
  s.plus("a", "cpus:9;mem:9;disk:9");
  s.plus("b", Resources.of(r(9, 9)).add(volume).add(volume));
  t.equal(`${s}`, "a,b");
  t.equal(s.held("b"), "cpus:9; disk:10; mem:9");
});

t.test("DRFSorterTest.UpdateTotal", async (t) => {
  const s = new Sorter(r(10, 100));
  s.plus("a", r(2, 1));
  s.plus("b", r(1, 2));
  t.equal(`${s}`, "b,a");
  s.total(r(100, 10));
  t.equal(`${s}`, "a,b");
});

t.test("DRFSorterTest.MultipleSlavesUpdateTotal", async (t) => {
  const s = new Sorter();
  s.total(r(5, 50), "A");
  s.total(r(5, 50), "B");
  s.plus("a", r(2, 1), "A");
  s.plus("b", r(1, 3), "B");
  t.equal(`${s}`, "b,a");
  s.total(r(95, 50), "A");
  t.equal(`${s}`, "a,b");
});

t.test("DRFSorterTest.RemoveResources", async (t) => {
  const s = new Sorter("cpus:10");
  s.plus("a", "cpus:6");
  s.plus("b", "cpus:4");
  t.equal(`${s}`, "b,a");
  s.total("cpus:5");
  s.update("a", "cpus:6", "cpus:1");
  t.equal(`${s}`, "a,b");
});

t.test("DRFSorterTest.RevocableResources", async (t) => {
  const revocable = (cpus: number): string =>
    JSON.stringify([{ name: "cpus", type: "SCALAR", scalar: { value: cpus }, revocable: {} }]);
  const s = new Sorter(r(10, 100));
  s.total(revocable(10), "B");
  s.plus("a", r(2, 1));
  s.plus("b", r(1, 1));
  s.plus("b", revocable(9));
  t.equal(`${s}`, "a,b");
});

t.test("DRFSorterTest.SharedResources", async (t) => {
  const s = new Sorter("cpus:100;mem:100;disk:1000");
  const volume = sharedVolume(100);
  const withVolume = (text: string): Resources => Resources.of(text).add(volume);
  s.plus("a", withVolume(r(5, 5)));
  s.plus("b", r(6, 6));
  t.equal(`${s}`, "b,a");
  s.plus("c", withVolume(r(1, 1)));
  t.equal(`${s}`, "b,a,c");
  s.remove("a");
  s.minus("b", r(4, 4));
  t.equal(`${s}`, "b,c");
  s.plus("d", withVolume(r(1, 5)));
  t.equal(`${s}`, "b,c,d");
  t.equal(s.count, 3);
});

t.test("DRFSorterTest.SameDominantSharedResourcesAcrossClients", async (t) => {
  const s = new Sorter("cpus:100;mem:100;disk:1000");
  const withVolume = (text: string): Resources => Resources.of(text).add(sharedVolume(900));
  s.plus("b", withVolume(r(5, 20)));
  s.plus("c", withVolume(r(10, 6)));
  t.equal(`${s}`, "b,c");
  s.plus("a", withVolume(r(50, 40)));
  t.equal(`${s}`, "a,b,c");
});

t.test("DRFSorterTest.SameSharedResourcesSameClient", async (t) => {
  const s = new Sorter("cpus:100;mem:100;disk:1000");
  const volume = sharedVolume(50);
  s.plus("a", Resources.of(r(2, 2)).add(volume));
  s.plus("b", r(6, 6));
  t.equal(`${s}`, "a,b");
  s.plus("a", volume.add(volume).add(volume));
  t.equal(`${s}`, "a,b");
});

t.test("DRFSorterTest.SharedResourcesUnallocated", async (t) => {
  const s = new Sorter("cpus:100;mem:100;disk:1000");
  const volume = sharedVolume(100);
  s.plus("a", Resources.of(r(2, 2)).add(volume).add(volume).add(volume));
  s.plus("b", r(6, 6));
  t.equal(`${s}`, "b,a");
  s.minus("a", volume);
  t.equal(`${s}`, "b,a");
  s.minus("a", volume.add(volume));
  t.equal(`${s}`, "a,b");
});

t.test("CommonSorterTest.AllocationForInactiveClient", async (t) => {
  const s = new Sorter(r(100, 100));
  s.add("a");
  s.plus("a", r(2, 2));
  s.plus("b", r(3, 3));
  t.equal(`${s}`, "b");
  t.equal(s.held("a"), "cpus:2; mem:2");
  s.activate("a");
  t.equal(`${s}`, "a,b");
});

t.test("the same doubles as Mesos: 0.15 / 3 comes before 0.10 / 2", async (t) => {
  // DRFSorterTest.ChangeWeightOnSubtree, its tie, on flat clients.
  const s = new Sorter(r(100, 100));
  s.weight("b", 3);
  s.weight("a", 2);
  s.plus("a", r(10, 10));
  s.plus("b", r(15, 15));
  t.equal(`${s}`, "b,a");
});

t.test("an order repaired is the order sorted anew", async (t) => {
  const names = Array.from({ length: 60 }, (_, i) => `c${String(i).padStart(2, "0")}`);
  const repaired = new Sorter(r(1000, 1000));
  const held = new Map(names.map((name) => [name, 0]));
  for (const name of names) repaired.plus(name, r(1, 0));
  for (let i = 0; i < 500; i++) {
    const name = names[(i * 37 + (i % 7)) % names.length] ?? "c00";
    const amount = held.get(name) ?? 0;
    if (amount > 3) {
      repaired.minus(name, r(amount, 0));
      held.set(name, 0);
    } else {
      repaired.plus(name, r(1, 0));
      held.set(name, amount + 1);
    }
    const before = `${repaired}`;
    if (i % 25 !== 0) continue;
    repaired.total(r(1000, 1000), "A");
    t.equal(before, `${repaired}`, `step ${i}`);
  }
});
