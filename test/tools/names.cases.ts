/**
 * What the core may not name, one row each: what tidy refuses and its neighbour that it lets pass.
 */
import t from "tap";
import { complaints, HEADER } from "./house.ts";
import { CORE, judge, type Row, SHELL } from "./rows.ts";

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
  core("process", "process.exit();", "export const a = task.process;"),
];

judge(NAMES);

t.test("the names of the core may stand on other floors", async (t) => {
  const text = `${HEADER}export const now = async () => Date.now() + Math.random();\n`;
  t.same(complaints({ [SHELL]: text }), []);
});
