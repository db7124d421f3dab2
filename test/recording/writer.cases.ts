/** Entries: what is written is read back, whatever it is and in whatever order. */
import fc from "fast-check";
import t from "tap";
import { EntryFault, EntryReader, EntryWriter, hash32, msOf, usOf } from "#recording";

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
    fc.array(tie("value")),
    fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { noNullPrototype: true }),
  ),
})).value;

t.test("plain values come back as they were, piece by piece", async (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(plain)), (pieces) => {
      const writer = new EntryWriter(1);
      const reader = new EntryReader();
      for (const values of pieces) {
        for (const value of values) writer.value(value);
        reader.next(writer.take());
        const read = values.map(() => reader.value());
        if (!reader.atEnd) return false;
        t.strictSame(read, values);
      }
      return t.passing();
    }),
    { numRuns: 200 },
  );
});

t.test("a name that would be a prototype comes back as a name", async (t) => {
  const hostile: unknown = JSON.parse('{"a":1,"__proto__":{"b":2}}');
  const writer = new EntryWriter(1);
  const reader = new EntryReader();
  writer.value(hostile);
  reader.next(writer.take());
  const read = reader.value();
  t.equal(JSON.stringify(read), '{"a":1,"__proto__":{"b":2}}');
  t.equal(Object.getPrototypeOf(read), Object.prototype);
});

t.test("times, names and numbers come back as they were", async (t) => {
  const entry = fc.oneof(
    fc.record({ form: fc.constant("mono" as const), value: fc.integer({ min: 0 }) }),
    fc.record({ form: fc.constant("wall" as const), value: fc.integer({ min: 0, max: 2 ** 51 }) }),
    fc.record({ form: fc.constant("count" as const), value: fc.integer({ min: 0 }) }),
    fc.record({ form: fc.constant("name" as const), value: fc.constantFrom("a", "bä", "c€", "") }),
  );
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const writer = new EntryWriter();
      for (const { form, value } of entries) {
        if (form === "mono") writer.monotonicUs(value);
        else if (form === "wall") writer.wallUs(value);
        else if (form === "count") writer.count(value);
        else writer.name(value);
      }
      const reader = new EntryReader();
      reader.next(writer.take());
      const read = entries.map(({ form }) => {
        if (form === "mono") return reader.monotonicUs();
        if (form === "wall") return reader.wallUs();
        return form === "count" ? reader.count() : reader.name();
      });
      t.strictSame(
        read,
        entries.map(({ value }) => value),
      );
      return reader.atEnd;
    }),
  );
});

t.test("bytes that nobody wrote are a fault, never another error", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const reader = new EntryReader();
      reader.next(bytes);
      try {
        while (!reader.atEnd) reader.value();
      } catch (error) {
        return error instanceof EntryFault;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
  t.throws(() => new EntryWriter().value(() => undefined), /function cannot be recorded/);
});

t.test("the hash is MurmurHash3", async (t) => {
  const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1");
  // Vectors of the reference implementation, x86, 32 bits.
  t.equal(hash32(ascii("")), 0);
  t.equal(hash32(ascii(""), 1), 0x514e28b7);
  t.equal(hash32(Uint8Array.of(0xff, 0xff, 0xff, 0xff)), 0x76293b50);
  t.equal(hash32(Uint8Array.of(0x21, 0x43, 0x65)), 0x7e4a8634);
  t.equal(hash32(ascii("Hello, world!"), 0x9747b28c), 0x24884cba);
});

t.test("a time in microseconds survives its way to an actor and back", async (t) => {
  // A year of a monotonic clock.
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3.2e13 }), (us) => usOf(msOf(us)) === us),
    { numRuns: 10_000 },
  );
  t.equal(usOf(msOf(1_001)), 1_001, "1.001 × 1000 is a little less");
});
