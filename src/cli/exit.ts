/** Exit codes of the command line and the errors that lead to them. */
import { ApiError } from "#api";
import { ConfigError } from "#config";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 4,
  timeout: 5,
  unreachable: 6,
  notAllowed: 7,
} as const;

/** Ended by the second half of a signal's number, as shells say it. */
export function exitOfSignal(signal: number): number {
  return 128 + signal;
}

/** A failure with what to do about it. */
export class CliError extends Error {
  readonly exit: number;
  readonly hint: string | undefined;

  constructor(exit: number, message: string, hint?: string) {
    super(message);
    this.name = "CliError";
    this.exit = exit;
    this.hint = hint;
  }
}

export interface Told {
  readonly exit: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What is said of an error, and which code the process ends with. */
export function tellOf(error: unknown): Told {
  if (error instanceof ApiError) {
    return { exit: error.exit, code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof CliError) {
    return { exit: error.exit, code: "failed", message: error.message, hint: error.hint };
  }
  if (error instanceof ConfigError) {
    const hint = "meseta config show lists every setting with its meaning";
    return { exit: EXIT.usage, code: "invalid", message: error.message, hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { exit: EXIT.failed, code: "failed", message, hint: undefined };
}
