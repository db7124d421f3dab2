/** SHA-256 against the vectors of FIPS 180-4 and against Node's own. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { sha256, toHex } from "#replication";

const VECTORS: readonly (readonly [text: string, digest: string])[] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
];

t.test("SHA-256 gives the digests of the standard", async (t) => {
  for (const [text, digest] of VECTORS) {
    t.equal(toHex(sha256(new TextEncoder().encode(text))), digest);
  }
});

t.test("SHA-256 agrees with Node's on any bytes, block borders included", async (t) => {
  const lengths = fc.oneof(fc.constantFrom(55, 56, 63, 64, 65, 119, 120), fc.nat(300));
  const bytes = lengths.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  fc.assert(
    fc.property(bytes, (bytes) => {
      return toHex(sha256(bytes)) === createHash("sha256").update(bytes).digest("hex");
    }),
    { numRuns: 200 },
  );
  t.pass("200 runs");
});
