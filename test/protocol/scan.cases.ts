/** The scan as a table of hostile bytes, and decoding compared with the library's. */
import { Decoder } from "cbor-x";
import fc from "fast-check";
import t from "tap";
import {
  CBOR_DEPTH_MAX,
  CBOR_ITEMS_MAX,
  decodeValue,
  encodePlain,
  type ScanFault,
  scanCbor,
} from "#protocol";
import { processorMsOf } from "../support/processor.ts";

/** Beyond any scan that stops where it must. */
const SCAN_PROCESSOR_MS_MAX = 200;

const bytes = (...parts: (number | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flat());
const repeated = (byte: number, count: number): number[] => new Array<number>(count).fill(byte);

const megabyte = 1024 * 1024;
const bignum = new Uint8Array(megabyte + 6).fill(0xff);
bignum.set([0xc2, 0x5a, 0x00, 0x10, 0x00, 0x00]);
const nested = new Uint8Array(100_001).fill(0x81);
nested[100_000] = 0x00;

const REFUSED: readonly [title: string, bytes: Uint8Array, fault: ScanFault][] = [
  ["a bignum of 1 MB", bignum, "tag"],
  ["100,000 arrays in each other", nested, "too-deep"],
  ["a record of cbor-x (tag 57343)", bytes(0xd9, 0xdf, 0xff, 0x83, 0x01, 0x80, 0x01), "tag"],
  ["a date (tag 1)", bytes(0xc1, 0x00), "tag"],
  ["an indefinite array", bytes(0x9f, 0x01, 0xff), "indefinite-or-reserved-length"],
  ["an indefinite text", bytes(0x7f, 0x61, 0x61, 0xff), "indefinite-or-reserved-length"],
  ["a reserved length", bytes(0x1c), "indefinite-or-reserved-length"],
  ["nothing", bytes(), "truncated"],
  ["a text that ends early", bytes(0x65, 0x61), "truncated"],
  ["bytes of 4 GB", bytes(0x5a, 0xff, 0xff, 0xff, 0xff), "truncated"],
  ["an array of 2^53 items", bytes(0x9b, 0, 0x20, 0, 0, 0, 0, 0, 0), "truncated"],
  ["an array that promises more than there is", bytes(0x9a, 0, 1, 0, 0, 0), "truncated"],
  ["a head without its length", bytes(0x19, 0x01), "truncated"],
  ["bytes behind the item", bytes(0x01, 0x02), "trailing-bytes"],
  ["an integer above 2^53", bytes(0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0), "integer-too-large"],
  ["a map with a number as key", bytes(0xa1, 0x01, 0x02), "key-not-text"],
  ["a map with a map as key", bytes(0xa1, 0xa0, 0x02), "key-not-text"],
  ["undefined", bytes(0xf7), "simple-value"],
  ["a simple value of no meaning", bytes(0xe0), "simple-value"],
  [
    "a million empty maps",
    bytes(0x9a, 0, 0x0f, 0x42, 0x40, repeated(0xa0, 1_000_000)),
    "too-many-items",
  ],
  ["one level too deep", bytes(repeated(0x81, CBOR_DEPTH_MAX + 1), 0x00), "too-deep"],
];

for (const [title, data, fault] of REFUSED) {
  t.test(`the scan refuses ${title}`, async (t) => {
    const tookMs = processorMsOf(() => t.equal(scanCbor(data), fault));
    t.ok(tookMs < SCAN_PROCESSOR_MS_MAX, "and does not take long over it");
    t.same(decodeValue(data), { fault: "scan-failed" });
  });
}

t.test("the scan passes what stands exactly at its limits", async (t) => {
  t.equal(scanCbor(bytes(repeated(0x81, CBOR_DEPTH_MAX), 0x00)), undefined);
  t.equal(scanCbor(bytes(repeated(0x81, CBOR_DEPTH_MAX - 1), 0x80)), undefined);
  const items = CBOR_ITEMS_MAX - 1;
  t.equal(scanCbor(bytes(0x99, items >> 8, items & 255, repeated(0x00, items))), undefined);
  const more = items + 1;
  t.equal(scanCbor(bytes(0x99, more >> 8, more & 255, repeated(0, more))), "too-many-items");
  t.equal(scanCbor(bytes(0x1b, 0, 0x1f, ...repeated(0xff, 6))), undefined);
});

const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
    fc.string({ maxLength: 300, unit: "grapheme" }),
    fc.stringMatching(/^[a-z_]{0,70}$/),
    fc.uint8Array({ maxLength: 100 }),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.dictionary(fc.string({ maxLength: 20 }), tie("value"), { maxKeys: 30 }),
  ),
})).value;

const reference = new Decoder({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

t.test("whatever is encoded passes the scan and decodes as the library decodes it", async (t) => {
  fc.assert(
    fc.property(plain, (value) => {
      const data = Uint8Array.from(encodePlain(value));
      if (scanCbor(data) !== undefined) throw new Error(`refused: ${scanCbor(data)}`);
      const decoded = decodeValue(data);
      if (decoded.fault !== undefined) throw new Error(decoded.fault);
      compare(decoded.value, reference.decode(data));
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});

function compare(a: unknown, b: unknown): void {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    if (Buffer.compare(a, b) !== 0) throw new Error("bytes differ");
    return;
  }
  // The library gives integers above 2^32 as bigint; we as numbers.
  if (typeof b === "bigint") return compare(a, Number(b));
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) {
    if (!Object.is(a, b)) throw new Error(`${String(a)} is not ${String(b)}`);
    return;
  }
  const keys = Object.keys(a);
  if (keys.join() !== Object.keys(b).join()) throw new Error("keys differ");
  for (const key of keys) compare(Reflect.get(a, key), Reflect.get(b, key));
}

t.test("malformed UTF-8 becomes replacement characters as everywhere", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (raw) => {
      const head = raw.length < 24 ? [0x60 | raw.length] : [0x78, raw.length];
      const decoded = decodeValue(bytes(head, [...raw]));
      if (decoded.fault !== undefined) throw new Error(decoded.fault);
      const expected = new TextDecoder("utf-8", { ignoreBOM: true }).decode(raw);
      if (decoded.value !== expected) throw new Error(`${decoded.value} is not ${expected}`);
    }),
    { numRuns: 3_000 },
  );
  t.pass();
});

t.test("a field that is undefined is absent on the wire, deep inside too", async (t) => {
  const value = { a: 1, b: undefined, c: [{ d: undefined, e: 2 }], f: { g: undefined } };
  const decoded = decodeValue(encodePlain(value));
  t.strictSame(decoded, { value: { a: 1, c: [{ e: 2 }], f: {} } });
  t.ok("b" in value, "what was given is left as it was");
});

t.test("a key __proto__ cannot touch the prototype", async (t) => {
  const data = bytes(0xa1, 0x69, [...Buffer.from("__proto__")], 0xa1, 0x61, 0x78, 0x01);
  const decoded = decodeValue(data);
  t.equal(decoded.fault, undefined);
  if (decoded.fault !== undefined) return;
  t.equal(Object.getPrototypeOf(decoded.value), Object.prototype);
  t.equal(Reflect.get(Object(decoded.value), "x"), undefined);
});

t.test("a byte that looks like undefined is left alone", async (t) => {
  for (const value of [{ a: 0xf7 }, { a: Uint8Array.of(0xf7), b: [247, -248] }, { a: 2 ** -40 }]) {
    t.same(decodeValue(encodePlain(value)), { value });
    t.same(decodeValue(encodePlain({ ...value, c: undefined })), { value });
  }
});

t.test(
  "texts of the same place and of others are told apart, however many there are",
  async (t) => {
    const wrong: string[] = [];
    for (let n = 0; n < 30_000; n++) {
      const text = `${n * 7_919}-of-many`.slice(n % 5);
      const value = { first: text, second: n % 2 === 0 ? text : `${n}`, [`key-${n % 40}`]: [text] };
      const decoded = decodeValue(encodePlain(value));
      if (JSON.stringify(decoded) !== JSON.stringify({ value })) wrong.push(text);
    }
    t.same(wrong, []);
  },
);
