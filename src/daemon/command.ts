/**
 * Runs another program to its end with a time limit and bounded output. No shell: arguments are
 * never parsed again.
 */
import { execFile } from "node:child_process";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export interface RunOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The program could not be started, was cut off, or ended with another code than 0. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/** @throws CommandFailed with the last line that the program wrote. */
export function run(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const settings = {
      timeout: options.timeoutMs,
      killSignal: "SIGKILL" as const,
      maxBuffer: OUTPUT_BYTES_MAX,
      encoding: "utf8" as const,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    };
    const child = execFile(file, [...args], settings, (error, stdout, stderr) => {
      if (error === null) return resolve({ stdout, stderr });
      const said = stderr.trim().split("\n").at(-1) || error.message;
      const why = error.killed === true ? `was cut off after ${options.timeoutMs} ms` : said;
      reject(new CommandFailed(`${file} ${args[0] ?? ""}: ${why}`, { cause: error }));
    });
    child.stdin?.end();
  });
}
