/**
 * The pages that are true only because they are generated: docs/limits.md from the named limits, docs/tree.md from the header
 * sentences, the table in docs/simulation.md from what sim/mutants.json keeps. It also holds floors.json against the drawing, the
 * package's doors and the core's compiler settings.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { drawingDifferences, type Floors } from "../floors.ts";
import { type Finding, isScript, readPage, type Source, type Tree } from "./tree.ts";

/** A page with a generated part between two marks. */
interface Page {
  readonly path: string;
  readonly title: string;
  readonly mark: string;
  /** Undefined where the tree has nothing to tell. */
  readonly body: (tree: Tree) => string | undefined;
}

/** What was measured of a guard that was taken out, as sim/mutants.json keeps it. */
interface MutantRow {
  readonly statement: string;
  readonly expected: readonly string[];
  readonly seeds: number | null;
  readonly noticedAs: string;
}

const LIMIT = /^(?:MAX_\w+|\w+_(?:MAX|LIMIT)(?:_\w+)?)$/;

const PAGES: readonly Page[] = [
  { path: "docs/limits.md", title: "Limits", mark: "limits", body: limitsTable },
  { path: "docs/tree.md", title: "The tree", mark: "tree", body: treeTable },
  { path: "docs/simulation.md", title: "The simulator", mark: "mutants", body: mutantsTable },
];

/** Refuses pages whose generated part differs from what the sources say now. */
export function stalePages(tree: Tree): Finding[] {
  return PAGES.filter((page) => readPage(tree.root, page.path) !== rendered(tree, page)).map(
    ({ path }) => ({
      rule: "stale-pages",
      path,
      line: 1,
      text: "differs from the sources; run node dist/tools/tidy.js --write",
    }),
  );
}

/** Writes the generated parts anew and answers which pages changed. */
export function writePages(tree: Tree): string[] {
  return PAGES.filter((page) => {
    const text = rendered(tree, page);
    if (text === undefined || readPage(tree.root, page.path) === text) return false;
    const file = join(tree.root, page.path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return true;
  }).map(({ path }) => path);
}

/** The page as it must be: its own words kept, the part between the marks made anew. */
function rendered(tree: Tree, { path, title, mark, body }: Page): string | undefined {
  const made = body(tree);
  if (made === undefined) return readPage(tree.root, path);
  const [begin, end] = [`<!-- ${mark}:begin -->`, `<!-- ${mark}:end -->`];
  const page = readPage(tree.root, path) ?? `# ${title}\n\n${begin}\n${end}\n`;
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  const part = `${begin}\n\n${made.trim()}\n\n${end}`;
  if (from < 0 || to < from) return `${page.trimEnd()}\n\n${part}\n`;
  return `${page.slice(0, from)}${part}${page.slice(to + end.length)}`;
}

function cell(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|").trim();
}

/** One row per named limit of src and sim: its value as written, its file, and the comment that explains it. */
function limitsTable(tree: Tree): string {
  const rows = tree.sources
    .filter((source) => isScript(source) && /^(?:src|sim)\//.test(source.path))
    .flatMap((source) => limitsOf(source));
  const head = "| limit | value | file | what it bounds |\n| --- | --- | --- | --- |";
  return [head, ...rows].join("\n");
}

function limitsOf(source: Source): string[] {
  return source.tokens.flatMap((token, at) => {
    if (token.text !== "const") return [];
    const name = source.tokens[at + 1];
    if (name === undefined || !LIMIT.test(name.text)) return [];
    const why = cell(commentOver(source, token.line));
    const value = cell(valueAt(source, at + 2));
    return [`| \`${name.text}\` | \`${value}\` | ${source.path} | ${why} |`];
  });
}

/** The tokens between `=` and the end of the declaration, spaced as a reader would. */
function valueAt({ tokens }: Source, from: number): string {
  let at = from;
  while (at < tokens.length && tokens[at]?.text !== "=") at += 1;
  const words: string[] = [];
  let depth = 0;
  for (at += 1; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined || (depth === 0 && (token.text === ";" || token.text === ","))) break;
    if (["(", "[", "{"].includes(token.text)) depth += 1;
    if ([")", "]", "}"].includes(token.text)) depth -= 1;
    const operator = token.kind === "punct" && ["*", "+", "-", "/"].includes(token.text);
    words.push(operator ? ` ${token.text} ` : token.text);
  }
  return words.join("").replaceAll("* *", "**");
}

/** The comment that ends above the line, or stands behind the code on it. */
function commentOver({ comments }: Source, line: number): string {
  const above = comments.find((comment) => comment.lastLine === line - 1);
  const beside = comments.find((comment) => comment.line === line);
  const text = (above ?? beside)?.text ?? "";
  return text.replace(/^\/\*\*?|\*\/$|^\/\//g, "").replace(/^\s*\* ?/gm, "");
}

/** One table per folder, one row per file: its name and its header sentence. */
function treeTable(tree: Tree): string {
  return [...groupByFolder(tree.sources)]
    .map(([folder, sources]) => {
      const rows = sources.map(({ path, header }) => {
        return `| ${path.slice(folder.length + 1)} | ${cell(header)} |`;
      });
      return [`## ${folder}`, "", "| file | what it owns |", "| --- | --- |", ...rows].join("\n");
    })
    .join("\n\n");
}

/** One row per guard that was taken out: who misses it, and after how many seeds. */
function mutantsTable(tree: Tree): string | undefined {
  const text = readPage(tree.root, "sim/mutants.json");
  if (text === undefined) return undefined;
  const rows = (JSON.parse(text) as readonly MutantRow[]).map((row) => {
    const isSuite = row.expected[0] === "test";
    const [by = ""] = isSuite ? [row.noticedAs] : row.noticedAs.split(" ");
    const seeds = row.seeds === null ? "never" : isSuite ? "" : String(row.seeds);
    return `| ${cell(row.statement)} | ${row.expected.join(" or ")} | ${seeds} | ${cell(by)} |`;
  });
  const head =
    "| without its guard | expected | seeds needed | noticed as |\n| --- | --- | --- | --- |";
  return [head, ...rows].join("\n");
}

function groupByFolder(sources: readonly Source[]): Map<string, Source[]> {
  const folders = new Map<string, Source[]>();
  for (const source of sources) {
    const folder = source.path.slice(0, source.path.lastIndexOf("/"));
    const inside = folders.get(folder) ?? [];
    inside.push(source);
    folders.set(folder, inside);
  }
  return folders;
}

/** Compares floors.json with the drawing, with package.json and with the settings that compile the core. */
export function floorTables(tree: Tree, floors: Floors): Finding[] {
  const refuse = (path: string, text: string): Finding => ({
    rule: "floor-tables",
    path,
    line: 1,
    text,
  });
  const page = readPage(tree.root, "docs/architecture.md") ?? "";
  const differences = drawingDifferences(floors, page);
  const doors = Object.entries(readImports(tree.root));
  const wrongDoors = floors.floors.filter(({ name, path }) => {
    return !doors.some(([door, to]) => door === `#${name}` && to === `./dist/${path}/index.js`);
  });
  const strayDoors = doors.filter(
    ([door]) => !floors.floors.some(({ name }) => door === `#${name}`),
  );
  const compiled = readPage(tree.root, "tsconfig.core.json") ?? "";
  const uncompiled = floors.floors.filter(({ core, path }) => {
    return core && !parents(path).some((folder) => compiled.includes(`"${folder}"`));
  });
  return [
    ...differences.map((text) => refuse("docs/architecture.md", text)),
    ...wrongDoors.map(({ name, path }) =>
      refuse("package.json", `imports must say "#${name}": "./dist/${path}/index.js"`),
    ),
    ...strayDoors.map(([door]) => refuse("package.json", `${door} is no floor; take it out`)),
    ...uncompiled.map(({ path }) => refuse("tsconfig.core.json", `include must name "${path}"`)),
  ];
}

function readImports(root: string): Record<string, string> {
  const text = readPage(root, "package.json") ?? "{}";
  return (JSON.parse(text) as { imports?: Record<string, string> }).imports ?? {};
}

function parents(path: string): string[] {
  const parts = path.split("/");
  return parts
    .map((_, at) => parts.slice(0, at + 1).join("/"))
    .filter((folder) => folder !== "src");
}
