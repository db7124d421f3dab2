/**
 * `npm run chaos -- --minutes N --seed S`: three brokers, three masters, ten agents and four
 * frameworks as real processes, each with a network and a disk of its own, under faults drawn from the
 * seed; then a minute of healing, and the simulator's invariants over all that was recorded. Ends with
 * 0 when they held and nothing is left behind, with 1 when not, with 2 when it cannot begin. All
 * that it makes but cgroups is in namespaces of its own, and goes with them whatever happens.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findBroker } from "#daemon";
import { AGENTS_FILE, type RunOptions } from "./chaos/inside.ts";
import { removeCgroups } from "./chaos/leftovers.ts";

const INSIDE = fileURLToPath(new URL("./chaos/inside.js", import.meta.url));
const MINUTES_DEFAULT = "3";
const MINUTES_MAX = 24 * 60;
const PROGRAMS = ["unshare", "nsenter", "mount", "umount", "ip", "nft"] as const;
const CANNOT_BEGIN = 2;

class CannotBegin extends Error {}

interface Wanted {
  readonly minutes: number;
  readonly seed: string;
  readonly keep: string | undefined;
}

/** @throws CannotBegin in one sentence. */
function readArguments(args: readonly string[]): Wanted {
  const options = {
    minutes: { type: "string" },
    seed: { type: "string" },
    keep: { type: "string" },
  } as const;
  let values: { minutes?: string; seed?: string; keep?: string };
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    const [why = ""] = (error as Error).message.split("\n");
    throw new CannotBegin(`${why}; chaos takes --minutes N --seed S [--keep DIRECTORY]`);
  }
  const minutes = Number(values.minutes ?? MINUTES_DEFAULT);
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) {
    throw new CannotBegin(
      `--minutes: ${values.minutes} is no number above 0 and up to ${MINUTES_MAX}`,
    );
  }
  const seed = values.seed ?? String(process.pid);
  if (seed === "")
    throw new CannotBegin("--seed: an empty text is no seed; give any word or number");
  return { minutes, seed, keep: values.keep };
}

/** @throws CannotBegin naming what this machine lacks. */
function checkMachine(): void {
  if (process.getuid?.() !== 0) {
    throw new CannotBegin(
      "chaos needs root: it makes network, mount and process namespaces, and cgroups; run it as root",
    );
  }
  const path = (process.env["PATH"] ?? "").split(":");
  const missing = PROGRAMS.filter((name) => !path.some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) {
    const packages = "iproute2, nftables, util-linux and mount";
    throw new CannotBegin(`chaos needs ${missing.join(", ")}: in Debian they are in ${packages}`);
  }
  try {
    execFileSync("unshare", ["--net", "--mount", "--pid", "--fork", "true"], { stdio: "pipe" });
  } catch (error) {
    const why = String((error as { stderr?: Buffer }).stderr ?? "").trim();
    throw new CannotBegin(`this machine makes no namespaces: ${why}`);
  }
}

/** Runs the inside in namespaces of its own; ends when that has ended. @returns its exit code. */
async function runInside(options: RunOptions): Promise<number> {
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
  // The shell is the first process of its namespace: it collects what others leave to it.
  const shell = ["sh", "-c", '"$@"; exit $?', "sh"];
  const command = [process.execPath, INSIDE, JSON.stringify(options)];
  // A session of its own: a Ctrl-C is for this process alone, which asks the inside to end in order.
  const child = spawn("unshare", [...namespaces, "--", ...shell, ...command], {
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      process.stderr.write(`${signal}: everything is ended and cleared away\n`);
      callOff(child);
    });
  }
  return await new Promise((done, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => done(code ?? 1));
  });
}

function callOff(child: ChildProcess): void {
  if (child.connected) child.send({ stop: true });
}

async function main(): Promise<number> {
  const { minutes, seed, keep } = readArguments(process.argv.slice(2));
  checkMachine();
  const binary = await findBroker({
    env: process.env,
    progress: (line) => process.stderr.write(`${line}\n`),
    mayProvision: true,
  });
  const dir = keep === undefined ? mkdtempSync(join(tmpdir(), "meseta-chaos-")) : resolve(keep);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const code = await runInside({ minutes, seed, dir, binary });
  // A run that died could not: its processes are gone with their namespace.
  const agents = join(dir, AGENTS_FILE);
  if (existsSync(agents)) removeCgroups(JSON.parse(readFileSync(agents, "utf8")) as string[]);
  if (code === 1) process.stdout.write(`logs, journals and the trace are in ${dir}\n`);
  else if (keep === undefined) rmSync(dir, { recursive: true, force: true });
  return code;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof CannotBegin)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = CANNOT_BEGIN;
}
