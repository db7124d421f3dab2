/** Chunks and credits of byte streams. */
import t from "tap";
import {
  decodeChunk,
  decodeCredit,
  encodeChunk,
  encodeCredit,
  encodePlain,
  STREAM_CONTENT_BYTES_MAX,
  STREAM_CREDITS_MAX,
  StreamCredits,
} from "#protocol";

t.test("chunks and credits come back as they went", async (t) => {
  const chunk = { offset: 2 ** 40, end: 2 ** 40 + 3, eof: false, bytes: Uint8Array.of(1, 2, 3) };
  t.same(decodeChunk(encodeChunk(chunk)), chunk);
  const last = { offset: 0, end: 0, eof: true, fault: "gone", bytes: new Uint8Array(0) };
  t.same(decodeChunk(encodeChunk(last)), last);
  const full = { offset: 0, end: 0, eof: false, bytes: new Uint8Array(STREAM_CONTENT_BYTES_MAX) };
  t.equal(decodeChunk(encodeChunk(full))?.bytes.length, STREAM_CONTENT_BYTES_MAX);
  const over = { ...full, bytes: new Uint8Array(STREAM_CONTENT_BYTES_MAX + 1) };
  t.throws(() => encodeChunk(over), /at most/);
  t.equal(decodeCredit(encodeCredit(8)), 8);
});

t.test("what is no chunk and no credit is nothing", async (t) => {
  for (const value of [
    null,
    [],
    [1, 2, true],
    [-1, 0, true, null, Buffer.of(1)],
    [0, 0, 1, null, 1],
  ]) {
    t.equal(decodeChunk(encodePlain(value)), undefined);
  }
  for (const value of [[-1], [9], [1.5], ["1"], 3]) {
    t.equal(decodeCredit(encodePlain(value)), undefined);
  }
});

t.test("credits never add up beyond what may be under way", async (t) => {
  const credits = new StreamCredits();
  t.notOk(credits.take());
  credits.grant(5);
  credits.grant(5);
  t.equal(credits.left, STREAM_CREDITS_MAX);
  let taken = 0;
  while (credits.take()) taken++;
  t.equal(taken, STREAM_CREDITS_MAX);
});
