/** The timing wheel against a list that is searched each time. */
import fc from "fast-check";
import t from "tap";
import { TimingWheel } from "../../src/allocator/timing-wheel.ts";

type Item = { readonly expiryMs: number; readonly n: number };
type Step =
  | { readonly do: "add"; readonly inMs: number }
  | { readonly do: "remove"; readonly n: number }
  | { readonly do: "advance"; readonly byMs: number };

const duration = fc.oneof(
  fc.nat(3),
  fc.nat(70),
  fc.nat(5000),
  fc.nat(400_000),
  fc.integer({ min: 0, max: 366 * 24 * 3600 * 1000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("add" as const), inMs: duration }),
  fc.record({ do: fc.constant("remove" as const), n: fc.nat(20) }),
  fc.record({ do: fc.constant("advance" as const), byMs: duration }),
);

t.test("gives what a search of all would give", (t) => {
  const start = fc.constantFrom(0, 1, 63, 4096, 1_764_000_000_000);
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 60 }), (startMs, steps) => {
      const wheel = new TimingWheel<Item>();
      let list: Item[] = [];
      let nowMs = startMs;
      let n = 0;
      for (const each of steps) {
        if (each.do === "add") {
          const item = { expiryMs: nowMs + each.inMs, n: n++ };
          wheel.add(item, nowMs);
          list.push(item);
        } else if (each.do === "remove") {
          const item = list[each.n];
          if (item !== undefined) wheel.remove(item);
          list = list.filter((other) => other !== item);
        } else {
          nowMs += each.byMs;
          const due = list.filter(({ expiryMs }) => expiryMs <= nowMs);
          list = list.filter(({ expiryMs }) => expiryMs > nowMs);
          const numbers = (items: Item[]) => items.map((item) => item.n).sort((a, b) => a - b);
          const ended = wheel.advance(nowMs);
          t.same(numbers(ended), numbers(due));
          const times = ended.map(({ expiryMs }) => expiryMs);
          t.same(
            times,
            [...times].sort((a, b) => a - b),
          );
        }
        const next = Math.min(...list.map(({ expiryMs }) => expiryMs));
        t.equal(wheel.nextMs(), list.length === 0 ? undefined : next);
      }
    }),
  );
  t.end();
});

t.test("what should have ended before ends with the next advance", (t) => {
  const wheel = new TimingWheel<Item>();
  wheel.add({ expiryMs: 9000, n: 1 }, 5000);
  t.same(wheel.advance(6000), []);
  const late = { expiryMs: 100, n: 2 };
  wheel.add(late, 6000);
  t.equal(wheel.nextMs(), 6000);
  t.same(wheel.advance(6000), [late]);
  t.equal(wheel.nextMs(), 9000);
  t.end();
});
