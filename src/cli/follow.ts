/**
 * Follows a run to its end: what its tasks write, what keeps them waiting, how they end. The
 * exit code is the command's own.
 */
import type { RunObject } from "#api";
import { exitOfSignal } from "./exit.ts";
import { TaskLogs } from "./logs.ts";
import { note } from "./output.ts";
import { Patience } from "./patience.ts";
import type { Server } from "./server.ts";
import { clean } from "./table.ts";
import { TaskEnds } from "./task-ends.ts";

/**
 * A run is asked this often. One that does not move says why, and says it again when the reason
 * changes; an end that the events have missed is known by then.
 */
const WATCH_MS = 2_500;
const SIGINT = 2;

/** @returns the exit code: the first that is not 0 among its tasks'. */
export async function followRun(server: Server, run: RunObject): Promise<number> {
  const stop = new AbortController();
  const cancelled = new Promise<"cancelled">((resolve) => {
    process.once("SIGINT", () => resolve("cancelled"));
    process.once("SIGTERM", () => resolve("cancelled"));
  });
  const logs = new TaskLogs(server, run.taskIds.length > 1);
  const ends = new TaskEnds(run, (taskId) => logs.start(taskId));
  const known = Promise.race([
    readEvents(server, ends, stop.signal),
    watchRun(server, run, ends, stop.signal),
  ]);
  try {
    if ((await Promise.race([known, cancelled])) === "cancelled") {
      note(`cancelling ${run.id}`);
      await server.call("cancelRun", { path: { run: run.id } });
      return exitOfSignal(SIGINT);
    }
    await logs.finished();
    return tellEnds(ends);
  } finally {
    stop.abort();
    logs.stop();
  }
}

/** Reads events until every task of the run has ended. */
async function readEvents(server: Server, ends: TaskEnds, signal: AbortSignal): Promise<void> {
  const patience = new Patience();
  let after: string | undefined;
  while (!ends.complete) {
    const query = { topics: "task,cluster", after };
    try {
      for await (const { id, event, data } of server.stream("events", { query }, signal)) {
        patience.heard();
        after = id ?? after;
        ends.event(event, data);
        if (ends.complete) return;
      }
    } catch (error) {
      await patience.after(error, signal);
    }
  }
}

/** Asks the run now and then; returns when it knows of every end. Says why instances wait. */
async function watchRun(
  server: Server,
  { id }: RunObject,
  ends: TaskEnds,
  signal: AbortSignal,
): Promise<void> {
  let last = "";
  const tell = (sentence: string, key = sentence): void => {
    if (key === last || signal.aborted) return;
    last = key;
    note(sentence);
  };
  while (!ends.complete && !signal.aborted) {
    await pause(WATCH_MS, signal);
    try {
      const run = await server.call("showRun", { path: { run: id } });
      ends.run(run);
      const why = run.blockedBy;
      if (run.waiting === 0 || why === undefined) continue;
      tell(`${run.waiting} of ${run.wanted} instances wait: ${why}`, why);
    } catch (error) {
      // The events decide when patience is over; here it is told only.
      tell(`still there, but: ${(error as Error).message}`);
    }
  }
}

/** Returns earlier when the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function tellEnds({ ended }: TaskEnds): number {
  let exit = 0;
  for (const end of ended) {
    if (end.state === "TASK_FINISHED") continue;
    const own = end.exitCode ?? 0;
    if (exit === 0) exit = own === 0 ? 1 : own;
    // A command's own exit code says it all; what the cluster did to it is said in words.
    if (end.state === "TASK_FAILED" && end.reason === undefined && ended.length === 1) continue;
    note(`${end.taskId}: ${sentenceOf(end)}`);
  }
  return exit;
}

function sentenceOf(end: TaskEnds["ended"][number]): string {
  const { limitation } = end;
  const mib = (bytes: number | undefined): string =>
    bytes === undefined ? "unknown" : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  const parts = [end.state, end.reason, end.message].filter((part) => part !== undefined);
  // The agent's own sentence has both numbers; a custom executor's may have neither.
  if (limitation !== undefined && !/\blimit\b.*\bpeak\b/.test(end.message ?? "")) {
    parts.push(`limit ${mib(limitation.limitBytes)}, peak ${mib(limitation.peakBytes)}`);
  }
  return clean(parts.join(", "));
}
