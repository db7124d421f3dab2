/**
 * Measures the simulator: takes one guard at a time out of a copy of the compiled product and
 * counts the seeds until its statement is violated. A guard that nobody misses means a missing
 * checker or fault. Touches nothing but its copy.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BrokenCopy, chosen } from "./mutants/copy.ts";
import { type Mutant, MUTANTS } from "./mutants/index.ts";

/** Seeds until which a mutant must be noticed. */
const SEEDS_MAX = 60;
/** A small, busy cluster: a run of it takes about a second. */
const RUN = "--agents 3 --frameworks 2 --items 60 --until 150s --faults-every 5s".split(" ");
/** How long all seeds of one mutant may take. */
const TIMEOUT_MS = 300_000;
const SEED_LINE = /^seed \S+: (\S+) at (\d+) ms: (.*)$/;

interface Outcome {
  readonly mutant: Mutant;
  /** How many seeds it took; undefined: not noticed. */
  readonly seeds: number | undefined;
  readonly why: string;
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
  let mutants: readonly Mutant[];
  try {
    mutants = chosen(MUTANTS, values.only);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 4;
  }
  const copy = new BrokenCopy(["src", "sim"]);
  let missed = 0;
  try {
    process.stdout.write("guard taken out          seeds  expected  noticed as\n");
    for (const mutant of mutants) {
      const putBack = copy.mutate(mutant);
      const { seeds, why } = run(copy.folder, mutant, Number(values.seeds));
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
    copy.remove();
  }
  return missed === 0 ? 0 : 1;
}

process.exitCode = main();
