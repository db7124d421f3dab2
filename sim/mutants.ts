/**
 * Measures the simulator: takes one guard at a time out of a copy of the compiled product and
 * counts the seeds until its statement is violated. A guard that nobody misses means a missing
 * checker or fault. Touches nothing but its copy.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Mutant, MUTANTS } from "./mutants/index.ts";

/** Seeds until which a mutant must be noticed. */
const SEEDS_MAX = 60;
/** A small, busy cluster: a run of it takes about a second. */
const RUN = "--agents 3 --frameworks 2 --items 60 --until 150s --faults-every 5s".split(" ");
/** How long all seeds of one mutant may take. */
const TIMEOUT_MS = 300_000;
const SEED_LINE = /^seed \S+: (\S+) at (\d+) ms: (.*)$/;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Outcome {
  readonly mutant: Mutant;
  /** How many seeds it took; undefined: not noticed. */
  readonly seeds: number | undefined;
  readonly why: string;
}

/** The product as a copy that may be broken. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), "meseta-mutants-"));
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  for (const part of ["src", "sim"]) {
    cpSync(join(ROOT, "dist", part), join(folder, "dist", part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Takes the guard out; answers with what puts it back. */
function mutate(folder: string, { name, edits }: Mutant): () => void {
  const before = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const path = join(folder, "dist", file);
    const text = readFileSync(path, "utf8");
    if (!before.has(path)) before.set(path, text);
    const times = text.split(find).length - 1;
    if (times !== 1) {
      throw new Error(`${name}: ${file} holds the guard ${times} times, not once: ${find}`);
    }
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
  }
  return () => {
    for (const [path, text] of before) writeFileSync(path, text);
  };
}

function run(folder: string, mutant: Mutant, seeds: number): Outcome {
  const args = ["swarm", ...RUN, "--seed", mutant.name, "--seeds", String(seeds)];
  args.push("--profile", mutant.profile, "--stop-at", mutant.noticedBy.join(","));
  if (mutant.faults !== undefined) args.push("--only", mutant.faults.join(","));
  const { stdout, stderr, error } = spawnSync(
    process.execPath,
    [join(folder, "dist/sim/cli.js"), ...args],
    { encoding: "utf8", timeout: TIMEOUT_MS },
  );
  if (error !== undefined) return { mutant, seeds: undefined, why: error.message };
  const lines = stdout.split("\n").filter((line) => line.startsWith("seed "));
  const [, id = "", , message = ""] = SEED_LINE.exec(lines.at(-1) ?? "") ?? [];
  if (mutant.noticedBy.includes(id)) {
    return { mutant, seeds: lines.length, why: `${id} ${message}` };
  }
  const others = new Set(lines.map((line) => SEED_LINE.exec(line)?.[1] ?? "nothing"));
  const seen = `${lines.length} seeds show ${[...others].join(", ")}`;
  return { mutant, seeds: undefined, why: `${seen} ${stderr}`.trim() };
}

function main(): number {
  const { values } = parseArgs({
    options: { only: { type: "string" }, seeds: { type: "string", default: String(SEEDS_MAX) } },
  });
  const wanted = values.only?.split(",");
  const mutants = MUTANTS.filter(({ name }) => wanted?.includes(name) ?? true);
  const unknown = wanted?.find((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown !== undefined) {
    const names = MUTANTS.map(({ name }) => name).join(", ");
    process.stderr.write(`--only: there is no mutant ${unknown}; there are ${names}\n`);
    return 4;
  }
  const folder = copy();
  let missed = 0;
  try {
    process.stdout.write("guard taken out          seeds  expected  noticed as\n");
    for (const mutant of mutants) {
      const putBack = mutate(folder, mutant);
      const { seeds, why } = run(folder, mutant, Number(values.seeds));
      putBack();
      if (seeds === undefined) missed += 1;
      const columns = [mutant.name.padEnd(24), String(seeds ?? "-").padStart(5)];
      columns.push(
        ` ${mutant.noticedBy.join(" ").padEnd(8)}`,
        seeds === undefined ? "MISSED:" : "",
      );
      process.stdout.write(`${columns.join(" ")} ${why}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return missed === 0 ? 0 : 1;
}

process.exitCode = main();
