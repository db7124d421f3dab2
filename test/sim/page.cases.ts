/**
 * The page of a trace: its model and its axis as functions, and the whole of it in a browser
 * where there is one.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import fc from "fast-check";
import t from "tap";
import type { TraceRecord } from "#runtime";
import { SimCluster } from "../../sim/cluster.ts";
import type { TraceDocument } from "../../sim/trace-file.ts";
import { tracedOf } from "../../sim/traced.ts";
import { pageData } from "../../sim/view/data.ts";
import { pageOf } from "../../sim/view/html.ts";
import { Axis, lowerBound } from "../../sim/view/page/axis.ts";
import { Model } from "../../sim/view/page/model.ts";
import { EVERYTHING } from "../../sim/view/select.ts";

const NASTY = `</script><script>document.title="broken"</script><img src=x onerror=alert(1)> & "`;

function ran(): TraceDocument {
  const cluster = new SimCluster({
    seed: "page-6",
    masters: 3,
    agents: 2,
    frameworks: 1,
    brokers: 1,
    items: 20,
    profile: "nats",
    untilMs: 20_000,
    faultEveryMs: 3_000,
    keepTrace: true,
  });
  cluster.run();
  return tracedOf(cluster);
}

const document = ran();
const model = new Model(pageData(document, EVERYTHING));
const ALL = { text: "", lanes: [], without: [], routine: true };

t.test("the model of the page says what the trace says", async (t) => {
  t.equal(model.length, document.records.length);
  const { records } = document;
  t.same(
    records.filter(({ n, cause }, index) => {
      const because = model.causeOf(index);
      return model.number(index) !== n || (because < 0 ? 0 : model.number(because)) !== cause;
    }),
    [],
  );
  t.equal(model.shown(ALL).length, model.length);
  const agent = model.data.lanes.findIndex(({ name }) => name === "agent-1");
  const shown = model.shown({ ...ALL, lanes: [agent] });
  t.ok(shown.length > 10 && shown.length < model.length, "one lane is a part");
  t.ok(
    records.some(({ node }) => node.startsWith("executor-")),
    "there are executors",
  );
  t.notOk(
    model.data.lanes.some(({ role }) => role === "executor"),
    "they stand on their agents' lanes",
  );
  const quiet = model.shown({ ...ALL, routine: false });
  t.notOk(quiet.some((index) => model.text(index).includes("Heartbeat")));
  for (const index of model.shown({ ...ALL, text: "framework-1-1" })) {
    t.ok(model.kind(index) === "violation" || model.text(index).includes("framework-1-1"));
  }
});

t.test("what a record changed in its actor is told apart from what was there", async (t) => {
  const master = model.data.lanes.findIndex(({ role }) => role === "master");
  const launch = document.records.findIndex(
    ({ kind, messages }) => kind === "send" && messages?.some((each) => each.startsWith("RunTask")),
  );
  t.ok(launch > 0, "a task is launched");
  t.not(master, -1);
  const rows = model.facts(launch);
  const changed = rows.filter(({ before, after }) => before !== after);
  t.ok(
    changed.some(({ name, after }) => name.startsWith("task ") && after === "TASK_STAGING"),
    "the launch is a change of the master",
  );
  t.ok(
    rows.some(({ name, before, after }) => name === "lifecycle" && before === after),
    "and the lifecycle stays",
  );
  const firstSame = rows.findIndex(({ before, after }) => before === after);
  t.equal(firstSame, changed.length, "changes come first");
});

t.test("faults are bands on the lanes they name, until they are healed", async (t) => {
  const healed = document.records.filter(({ kind, cause }) => kind === "heal" && cause > 0);
  t.ok(healed.length > 0);
  for (const { t: atMs, cause } of healed) {
    const fault = document.records[cause - 1];
    const bands = model.bands.filter(({ fromMs }) => fromMs === fault?.t);
    t.ok(
      bands.some(({ toMs }) => toMs === atMs),
      `${fault?.summary} ends at ${atMs}`,
    );
  }
});

t.test("places on the axis keep the order of records, whatever was zoomed and moved", async () => {
  const moves = fc.array(
    fc.oneof(
      fc.record({ zoom: fc.double({ min: 0.2, max: 8, noNaN: true }), x: fc.nat({ max: 1_000 }) }),
      fc.record({ pan: fc.integer({ min: -5_000, max: 5_000 }) }),
      fc.record({ mode: fc.constantFrom("time" as const, "order" as const) }),
      fc.record({ reveal: fc.nat({ max: model.length - 1 }) }),
    ),
    { maxLength: 12 },
  );
  const shown = model.shown({ ...ALL, routine: false });
  fc.assert(
    fc.property(moves, (list) => {
      const axis = new Axis();
      axis.resize(1_000);
      axis.set(model.data.t, shown);
      axis.fit();
      for (const move of list) {
        if ("zoom" in move) axis.zoom(move.zoom, move.x);
        else if ("pan" in move) axis.pan(move.pan);
        else if ("mode" in move) axis.setMode(move.mode);
        else axis.reveal(move.reveal);
      }
      const [from, to] = axis.range();
      const places = shown.map((index) => axis.x(index));
      const ordered = places.every((x, place) => place === 0 || x >= (places[place - 1] ?? x));
      const inside = places.every(
        (x, place) => x < 0.01 || x > 999.99 || (place >= from && place < to),
      );
      const edge = axis.left + axis.inView <= axis.length * (1 + 1e-9) || axis.left === 0;
      return ordered && inside && edge && axis.left >= 0;
    }),
    { numRuns: 60 },
  );
});

t.test("what happens in the last instant of a story is in view, all of it", async (t) => {
  const axis = new Axis();
  axis.resize(900);
  const times = [...Array.from({ length: 20 }, (_, index) => index), 20, 20, 20, 20];
  axis.set(times, [...times.keys()]);
  axis.setMode("order");
  axis.showTimes(5, 20);
  t.ok(axis.x(times.length - 1) < 900);
});

t.test("the first value that is not less is found as by looking through all", async () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 50 })), fc.nat({ max: 60 }), (values, value) => {
      const sorted = values.toSorted((one, other) => one - other);
      const naive = sorted.findIndex((each) => each >= value);
      return lowerBound(sorted, value) === (naive < 0 ? sorted.length : naive);
    }),
  );
});

t.test("nothing of a trace becomes markup of its page", async (t) => {
  const records = document.records.map((record) => ({ ...record, summary: NASTY }));
  const page = pageOf(pageData({ ...document, records }, EVERYTHING));
  t.equal(page.split("</script>").length, 3, "its own two scripts end, and no other");
  t.notMatch(page, /<img/);
  t.match(page, /default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'/);
  const script = page.slice(page.lastIndexOf("<script>"));
  t.notMatch(script, /^(import|export) /m, "its modules are joined");
});

// In a browser -------------------------------------------------------------------------------

const BROWSERS = ["chromium", "chromium-browser", "google-chrome"];
const WAIT_MS_MAX = 90_000;

function browser(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const files = folders.flatMap((folder) => BROWSERS.map((name) => join(folder, name)));
  return files.find((file) => existsSync(file));
}

/** The document of the page after its script has run. */
function opened(program: string, page: string, hash = ""): string {
  const folder = mkdtempSync(join(tmpdir(), "meseta-page-"));
  try {
    const file = join(folder, "page.html");
    writeFileSync(file, page);
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"];
    flags.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
    flags.push(`--user-data-dir=${join(folder, "profile")}`, "--virtual-time-budget=5000");
    const args = [...flags, "--window-size=1400,900", "--dump-dom", `file://${file}${hash}`];
    const { stdout, error } = spawnSync(program, args, {
      encoding: "utf8",
      timeout: WAIT_MS_MAX,
      maxBuffer: 512 * 1024 * 1024,
    });
    if (error !== undefined) throw error;
    return stdout.replace(/<script[\s\S]*?<\/script>/g, "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const program = browser();
const skip = program === undefined ? `none of ${BROWSERS.join(", ")} is on the PATH` : false;

t.test("the page works in a browser: list, panel, state, causes", { skip }, async (t) => {
  const launch = document.records.find(
    ({ kind, cause, t }) => kind === "mail" && cause > 0 && t > 5_000,
  );
  const n = launch?.n ?? 1;
  const records = document.records.map((record): TraceRecord => {
    return record.n === n ? { ...record, summary: NASTY } : record;
  });
  const page = pageOf(pageData({ ...document, records }, EVERYTHING));
  const dom = opened(program ?? "", page, `#n=${n}&routine=1`);
  t.match(dom, /data-ready="yes"/, "its script ran to the end under its own policy");
  t.match(dom, new RegExp(`class="quiet">#${n}<`), "what the address asks for is selected");
  t.match(dom, /Because of<\/h2>/);
  t.match(dom, /<table class="facts">/);
  t.match(dom, /&lt;img src=x onerror=alert\(1\)&gt;/, "text stays text");
  t.notMatch(dom, /<img/);
  t.ok((dom.match(/class="row/g) ?? []).length > 10, "records are listed");
  t.match(dom, /<title>Meseta trace/);
});

t.test("a hundred thousand records stay a page that can be used", { skip }, async (t) => {
  const length = 100_000;
  const records = Array.from({ length }, (_, index): TraceRecord => {
    const isMail = index % 2 === 1;
    const node = `agent-${1 + (index % 2)}`;
    const from = isMail ? "agent-1" : "";
    const n = index + 1;
    const summary = `meseta.sim.agent.agent-2 ${n}`;
    return { n, t: n / 4, node, kind: isMail ? "mail" : "send", from, cause: index, summary };
  });
  const page = pageOf(pageData({ ...document, records, states: [] }, EVERYTHING));
  const dom = opened(program ?? "", page, "#routine=1&n=77777");
  t.match(dom, /data-ready="yes"/);
  t.match(dom, /100,000 of 100,000 records/);
  t.match(dom, /class="quiet">#77777</);
  t.ok((dom.match(/class="row/g) ?? []).length < 200, "only the rows in view exist");
});
