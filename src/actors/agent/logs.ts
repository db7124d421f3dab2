/**
 * Logs and files of containers, streamed to whoever the leader opened a stream for: chunks as long as the
 * reader grants credits, following the file while its writer lives. Outside sessions, so a lost
 * leader does not cut a reader off; a reader who grants nothing for long is.
 */
import {
  encodeChunk,
  isTerminal,
  type OpenStream,
  STREAM_CONTENT_BYTES_MAX,
  StreamCredits,
} from "#protocol";
import type { Effect, Env, StreamFile, StreamRead } from "#runtime";
import { taskKey } from "./checkpoint.ts";
import { type AgentState, count, type OpenLog } from "./state.ts";

/** Most logs that are read at a time. */
export const LOGS_OPEN_MAX = 64;

const NOTHING = new Uint8Array(0);

export function openLog(state: AgentState, body: OpenStream, env: Env, out: Effect[]): void {
  const { streamId, offset, follow, frameworkId, taskId } = body;
  const file = fileOf(body);
  if (state.logs.has(streamId)) return count(out, "stream-refused", "already-open");
  if (state.logs.size >= LOGS_OPEN_MAX) {
    count(out, "stream-refused", "busy");
    const fault = `this agent reads ${LOGS_OPEN_MAX} logs already, its most; close some first`;
    return endWith(streamId, 0, fault, out);
  }
  const key = taskKey(frameworkId, taskId);
  const containerId = state.model.tasks.get(key)?.containerId ?? endedContainer(state, key);
  if (containerId === undefined) {
    count(out, "stream-refused", "unknown-task");
    return endWith(streamId, 0, "this agent has no sandbox of that task (any more)", out);
  }
  state.logs.set(streamId, {
    streamId,
    containerId,
    file,
    follow,
    offset,
    credits: new StreamCredits(),
    reading: false,
    ending: false,
    lastCreditMs: env.nowMs,
  });
  out.push({ kind: "listen-credits", streamId, listen: true });
  out.push({ kind: "timer", name: `log/${streamId}`, inMs: state.config.streamIdleMs });
}

function fileOf({ file, path = "" }: OpenStream): StreamFile {
  if (file === "file") return { path };
  return file === "folder" ? { folder: path } : file;
}

/** The latest sandbox of a task whose record is gone. */
function endedContainer(state: AgentState, key: ReturnType<typeof taskKey>) {
  let latest: OpenLog["containerId"] | undefined;
  for (const { containerId, keys } of state.model.sandboxes.values()) {
    if (keys.includes(key)) latest = containerId;
  }
  return latest;
}

function endWith(streamId: string, offset: number, fault: string, out: Effect[]): void {
  const data = encodeChunk({ offset, end: offset, eof: true, fault, bytes: NOTHING });
  out.push({ kind: "chunk", streamId, data });
}

export function closeLog(state: AgentState, streamId: string, out: Effect[]): void {
  if (!state.logs.delete(streamId)) return;
  out.push({ kind: "listen-credits", streamId, listen: false });
  out.push({ kind: "cancel-timer", name: `log/${streamId}` });
}

export function closeAllLogs(state: AgentState, out: Effect[]): void {
  for (const streamId of [...state.logs.keys()]) closeLog(state, streamId, out);
}

export function credited(
  state: AgentState,
  { streamId, credits }: { readonly streamId: string; readonly credits: number },
  env: Env,
  out: Effect[],
): void {
  const log = state.logs.get(streamId);
  if (log === undefined) return count(out, "credit-dropped", "unknown-stream");
  log.lastCreditMs = env.nowMs;
  if (credits === 0) return tellPlace(log, out);
  log.credits.grant(credits);
  read(state, log, out);
}

/** Behind all that was sent, so whoever asked knows what was lost. */
function tellPlace({ streamId, offset }: OpenLog, out: Effect[]): void {
  const place = Math.max(0, offset);
  const data = encodeChunk({ offset: place, end: place, eof: false, bytes: NOTHING });
  out.push({ kind: "chunk", streamId, data });
}

/** Time to look at a followed file again, or to notice that nobody reads any more. */
export function logDue(state: AgentState, streamId: string, env: Env, out: Effect[]): void {
  const log = state.logs.get(streamId);
  if (log === undefined) return;
  const idle = log.credits.left === 0 && env.nowMs - log.lastCreditMs >= state.config.streamIdleMs;
  if (idle) {
    count(out, "stream-closed", "idle");
    return closeLog(state, streamId, out);
  }
  read(state, log, out);
  if (!log.reading) {
    out.push({ kind: "timer", name: `log/${streamId}`, inMs: state.config.streamIdleMs });
  }
}

function read(state: AgentState, log: OpenLog, out: Effect[]): void {
  if (log.reading || log.credits.left === 0) return;
  log.reading = true;
  const { streamId, containerId, file, offset } = log;
  log.ending = hasEnded(state, log);
  out.push({
    kind: "stream-read",
    token: `log/${streamId}`,
    containerId,
    file,
    offset,
    max: STREAM_CONTENT_BYTES_MAX,
  });
}

/** No process of the container is left that could write. */
function hasEnded(state: AgentState, { containerId }: OpenLog): boolean {
  if (state.model.sandboxes.has(containerId)) return true;
  const tasks = state.model.tasksIn(containerId);
  return tasks.length === 0 || tasks.every(({ state: is }) => isTerminal(is));
}

export function logRead(
  state: AgentState,
  streamId: string,
  outcome: StreamRead,
  out: Effect[],
): void {
  const log = state.logs.get(streamId);
  if (log === undefined) return;
  log.reading = false;
  if (outcome.kind === "failed") {
    count(out, "stream-closed", "failed");
    const what = typeof log.file === "string" ? "the log cannot be read: " : "";
    return finish(state, log, `${what}${outcome.why}`, out);
  }
  if (outcome.kind === "absent") {
    // A task that starts has no file yet.
    if (log.follow && !log.ending) return later(state, log, out);
    return finish(state, log, undefined, out);
  }
  const { offset, end, bytes } = outcome;
  log.offset = offset + bytes.length;
  if (bytes.length > 0 && log.credits.take()) {
    const data = encodeChunk({ offset, end, eof: false, bytes });
    out.push({ kind: "chunk", streamId, data });
    return read(state, log, out);
  }
  if (log.follow && !log.ending) return later(state, log, out);
  finish(state, log, undefined, out);
}

function later(state: AgentState, { streamId }: OpenLog, out: Effect[]): void {
  out.push({ kind: "timer", name: `log/${streamId}`, inMs: state.config.followIntervalMs });
}

function finish(state: AgentState, log: OpenLog, fault: string | undefined, out: Effect[]): void {
  const offset = Math.max(0, log.offset);
  const data = encodeChunk({
    offset,
    end: offset,
    eof: true,
    bytes: NOTHING,
    ...(fault === undefined ? {} : { fault }),
  });
  out.push({ kind: "chunk", streamId: log.streamId, data });
  closeLog(state, log.streamId, out);
}
