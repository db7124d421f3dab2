/** What the contract of the log is made of: the harness it is given, and single steps on a log. */
import type t from "tap";
import type { AppendOutcome, Log, LogEntry, ReadOutcome } from "#runtime";

export interface LogHarness {
  /** Opens the log of this harness once more. */
  open(): Promise<Log>;
  /** Lets the world go on until the condition holds; throws after a bound. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Lets everything on its way arrive. */
  settle(): Promise<void>;
  /** The same, of a log that `crash` can end: appends, reads and closes, no more is asked. */
  openMortal(): Promise<Log>;
  /**
   * Kills whoever keeps the log, in the middle of what it does, and brings it back. Logs that
   * were open stay usable, unless they are exclusive: those are dead and are opened anew.
   */
  crash(): Promise<void>;
  /**
   * One on a way that can be cut: `lose` makes the next append vanish, or the answer to it after
   * it was written. Each of the two that this log can suffer.
   */
  openLossy(): Promise<Lossy>;
}

export interface Lossy {
  readonly log: Log;
  readonly suffers: readonly Lost[];
  lose(what: Lost): void;
}

export type Lost = "append" | "answer";

export interface LogSubject {
  readonly name: string;
  /** Whether a second opener is refused. */
  readonly exclusive: boolean;
  /** A harness with an empty log. */
  make(): Promise<LogHarness>;
  teardown(harness: LogHarness): Promise<void>;
}

export type Test = Pick<
  typeof t,
  "same" | "equal" | "ok" | "notOk" | "rejects" | "throws" | "match"
>;
export type Case = readonly [
  title: string,
  run: (test: Test, harness: LogHarness) => Promise<void>,
];

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = ({ record }: LogEntry): string => new TextDecoder().decode(record);
export const shown = (entries: readonly LogEntry[]): string[] =>
  entries.map((entry) => `${entry.position} ${text(entry)}`);

export async function append(
  log: Log,
  expected: number,
  record: string,
  { until }: LogHarness,
): Promise<AppendOutcome> {
  const outcomes: AppendOutcome[] = [];
  log.append(expected, bytes(record), (outcome) => void outcomes.push(outcome));
  await until(() => outcomes.length > 0, `append of ${record}`);
  return outcomes[0] ?? { kind: "unknown", why: "never" };
}

/** Failed reads that are borne; a connection that is being dialled fails each at once. */
export const FAILURES_MAX = 1_000;

export async function readAll(log: Log, from: number, harness: LogHarness): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  let failures = 0;
  for (;;) {
    const outcome = await readOnce(log, from + entries.length, 1_000, harness);
    if (outcome.kind === "failed") {
      // Who lost its leader, or its connection, says so and is asked again.
      failures += 1;
      if (failures === FAILURES_MAX) throw new Error(outcome.why);
      continue;
    }
    if (outcome.entries.length === 0) return entries;
    entries.push(...outcome.entries);
  }
}

export async function readOnce(log: Log, from: number, max: number, { until }: LogHarness) {
  const outcomes: ReadOutcome[] = [];
  log.read(from, max, (outcome) => void outcomes.push(outcome));
  await until(() => outcomes.length > 0, `read from ${from}`);
  const [outcome] = outcomes;
  if (outcome === undefined) throw new Error("no outcome");
  return outcome;
}

/** The connection may still be coming back; the same bytes at the same end are safe (P-7.1). */
export async function putSurely(log: Log, position: number, record: string, harness: LogHarness) {
  for (let tries = 0; tries < 200; tries++) {
    const outcome = await append(log, position - 1, record, harness);
    if (outcome.kind === "committed") return;
    if ((await readAll(log, position, harness)).length > 0) return;
  }
  throw new Error(`${record} could not be appended`);
}

export async function closed(log: Log, { until }: LogHarness): Promise<void> {
  let over = false;
  log.close(() => {
    over = true;
  });
  await until(() => over, "the log is closed");
}
