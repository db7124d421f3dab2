/** A trace as a file: written and read it is the same, and whatever is wrong in it is named. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { SimCluster } from "../../sim/cluster.ts";
import { readTraceFile, type TraceDocument, writeTraceFile } from "../../sim/trace-file.ts";
import { tracedOf } from "../../sim/traced.ts";

const folder = mkdtempSync(join(tmpdir(), "meseta-trace-"));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "run.trace");

function ran(): TraceDocument {
  const cluster = new SimCluster({
    seed: "file",
    masters: 1,
    agents: 2,
    frameworks: 1,
    brokers: 1,
    items: 60,
    profile: "nats",
    untilMs: 60_000,
    faultEveryMs: 5_000,
    keepTrace: true,
  });
  cluster.run();
  return tracedOf(cluster);
}

const document = ran();
writeTraceFile(file, document);
const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);

t.test("a trace that was written is read again as it was", async (t) => {
  t.ok(document.records.length > 1_000, "with marks");
  t.same(readTraceFile(file), document);
  const { records, states } = document;
  t.ok(
    records.some(({ messages }) => messages?.some((text) => text.startsWith("RunTask "))),
    "frames say what they carry",
  );
  t.ok(
    records.some(({ effects }) => effects?.some((text) => text.startsWith("append agent/journal"))),
    "records say what they brought about",
  );
  t.ok(
    states.some(({ facts }) => facts["lifecycle"] === "leading"),
    "actors say what they became",
  );
  const ids = new Map(records.map(({ n, msgId }) => [n, msgId]));
  const other = records.filter(
    ({ kind, msgId, cause }) => kind === "mail" && msgId !== undefined && msgId !== ids.get(cause),
  );
  t.same(other, [], "a frame has the same id where it is sent and where it arrives");
});

t.test("a trace that was cut off is read up to there", async (t) => {
  const half = lines.slice(0, 500).join("\n");
  writeFileSync(file, half.slice(0, -3));
  const read = readTraceFile(file);
  t.equal(read.end, undefined);
  t.same(read.records, document.records.slice(0, read.records.length));
});

const at = lines.findIndex((line) => line.startsWith('{"n":7,'));
const stateAt = lines.findIndex((line) => line.startsWith('{"state"'));
const markAt = lines.findIndex((line) => line.startsWith('{"mark"'));
const WRONG: readonly (readonly [what: string, line: number, from: RegExp, to: string, RegExp])[] =
  [
    ["another version", 0, /"trace":1/, '"trace":2', /:1: trace: version 2 is not 1/],
    ["no trace", 0, /"trace":1,/, "", /:1: trace: missing/],
    ["a kind of trace", 0, /simulation/, "dream", /:1: of: "dream" is none of simulation/],
    ["a field that is missing", at, /"node":"[^"]*",/, "", /: node: missing is no name/],
    [
      "a field of another type",
      at,
      /"cause":\d+/,
      '"cause":"1"',
      /: cause: "1" is no whole number/,
    ],
    ["a field that nobody knows", at, /"n":7/, '"n":7,"x":1', /: x: there is no such field/],
    ["a number out of order", at, /"n":7/, '"n":8', /: n: 8 where 7 comes next/],
    ["a cause that is later", at, /"cause":\d+/, '"cause":9', /: cause: 9 is no earlier record/],
    ["time that goes back", at, /"t":[\d.]+/, '"t":0', /: t: 0 is before/],
    ["text that is no JSON", at, /\{/, "", /:\d+: .*JSON/],
    ["a state too early", stateAt, /"after":\d+/, '"after":99999', /state.after: record 99999/],
    [
      "a record that was changed",
      at,
      /"summary":"/,
      '"summary":"X',
      /mark.sha256: .*from 1 to 1000/,
    ],
    ["a mark that was changed", markAt, /"sha256":"./, '"sha256":"z', /mark.sha256: "z/],
  ];

t.test("what is wrong in a trace is named by line and field", async (t) => {
  for (const [what, index, from, to, message] of WRONG) {
    const changed = lines.with(index, (lines[index] ?? "").replace(from, to));
    t.not(changed[index], lines[index], `${what} differs`);
    writeFileSync(file, `${changed.join("\n")}\n`);
    t.throws(() => readTraceFile(file), { message }, what);
  }
  writeFileSync(file, "");
  t.throws(() => readTraceFile(file), { message: /empty/ });
  t.throws(() => readTraceFile(join(folder, "none")), { message: /ENOENT/ });
});
