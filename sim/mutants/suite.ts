/**
 * Runs one test of a folder on the copy of the product, for guards of what is not simulated: the
 * test must pass with the guard and fail without it.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { BrokenCopy } from "./copy.ts";
import type { SuiteMutant } from "./mutant.ts";

/** How long one test may take, its brokers included. */
const TIMEOUT_MS = 180_000;

/** What ran, and which of it failed. */
export interface SuiteOutcome {
  readonly passed: number;
  readonly failed: readonly string[];
}

export function runSuite({ folder }: BrokenCopy, { suite, test }: SuiteMutant): SuiteOutcome {
  const file = join(folder, "dist", suite);
  const env = { ...{}, ...process.env, TAP_GREP: test.split(" > ").join("\n") };
  const { stdout } = spawnSync(process.execPath, [file], {
    encoding: "utf8",
    cwd: folder,
    env,
    timeout: TIMEOUT_MS,
  });
  const lines = stdout.split("\n");
  const wasRun = lines.filter((line) => !line.includes("# SKIP"));
  const failed = wasRun.flatMap(
    (line) => /^\s*not ok \d+ - (.+?)( # time.*)?$/.exec(line)?.[1] ?? [],
  );
  return { passed: wasRun.filter((line) => /^ok /.test(line)).length, failed };
}
