/** Marks of who refused all of an agent: found past quickly, and right whoever comes and goes. */
import fc from "fast-check";
import t from "tap";
import { Resources } from "#resources";
import { Marks } from "../../src/allocator/marks.ts";
import { SortedList } from "../../src/allocator/sorted.ts";

const BAG = Resources.of("cpus:4;mem:1024");

type Item = { readonly component: string; slot: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("come" as const), name: fc.nat(999), share: fc.nat(9) }),
    fc.record({ kind: fc.constant("go" as const), at: fc.nat(999) }),
    fc.record({ kind: fc.constant("move" as const), at: fc.nat(999), share: fc.nat(9) }),
    fc.record({ kind: fc.constant("mark" as const), at: fc.nat(999) }),
    fc.record({ kind: fc.constant("unmark" as const), at: fc.nat(999) }),
    fc.record({ kind: fc.constant("run" as const) }),
  ),
  { minLength: 50, maxLength: 600 },
);

t.test("who is not marked is found, whatever happened before", async () => {
  fc.assert(
    fc.property(steps, fc.nat(3), (story, crowd) => {
      const list = new SortedList<Item>();
      const marks = new Marks();
      const items: Item[] = [];
      const marked = new Set<Item>();
      const come = (component: string, share: number): void => {
        const item = { component, slot: -1 };
        list.insert(item, { share, allocations: 0 });
        items.push(item);
      };
      const mark = (item: Item): void => {
        marked.add(item);
        marks.add(item.slot);
      };
      // A crowd of marked ones that hold nothing, and so stand first.
      for (let i = 0; i < 60 * crowd; i++) come(`crowd${i}`, 0);
      marks.begin(BAG, list);
      for (const item of items) mark(item);
      for (const step of story) {
        const item = "at" in step ? items[step.at % Math.max(1, items.length)] : undefined;
        if (step.kind === "come") come(`${step.name}-${items.length}`, step.share);
        else if (step.kind === "run") check(list, marks, marked);
        else if (item === undefined) continue;
        else if (step.kind === "move") list.move(item, { share: step.share, allocations: 0 });
        else if (step.kind === "go") {
          list.remove(item);
          items.splice(items.indexOf(item), 1);
        } else if (step.kind === "unmark") {
          marked.delete(item);
          marks.delete(item.slot);
        } else {
          marks.begin(BAG, list);
          mark(item);
        }
      }
      check(list, marks, marked);
    }),
    { numRuns: 200 },
  );
});

function check(list: SortedList<Item>, marks: Marks, marked: ReadonlySet<Item>): void {
  marks.begin(BAG, list);
  const walked: (Item | undefined)[] = [];
  for (let at = list.firstUnmarked(0, marks); at < list.length; ) {
    walked.push(list.at(at));
    at = list.firstUnmarked(at + 1, marks);
  }
  const all = Array.from({ length: list.length }, (_, i) => list.at(i));
  const open = all.filter((item) => item !== undefined && !marked.has(item));
  if (walked.length !== open.length || walked.some((item, i) => item !== open[i])) {
    const names = (some: readonly (Item | undefined)[]) => some.map((each) => each?.component);
    throw new Error(`walked ${names(walked)}, not ${names(open)}`);
  }
}

t.test("marks hold for an equal bag, and for no other", async (t) => {
  const list = new SortedList<Item>();
  const item = { component: "f", slot: -1 };
  list.insert(item, { share: 0, allocations: 0 });
  const marks = new Marks();
  marks.begin(BAG, list);
  marks.add(item.slot);
  marks.all = 1;
  marks.begin(Resources.of("mem:1024;cpus:4"), list);
  t.same([marks.has(item.slot), marks.count, marks.all], [true, 1, 1]);
  marks.begin(Resources.of("cpus:5;mem:1024"), list);
  t.same([marks.has(item.slot), marks.count, marks.all], [false, 0, undefined]);
});

t.test("when more came than are remembered, nothing is marked any more", async (t) => {
  const list = new SortedList<Item>();
  const marks = new Marks();
  const first = { component: "first", slot: -1 };
  list.insert(first, { share: 0, allocations: 0 });
  marks.begin(BAG, list);
  marks.add(first.slot);
  for (let i = 0; i < 300; i++) {
    const guest = { component: `guest${i}`, slot: -1 };
    list.insert(guest, { share: 0, allocations: 0 });
    list.remove(guest);
  }
  marks.begin(BAG, list);
  t.equal(marks.has(first.slot), false);
});
