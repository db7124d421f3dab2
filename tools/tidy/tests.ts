/**
 * House rules of the tests: nothing waits by the clock, nothing is left out, and every folder has one entry that runs all of
 * its cases. It judges test/ only.
 */
import { type Finding, isScript, resolveRelative, type Source, type Tree } from "./tree.ts";

/** The one file that may use a timer: it waits for a condition, with a bound. */
const WAITING_FILE = "test/support/until.ts";
/** Folders that are used by entries of others and need none of their own. */
const LENDING_FOLDERS = new Set(["support", "contracts", "golden"]);
const CLOCK_NAMES = new Set(["setTimeout", "setInterval", "sleep"]);
const LEFT_OUT = new Set(["only", "skip", "todo"]);

/** Every rule about tests. */
export function testRules(tree: Tree): Finding[] {
  const tests = tree.sources.filter(({ path }) => path.startsWith("test/")).filter(isScript);
  return [
    ...tests.flatMap(waits),
    ...tests.flatMap(leftOut),
    ...entries(tests),
    ...unrun(tree, tests),
  ];
}

function waits({ path, tokens }: Source): Finding[] {
  if (path === WAITING_FILE) return [];
  return tokens.flatMap((token, at) => {
    const timers = token.kind === "string" && token.text === "node:timers/promises";
    const atomics = token.text === "wait" && tokens[at - 2]?.text === "Atomics";
    // `t.setTimeout(…)` bounds a test; it does not wait.
    const ofTest = tokens[at - 1]?.text === "." && tokens[at - 2]?.text === "t";
    const called = CLOCK_NAMES.has(token.text) && tokens[at + 1]?.text === "(" && !ofTest;
    if (!timers && !atomics && !(token.kind === "name" && called)) return [];
    const text = `wait for a condition with a bound (${WAITING_FILE}), never for time to pass`;
    return [{ rule: "test-waits", path, line: token.line, text }];
  });
}

function leftOut({ path, tokens }: Source): Finding[] {
  return tokens.flatMap((token, at) => {
    if (token.kind !== "name" || !LEFT_OUT.has(token.text)) return [];
    const [before, next, value] = [tokens[at - 1], tokens[at + 1], tokens[at + 2]];
    const called = before?.text === "." && next?.text === "(";
    const asked = next?.text === ":" && value?.text === "true";
    if (!called && !asked) return [];
    const text = `${token.text} leaves tests out; a test that needs root says { skip: "why" }`;
    return [{ rule: "test-left-out", path, line: token.line, text }];
  });
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** A test process costs a second, so there is one per folder: its index.test.ts. */
function entries(tests: readonly Source[]): Finding[] {
  const others = tests.filter(({ path }) => /(?<!\/index)\.test\.ts$/.test(path));
  const paths = new Set(tests.map(({ path }) => path));
  const lacking = tests.filter(({ path }) => {
    const top = path.split("/")[1] ?? "";
    return (
      !LENDING_FOLDERS.has(top) && !ancestors(path).some((folder) => paths.has(entryOf(folder)))
    );
  });
  return [
    ...others.map(({ path }) => ({
      rule: "test-entries",
      path,
      line: 1,
      text: "a folder has one entry, index.test.ts; name this file .cases.ts and import it there",
    })),
    ...[...new Set(lacking.map(({ path }) => folderOf(path)))].map((folder) => ({
      rule: "test-entries",
      path: folder,
      line: 1,
      text: `no entry runs these tests; write ${entryOf(folder)}`,
    })),
  ];
}

function entryOf(folder: string): string {
  return `${folder}/index.test.ts`;
}

/** The folder of a file and those above it, below test/. */
function ancestors(path: string): string[] {
  const parts = folderOf(path).split("/");
  return parts.slice(1).map((_, at) => parts.slice(0, at + 2).join("/"));
}

/** Cases that no entry reaches never run. */
function unrun(tree: Tree, tests: readonly Source[]): Finding[] {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const source = tree.byPath.get(path);
    if (source === undefined || reached.has(path)) return;
    reached.add(path);
    for (const { specifier } of source.imports) {
      if (specifier.startsWith(".")) visit(resolveRelative(path, specifier));
    }
  };
  for (const { path } of tests) if (path.endsWith("/index.test.ts")) visit(path);
  return tests
    .filter(({ path }) => path.endsWith(".cases.ts") && !reached.has(path))
    .map(({ path }) => ({
      rule: "test-entries",
      path,
      line: 1,
      text: "no entry imports these cases, so they never run; import them in index.test.ts",
    }));
}
