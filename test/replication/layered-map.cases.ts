/** The layered map is what a Map would be, and every version of it stays what it was. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { LAYER_CHANGES_MAX, LayeredMap } from "../../src/replication/layered-map.ts";

interface Item {
  readonly is: number;
}

/** Enough keys that the small layer becomes part of the large one now and then. */
const KEYS = LAYER_CHANGES_MAX * 2;

const change = fc.record({
  key: fc.nat(KEYS - 1),
  is: fc.oneof(
    { weight: 3, arbitrary: fc.nat(9) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
});

function same(layered: LayeredMap<number, Item>, plain: ReadonlyMap<number, Item>): void {
  assert.deepEqual([...layered], [...plain]);
  assert.deepEqual([...layered.keys()], [...plain.keys()]);
  assert.deepEqual([...layered.values()], [...plain.values()]);
  assert.equal(layered.size, plain.size);
}

t.test("it has what a Map has, in the order of a Map", async (t) => {
  const changes = fc.array(change, { minLength: 1, maxLength: 3 * KEYS });
  fc.assert(
    fc.property(fc.nat(KEYS), changes, (begin, list) => {
      const first = Array.from({ length: begin }, (_, key): [number, Item] => [key, { is: -1 }]);
      const plain = new Map(first);
      let layered = LayeredMap.of(first);
      const before = layered;
      for (const { key, is } of list) {
        if (is === undefined) plain.delete(key);
        else plain.set(key, { is });
        layered = is === undefined ? layered.without(key) : layered.with(key, { is });
        assert.deepEqual(layered.get(key), plain.get(key));
        assert.equal(layered.has(key), plain.has(key));
      }
      same(layered, plain);
      same(before, new Map(first));
    }),
    { numRuns: 60 },
  );
  t.pass("60 runs");
});

t.test("what was taken out and put in again stands last", async (t) => {
  const map = LayeredMap.of<string, Item>([
    ["a", { is: 1 }],
    ["b", { is: 2 }],
  ]);
  t.same([...map.with("a", { is: 3 }).keys()], ["a", "b"]);
  t.same([...map.without("a").with("a", { is: 3 }).keys()], ["b", "a"]);
  t.equal(map.without("c"), map, "nothing has changed");
});
