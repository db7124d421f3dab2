/** The simulated disk: shared syncs, crashes, full and failing disks. */
import t from "tap";
import type { Disk, DiskOutcome } from "#runtime";
import { SimDisk } from "#sim";
import { aWorld } from "./a-world.ts";

function aDisk(seed: string) {
  const { world, node } = aWorld(seed);
  const store = new SimDisk(world, "one");
  const one = node("one");
  world.runUntil(1);
  return { world, store, one, disk: store.open(one) };
}

function outcomesOf(disk: Disk, path: string, kinds: string[]): void {
  disk.append(path, new Uint8Array(100), (outcome: DiskOutcome) => kinds.push(outcome.kind));
}

t.test("changes that wait together share one sync, and are readable afterwards", async (t) => {
  const { world, store, disk } = aDisk("7");
  const kinds: string[] = [];
  for (let index = 0; index < 10; index++) outcomesOf(disk, "a/b", kinds);
  t.same(kinds, [], "nothing is called within the call");
  world.runUntil(100);
  t.equal(kinds.length, 10);
  t.ok(store.syncs <= 2, `${store.syncs} syncs`);
  disk.list("a", (list) => t.same(list, { kind: "list", names: ["b"] }));
  disk.read("a/b", (read) => t.equal(read.kind === "read" && read.bytes.length, 1_000));
  world.runUntil(200);
});

t.test("a crash keeps a beginning of what was under way, sometimes with a torn tail", async (t) => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const { world, store, one, disk } = aDisk(`crash ${seed}`);
    const kinds: string[] = [];
    outcomesOf(disk, "file", kinds);
    world.runUntil(100);
    for (let index = 0; index < 3; index++) outcomesOf(disk, "file", kinds);
    one.crash();
    world.runUntil(200);
    t.same(kinds, ["done"]);
    const length = store.files.get("file")?.length ?? 0;
    t.ok(length >= 100 && length <= 400);
    lengths.add(length);
  }
  t.ok(
    [...lengths].some((length) => length % 100 !== 0),
    "a tail was torn",
  );
  t.ok(lengths.has(400) || lengths.has(300), "later changes may have arrived");
});

t.test("a full disk changes nothing, a failed sync leaves the state open", async (t) => {
  const { world, store, disk } = aDisk("7");
  const kinds: string[] = [];
  store.full = true;
  outcomesOf(disk, "file", kinds);
  world.runUntil(50);
  store.full = false;
  store.syncFailures = 1;
  outcomesOf(disk, "file", kinds);
  world.runUntil(100);
  outcomesOf(disk, "file", kinds);
  world.runUntil(150);
  t.same(kinds, ["full", "failed", "done"]);
});
