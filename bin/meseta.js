#!/usr/bin/env node
/**
 * The `meseta` command before anything else is loaded: it refuses a machine that cannot run Meseta in one sentence, builds a
 * clone that was never built, and hands over to the command line in dist/. It never reads arguments.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ENTRY = join(ROOT, "dist/src/cli/main.js");
const COMPILER = join(ROOT, "node_modules/typescript/package.json");

/** What keeps Meseta from running here, in one sentence, or undefined. */
function obstacle() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 11)) {
    return `Meseta needs Node.js 20.11 or newer and this is ${process.versions.node}; install a newer one from your system's packages or nodejs.org.`;
  }
  if (process.platform !== "linux") {
    return `Meseta runs on Linux, because containers are made of its cgroups and namespaces, and this is ${process.platform}; use a Linux machine or a virtual machine.`;
  }
  return existsSync(ENTRY) ? undefined : build();
}

/** Compiles a clone; what the build prints goes to stderr, so that output of the command stays its own. */
function build() {
  if (!existsSync(COMPILER)) {
    return `Meseta is not built: ${ENTRY} is missing; run "npm ci && npm run build" in ${ROOT}.`;
  }
  process.stderr.write("meseta: first use of this clone, building it\n");
  const { status } = spawnSync("npm", ["run", "build", "--silent"], {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
  });
  if (status === 0 && existsSync(ENTRY)) return undefined;
  return `Meseta could not be built; run "npm run build" in ${ROOT} and read what it says.`;
}

const sentence = obstacle();
if (sentence === undefined) {
  import(pathToFileURL(ENTRY).href);
} else {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
