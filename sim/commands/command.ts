/** What a command of the simulator is, the codes that it ends with, and how it speaks. */
import type { Violation } from "../checkers/index.ts";

/** Exit codes, by outcome. */
export const EXIT = {
  pass: 0,
  invariant: 1,
  liveness: 2,
  nondeterminism: 3,
  usage: 4,
  crash: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Statements that speak of the end of a run only. */
const LIVENESS: ReadonlySet<string> = new Set(["LV"]);

/** One row of the table in `cli.ts`. */
export interface SimCommand {
  readonly name: string;
  /** Lines of the help: how it is called, then flags that only it has. */
  readonly usage: readonly string[];
  /**
   * @param args what stands after the name.
   * @throws UsageError, or the TypeError of parseArgs, when they make no sense.
   */
  run(args: readonly string[]): ExitCode | Promise<ExitCode>;
}

/** What was asked for makes no sense; the message names the flag or the file. */
export class UsageError extends Error {}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function codeOf(violations: readonly Pick<Violation, "id">[]): ExitCode {
  if (violations.length === 0) return EXIT.pass;
  return violations.every(({ id }) => LIVENESS.has(id)) ? EXIT.liveness : EXIT.invariant;
}

/** The one argument of a command that takes a file. */
export function onlyFile(positionals: readonly string[], what: string): string {
  const [file, stray] = positionals;
  if (file === undefined) throw new UsageError(`name the file of ${what}`);
  noMore(stray);
  return file;
}

/** Refuses arguments where none is expected. */
export function noMore(stray: string | undefined): void {
  if (stray !== undefined) throw new UsageError(`${stray}: no more arguments are expected here`);
}
