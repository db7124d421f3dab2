/**
 * Follows a run to its end: what its tasks write, what keeps them waiting, how they end. The
 * exit code is the command's own.
 */
import { ApiError, type RunObject } from "#api";
import { exitOfSignal } from "./exit.ts";
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
/** After the last task has ended, its output may still be on its way for this long. */
const LOGS_END_MS_MAX = 10_000;
/** A log that is silent for so long after the end has lost its agent or its master on the way. */
const LOGS_SILENT_MS_MAX = 1_500;
/** How often and for how long a server that went away is asked again. */
const RETRY_MS = 250;
const RETRIES_MAX = 240;
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

/** What a server answers that is only just back: it knows nothing until the agents have told it. */
const PASSING: ReadonlySet<string> = new Set([
  "unreachable",
  "no-leader",
  "timeout",
  "busy",
  "not-found",
]);

/** A server that is started again takes up where it was; for how long it is waited for. */
class Retries {
  #count = 0;

  /** Returns when it is time to ask again. @throws the error when that has no end or no point. */
  async after(error: Error, signal: AbortSignal): Promise<void> {
    const refused = error instanceof ApiError && !PASSING.has(error.code);
    this.#count += 1;
    if (signal.aborted || refused || this.#count > RETRIES_MAX) throw error;
    if (this.#count === 1) note(`the connection is lost (${error.message}); trying again`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
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

/** The output of tasks, each stream read to its end, across restarts of what it comes through. */
class TaskLogs {
  readonly #server: Server;
  readonly #prefixed: boolean;
  readonly #started = new Set<string>();
  readonly #ends: Promise<void>[] = [];
  readonly #over = new AbortController();
  /** Ends the streams that are open now; they are taken up again unless all is over. */
  #turn = new AbortController();

  constructor(server: Server, prefixed: boolean) {
    this.#server = server;
    this.#prefixed = prefixed;
  }

  start(taskId: string): void {
    if (this.#started.has(taskId)) return;
    this.#started.add(taskId);
    for (const file of ["stdout", "stderr"] as const) {
      const end = this.#copy(taskId, file).catch((error: Error) => {
        if (!this.#over.signal.aborted) note(`the ${file} of ${taskId} is cut: ${error.message}`);
      });
      this.#ends.push(end);
    }
  }

  async #copy(task: string, file: "stdout" | "stderr"): Promise<void> {
    const write = writerTo(file, this.#prefixed ? `${task}: ` : "");
    const retries = new Retries();
    let offset = 0;
    let whole = false;
    while (!whole) {
      const turn = this.#turn.signal;
      const signal = AbortSignal.any([turn, this.#over.signal]);
      const log = {
        file,
        write,
        offset,
        follow: true,
        signal,
        at: (end: number) => (offset = end),
      };
      try {
        await copyLog(this.#server, task, log);
        whole = true;
      } catch (error) {
        if (this.#over.signal.aborted) throw error;
        if (!turn.aborted) await retries.after(error as Error, this.#over.signal);
      }
    }
  }

  /** Called when all tasks have ended. What is missing of a silent stream is asked for anew. */
  async finished(): Promise<void> {
    if (!(await this.#endWithin(LOGS_SILENT_MS_MAX))) {
      const turn = this.#turn;
      this.#turn = new AbortController();
      turn.abort();
      if (!(await this.#endWithin(LOGS_END_MS_MAX))) note("not all output has come in time");
    }
    this.#over.abort();
  }

  /** Nothing more is wanted. */
  stop(): void {
    this.#over.abort();
  }

  async #endWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const all = Promise.all(this.#ends).then(() => true);
    return await Promise.race([all, late]).finally(() => clearTimeout(timer));
  }
}

export interface LogOptions {
  readonly file: "stdout" | "stderr";
  readonly offset: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
  write(bytes: Buffer): void;
  /** Told where the next byte stands after each chunk. */
  at?(offset: number): void;
}

/**
 * Copies a task's log to ours, from an offset to its end.
 * @throws Error when the stream ends before the log does.
 */
export async function copyLog(
  server: Server,
  task: string,
  { file, offset, follow, signal, write, at }: LogOptions,
): Promise<void> {
  const query = { file, offset, follow };
  const events = server.stream("taskLogs", { path: { task }, query }, signal);
  for await (const { id, event, data } of events) {
    if (event === "chunk") {
      write(Buffer.from(data, "base64"));
      at?.(Number(id));
    }
    if (event === "fault") {
      throw new Error((JSON.parse(data) as { message: string }).message);
    }
    if (event === "end") return;
  }
  throw new Error("the stream of the log was cut");
}

/** Where a task's file goes: to ours of the same name. */
export function writerTo(file: "stdout" | "stderr", prefix = ""): (bytes: Buffer) => void {
  const target = file === "stdout" ? process.stdout : process.stderr;
  return prefix === "" ? (bytes) => void target.write(bytes) : liner(target, prefix);
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
