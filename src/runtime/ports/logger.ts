/** The log for people. Transitions at info, messages at debug, never per offer at info. */
import type { LogLevel } from "#protocol";

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  log(level: LogLevel, sentence: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
  setLevel(level: LogLevel): void;
  readonly level: LogLevel;
}
