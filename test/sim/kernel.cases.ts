/** The kernel: the calendar, chance, lives, clocks, turns, and equal digests for equal seeds. */
import fc from "fast-check";
import t from "tap";
import { Chance, clockOf, Trace, World } from "#sim";
import { copied, kept } from "../../sim/kernel/bytes.ts";
import { Heap } from "../../sim/kernel/heap.ts";
import { aWorld } from "./a-world.ts";

t.test(
  "the calendar gives entries by time, and by order of entry where times are equal",
  async (t) => {
    const times = fc.array(fc.nat({ max: 20 }), { maxLength: 200 });
    fc.assert(
      fc.property(times, (list) => {
        const heap = new Heap();
        list.forEach((atMs, sequence) => {
          heap.push({ atMs, sequence, cause: 0, happen: () => undefined });
        });
        const sorted = list.map((atMs, sequence) => ({ atMs, sequence }));
        sorted.sort((one, two) => one.atMs - two.atMs || one.sequence - two.sequence);
        for (const { atMs, sequence } of sorted) {
          const entry = heap.pop();
          if (entry?.atMs !== atMs || entry.sequence !== sequence) return false;
        }
        return heap.pop() === undefined;
      }),
    );
    t.pass("for 100 drawn lists");
  },
);

t.test("a stream of chance is its seed and its name, whatever other streams draw", async (t) => {
  const draws = (seed: string, name: string): number[] => {
    const chance = new Chance(seed, name, () => undefined);
    return Array.from({ length: 8 }, () => chance.below(1_000_000));
  };
  t.same(draws("7", "net"), draws("7", "net"));
  t.notSame(draws("7", "net"), draws("7", "faults"));
  t.notSame(draws("7", "net"), draws("8", "net"));
  const chance = new Chance("7", "mean", () => undefined);
  let sum = 0;
  for (let index = 0; index < 20_000; index++) sum += chance.exponential(10);
  t.ok(sum / 20_000 > 9 && sum / 20_000 < 11, `mean ${sum / 20_000}`);
  t.match(chance.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

t.test("after a pause timers fire before the mail that came meanwhile", async (t) => {
  const { world, node } = aWorld();
  const said: string[] = [];
  const one = node("one", () => void one.timer(50, () => said.push("timer")));
  one.arrive(40, () => said.push("mail"));
  world.at(10, () => one.halt("pause"));
  world.at(100, () => one.resume());
  world.runUntil(200);
  t.same(said, ["timer", "mail"]);
});

t.test(
  "monotonic time goes on in a pause and stands still in a suspend; wall time goes on",
  async (t) => {
    for (const [how, monotonicMs] of [
      ["pause", 1000],
      ["suspend", 400],
    ] as const) {
      const { world, node } = aWorld();
      const one = node("one");
      let firedAtMs = 0;
      one.timer(500, () => {
        firedAtMs = world.nowMs;
      });
      world.at(200, () => one.halt(how));
      world.at(800, () => one.resume());
      world.runUntil(1000);
      t.equal(one.monotonicMs(), monotonicMs, how);
      t.equal(one.wallMs() - world.wallBeginMs, 1000, how);
      world.runUntil(2000);
      t.equal(Math.floor(firedAtMs), how === "pause" ? 800 : 1100, how);
    }
  },
);

t.test("timers and mail of an earlier life are void", async (t) => {
  const { world, node } = aWorld();
  const said: string[] = [];
  const one = node("one");
  one.timer(50, () => said.push("timer of the first life"));
  one.arrive(60, () => said.push("mail of the first life"));
  world.at(10, () => one.crash());
  world.at(20, () => one.start(() => said.push("second life")));
  world.runUntil(100);
  t.same(said, ["second life"]);
});

t.test("a busy node reads its mail later, in batches", async (t) => {
  const { world, node } = aWorld();
  const one = node("one");
  const readAtMs: number[] = [];
  for (let index = 0; index < 10; index++) {
    one.arrive(1, () => {
      one.charge(5);
      readAtMs.push(world.nowMs);
    });
  }
  world.runUntil(1000);
  t.equal(readAtMs.length, 10);
  t.ok((readAtMs.at(-1) ?? 0) > 5, "the last one waited for the price of earlier ones");
  t.ok(new Set(readAtMs).size > 1 && new Set(readAtMs).size < 10, "boundaries are drawn");
});

/** Nodes that send each other counted timers and mail: enough to see two runs differ. */
function toyRun(seed: string): { digest: string; events: number } {
  const trace = new Trace({ keepAll: false });
  const world = new World({ seed, recorder: trace });
  const nodes = ["a", "b", "c"].map((name) => world.addNode(name));
  const chance = world.seed.stream("toy");
  for (const node of nodes) {
    const tick = (): void => {
      const to = chance.pick(nodes);
      world.record({ node: node.name, kind: "tick", summary: `to ${to?.name}` });
      to?.arrive(node.localMs + chance.exponential(3), () => to.charge(0.1));
      clockOf(node).timer(5 + chance.below(10), tick);
    };
    node.start(tick);
  }
  world.at(500, () => nodes[0]?.crash());
  world.runUntil(5_000);
  return { digest: trace.digest(), events: world.events };
}

t.test("the same seed gives the same digest, another seed another", async (t) => {
  t.same(toyRun("7"), toyRun("7"));
  t.not(toyRun("7").digest, toyRun("8").digest);
});

t.test("copies hold what was there when they were made, wherever their block ends", async (t) => {
  const sizes = fc.array(fc.integer({ min: 0, max: 12_000 }), { maxLength: 20 });
  fc.assert(
    fc.property(sizes, fc.func(fc.boolean()), (lengths, isKept) => {
      const made = lengths.map((length, index) => {
        const bytes = new Uint8Array(length).fill(index + 1);
        const copy = isKept(index) ? kept(bytes) : copied(bytes);
        bytes.fill(0);
        return copy;
      });
      for (const [index, copy] of made.entries()) {
        if (copy.length !== lengths[index] || copy.some((byte) => byte !== index + 1)) {
          throw new Error(`copy ${index} of ${lengths[index]} bytes is not what was copied`);
        }
      }
    }),
  );
  t.pass("no copy runs into the next");
});
