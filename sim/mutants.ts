/**
 * Measures the simulator: takes one guard at a time out of a copy of the compiled product and
 * counts the seeds until its statement is violated. A guard that nobody misses means a missing
 * checker or fault. `--plant` leaves one out, keeps the failure and shrinks it; `--regressions`
 * asks whether those that are kept still fail without their guards, for a regression that cannot
 * fail proves nothing. Touches nothing but its copy, and what is kept when it is asked to.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readFailure } from "./failure.ts";
import { BrokenCopy, chosen } from "./mutants/copy.ts";
import {
  type Attempted,
  type Mutant,
  MUTANTS,
  type SuiteMutant,
  type SwarmMutant,
} from "./mutants/index.ts";
import { runSuite } from "./mutants/suite.ts";

/** Seeds until which a mutant must be noticed. */
const SEEDS_MAX = 500;
/** How long a planted failure is shrunk. */
const SHRINK_WITHIN = "110s";
/** How long all seeds of one mutant may take. */
const TIMEOUT_MS = 900_000;
/** What was measured last, for people and for the documentation. */
const TABLE = fileURLToPath(new URL("../../sim/mutants.json", import.meta.url));

/** Failures that were found once, shrunk. */
const REGRESSIONS = fileURLToPath(new URL("../../sim/regressions/", import.meta.url));
/** Name of a failure that was found without a guard. */
const OF_MUTANT = /^mutant (.+)$/;

interface Row {
  readonly name: string;
  readonly statement: string;
  readonly expected: readonly string[];
  /** How many seeds it took; null: not noticed. */
  readonly seeds: number | null;
  readonly noticedAs: string;
}

function programOf({ folder }: BrokenCopy, file: string): string {
  return join(folder, "dist", "sim", file);
}

function attempted(
  copy: BrokenCopy,
  { name }: SwarmMutant,
  seeds: number,
  file?: string,
): { outcomes: Attempted[]; trouble: string } {
  const args = [programOf(copy, "mutants/attempt.js"), name, String(seeds)];
  if (file !== undefined) args.push(file);
  const ran = spawnSync(process.execPath, args, { encoding: "utf8", timeout: TIMEOUT_MS });
  const lines = ran.stdout.split("\n").filter((line) => line.startsWith("{"));
  const outcomes = lines.map((line): Attempted => JSON.parse(line));
  return { outcomes, trouble: ran.error?.message ?? ran.stderr.trim().split("\n")[0] ?? "" };
}

/** One test instead of seeds: it must fail without the guard, and pass with it. */
function suiteRow(copy: BrokenCopy, mutant: SuiteMutant, passed: number): Row {
  const { name, statement, test } = mutant;
  const row = { name, statement, expected: ["test"] };
  const { failed } = runSuite(copy, mutant);
  const [words = ""] = test.split(" > ").slice(-1);
  const noticed = failed.find((one) => one.includes(words));
  if (passed === 0)
    return { ...{}, ...row, seeds: null, noticedAs: `no test passes that is "${test}"` };
  if (noticed === undefined) {
    return {
      ...{},
      ...row,
      seeds: null,
      noticedAs: `what failed: ${failed.join(", ") || "nothing"}`,
    };
  }
  return { ...{}, ...row, seeds: 1, noticedAs: `${noticed} (${mutant.suite.split("/")[1]})` };
}

function rowOf(copy: BrokenCopy, mutant: SwarmMutant, most: number): Row {
  const { name, statement, noticedBy: expected } = mutant;
  const { outcomes, trouble } = attempted(copy, mutant, most);
  const noticed = outcomes.at(-1)?.noticed;
  if (noticed !== undefined) {
    const noticedAs = `${noticed.id} ${noticed.message.split("\n")[0]}`;
    return { name, statement, expected, seeds: outcomes.length, noticedAs };
  }
  const others = new Set(outcomes.flatMap(({ ids }) => ids));
  const seen = `${outcomes.length} seeds show ${[...others].join(", ") || "nothing"}`;
  return { name, statement, expected, seeds: null, noticedAs: `${seen} ${trouble}`.trim() };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function measure(mutants: readonly Mutant[], most: number): Row[] {
  const parts = mutants.some((mutant) => "suite" in mutant) ? ["test", "native", "tools"] : [];
  const copy = new BrokenCopy(["src", "sim", ...parts]);
  const rows: Row[] = [];
  try {
    say("guard taken out                  seeds  expected  noticed as");
    for (const mutant of mutants) {
      const passed = "suite" in mutant ? runSuite(copy, mutant).passed : 0;
      const putBack = copy.mutate(mutant);
      const row = "suite" in mutant ? suiteRow(copy, mutant, passed) : rowOf(copy, mutant, most);
      putBack();
      rows.push(row);
      const seeds = String(row.seeds ?? "-").padStart(6);
      const expected = row.expected.join(" ").padEnd(9);
      const missed = row.seeds === null ? "MISSED: " : "";
      say(`${row.name.padEnd(32)}${seeds}  ${expected} ${missed}${row.noticedAs}`);
    }
  } finally {
    copy.remove();
  }
  return rows;
}

/** Leaves the guard out, finds a failure, shrinks it into `small`, repeats what is left. */
function plant(mutant: SwarmMutant, folder: string, most: number, small: string): number {
  const copy = new BrokenCopy(["src", "sim"]);
  try {
    const putBack = copy.mutate(mutant);
    const failure = join(folder, `failure-${mutant.name}.json`);
    const { outcomes, trouble } = attempted(copy, mutant, most, failure);
    if (outcomes.at(-1)?.noticed === undefined) {
      say(`${mutant.name}: not noticed in ${outcomes.length} seeds ${trouble}`);
      return 1;
    }
    const began = performance.now();
    const cli = (...args: string[]): number | null =>
      spawnSync(process.execPath, [programOf(copy, "cli.js"), ...args], { stdio: "inherit" })
        .status;
    cli("shrink", failure, "-o", small, "--within", SHRINK_WITHIN);
    say(`shrunk in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const fails = cli("replay", small);
    putBack();
    const passes = cli("replay", small);
    say(passes === 0 ? "with the guard it passes" : "WITH THE GUARD IT FAILS TOO");
    return fails === null || passes !== 0 ? 1 : 0;
  } finally {
    copy.remove();
  }
}

/** Whether a kept failure repeats in a copy without its guard: in whichever run, or not at all. */
function stillFails(mutant: SwarmMutant, file: string): boolean {
  const copy = new BrokenCopy(["src", "sim"]);
  try {
    copy.mutate(mutant);
    const args = [programOf(copy, "cli.js"), "replay", file];
    const { status } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: TIMEOUT_MS });
    return status === 1 || status === 2 || status === 3;
  } finally {
    copy.remove();
  }
}

/**
 * Changes of the simulator move what draws of chance mean, and a kept failure may pass by its bug
 * then: with `write` another one is found and shrunk in its place.
 */
function regressions(most: number, write: boolean): number {
  let faded = 0;
  for (const name of readdirSync(REGRESSIONS).filter((each) => each.endsWith(".json"))) {
    const file = join(REGRESSIONS, name);
    const of = OF_MUTANT.exec(readFailure(file).name ?? "")?.[1];
    const mutant = MUTANTS.find((one): one is SwarmMutant => one.name === of && !("suite" in one));
    const fails = mutant === undefined || stillFails(mutant, file);
    const without = mutant === undefined ? "no guard of its own" : `without ${mutant.name}`;
    say(`${fails ? "fails " : "PASSES"}  ${name.padEnd(48)} ${without}`);
    if (fails || mutant === undefined) continue;
    if (!write || plant(mutant, tmpdir(), most, file) !== 0) faded += 1;
  }
  return faded === 0 ? 0 : 1;
}

/** Writes the table as lint wants it. */
function keep(rows: readonly Row[]): void {
  writeFileSync(TABLE, `${JSON.stringify(rows, undefined, 2)}\n`);
  const { status } = spawnSync("npx", ["biome", "format", "--write", TABLE], { stdio: "inherit" });
  if (status !== 0) throw new Error(`biome format ${TABLE} ended with ${status}`);
}

function main(): number {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      seeds: { type: "string", default: String(SEEDS_MAX) },
      plant: { type: "string" },
      dir: { type: "string", default: "." },
      regressions: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
    },
  });
  let mutants: readonly Mutant[];
  try {
    mutants = chosen(MUTANTS, values.plant ?? values.only);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 4;
  }
  const [first] = mutants;
  const most = Number(values.seeds);
  if (values.regressions) return regressions(most, values.write);
  if (values.plant !== undefined && first !== undefined && !("suite" in first)) {
    return plant(first, values.dir, most, join(values.dir, `small-${first.name}.json`));
  }
  const rows = measure(mutants, most);
  if (values.write) keep(rows);
  return rows.every(({ seeds }) => seeds !== null) ? 0 : 1;
}

process.exitCode = main();
