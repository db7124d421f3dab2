/**
 * Builds tap's test class without its TypeScript plugin, which does not run under TypeScript 7. Does nothing when the class in
 * node_modules was already built for this configuration; needs no network. It never runs tests.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const STAMP = "node_modules/.tap-build";
/** What `tap build` makes outside of node_modules; the built class loads its plugins through it. */
const PLUGINS = ".tap/plugins/package.json";
/** What the built class depends on: the chosen plugins and the versions of tap and of its class generator. */
const INPUTS = [".taprc", "node_modules/tap/package.json", "node_modules/@tapjs/test/package.json"];

const hash = createHash("sha256");
for (const path of INPUTS) hash.update(readFileSync(path));
const wanted = hash.digest("hex");

function main(): number {
  if (existsSync(STAMP) && existsSync(PLUGINS) && readFileSync(STAMP, "utf8") === wanted) return 0;
  process.stderr.write("building tap's test class for .taprc, once per install (about 12 s)\n");
  rmSync(STAMP, { force: true });
  const { status, stdout, stderr, error } = spawnSync("node_modules/.bin/tap", ["build"], {
    encoding: "utf8",
  });
  if (status === 0) {
    writeFileSync(STAMP, wanted);
    return 0;
  }
  process.stderr.write(
    `${stdout}${stderr}tap build failed: ${error?.message ?? `exit ${status}`}\n`,
  );
  return 1;
}

process.exitCode = main();
