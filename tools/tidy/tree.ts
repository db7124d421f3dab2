/**
 * The tree of sources that tidy judges, read once: paths, lines, tokens, header sentences, imports. It never judges anything.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { type Comment, type Token, tokenize } from "./tokens.ts";

/** One complaint. `text` is a sentence that names the mend. */
export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** One import or re-export, whether it is a statement, a type or a call. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** One file. Files that are not TypeScript or JavaScript have no tokens, comments or imports. */
export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  /** How the header comment begins: its first sentence, or more where that is short; empty where there is none. */
  readonly header: string;
}

export interface Tree {
  readonly root: string;
  readonly sources: readonly Source[];
  /** Sources by path. */
  readonly byPath: ReadonlyMap<string, Source>;
}

/** The folders of the root that hold sources. */
export const SOURCE_FOLDERS = ["bin", "src", "sim", "tools", "bench", "examples", "test"] as const;

const SCRIPT = /\.(?:ts|js)$/;
const SOURCE = /\.(?:ts|js|c|h|sh)$/;
/** The sentences that say something: as few as reach twenty characters. */
const SENTENCE = /^.{19,}?[.!?](?=\s|$)/;

/** Reads every source below the root. */
export function readTree(root: string): Tree {
  const sources = SOURCE_FOLDERS.flatMap((folder) => filesBelow(root, folder))
    .filter((path) => SOURCE.test(path))
    .map((path) => readSource(root, path));
  return { root, sources, byPath: new Map(sources.map((source) => [source.path, source])) };
}

/** True for TypeScript and JavaScript: what has tokens. */
export function isScript(source: Source): boolean {
  return SCRIPT.test(source.path);
}

/** The text of a file of the root, or undefined where there is none. */
export function readPage(root: string, path: string): string | undefined {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** The file that a relative import of `from` means, as a path of the tree. */
export function resolveRelative(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

function filesBelow(root: string, folder: string): string[] {
  const path = join(root, folder);
  if (!existsSync(path) || !statSync(path).isDirectory()) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.name !== "node_modules" && entry.name !== "dist")
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(root, inner) : [inner];
    });
}

function readSource(root: string, path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const { tokens, comments } = SCRIPT.test(path) ? tokenize(text) : { tokens: [], comments: [] };
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const header = headerSentence(headerComment(path, text));
  return { path, text, lines, tokens, comments, imports: importsOf(tokens), header };
}

/** The comment that opens a file, without its delimiters; empty where code comes first. */
function headerComment(path: string, text: string): string {
  const body = text.replace(/^#!.*\n/, "").trimStart();
  if (path.endsWith(".sh")) return /^(?:#.*\n?)+/.exec(body)?.[0].replace(/^#+ ?/gm, "") ?? "";
  const block = (SCRIPT.test(path) ? /^\/\*\*([\s\S]*?)\*\// : /^\/\*([\s\S]*?)\*\//).exec(body);
  return block?.[1]?.replace(/^\s*\*+ ?/gm, "") ?? "";
}

function headerSentence(comment: string): string {
  const text = comment.replace(/\s+/g, " ").trim();
  return SENTENCE.exec(text)?.[0] ?? "";
}

function importsOf(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  tokens.forEach((token, at) => {
    if (token.kind !== "string") return;
    const before = tokens[at - 1];
    const open = tokens[at - 2];
    const statement = before?.text === "import" || before?.text === "from";
    const call = before?.text === "(" && open?.text === "import";
    if ((statement && before?.kind === "name") || call) {
      found.push({ specifier: token.text, line: token.line });
    }
  });
  return found;
}
