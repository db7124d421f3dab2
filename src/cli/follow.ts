/**
 * Follows a run to its end: what its tasks write, what keeps them waiting, how they end. The
 * exit code is the command's own.
 */
import type { RunObject, TaskObject } from "#api";
import { isTerminal, type TaskStatus } from "#protocol";
import { exitOfSignal } from "./exit.ts";
import { note } from "./output.ts";
import { Patience } from "./patience.ts";
import type { Server } from "./server.ts";
import { clean } from "./table.ts";

/** A run that does not move for this long says why, and says it again when the reason changes. */
const BLOCKED_AFTER_MS = 2_500;
/** After the last task has ended, its output may still be on its way for this long. */
const LOGS_END_MS_MAX = 10_000;
const SIGINT = 2;

interface Ended {
  readonly taskId: string;
  readonly status: TaskStatus;
}

/** @returns the exit code: the first that is not 0 among its tasks'. */
export async function followRun(server: Server, run: RunObject): Promise<number> {
  const stop = new AbortController();
  const cancelled = new Promise<"cancelled">((resolve) => {
    process.once("SIGINT", () => resolve("cancelled"));
    process.once("SIGTERM", () => resolve("cancelled"));
  });
  const logs = new TaskLogs(server, run.taskIds.length > 1);
  const blocked = setInterval(blockedTeller(server, run.id), BLOCKED_AFTER_MS);
  try {
    const ended = await Promise.race([taskEnds(server, run, logs, stop.signal), cancelled]);
    if (ended === "cancelled") {
      note(`cancelling ${run.id}`);
      await server.call("cancelRun", { path: { run: run.id } });
      return exitOfSignal(SIGINT);
    }
    await logs.finished();
    return tellEnds(ended);
  } finally {
    clearInterval(blocked);
    stop.abort();
  }
}

/** Reads events until every task of the run has ended; starts their logs when they run. */
async function taskEnds(
  server: Server,
  run: RunObject,
  logs: TaskLogs,
  signal: AbortSignal,
): Promise<Ended[]> {
  const open = new Set(run.taskIds);
  const ended: Ended[] = [];
  const saw = (taskId: string, status: TaskStatus): void => {
    if (!open.has(taskId)) return;
    if (status.state === "TASK_RUNNING" || isTerminal(status.state)) logs.start(taskId);
    if (!isTerminal(status.state)) return;
    open.delete(taskId);
    ended.push({ taskId, status });
  };
  const patience = new Patience();
  let after: string | undefined;
  while (open.size > 0) {
    const query = { topics: "task,cluster", after };
    try {
      for await (const { id, event, data } of server.stream("events", { query }, signal)) {
        patience.heard();
        after = id ?? after;
        for (const { taskId, status } of statusesIn(event, data)) saw(taskId, status);
        if (open.size === 0) break;
      }
    } catch (error) {
      await patience.after(error, signal);
    }
  }
  return ended;
}

/** What an event of the stream says of tasks. */
function statusesIn(event: string, data: string): Ended[] {
  switch (event) {
    case "snapshot": {
      const { tasks } = JSON.parse(data) as { tasks: TaskObject[] };
      const told = tasks.filter(({ history }) => history.length > 0);
      return told.map((task) => ({ taskId: task.id, status: statusOf(task) }));
    }
    case "TASK_UPDATED": {
      const { taskId, status } = JSON.parse(data) as Ended;
      return [{ taskId, status }];
    }
    case "TASK_ADDED": {
      const { task } = JSON.parse(data) as {
        task: { info: { taskId: string }; statuses: TaskStatus[] };
      };
      return task.statuses.map((status) => ({ taskId: task.info.taskId, status }));
    }
    default:
      return [];
  }
}

/** A task of the snapshot as the last status it had. */
function statusOf(task: TaskObject): TaskStatus {
  return {
    taskId: task.id as TaskStatus["taskId"],
    state: task.state,
    source: "SOURCE_MASTER",
    timestampMs: task.endedAtMs ?? task.launchedAtMs,
    ...(task.reason === undefined ? {} : { reason: task.reason as never }),
    ...(task.message === undefined ? {} : { message: task.message }),
    ...(task.exitCode === undefined ? {} : { exitCode: task.exitCode }),
    ...(task.limitation === undefined ? {} : { limitation: task.limitation }),
  };
}

function tellEnds(ended: readonly Ended[]): number {
  let exit = 0;
  for (const { taskId, status } of ended) {
    if (status.state === "TASK_FINISHED") continue;
    const own = status.exitCode ?? 0;
    if (exit === 0) exit = own === 0 ? 1 : own;
    // A command's own exit code says it all; what the cluster did to it is said in words.
    if (status.state === "TASK_FAILED" && status.reason === undefined && ended.length === 1) {
      continue;
    }
    note(`${taskId}: ${sentenceOf(status)}`);
  }
  return exit;
}

function sentenceOf(status: TaskStatus): string {
  const { limitation } = status;
  const mib = (bytes: number | undefined): string =>
    bytes === undefined ? "unknown" : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  const parts = [status.state, status.reason, status.message].filter((part) => part !== undefined);
  // The agent's own sentence has both numbers; a custom executor's may have neither.
  if (limitation !== undefined && !/\blimit\b.*\bpeak\b/.test(status.message ?? "")) {
    parts.push(`limit ${mib(limitation.limitBytes)}, peak ${mib(limitation.peakBytes)}`);
  }
  return clean(parts.join(", "));
}

function blockedTeller(server: Server, id: string): () => void {
  let last = "";
  return () => {
    server.call("showRun", { path: { run: id } }).then(
      (run) => {
        const why = run.blockedBy;
        if (run.waiting === 0 || why === undefined || why === last) return;
        last = why;
        note(`${run.waiting} of ${run.wanted} instances wait: ${why}`);
      },
      (error: Error) => {
        if (error.message === last) return;
        last = error.message;
        note(`still there, but: ${error.message}`);
      },
    );
  };
}

/** The output of tasks, each stream read to its end. */
class TaskLogs {
  readonly #server: Server;
  readonly #prefixed: boolean;
  readonly #started = new Set<string>();
  readonly #ends: Promise<void>[] = [];

  constructor(server: Server, prefixed: boolean) {
    this.#server = server;
    this.#prefixed = prefixed;
  }

  start(taskId: string): void {
    if (this.#started.has(taskId)) return;
    this.#started.add(taskId);
    const prefix = this.#prefixed ? `${taskId}: ` : "";
    for (const file of ["stdout", "stderr"] as const) {
      const end = copyLog(this.#server, taskId, { file, prefix, offset: 0, follow: true });
      this.#ends.push(
        end.catch((error: Error) => note(`the ${file} of ${taskId} is cut: ${error.message}`)),
      );
    }
  }

  async finished(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, LOGS_END_MS_MAX).unref());
    await Promise.race([Promise.all(this.#ends), late]);
  }
}

export interface LogOptions {
  readonly file: "stdout" | "stderr";
  readonly prefix: string;
  readonly offset: number;
  readonly follow: boolean;
  readonly signal?: AbortSignal;
}

/** Copies a task's log to ours, from an offset to its end. */
export async function copyLog(
  server: Server,
  task: string,
  { file, prefix, offset, follow, signal }: LogOptions,
): Promise<void> {
  const target = file === "stdout" ? process.stdout : process.stderr;
  const write = prefix === "" ? (bytes: Buffer) => void target.write(bytes) : liner(target, prefix);
  const end = signal ?? new AbortController().signal;
  const patience = new Patience();
  let at = offset;
  for (;;) {
    const query = { file, offset: at, follow };
    try {
      for await (const { id, event, data } of server.stream(
        "taskLogs",
        { path: { task }, query },
        end,
      )) {
        patience.heard();
        at = id === undefined ? at : Number(id);
        if (event === "chunk") write(Buffer.from(data, "base64"));
        if (event === "fault") {
          throw new Error((JSON.parse(data) as { message: string }).message);
        }
        if (event === "end") return;
      }
      throw new TypeError("the stream ended early");
    } catch (error) {
      await patience.after(error, end);
    }
  }
}

/** Writes whole lines behind a prefix. */
function liner(target: NodeJS.WriteStream, prefix: string): (bytes: Buffer) => void {
  let rest = "";
  return (bytes) => {
    const lines = (rest + bytes.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) target.write(`${prefix}${line}\n`);
  };
}
