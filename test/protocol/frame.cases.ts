/** Frames and bodies: form, limits, and every way in which bytes can be none of ours. */
import t from "tap";
import {
  type AnyMessage,
  type BodyOf,
  decodeBody,
  decodeSingle,
  encodeFrame,
  encodeMessage,
  encodePlain,
  encodeSingle,
  explainBody,
  fitting,
  FRAME_BYTES_MAX,
  FRAME_MESSAGES_MAX,
  FrameReader,
  MESSAGE_BYTES_MAX,
} from "#protocol";

const header = { epoch: 2 ** 40 + 7, session: "s-1", number: 70_000, ack: 300, window: 5 };

function probe(n: number): Uint8Array {
  const ids = { id: n, re: n * 2 };
  const message = encodeMessage("CloseStream", ids, { streamId: `stream-${n}` });
  if (message.fault !== undefined) throw new Error(message.fault);
  return message.bytes;
}

t.test("a frame is read as it was written, bodies unread", async (t) => {
  const reader = new FrameReader();
  const messages = [probe(1), probe(300), probe(70_000)];
  const frame = encodeFrame(header, messages);
  t.equal(reader.open(frame), undefined);
  t.match(reader, header);
  t.equal(reader.count, 3);
  t.equal(reader.walk(), undefined);
  t.same(
    [0, 1, 2].map((i) => reader.kind(i)),
    ["CloseStream", "CloseStream", "CloseStream"],
  );
  t.same(
    [0, 1, 2].map((i) => reader.id(i)),
    [1, 300, 70_000],
  );
  t.same(
    [0, 1, 2].map((i) => reader.re(i)),
    [2, 600, 140_000],
  );
  t.same(decodeBody("CloseStream", reader.body(1)), { body: { streamId: "stream-300" } });
});

t.test("each of many sessions is read as it was written, again and again", async (t) => {
  const reader = new FrameReader();
  let wrong = 0;
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20_000; n++) {
      const session = `${n}-of-many`;
      reader.open(encodeFrame({ ...header, session }));
      if (reader.session !== session) wrong += 1;
    }
  }
  t.equal(wrong, 0);
});

t.test("a frame is plain CBOR that any library reads", async (t) => {
  const frame = encodeFrame(header, [probe(1)]);
  const { Decoder } = await import("cbor-x");
  const decoded: unknown = new Decoder({ useRecords: false, mapsAsObjects: true }).decode(frame);
  const body = Buffer.from(encodePlain({ streamId: "stream-1" }));
  t.same(decoded, [1, 2 ** 40 + 7, "s-1", 70_000, 300, 5, [["CloseStream", 1, 2, body]]]);
});

t.test("every cut and every wrong beginning of a frame is refused", async (t) => {
  const reader = new FrameReader();
  const frame = encodeFrame(header, [probe(1), probe(2)]);
  for (let length = 0; length < frame.length; length++) {
    const cut = frame.slice(0, length);
    t.ok(reader.open(cut) ?? reader.walk(), `cut after ${length} bytes`);
  }
  const longer = new Uint8Array(frame.length + 1);
  longer.set(frame);
  t.equal(reader.open(longer) ?? reader.walk(), "decode-failed");
  t.equal(reader.open(new Uint8Array(FRAME_BYTES_MAX + 1)), "too-large");
  t.equal(reader.open(encodePlain([2, 1, "s", 1, 1, 1, []])), "unknown-version");
  t.equal(reader.open(encodePlain([1, 1, "s", 1, 1, 1, [], 9])), "decode-failed");
  t.equal(reader.open(encodePlain([1, 1, "x".repeat(65), 1, 1, 1, []])), "decode-failed");
  const many = new Array(FRAME_MESSAGES_MAX + 1).fill(["Heartbeat", 0, 0, Uint8Array.of(0xa0)]);
  t.equal(reader.open(encodePlain([1, 1, "s", 1, 1, 1, many])), "too-large");
});

t.test("messages are split where a frame is full, by number and by bytes", async (t) => {
  const small = new Array<Uint8Array>(1_300).fill(probe(1));
  t.same([fitting(small, 0), fitting(small, 512), fitting(small, 1_024)], [512, 512, 276]);
  const large = new Array<Uint8Array>(3).fill(new Uint8Array(100_000));
  t.same([fitting(large, 0), fitting(large, 2)], [2, 1]);
  const sized = (bytes: number) =>
    encodeMessage("CloseStream", { id: 0, re: 0 }, {
      streamId: "s",
      unknown: new Uint8Array(bytes),
    } as BodyOf<"CloseStream">);
  const rest = (sized(70_000).bytes?.length ?? 0) - 70_000;
  const most = sized(MESSAGE_BYTES_MAX - rest);
  t.equal(most.bytes?.length, MESSAGE_BYTES_MAX);
  t.ok(encodeFrame(header, [most.bytes ?? new Uint8Array(0)]).length <= FRAME_BYTES_MAX);
  const more = sized(MESSAGE_BYTES_MAX - rest + 1);
  t.match(more, { bytes: undefined, reason: "too-large", fault: "larger than any frame" });
});

const BODIES: readonly [title: string, kind: "KILL" | "MESSAGE", body: unknown, fault: RegExp][] = [
  ["an id with dots", "KILL", { taskId: "a.b" }, /taskId/],
  ["an id that is a wildcard", "KILL", { taskId: "*" }, /taskId/],
  ["an id that climbs", "KILL", { taskId: "../../etc" }, /taskId/],
  ["an id that is too long", "KILL", { taskId: "a".repeat(201) }, /taskId/],
  ["a missing field", "KILL", {}, /taskId/],
  ["a list", "KILL", [], /object/],
  [
    "too many bytes",
    "MESSAGE",
    { agentId: "a", executorId: "e", data: Buffer.alloc(131_073) },
    /data/,
  ],
  ["a text for bytes", "MESSAGE", { agentId: "a", executorId: "e", data: "x" }, /data/],
];

for (const [title, kind, body, fault] of BODIES) {
  t.test(`${title} is refused by name`, async (t) => {
    const bytes = encodePlain(body);
    t.same(decodeBody(kind, bytes), { reason: "schema-failed" });
    t.match(explainBody(kind, bytes), fault);
  });
}

t.test("unknown fields are kept", async (t) => {
  const bytes = encodePlain({ taskId: "t", later: { x: [1] } });
  t.same(decodeBody("KILL", bytes), { body: { taskId: "t", later: { x: [1] } } });
});

t.test("decoded byte strings do not hold on to the frame", async (t) => {
  const frame = encodePlain({ agentId: "a", executorId: "e", data: Uint8Array.of(1, 2, 3) });
  const decoded = decodeBody("MESSAGE", frame);
  frame.fill(0);
  t.same(decoded.body?.data, Uint8Array.of(1, 2, 3));
  t.not(decoded.body?.data.buffer, frame.buffer);
});

t.test("what breaks its own schema is not said", async (t) => {
  const wrong = { kind: "KILL", body: { taskId: "a b" } } as object as AnyMessage;
  t.match(encodeSingle(wrong, 1).fault, /KILL\/taskId/);
  t.same(decodeSingle(encodePlain([1, 0, "", 0, 0, 0, [["Nothing", 0, 0, Buffer.of(0xa0)]]])), {
    reason: "unknown-kind",
  });
});

t.test("frames of every size lie beside each other and keep what they say", async (t) => {
  const counts = [1, 0, 40, 3, 512, 2, 200, 1];
  const frames = counts.map((count) => {
    const messages = new Array(count).fill(0).map((_, n) => probe(n));
    return encodeFrame(header, messages);
  });
  const reader = new FrameReader();
  for (const [i, frame] of frames.entries()) {
    t.equal(reader.open(frame) ?? reader.walk(), undefined);
    const ids = new Array(reader.count).fill(0).map((_, n) => reader.id(n));
    t.same(ids, [...new Array(counts[i]).keys()]);
  }
});
