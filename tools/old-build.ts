/**
 * An earlier commit of this project, built in a folder of its own, so that the two can be run side by side. It takes the files
 * out of git's store and never touches the checkout. What it lacks it says in one sentence.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BUILD_MS_MAX = 120_000;
/** Of a commit as an archive. */
const ARCHIVE_BYTES_MAX = 256 * 1024 * 1024;

export interface OldBuild {
  /** Folder with `bin`, `dist` and package.json. */
  readonly dir: string;
  readonly commit: string;
  readonly subject: string;
}

/** The commit cannot be had here, in one sentence: another reason than a fault of what is tested. */
export class NoOldBuild extends Error {}

/** Where the files have changed since the last commit it is that commit, else the one before. */
export function previousCommit(root: string): string {
  const inside = git(root, "rev-parse", "--show-prefix");
  if (inside === undefined) {
    throw new NoOldBuild(
      `${root} is no clone of the repository, so there is no earlier commit to build; run this in a clone`,
    );
  }
  const changed = git(root, "status", "--porcelain", "--untracked-files=no");
  const wanted = changed === "" ? "HEAD~1" : "HEAD";
  if (git(root, "rev-parse", "--verify", "--quiet", `${wanted}^{commit}`) !== undefined)
    return wanted;
  throw new NoOldBuild(
    "this clone does not have the commit before HEAD; fetch it with git fetch --deepen=1",
  );
}

/** @throws NoOldBuild when the commit is not there or cannot be built. */
export function buildCommit(root: string, ref: string, dir: string): OldBuild {
  const commit = git(root, "rev-parse", "--verify", "--quiet", `${ref}^{commit}`);
  if (commit === undefined) {
    throw new NoOldBuild(`there is no commit ${ref} here; fetch it, or name another with --from`);
  }
  mkdirSync(dir, { recursive: true });
  const options = { maxBuffer: ARCHIVE_BYTES_MAX };
  const archive = spawnSync("git", ["-C", root, "archive", commit], options);
  must(archive, `git archive ${commit}`);
  must(spawnSync("tar", ["-x", "-C", dir], { input: archive.stdout }), "tar");
  packagesOf(root, dir);
  // What is run of it, not its tests.
  const project = join(dir, "tsconfig.old.json");
  const include = ["src", "tools/build-native.ts"];
  writeFileSync(project, JSON.stringify({ extends: "./tsconfig.json", include }));
  const run = { cwd: dir, encoding: "utf8", timeout: BUILD_MS_MAX } as const;
  must(spawnSync("node_modules/.bin/tsc", ["-p", project], run), `the compiler on ${ref}`);
  must(spawnSync(process.execPath, ["dist/tools/build-native.js"], run), "build-native");
  const subject = git(root, "log", "-1", "--format=%s", commit) ?? "";
  return { dir, commit: commit.slice(0, 7), subject };
}

/** The packages of this checkout serve where they are the same ones. */
function packagesOf(root: string, dir: string): void {
  const lock = (of: string): string => readFileSync(join(of, "package-lock.json"), "utf8");
  if (lock(root) === lock(dir))
    return symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  const flags = ["ci", "--prefer-offline", "--no-audit", "--no-fund"];
  must(spawnSync("npm", flags, { cwd: dir, encoding: "utf8", timeout: BUILD_MS_MAX }), "npm ci");
}

function git(root: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", ["-C", root, ...args], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function must(ran: ReturnType<typeof spawnSync>, what: string): void {
  if (ran.status === 0) return;
  const said = `${String(ran.stdout ?? "")}${String(ran.stderr ?? "")}`.trim().slice(-2_000);
  throw new NoOldBuild(`${what} failed: ${ran.error?.message ?? said}`);
}
