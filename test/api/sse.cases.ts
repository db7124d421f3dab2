/** Frames of the event stream survive any cutting of their bytes. */
import fc from "fast-check";
import t from "tap";
import { formatSse, SSE_BUFFER_LENGTH_MAX, SSE_COMMENT, type SseEvent, SseReader } from "#api";

const line = fc.string({ maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, ""));
const event = fc.record(
  {
    id: fc.stringMatching(/^[0-9]{1,3}\.[0-9]{1,3}$/),
    event: fc.constantFrom("TASK_ADDED", "snapshot"),
    data: fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => lines.join("\n")),
  },
  { requiredKeys: ["event", "data"] },
);

t.test("what is written is read again, wherever the text is cut", async (t) => {
  fc.assert(
    fc.property(fc.array(event), fc.integer({ min: 1, max: 9 }), (events, size) => {
      const text = events.map((one) => formatSse(one as SseEvent) + SSE_COMMENT).join("");
      const reader = new SseReader();
      const read: SseEvent[] = [];
      for (let at = 0; at < text.length; at += size) {
        read.push(...reader.push(text.slice(at, at + size)));
      }
      t.same(read, events);
    }),
    { numRuns: 200 },
  );
});

t.test("an event without end is refused instead of kept", async (t) => {
  const reader = new SseReader();
  t.throws(() => reader.push("x".repeat(SSE_BUFFER_LENGTH_MAX + 1)), /longer than/);
});
