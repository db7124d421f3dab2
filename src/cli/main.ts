/**
 * The command line's own beginning and end: runs the program, says what went wrong in one
 * sentence with what to do, and ends with the right code. A reader that has gone away (a closed
 * pipe) is no error.
 */
import { CommanderError } from "commander";
import { EXIT, type Told, tellOf } from "./exit.ts";
import { makeProgram, usageError } from "./program.ts";

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode ?? EXIT.done);
  });
}

function say({ code, message, hint }: Told, asJson: boolean): void {
  if (asJson) {
    const body = { error: { code, message, ...(hint === undefined ? {} : { hint }) } };
    process.stderr.write(`${JSON.stringify(body)}\n`);
    return;
  }
  process.stderr.write(`meseta: ${message}\n`);
  if (hint !== undefined) process.stderr.write(`  ${hint}\n`);
}

const program = makeProgram();
try {
  await program.parseAsync();
} catch (error) {
  const wrong = error instanceof CommanderError ? usageError(error) : error;
  if (wrong !== undefined) {
    const told = tellOf(wrong);
    say(told, /^jsonl?$/.test(String(program.opts()["output"])));
    // What a failed start has opened (connections, the launcher) must not keep the process.
    process.exit(told.exit);
  }
}
