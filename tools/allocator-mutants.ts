/**
 * Measures the tests of the allocator: breaks one rule at a time in a copy of the compiled product
 * and runs them. A rule that nobody misses means a missing test. Touches nothing but its copy:
 * `npm run allocator:mutants -- [--only NAME,NAME]`.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BrokenCopy, chosen } from "#sim";
import { type RuleMutant, STANDS_ONCE } from "./allocator-mutants/mutant.ts";
import { RULES } from "./allocator-mutants/rules.ts";
import { runCommand, UsageError } from "./command.ts";

/** How long the tests may take with one rule broken. */
const TIMEOUT_MS = 300_000;
const SUBTEST = /^# Subtest: (.*)$/gm;

/** The test that fails first, where they stop; undefined: nobody noticed. */
function firstFailure(folder: string): string | undefined {
  const { stdout, stderr, status, error } = spawnSync(
    process.execPath,
    [join(folder, "dist/test/allocator/index.test.js")],
    { encoding: "utf8", timeout: TIMEOUT_MS, env: { ...process.env, TAP_BAIL: "1" } },
  );
  if (error !== undefined) return error.message;
  if (status === 0) return undefined;
  const last = [...stdout.matchAll(SUBTEST)].at(-1)?.[1];
  if (last === STANDS_ONCE) return undefined;
  return last ?? stderr.trim().split("\n").at(-1) ?? `ends with ${status}`;
}

function measure(mutants: readonly RuleMutant[]): number {
  const copy = new BrokenCopy(["src", "test", "sim", "tools"]);
  try {
    const before = firstFailure(copy.folder);
    if (before !== undefined) throw new Error(`with every rule in place this fails: ${before}`);
    let missed = 0;
    for (const mutant of mutants) {
      const putBack = copy.mutate(mutant);
      const title = firstFailure(copy.folder);
      putBack();
      if (title === undefined) missed += 1;
      const noticed = title === undefined ? `MISSED: ${mutant.statement}` : title;
      process.stdout.write(`${mutant.name.padEnd(34)} ${noticed}\n`);
    }
    process.stdout.write(`${mutants.length} rules broken, ${missed} not noticed\n`);
    return missed === 0 ? 0 : 1;
  } finally {
    copy.remove();
  }
}

/** @throws UsageError for a name that no rule has. */
function named(only: string | undefined): readonly RuleMutant[] {
  try {
    return chosen(RULES, only);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
}

function main(): number {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  return measure(named(values.only));
}

await runCommand("npm run allocator:mutants -- [--only NAME,NAME]", main);
