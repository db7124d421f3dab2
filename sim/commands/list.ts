/** `sim list`: scenarios, faults, statements, what is pending, rare branches and their counts. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CHECKERS, PENDING } from "../checkers/index.ts";
import { FAULTS } from "../faults/index.ts";
import { parsed } from "../options.ts";
import { readScenario, scenarioFiles } from "../scenario.ts";
import { SOMETIMES } from "../sometimes.ts";
import { STATEMENTS } from "../checkers/statements.ts";
import { EXIT, type ExitCode, noMore, type SimCommand, say, UsageError } from "./command.ts";

const FLAGS = { counts: { type: "string" } } as const;
/** What the last recorded swarm has reached. */
const COUNTS = fileURLToPath(new URL("../../../sim/sometimes.json", import.meta.url));

interface Counts {
  readonly seeds: number;
  readonly sometimes: Readonly<Record<string, number>>;
}

function isCounts(value: unknown): value is Counts {
  if (typeof value !== "object" || value === null) return false;
  return "seeds" in value && "sometimes" in value && typeof value.sometimes === "object";
}

/** @throws UsageError when a file that was named is none. */
function countsOf(file: string | undefined): Counts | undefined {
  if (file === undefined && !existsSync(COUNTS)) return undefined;
  const path = file ?? COUNTS;
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (isCounts(value)) return value;
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new UsageError(`${path}: seeds and sometimes: one is missing; write it by swarm --counts`);
}

function row(name: string, text: string): void {
  say(`  ${name.padEnd(38)} ${text}`);
}

export const LIST: SimCommand = {
  name: "list",
  usage: [
    "list [--counts FILE]   scenarios, faults, statements, rare branches",
    "  --counts FILE            counts that `swarm --counts` has written; default: the kept ones",
  ],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    noMore(positionals[0]);
    const counts = countsOf(values.counts);
    say("scenarios");
    for (const file of scenarioFiles()) {
      const { name, story } = readScenario(file);
      row(name, story);
    }
    say(`faults (${FAULTS.length})`);
    for (const { name, group, statement } of FAULTS) row(name, `${group}: ${statement}`);
    say(`statements (${CHECKERS.length} checkers)`);
    for (const [id, statement] of Object.entries(STATEMENTS)) row(id, statement);
    say("pending");
    for (const { id, statement, waitsFor } of PENDING) row(id, `${statement} (${waitsFor})`);
    say(`rare branches${counts === undefined ? "" : `, over ${counts.seeds} seeds`}`);
    for (const [name, statement] of Object.entries(SOMETIMES)) {
      const times = counts === undefined ? "" : `${String(counts.sometimes[name] ?? 0)} × `;
      row(name, `${times}${statement}`);
    }
    return EXIT.pass;
  },
};
