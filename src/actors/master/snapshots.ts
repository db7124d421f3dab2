/**
 * The leader keeps the log bounded (P-7.7): from time to time it writes the registry into the log
 * as chunks, reads them back, announces them, and forgets what lies before the snapshot before.
 * One chunk is under way at a time, so that other records need not wait for all of them.
 */
import { chunksOf, open, SnapshotReader, takenOf } from "#replication";
import type { DoneInput, LogEntry } from "#runtime";
import { invariant } from "#runtime";
import { note, propose, type Snapshotting, type Turn } from "./state.ts";

/** Entries read back at once. */
const READ_BACK_MAX = 64;
const TOKEN_LENGTH = 12;

/** Begins a snapshot when the last one is old enough, in records and in time. */
export function considerSnapshot(turn: Turn): void {
  const { state, env } = turn;
  const { head, registry, settings, snapshotting, clusterTime } = state;
  if (snapshotting !== undefined || registry.minimumVersion < 2 || state.yielding) return;
  const { position, atMs } = registry.snapshot ?? { position: 0, atMs: 0 };
  if (head.validPosition - position < settings.snapshotRecords) return;
  if ((clusterTime?.at(env.nowMs) ?? 0) - atMs < settings.snapshotIntervalMs) return;
  state.snapshotting = {
    head,
    registry,
    chunks: chunksOf(registry, head.validPosition),
    reader: new SnapshotReader(),
    written: 0,
    whole: false,
    last: 0,
    reading: undefined,
  };
  writeNext(turn);
}

function writeNext(turn: Turn): void {
  const { state } = turn;
  const { snapshotting } = state;
  if (snapshotting === undefined) return;
  const next = snapshotting.chunks.next();
  if (next.done === true) {
    snapshotting.whole = true;
    return readBack(turn, snapshotting.head.position + 1);
  }
  snapshotting.written += 1;
  // A log that is busy has no time for this: the next sweep begins anew.
  if (!propose(turn, next.value)) state.snapshotting = undefined;
}

/** A chunk of ours is in the log. */
export function chunkCommitted(turn: Turn): void {
  const { snapshotting } = turn.state;
  if (snapshotting === undefined) return;
  snapshotting.last = turn.state.head.validPosition;
  writeNext(turn);
}

function readBack(turn: Turn, from: number): void {
  const { state, env, out } = turn;
  const { snapshotting } = state;
  if (snapshotting === undefined) return;
  const token = `snapshot-${env.random.token(TOKEN_LENGTH)}`;
  snapshotting.reading = token;
  out.push({ kind: "log-read", token, from, max: READ_BACK_MAX });
}

/** Whether that read was one of ours. */
export function snapshotRead(
  turn: Turn,
  { token, outcome }: Extract<DoneInput, { what: "log-read" }>,
): boolean {
  const { state } = turn;
  const { snapshotting } = state;
  if (snapshotting?.reading !== token) return false;
  snapshotting.reading = undefined;
  const entries = outcome.kind === "read" ? outcome.entries : [];
  const end = entries.at(-1)?.position;
  const fault =
    outcome.kind === "failed"
      ? outcome.why
      : end === undefined
        ? "it ends"
        : checked(turn, entries);
  if (fault !== undefined || end === undefined) {
    state.snapshotting = undefined;
    note(turn, "warn", "a snapshot could not be read back; it is not announced", {
      why: fault ?? "it ends",
    });
    return true;
  }
  if (end < snapshotting.last) readBack(turn, end + 1);
  else announce(turn, snapshotting);
  return true;
}

function checked({ state }: Turn, entries: readonly LogEntry[]): string | undefined {
  for (const { position, record } of entries) {
    const opened = open(record);
    if (opened.kind === "stop") return `position ${position}: ${opened.why}`;
    if (opened.kind === "record") state.snapshotting?.reader.take(opened.record);
  }
  return undefined;
}

/** Said only of what was read back whole. */
function announce(turn: Turn, snapshotting: Snapshotting): void {
  const { state } = turn;
  const { head, registry, written, reader } = snapshotting;
  state.snapshotting = undefined;
  if (reader.chunks !== written) {
    note(turn, "warn", "a snapshot could not be read back; it is not announced", {
      why: `${reader.chunks} of ${written} chunks came back`,
    });
    return;
  }
  propose(turn, takenOf(registry, head, written));
}

/** The snapshot is announced: what lies before the one before it may go. */
export function snapshotTaken(turn: Turn): void {
  const { state } = turn;
  const { snapshot, snapshotBefore, keptFrom } = state.registry;
  note(turn, "info", "a snapshot of the registry is in the log", {
    position: snapshot?.position ?? 0,
  });
  if (snapshotBefore === undefined || snapshotBefore.position + 1 <= keptFrom) return;
  propose(turn, { kind: "LogTruncated", before: snapshotBefore.position + 1 });
}

/** The log has said it: now, and only now, the records go; also those that a predecessor left. */
export function truncate({ state, env, out }: Turn): void {
  const { keptFrom, snapshot } = state.registry;
  if (keptFrom <= 1) return;
  invariant(snapshot !== undefined && keptFrom <= snapshot.position, "a snapshot is kept whole", {
    keptFrom,
  });
  const token = `truncate-${env.random.token(TOKEN_LENGTH)}`;
  out.push({ kind: "log-truncate", token, before: keptFrom });
}

export function truncated(turn: Turn, done: Extract<DoneInput, { what: "log-truncate" }>): void {
  // It is said again by the next leader, and with the next snapshot.
  if (done.outcome.kind === "failed") {
    note(turn, "warn", "the log could not be truncated", { why: done.outcome.why });
  }
}
