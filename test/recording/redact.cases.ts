/** Secrets: none stays, nothing else changes, and what is compared or measured decides the same. */
import fc from "fast-check";
import t from "tap";
import { frameRecords, readRecords } from "#actors/agent";
import { processSecrecy } from "#adapters";
import { decodeValue, encodeFrame, encodePlain } from "#protocol";
import { blanks, pseudonyms, Redactor } from "#recording";

const secrecy = processSecrecy();
const redactor = new Redactor(pseudonyms(secrecy), secrecy.find);
const blank = new Redactor(blanks, secrecy.find);

interface Variable {
  readonly name: string;
  readonly value: string;
}

const taskWith = (variables: readonly Variable[], data = new Uint8Array(0)): object => ({
  name: "web",
  command: { shell: true, value: "run", environment: { variables } },
  data,
  labels: [{ key: "value", value: "kept" }],
});

const variables = fc.array(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 20 }),
    value: fc.string({ unit: "binary", maxLength: 60 }),
  }),
  { minLength: 1, maxLength: 5 },
);

function variablesIn(bytes: Uint8Array): readonly Variable[] {
  const { value } = decodeValue(bytes) as {
    value: { command: { environment: { variables: readonly Variable[] } } };
  };
  return value.command.environment.variables;
}

t.test("values of an environment become others of the same length, the rest stays", async (t) => {
  fc.assert(
    fc.property(variables, fc.uint8Array({ maxLength: 64 }), (given, data) => {
      const task = taskWith(given, data);
      const before = Buffer.from(encodePlain(task));
      const kept = Uint8Array.from(before);
      const redacted = redactor.message(before);
      t.same(before, Buffer.from(kept), "what came in is not touched, though it is a buffer");
      t.equal(redacted.length, before.length);
      const seen = variablesIn(redacted);
      given.forEach(({ name, value }, index) => {
        const other = seen[index] as Variable;
        t.equal(other.name, name);
        t.equal(Buffer.byteLength(other.value), Buffer.byteLength(value));
        t.equal(JSON.stringify(other.value).length, JSON.stringify(value).length);
        if (/[!#-[\]-~]{6}/.test(value)) t.not(other.value, value);
        t.equal(other.value.includes("\0"), value.includes("\0"));
      });
      const rest = encodePlain({ ...taskWith(seen), data: new Uint8Array(data.length) });
      t.same(blank.message(redacted), blank.message(before), "both are equal once blanked");
      t.same(blank.message(redacted), blank.message(rest));
      return t.passing();
    }),
    { numRuns: 200 },
  );
});

t.test("the same secret has the same pseudonym, within one process", async (t) => {
  const bytes = encodePlain(
    taskWith([
      { name: "A", value: "correct horse" },
      { name: "B", value: "correct horse" },
      { name: "C", value: "battery staple" },
    ]),
  );
  const [a, b, c] = variablesIn(redactor.message(bytes));
  t.equal(a?.value, b?.value);
  t.not(a?.value, c?.value);
  const another = processSecrecy();
  const elsewhere = new Redactor(pseudonyms(another), another.find).message(bytes);
  t.not(variablesIn(elsewhere)[0]?.value, a?.value, "nobody compares two recordings");
});

t.test(
  "secrets are found in the messages of a frame and in the records of a journal",
  async (t) => {
    const task = encodePlain(taskWith([{ name: "PASSWORD", value: "correct horse" }]));
    const message = encodePlain(["RunTask", 1, 0, encodePlain({ task: { a: task } })]);
    const header = { epoch: 1, session: "s", number: 1, ack: 0, window: 8 };
    const frame = encodeFrame(header, [message]);
    t.ok(Buffer.from(frame).includes("correct horse"));
    t.notOk(Buffer.from(redactor.message(frame)).includes("correct horse"));

    const records = [task, encodePlain({ nothing: "secret" }), task];
    const journal = frameRecords(records);
    const redacted = redactor.file(journal);
    t.notOk(Buffer.from(redacted).includes("correct horse"));
    const read = readRecords(redacted);
    t.equal(read.end, "whole", "its checksums are right again");
    t.same(read.payloads[1], records[1]);

    const torn = redactor.file(journal.subarray(0, journal.length - 3));
    t.equal(readRecords(torn).end, "torn");
    t.equal(readRecords(torn).payloads.length, 2);
    t.notOk(Buffer.from(torn).includes("correct"), "not in the torn record either");
  },
);

t.test("bytes that are no message keep no secret and cost no error", async (t) => {
  const whole = encodePlain(taskWith([{ name: "PASSWORD", value: "correct horse" }]));
  for (let length = 0; length <= whole.length; length++) {
    const cut = redactor.message(whole.subarray(0, length));
    t.equal(cut.length, length);
    t.notOk(Buffer.from(cut).includes("horse"));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (noise, at) => {
      const bytes = Uint8Array.from([...noise.slice(0, at), ...whole, ...noise.slice(at)]);
      return redactor.message(bytes).length === bytes.length;
    }),
  );
});

t.test("plain values of ports: environments of plans", async (t) => {
  const plan = { argv: ["sh"], env: { A: "correct horse", B: "" }, config: "{}" };
  const redacted = redactor.value(plan) as typeof plan;
  t.same(redacted.argv, plan.argv);
  t.not(redacted.env.A, plan.env.A);
  t.equal(redacted.env.A.length, plan.env.A.length);
  t.same(Object.keys(redacted.env), ["A", "B"]);
});
