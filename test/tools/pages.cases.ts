/**
 * Pages and tables that must agree with the sources and with each other.
 */
import t from "tap";
import { architecture, complaints, complaintsLater, DRAWING, HEADER } from "./house.ts";

t.test("stale-pages refuses pages that say what the sources said before", async (t) => {
  t.same(complaintsLater({ "src/protocol/noun.ts": `${HEADER}export const noun = 2;\n` }), []);
  const limit = `${HEADER}export const QUEUE_LENGTH_MAX = 10;\n`;
  t.same(complaintsLater({ "src/protocol/noun.ts": limit }), ["docs/limits.md:1 stale-pages"]);
  t.same(complaintsLater({ "src/protocol/more.ts": HEADER }), ["docs/tree.md:1 stale-pages"]);
  const page = { "docs/tree.md": "# The tree\n" };
  t.same(complaintsLater(page), ["docs/tree.md:1 stale-pages"]);
  const row = { statement: "no lock", expected: ["R1"], seeds: 3, noticedAs: "R1 twice" };
  const measured = { "sim/mutants.json": JSON.stringify([row]) };
  t.same(complaintsLater(measured), ["docs/simulation.md:1 stale-pages"]);
});

t.test("floor-tables refuses a drawing that differs from floors.json", async (t) => {
  const drawn = (lines: readonly string[]): string[] =>
    complaints({ "docs/architecture.md": architecture(lines) });
  t.same(drawn(DRAWING), []);
  const complaint = "docs/architecture.md:1 floor-tables";
  t.same(drawn(DRAWING.with(-2, "core    runtime")), [complaint], "a floor that is missing");
  t.same(drawn(DRAWING.with(-2, "shell   runtime · resources")), [complaint], "a wrong zone");
  t.same(drawn([...DRAWING, "core   more"]), [complaint], "a line too many");
  t.same(drawn([DRAWING[1] ?? "", DRAWING[0] ?? "", ...DRAWING.slice(2)]), [complaint, complaint]);
  t.same(complaints({ "docs/architecture.md": "# Architecture\n" }), [complaint], "no drawing");
});

t.test(
  "floor-tables refuses doors and compiler settings that differ from floors.json",
  async (t) => {
    const imports = { "#more": "./dist/src/more/index.js" };
    const found = complaints({ "package.json": JSON.stringify({ imports }) });
    t.equal(found.length, 11, "ten floors lack their door, one door lacks its floor");
    t.ok(found.every((text) => text === "package.json:1 floor-tables"));
    const settings = complaints({ "tsconfig.core.json": '{ "include": ["src/protocol"] }' });
    t.same(new Set(settings), new Set(["tsconfig.core.json:1 floor-tables"]));
    t.equal(settings.length, 5);
  },
);
