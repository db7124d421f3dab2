/**
 * How the tools begin and end: a flag or a value that makes no sense is told in one sentence with
 * the usage, and a reader that has gone away (a closed pipe) is no error.
 */

/** Exit code of a call that makes no sense; the simulator's is the same. */
export const USAGE = 4;

/** What was asked for makes no sense; the message names the flag, the value and what may stand there. */
export class UsageError extends Error {}

/** `parseArgs` tells of flags that it does not know by a TypeError with a code. */
function isUsage(error: unknown): error is Error {
  return error instanceof UsageError || (error instanceof TypeError && "code" in error);
}

/** Runs a tool; its answer becomes the exit code. What it throws beyond usage is a fault and shown whole. */
export async function runCommand(
  usage: string,
  main: () => number | Promise<number>,
): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode ?? 0);
  });
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!isUsage(error)) throw error;
    process.stderr.write(`${error.message}\nusage: ${usage}\n`);
    process.exitCode = USAGE;
  }
}

/** A whole number above 0, as a flag gives it. @throws UsageError for anything else. */
export function countFrom(name: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new UsageError(`--${name}: ${text} is not a whole number above 0`);
}
