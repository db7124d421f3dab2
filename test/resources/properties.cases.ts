/** Laws of the algebra over generated bags: reserved, shared, indivisible, allocated ones too. */
import { type Disk, type Reservation, type Resource, Resources } from "#resources";
import fc from "fast-check";
import t from "tap";

const stack = fc.constantFrom<Reservation[]>(
  [],
  [],
  [{ type: "STATIC", role: "a" }],
  [{ type: "DYNAMIC", role: "a", principal: "p" }],
  [
    { type: "STATIC", role: "a" },
    { type: "DYNAMIC", role: "a/b", labels: [{ key: "k", value: "v" }, { key: "l" }] },
  ],
);
const scalarName = fc.constantFrom("cpus", "mem", "disk");
const mount: Disk = { source: { type: "MOUNT", root: "/m" } };
const volume: Disk = { persistence: { id: "v" }, volume: { containerPath: "p", mode: "RW" } };

const value: fc.Arbitrary<Pick<Resource, "name" | "type" | "scalar" | "ranges" | "set">> = fc.oneof(
  fc.record({
    name: scalarName,
    type: fc.constant("SCALAR" as const),
    scalar: fc.record({ milli: fc.integer({ min: 0, max: 9000 }) }),
  }),
  fc.record({
    name: fc.constant("ports"),
    type: fc.constant("RANGES" as const),
    ranges: fc
      .array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 6 })), {
        maxLength: 5,
      })
      .map((pairs) => ({ range: pairs.map(([begin, n]) => ({ begin, end: begin + n })) })),
  }),
  fc.record({
    name: fc.constant("zones"),
    type: fc.constant("SET" as const),
    set: fc.uniqueArray(fc.constantFrom("x", "y", "z", "w")).map((item) => ({ item })),
  }),
);

const plainObject: fc.Arbitrary<Resource> = fc
  .tuple(value, stack, fc.boolean())
  .map(([what, reservations, revocable]) => ({
    ...what,
    ...(reservations.length > 0 ? { reservations } : {}),
    ...(revocable ? { revocable: {} } : {}),
  }));
const wholeObject: fc.Arbitrary<Resource> = fc
  .tuple(fc.constantFrom(10, 20), fc.constantFrom(mount, volume), fc.boolean())
  .map(([milli, disk, shared]) => ({
    name: "disk",
    type: "SCALAR" as const,
    scalar: { milli },
    disk,
    ...(shared && disk === volume ? { shared: {} } : {}),
  }));
const bagOf = (object: fc.Arbitrary<Resource>): fc.Arbitrary<Resources> =>
  fc.array(object, { maxLength: 6 }).map((list) => Resources.fromWire(list));
const plain = bagOf(plainObject);
const any = bagOf(fc.oneof({ weight: 3, arbitrary: plainObject }, wholeObject));

const law = (name: string, property: fc.IRawProperty<unknown>): void =>
  void t.test(name, async () => fc.assert(property, { numRuns: 300 }));

law(
  "sums do not depend on order",
  fc.property(any, any, any, (a, b, c) => {
    return (
      a.add(b).equals(b.add(a)) &&
      a
        .add(b)
        .add(c)
        .equals(a.add(b.add(c)))
    );
  }),
);
law(
  "a difference is within its left side and never negative",
  fc.property(any, any, (a, b) => {
    const rest = a.subtract(b);
    return a.contains(rest) && rest.toWire().every((each) => (each.scalar?.milli ?? 1) > 0);
  }),
);
law(
  "what was added can be taken away again; ranges and sets where they were not there before",
  fc.property(any, any, (a, b) => {
    const scalars = b.filter(({ type }) => type === "SCALAR");
    const fresh = b.subtract(a).filter(({ type }) => type !== "SCALAR");
    return [scalars, fresh].every((part) => a.add(part).subtract(part).equals(a));
  }),
);
law(
  "what was taken away can be added again",
  fc.property(any, any, (a, b) => {
    const whole = a.add(b);
    return whole.contains(b) && whole.subtract(b).add(b).equals(whole);
  }),
);
law(
  "containment is a partial order",
  fc.property(any, any, any, (a, b, c) => {
    const reflexive = a.contains(a) && a.add(b).contains(a);
    const antisymmetric = (a.contains(b) && b.contains(a)) === a.equals(b);
    const transitive = !(a.contains(b) && b.contains(c)) || a.contains(c);
    const chain = a.add(b).add(c).contains(a.add(b)) && a.add(b).contains(b);
    return reflexive && antisymmetric && transitive && chain;
  }),
);
law(
  "equal bags have equal amounts and an empty difference",
  fc.property(any, any, (a, b) => {
    const [ab, ba] = [a.add(b), b.add(a)];
    if (a.equals(b) !== (a.contains(b) && b.contains(a))) return false;
    return ab.amounts().equals(ba.amounts()) && ab.subtract(ba).isEmpty && ba.subtract(ab).isEmpty;
  }),
);
law(
  "containment agrees with containment of amounts",
  fc.property(any, any, (a, b) => {
    const ab = a.add(b);
    return (
      (!a.contains(b) || a.amounts().contains(b.amounts())) && ab.amounts().contains(a.amounts())
    );
  }),
);
law(
  "text is read back as the same bag",
  fc.property(any, (a) => {
    const read = Resources.parse(a.toText());
    return read.ok && read.value.equals(a);
  }),
);
law(
  "the wire is read back as the same bag",
  fc.property(any, (a) => {
    const read = Resources.check(a.toWire());
    return read.ok && read.value.equals(a);
  }),
);
law(
  "reserved and unreserved make up the whole, allocation and reservation can be undone",
  fc.property(plain, (a) => {
    return (
      a.reserved().add(a.unreserved()).equals(a) &&
      a.allocate("r").unallocate().equals(a) &&
      a.toUnreserved().reserved().isEmpty &&
      a
        .unreserved()
        .pushReservation({ type: "DYNAMIC", role: "q" })
        .popReservation()
        .equals(a.unreserved())
    );
  }),
);
law(
  "a bag shrunk to amounts is within the bag and within the amounts",
  fc.property(any, any, (a, b) => {
    const small = a.shrink(b.quantities());
    return a.contains(small) && b.quantities().contains(small.quantities());
  }),
);
law(
  "what is found is of the amounts sought, and there",
  fc.property(plain, plain, (a, b) => {
    const found = a.find(b);
    return found === undefined || (a.contains(found) && found.amounts().equals(b.amounts()));
  }),
);
law(
  "no text makes the reader throw",
  fc.property(fc.string({ unit: fc.constantFrom(..."cm:;()[]{}-,0123456789.e* /") }), (text) => {
    const read = Resources.parse(text);
    return read.ok || (read.error.position >= 0 && read.error.position <= text.length);
  }),
);
