/**
 * The house rules that no ready tool knows: floors, names the core may not use, headers, lengths, limits, pages. Run as
 * `node dist/tools/tidy.js [--write] [ROOT]`; each complaint names file, line, rule and mend. It never changes a source.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readFloors } from "./floors.ts";
import { importRules } from "./tidy/imports.ts";
import { literalRules } from "./tidy/literals.ts";
import { namesOfTheCore, unfinishedWords } from "./tidy/names.ts";
import { floorTables, stalePages, writePages } from "./tidy/pages.ts";
import { shapeRules } from "./tidy/shape.ts";
import { testRules } from "./tidy/tests.ts";
import { type Finding, readTree } from "./tidy/tree.ts";

/** Every complaint about the tree below the root, in the order of its files. */
export function tidy(root: string): Finding[] {
  const floors = readFloors(root);
  const tree = readTree(root);
  const found = [
    ...namesOfTheCore(tree, floors),
    ...unfinishedWords(tree),
    ...importRules(tree, floors),
    ...shapeRules(tree),
    ...literalRules(tree),
    ...testRules(tree),
    ...floorTables(tree, floors),
    ...stalePages(tree),
  ];
  return found.sort((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
}

function main(args: readonly string[]): number {
  const root = resolve(args.find((arg) => !arg.startsWith("-")) ?? ".");
  if (args.includes("--write")) {
    for (const path of writePages(readTree(root))) process.stderr.write(`wrote ${path}\n`);
  }
  const found = tidy(root);
  for (const { path, line, rule, text } of found) {
    process.stdout.write(`${path}:${line} [${rule}] ${text}\n`);
  }
  const files = new Set(found.map(({ path }) => path)).size;
  const sentence = found.length === 0 ? "tidy" : `${found.length} complaints in ${files} files`;
  process.stdout.write(`${sentence}\n`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
