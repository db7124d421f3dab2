/**
 * The log for people, as lines of JSON on a file descriptor. Lines are written before the call
 * returns: a process that is killed has said what it did.
 */
import { destination, pino, type Logger as PinoLogger } from "pino";
import type { LogLevel } from "#protocol";
import type { Logger, LogFields } from "#runtime";

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Descriptor (2 is standard error) or path of a file that is appended to. */
  readonly to: number | string;
  readonly fields?: LogFields;
}

export function pinoLogger(options: LoggerOptions): Logger {
  const to = typeof options.to === "number" ? { fd: options.to } : { dest: options.to };
  const sink = destination({ ...{}, ...to, sync: true });
  const root = pino({ level: options.level, base: options.fields ?? null }, sink);
  // One level for the whole process: children made earlier follow a change too.
  const level = { now: options.level };
  return wrap(root, level);
}

function wrap(line: PinoLogger, level: { now: LogLevel }): Logger {
  return {
    log(at, sentence, fields) {
      if (line.level !== level.now) line.level = level.now;
      line[at](fields ?? {}, sentence);
    },
    child: (fields) => wrap(line.child(fields), level),
    setLevel(wanted) {
      level.now = wanted;
    },
    get level() {
      return level.now;
    },
  };
}
