/** Which code this is: the commit of its working copy, as far as there is one, and its version. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const COMMIT_UNKNOWN = "unknown";

export interface CodeVersion {
  readonly commit: string;
  readonly packageVersion: string;
}

let known: CodeVersion | undefined;

export function codeVersion(): CodeVersion {
  known ??= { commit: commitOf(ROOT), packageVersion: packageVersion() };
  return known;
}

function packageVersion(): string {
  const value: unknown = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const isNamed = typeof value === "object" && value !== null && "version" in value;
  return isNamed ? String(value.version) : "0";
}

/** Reads what git has written down: a package that was installed has no repository. */
function commitOf(folder: string): string {
  const dotGit = join(folder, ".git");
  if (!existsSync(dotGit)) return COMMIT_UNKNOWN;
  const git = gitFolder(dotGit);
  const head = textOf(join(git, "HEAD"));
  const ref = /^ref: (.*)$/.exec(head)?.[1];
  if (ref === undefined) return head === "" ? COMMIT_UNKNOWN : head;
  const common = textOf(join(git, "commondir"));
  const shared = common === "" ? git : join(git, common);
  const loose = textOf(join(shared, ref)) || textOf(join(git, ref));
  if (loose !== "") return loose;
  const packed = textOf(join(shared, "packed-refs")).split("\n");
  return packed.find((line) => line.endsWith(` ${ref}`))?.split(" ")[0] ?? COMMIT_UNKNOWN;
}

/** A second working copy has a file that says where its folder is. */
function gitFolder(dotGit: string): string {
  try {
    const link = /^gitdir: (.*)$/m.exec(readFileSync(dotGit, "utf8"))?.[1];
    return link === undefined ? dotGit : resolve(dirname(dotGit), link);
  } catch (error) {
    // It is a folder, as in the first working copy.
    if (error instanceof Error && "code" in error && error.code === "EISDIR") return dotGit;
    throw error;
  }
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
}
