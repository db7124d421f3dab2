/**
 * Every rule of tidy, one row each at least: a file that it refuses, with the line, and its neighbour that it lets pass.
 */
import t from "tap";
import { architecture, complaints, complaintsLater, DRAWING, type Files, HEADER } from "./house.ts";

interface Row {
  readonly rule: string;
  readonly what: string;
  readonly path: string;
  /** Stands below a header of one line. */
  readonly bites: string;
  readonly lets: string;
  /** Where the complaint is expected, when not on the first line below the header. */
  readonly at?: string;
  /** What must stand beside both. */
  readonly beside?: Files;
}

const CORE = "src/protocol/ids.ts";
const SHELL = "src/adapters/clock.ts";
const CASES = "test/protocol/ids.cases.ts";
const ENTRY: Files = {
  "test/protocol/index.test.ts": `${HEADER}import "./ids.cases.ts";\n`,
};

const core = (what: string, bites: string, lets: string): Row => ({
  rule: "core-names",
  what,
  path: CORE,
  bites,
  lets,
});

const NAMES: readonly Row[] = [
  core("Date.now()", "export const a = Date.now();", 'export const a = "Date.now()";'),
  core("new Date", "export const a = new Date();", "export const a = 1; // new Date() is refused"),
  core("Math.random()", "export const a = Math.random();", "export const a = Math.max(1, 2);"),
  core("Math passed on", "const { random: a } = Math;", "export const a = Math.abs(-1);"),
  core("globalThis.Date", "export const a = globalThis.Date;", "export const a = { b: 1 }.b;"),
  core(
    "performance.now()",
    "export const a = performance.now();",
    "export const a = `performance`;",
  ),
  core("setTimeout", "setTimeout(() => 1, 5);", "export const a = /setTimeout/.source;"),
  core("setInterval", "setInterval(() => 1, 5);", "/* setInterval */ export const a = 1;"),
  core("queueMicrotask", "queueMicrotask(() => 1);", "export const queue = 1;"),
  core("async", "export const a = async () => 1;", "export const asynchronous = () => 1;"),
  core("await", "export const a = (b: unknown) => await b;", "export const a = { b: 1 }.b;"),
  core("Promise", "export type A = Promise<number>;", "export type A = Promised;"),
  core("import()", 'export const a = import("./noun.ts");', 'export * from "./noun.ts";'),
  core("WeakRef", "export type A = WeakRef<object>;", "export type A = WeakMap<object, 1>;"),
  core("FinalizationRegistry", "new FinalizationRegistry(() => 1);", "export const a = 1;"),
  core("Intl", "export const a = Intl;", "export const International = 1;"),
  core("toLocaleString", "export const a = (1).toLocaleString();", "export const a = String(1);"),
  core("localeCompare", 'export const a = "a".localeCompare("b");', 'export const a = "a" < "b";'),
  core(
    "localeCompare by a string",
    'export const a = "a"["localeCompare"];',
    'export const a = ["b"];',
  ),
  core(
    "a name inside of a template",
    "export const a = `${Date.now()}`;",
    "export const a = `${1}Date`;",
  ),
  {
    ...core("process", "process.exit();", "export const a = { process: 1 }.process;"),
    bites: "process.exit();",
    lets: "export const a = task.process;",
  },
];

const IMPORTS: readonly Row[] = [
  {
    rule: "core-imports",
    what: "node:fs in the core",
    path: CORE,
    bites: 'import { readFileSync } from "node:fs";',
    lets: 'export const a = "node:fs";',
  },
  {
    rule: "core-imports",
    what: "a module of Node by its old name in the core",
    path: CORE,
    bites: 'export * from "fs/promises";',
    lets: 'export * from "./noun.ts";',
  },
  {
    rule: "floors",
    what: "an import upwards",
    path: CORE,
    bites: 'import "#runtime";',
    lets: 'import "./noun.ts";',
  },
  {
    rule: "floors",
    what: "an import sideways",
    path: "src/runtime/host.ts",
    bites: 'import "#resources";',
    lets: 'import "#protocol";',
  },
  {
    rule: "floors",
    what: "an import that `only` leaves out",
    path: "src/allocator/cycle.ts",
    bites: 'import "#protocol";',
    lets: 'import "#resources";',
  },
  {
    rule: "floors",
    what: "an import that `never` forbids",
    path: "src/gateway/tasks.ts",
    bites: 'import type { Agent } from "#actors/agent";',
    lets: 'import "#adapters";',
  },
  {
    rule: "floors",
    what: "the shell in the simulator",
    path: "sim/world.ts",
    bites: 'import "#adapters";',
    lets: 'import "#actors/agent";',
  },
  {
    rule: "floors",
    what: "the simulator in the shell, though an exception lets the command line",
    path: "src/adapters/clock.ts",
    bites: 'import "#sim";',
    lets: 'import "#replication";',
    beside: { "src/cli/sim.ts": `${HEADER}export const load = () => import("#sim");\n` },
  },
  {
    rule: "floors",
    what: "a floor's own door",
    path: CORE,
    bites: 'import type { A } from "#protocol";',
    lets: 'import type { A } from "./noun.ts";',
  },
  {
    rule: "leaves-floor",
    what: "../ across floors",
    path: "src/runtime/host.ts",
    bites: 'import { noun } from "../protocol/noun.ts";',
    lets: 'import { noun } from "./noun.ts";',
  },
  {
    rule: "leaves-floor",
    what: "../ out of a floor, while ../ inside of it may be",
    path: "src/protocol/messages/agent.ts",
    bites: 'import "../../runtime/noun.ts";',
    lets: 'import "../noun.ts";',
  },
  {
    rule: "circles",
    what: "a file that imports itself by way of another",
    path: CORE,
    bites: 'import type { B } from "./b.ts";',
    lets: 'import "./noun.ts";',
    at: "src/protocol/ids.ts:2",
    beside: {
      "src/protocol/b.ts": `${HEADER}import "./c.ts";\n`,
      "src/protocol/c.ts": `${HEADER}import "./ids.ts";\n`,
    },
  },
  {
    rule: "doors",
    what: "an import past the door",
    path: "bench/mailbox.ts",
    bites: 'import "../src/protocol/noun.ts";',
    lets: 'import "#protocol";',
  },
  {
    rule: "doors",
    what: "an import of another floor's file in a test",
    path: CASES,
    bites: 'import "../../src/runtime/noun.ts";',
    lets: 'import "../../src/protocol/noun.ts";',
    beside: ENTRY,
  },
  {
    rule: "doors",
    what: "a path behind a door's name",
    path: "src/runtime/host.ts",
    bites: 'import "#protocol/noun";',
    lets: 'import "#protocol";',
  },
  {
    rule: "doors",
    what: "a file that is not there",
    path: CORE,
    bites: 'import "./noun.js";',
    lets: 'import "./noun.ts";',
  },
  {
    rule: "doors",
    what: "a door that does something",
    path: "src/runtime/index.ts",
    bites: 'export { noun } from "./noun.ts";\nexport const more = 2;',
    lets: 'export { noun } from "./noun.ts";\nexport type { Noun } from "./noun.ts";',
    at: "src/runtime/index.ts:3",
  },
  {
    rule: "packages",
    what: "xstate beside the machines",
    path: "src/actors/agent/step.ts",
    bites: 'import type { Actor } from "xstate";',
    lets: "export const xstate = 1;",
    beside: {
      "src/actors/agent/machine.ts": `${HEADER}import "xstate";\n`,
      "src/actors/agent/container-machine.ts": `${HEADER}import "xstate";\n`,
      "src/runtime/host.ts": `${HEADER}import "xstate";\n`,
    },
  },
  {
    rule: "packages",
    what: "immer outside of the registry",
    path: "src/replication/writer.ts",
    bites: 'import { produce } from "immer";',
    lets: 'import "./registry.ts";',
    beside: { "src/replication/registry.ts": `${HEADER}import "immer";\n` },
  },
  {
    rule: "packages",
    what: "cbor-x outside of the codec",
    path: "src/protocol/frame.ts",
    bites: 'import { Encoder } from "cbor-x";',
    lets: 'import "./codec.ts";',
    beside: { "src/protocol/codec.ts": `${HEADER}import "cbor-x";\n` },
  },
  {
    rule: "packages",
    what: "nats outside of the adapters",
    path: "src/cli/ps.ts",
    bites: 'import { connect } from "nats";',
    lets: 'import "commander";',
    beside: { "src/adapters/nats-bus.ts": `${HEADER}import "nats";\n` },
  },
  {
    rule: "packages",
    what: "a package that belongs nowhere",
    path: SHELL,
    bites: 'import "lodash/map";',
    lets: 'import "node:fs";',
  },
  {
    rule: "folders",
    what: "a folder that is no floor",
    path: "src/extras/a.ts",
    bites: "export const a = 1;",
    lets: "export const a = 1;",
    at: "src/extras/a.ts:1",
  },
  {
    rule: "folders",
    what: "a noun that says nothing",
    path: "src/protocol/utils.ts",
    bites: "export const a = 1;",
    lets: "export const a = 1;",
    at: "src/protocol/utils.ts:1",
  },
  {
    rule: "test-support",
    what: "a floor that leans on tests",
    path: SHELL,
    bites: 'import "../../test/support/until.ts";',
    lets: 'import "./noun.ts";',
    beside: { "test/support/until.ts": HEADER },
  },
];

const line = (count: number): string => "  work();\n".repeat(count);
const cases = (length: number): string =>
  Array.from({ length: 60 }, (_, at) => `    case ${at}:\n${line(length)}`).join("");
const switching = (length: number): string =>
  `export function step(a: number): { b: number } {\n  switch (a) {\n${cases(length)}  }\n}`;

const SHAPE: readonly Row[] = [
  {
    rule: "file-lines",
    what: "a file of 501 lines",
    path: CORE,
    bites: "work();\n".repeat(500).trimEnd(),
    lets: "work();\n".repeat(499).trimEnd(),
    at: `${CORE}:501`,
  },
  {
    rule: "function-lines",
    what: "a function of 81 lines",
    path: CORE,
    bites: `export function a(b: number): b is 1 {\n${line(79)}}`,
    lets: `export function a(b: number): b is 1 {\n${line(78)}}`,
  },
  {
    rule: "function-lines",
    what: "a method of 81 lines",
    path: CORE,
    bites: `export class A {\n  get<T>(): Map<T, T> {\n${line(79)}}\n}`,
    lets: `export class A {\n  get<T>(): Map<T, T> {\n${line(78)}}\n}`,
    at: `${CORE}:3`,
  },
  {
    rule: "function-lines",
    what: "an arrow of 81 lines, the lines of a function inside not being its own",
    path: CORE,
    bites: `export const a = () => {\n${line(79)}};`,
    lets: `export const a = () => {\n${line(50)}  return () => {\n${line(60)}  };\n};`,
  },
  {
    rule: "function-lines",
    what: "a long switch of long cases, while a switch of calls may be long",
    path: CORE,
    bites: switching(3),
    lets: switching(1),
  },
  {
    rule: "empty-catch",
    what: "a catch that catches nothing",
    path: SHELL,
    bites: "try { work(); } catch { /* nothing */ }",
    lets: "try { work(); } catch { failures += 1; }",
  },
  {
    rule: "empty-catch",
    what: "a promise whose failure is dropped",
    path: SHELL,
    bites: "work().catch((error) => {});",
    lets: "work().catch((error) => { failures += 1; });",
  },
  {
    rule: "suppressions",
    what: "any without a reason",
    path: CORE,
    bites: "export const a = (b: any) => b;",
    lets: "// The library types this so; it is checked in the next line.\nexport const a = (b: any) => b;",
  },
  {
    rule: "suppressions",
    what: "as unknown as without a reason",
    path: CORE,
    bites: "export const a = b as unknown as string;",
    lets: "export const a = b as unknown as string; // branded: the check above has proven it",
  },
  {
    rule: "suppressions",
    what: "a directive to the compiler without a reason",
    path: CORE,
    bites: "// @ts-expect-error\nwork();",
    lets: "// @ts-expect-error the declaration lacks the second overload\nwork();",
  },
  {
    rule: "suppressions",
    what: "a directive to the formatter without a reason",
    path: CORE,
    bites: "// biome-ignore lint/suspicious/noConsole: <explanation>\nwork();",
    lets: "// biome-ignore lint/suspicious/noConsole: the command prints its answer here\nwork();",
  },
  {
    rule: "unfinished",
    what: "TODO",
    path: CORE,
    bites: "// TODO the rest",
    lets: "// the todo list of a person",
  },
  {
    rule: "unfinished",
    what: "a placeholder in a string",
    path: "sim/world.ts",
    bites: 'export const a = "Not implemented";',
    lets: 'export const a = "stubborn";',
  },
];

const TESTS: readonly Row[] = [
  {
    rule: "test-waits",
    what: "a timer in a test",
    path: CASES,
    bites: "setTimeout(() => 1, 100);",
    lets: 'export const shell = "sleep(1); setTimeout(";',
    beside: ENTRY,
  },
  {
    rule: "test-waits",
    what: "a sleep in a test",
    path: CASES,
    bites: "sleep(100);",
    lets: "until(() => true);",
    beside: ENTRY,
  },
  {
    rule: "test-waits",
    what: "a timer in support, but for the file that waits for conditions",
    path: "test/support/broker.ts",
    bites: 'import "node:timers/promises";',
    lets: 'import "./until.ts";',
    beside: {
      ...ENTRY,
      [CASES]: HEADER,
      "test/support/until.ts": `${HEADER}setTimeout(work, 5);\n`,
    },
  },
  {
    rule: "test-left-out",
    what: "a test that runs alone",
    path: CASES,
    bites: 't.only("one", work);',
    lets: 't.test("only one", work);',
    beside: ENTRY,
  },
  {
    rule: "test-left-out",
    what: "a test that never runs",
    path: CASES,
    bites: 't.test("one", { skip: true }, work);',
    lets: 't.test("one", { skip: root ? false : "needs root" }, work);',
    beside: ENTRY,
  },
  {
    rule: "test-entries",
    what: "cases that no entry imports",
    path: "test/protocol/more.cases.ts",
    bites: "work();",
    lets: 'import "./more.cases.ts";',
    at: "test/protocol/more.cases.ts:1",
    beside: { ...ENTRY, [CASES]: HEADER },
  },
  {
    rule: "test-entries",
    what: "a second entry in a folder",
    path: "test/protocol/more.test.ts",
    bites: "work();",
    lets: "work();",
    at: "test/protocol/more.test.ts:1",
    beside: { ...ENTRY, [CASES]: HEADER },
  },
  {
    rule: "test-entries",
    what: "a folder without an entry",
    path: "test/runtime/host.ts",
    bites: "work();",
    lets: "work();",
    at: "test/runtime:1",
  },
];

/** Where the same text may stand, for the rules that judge the place. */
const RIGHT_PLACES: ReadonlyMap<string, Files> = new Map([
  ["src/extras/a.ts", { "src/protocol/extras/a.ts": HEADER }],
  ["src/protocol/utils.ts", { "src/protocol/refusals.ts": HEADER }],
  [
    "test/protocol/more.cases.ts",
    {
      "test/protocol/index.test.ts": `${HEADER}import "./ids.cases.ts";\nimport "./more.cases.ts";\n`,
      "test/protocol/more.cases.ts": HEADER,
    },
  ],
  ["test/protocol/more.test.ts", { "test/protocol/programs/more.ts": HEADER }],
  ["test/runtime/host.ts", { "test/runtime/index.test.ts": HEADER }],
]);

for (const row of [...NAMES, ...IMPORTS, ...SHAPE, ...TESTS]) {
  t.test(`${row.rule} refuses ${row.what}, and not its neighbour`, async (t) => {
    const file = (text: string): Files => ({ ...row.beside, [row.path]: `${HEADER}${text}\n` });
    t.same(complaints(file(row.bites)), [`${row.at ?? `${row.path}:2`} ${row.rule}`]);
    const right = RIGHT_PLACES.get(row.path);
    t.same(complaints(right === undefined ? file(row.lets) : { ...row.beside, ...right }), []);
  });
}

t.test("the names of the core may stand on other floors", async (t) => {
  const text = `${HEADER}export const now = async () => Date.now() + Math.random();\n`;
  t.same(complaints({ [SHELL]: text }), []);
});

t.test(
  "header refuses a file without a sentence that opens it, in C and in shell too",
  async (t) => {
    const found = complaints({
      "src/protocol/ids.ts": "export const a = 1;\n",
      "src/protocol/short.ts": "/** Ids. */\nexport const a = 1;\n",
      "src/adapters/native/a.c": "int a;\n",
      "src/adapters/native/b.sh": "#!/bin/sh\ntrue\n",
    });
    t.same(found, [
      "src/adapters/native/a.c:1 header",
      "src/adapters/native/b.sh:1 header",
      "src/protocol/ids.ts:1 header",
      "src/protocol/short.ts:1 header",
    ]);
    const files = {
      "src/adapters/native/a.c": "/* Starts one container and waits for it. */\nint a;\n",
      "src/adapters/native/b.sh": "#!/bin/sh\n# Starts one container and waits for it.\ntrue\n",
    };
    t.same(complaints(files), []);
  },
);

t.test("folders refuses a floor of the table that has no door", async (t) => {
  const doors = complaints({ "src/protocol/index.ts": `${HEADER}export * from "./noun.ts";\n` });
  t.same(doors, []);
  const floors = [{ row: 0, name: "protocol", path: "src/empty", core: true }];
  const found = complaints({ "floors.json": JSON.stringify({ floors, exceptions: [] }) });
  t.ok(found.includes("floors.json:1 folders"));
});

t.test("stale-pages refuses pages that say what the sources said before", async (t) => {
  t.same(complaintsLater({ "src/protocol/noun.ts": `${HEADER}export const noun = 2;\n` }), []);
  const limit = `${HEADER}export const QUEUE_LENGTH_MAX = 10;\n`;
  t.same(complaintsLater({ "src/protocol/noun.ts": limit }), ["docs/limits.md:1 stale-pages"]);
  t.same(complaintsLater({ "src/protocol/more.ts": HEADER }), ["docs/tree.md:1 stale-pages"]);
  const page = { "docs/tree.md": "# The tree\n" };
  t.same(complaintsLater(page), ["docs/tree.md:1 stale-pages"]);
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
