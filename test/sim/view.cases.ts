/** The ways of showing a trace that are text: what they choose, and what they promise. */
import t from "tap";
import { type ClusterOptions, SimCluster } from "../../sim/cluster.ts";
import type { TraceDocument } from "../../sim/trace-file.ts";
import { tracedOf } from "../../sim/traced.ts";
import { differenceOf } from "../../sim/view/difference.ts";
import { grid } from "../../sim/view/grid.ts";
import { MERMAID_ARROWS_MAX, mermaid } from "../../sim/view/mermaid.ts";
import { EVERYTHING, Records, select, storyOf } from "../../sim/view/select.ts";
import { shiviz } from "../../sim/view/shiviz.ts";

const OPTIONS: ClusterOptions = {
  seed: "view",
  masters: 3,
  agents: 2,
  frameworks: 1,
  brokers: 1,
  items: 20,
  profile: "nats",
  untilMs: 20_000,
  faultEveryMs: 3_000,
  keepTrace: true,
};

function ran(seed: string): TraceDocument {
  const cluster = new SimCluster({ ...OPTIONS, seed });
  cluster.run();
  return tracedOf(cluster);
}

/** Which seeds have a crash in them changes with the faults there are. */
function ranWithCrash(): TraceDocument {
  for (let seed = 1; seed <= 20; seed++) {
    const found = ran(`view-${seed}`);
    if (found.records.some(({ kind }) => kind === "down")) return found;
  }
  throw new Error("twenty seeds have no crash in them");
}

const document = ranWithCrash();
const records = new Records(document);
const task =
  document.records
    .flatMap(({ messages = [] }) => messages)
    .map((message) => /^RunTask (\S+)/.exec(message)?.[1])
    .find((id) => id !== undefined) ?? "none";

t.test("what is chosen by a task, a node, a kind and a time is that and no more", async (t) => {
  const chosen = select(document, { ...EVERYTHING, id: task });
  t.ok(chosen.length > 5, `${task} is spoken of`);
  for (const record of chosen) {
    t.ok(record.kind === "violation" || records.text(record).includes(task), `${record.n}`);
  }
  const longer = select(document, { ...EVERYTHING, id: task.slice(0, -1) });
  t.ok(longer.length < chosen.length, "the beginning of an id is another id");
  const some = select(document, {
    ...EVERYTHING,
    nodes: ["agent-1"],
    kinds: ["mail"],
    fromMs: 5_000,
    toMs: 30_000,
  });
  t.ok(some.length > 0);
  t.same(
    some.filter(
      ({ node, from, kind, t }) =>
        (node !== "agent-1" && from !== "agent-1") || kind !== "mail" || t < 5_000 || t > 30_000,
    ),
    [],
  );
});

t.test(
  "a Mermaid diagram has as many arrows as can be read, and knows who takes part",
  async (t) => {
    for (const chosen of [document.records, storyOf(document, 200), []]) {
      const lines = mermaid(records, chosen).split("\n");
      t.equal(lines.shift(), "sequenceDiagram");
      const arrows = lines
        .map((line) => /^ {2}(p\d+)(?:->>|--x)(p\d+): /.exec(line))
        .filter(Boolean);
      t.ok(arrows.length <= MERMAID_ARROWS_MAX, `${arrows.length} arrows`);
      const known = new Set(lines.map((line) => /^ {2}participant (p\d+) as/.exec(line)?.[1]));
      t.same(
        arrows.flatMap((arrow) => [arrow?.[1], arrow?.[2]]).filter((each) => !known.has(each)),
        [],
      );
      t.notOk(
        lines.some((line) => /[;<>](?!>)/.test(line.replaceAll(/->>|#\d+;/g, ""))),
        "nothing that Mermaid would read as its own",
      );
    }
  },
);

t.test(
  "clocks of a ShiViz log count every event of a host and take in what it heard",
  async (t) => {
    const chosen = document.records.filter(({ n }) => n % 3 !== 0);
    const lines = shiviz(records, chosen).split("\n");
    t.equal(lines.length, 2 * chosen.length);
    const clocks = new Map<number, Record<string, number>>();
    const counts = new Map<string, number>();
    const wrong: number[] = [];
    chosen.forEach((record, index) => {
      const [, host = "", clock = "{}"] = /^(\S+) (\{.*\})$/.exec(lines[2 * index] ?? "") ?? [];
      const told: Record<string, number> = JSON.parse(clock);
      const next = (counts.get(host) ?? 0) + 1;
      counts.set(host, next);
      if (told[host] !== next) wrong.push(record.n);
      const heard = clocks.get(record.cause) ?? {};
      if (Object.entries(heard).some(([name, count]) => (told[name] ?? 0) < count)) {
        wrong.push(record.n);
      }
      clocks.set(record.n, told);
    });
    t.same(wrong, []);
  },
);

t.test("the lines of the grid are of one width and show every crash", async (t) => {
  const lines = grid(document, records, document.records).trimEnd().split("\n");
  const heading = lines.shift() ?? "";
  const width = heading.indexOf(" epoch");
  for (const line of lines)
    t.match(line.slice(0, width), /^ +[\d.]+ [\w.!^#+*]+( [\w.!^#+*]+)+ *$/);
  const downs = document.records.filter(({ kind }) => kind === "down");
  t.ok(downs.length > 0);
  t.equal(lines.filter((line) => line.slice(0, width).includes("!")).length, downs.length);
  t.ok(
    lines.some((line) => /^ +[\d.]+ [m.]*L[m.]* /.test(line)),
    "somebody leads",
  );
});

t.test("where two traces part is found by their marks", async (t) => {
  t.equal(differenceOf(document, document), undefined);
  const at = document.records.length - 500;
  const changed = document.records.map((record, index) =>
    index < at ? record : { ...record, summary: `${record.summary}?` },
  );
  const marks = document.marks.map((mark) => (mark.n <= at ? mark : { ...mark, sha256: "other" }));
  const difference = differenceOf(document, { ...document, records: changed, marks });
  t.equal(difference?.n, at + 1);
  const first = document.marks.filter(({ n }) => n <= at);
  const shorter = { ...document, records: document.records.slice(0, at), marks: first };
  t.equal(differenceOf(document, shorter)?.other, undefined);
  t.equal(differenceOf(document, shorter)?.n, at + 1);
  t.equal(differenceOf(document, ran("other"))?.n, 1, "another seed is another run from the start");
});
