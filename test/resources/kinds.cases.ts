/** Kinds are the same exactly when their keys are, however they were compared. */
import type { Reservation, Resource } from "#resources";
import fc from "fast-check";
import t from "tap";
import { kindOf } from "../../src/resources/kinds.ts";
import { kindKey } from "../../src/resources/resource.ts";

const labels = fc.constantFrom<{ key: string; value?: string }[] | undefined>(
  undefined,
  [{ key: "k", value: "v" }],
  [{ key: "k" }, { key: "l", value: "v" }],
  [{ key: "l", value: "v" }, { key: "k" }],
);
const reservation = fc
  .tuple(fc.constantFrom("STATIC", "DYNAMIC"), fc.constantFrom(undefined, "p"), labels)
  .map(([type, principal, labels]): Reservation => {
    return {
      type: type as Reservation["type"],
      role: "a",
      ...(principal === undefined ? {} : { principal }),
      ...(labels === undefined ? {} : { labels }),
    };
  });
const object: fc.Arbitrary<Resource> = fc
  .record({
    name: fc.constantFrom("disk", "mem"),
    refined: fc.boolean(),
    stack: fc.option(reservation, { nil: undefined }),
    disk: fc.constantFrom(undefined, "v", "w"),
    flags: fc.record({ revocable: fc.boolean(), shared: fc.boolean(), allocated: fc.boolean() }),
    providerId: fc.constantFrom(undefined, undefined, "provider"),
  })
  .map(({ name, refined, stack, disk, flags, providerId }): Resource => {
    const below: Reservation = { type: "DYNAMIC", role: "a/b" };
    return {
      name,
      type: "SCALAR",
      scalar: { milli: 1000 },
      ...(stack === undefined ? {} : { reservations: refined ? [stack, below] : [stack] }),
      ...(disk === undefined ? {} : { disk: { persistence: { id: disk } } }),
      ...(flags.revocable ? { revocable: {} } : {}),
      ...(flags.shared ? { shared: {} } : {}),
      ...(flags.allocated ? { allocationInfo: { role: "r" } } : {}),
      ...(providerId === undefined ? {} : { providerId }),
    };
  });

t.test("kinds are the same where their keys are", (t) => {
  const compared = fc.property(object, object, (left, right) => {
    const same = kindOf(left).same(kindOf(right));
    t.equal(same, kindKey(left) === kindKey(right));
  });
  fc.assert(compared, { numRuns: 2000 });
  t.end();
});

t.test("allocating and bringing back changes nothing else", (t) => {
  const compared = fc.property(object, (given) => {
    const kind = kindOf(given);
    const allocated = kind.allocatedTo("s");
    t.equal(allocated.key, kindKey({ ...given, allocationInfo: { role: "s" } }));
    const { allocationInfo: _, ...bare } = given;
    t.equal(allocated.unallocated().key, kindKey(bare));
  });
  fc.assert(compared, { numRuns: 300 });
  t.end();
});
