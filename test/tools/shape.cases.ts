/**
 * The shape of files and of tests, one row each: what tidy refuses and its neighbour that it lets pass.
 */
import t from "tap";
import { complaints, HEADER } from "./house.ts";
import { CASES, CORE, ENTRY, judge, type Row, SHELL } from "./rows.ts";

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
    rule: "spread-first",
    what: "a literal that begins with a spread and goes on",
    path: CORE,
    bites: "export const a = { ...(b ?? { c: [1, 2] }), d: 1 };",
    lets: "export const a = [{ ...{}, ...b, d: 1 }, { d: 1, ...b }, { ...f(1, 2), }];",
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
    what: "any behind a comma, while a value may be called so",
    path: CORE,
    bites: "export type A = Map<string, any>;",
    lets: "export const a = all(any, any, 1);",
  },
  {
    rule: "suppressions",
    what: "a type that is any",
    path: CORE,
    bites: "export type A = any;",
    lets: "export const a = any;",
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

judge([...SHAPE, ...TESTS]);

t.test(
  "header refuses a file without a sentence that opens it, in C and in shell too",
  async (t) => {
    const found = complaints({
      "src/protocol/ids.ts": "export const a = 1;\n",
      "src/protocol/short.ts": "/** Ids only. */\nexport const a = 1;\n",
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
