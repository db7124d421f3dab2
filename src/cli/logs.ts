/**
 * What tasks write, on its way to ours: each stream read to its end, taken up again where it was cut.
 * Knows nothing of how tasks end.
 */
import { ApiError } from "#api";
import { note } from "./output.ts";
import type { Server } from "./server.ts";

/** After the last task has ended, its output may still be on its way for this long. */
const LOGS_END_MS_MAX = 10_000;
/** A log that is silent for so long after the end has lost its agent or its master on the way. */
const LOGS_SILENT_MS_MAX = 1_500;
/** How often and for how long a server that went away is asked again. */
const RETRY_MS = 250;
const RETRIES_MAX = 240;

const PASSING: ReadonlySet<string> = new Set(["unreachable", "no-leader", "timeout", "busy"]);

/** A server that is started again takes up where it was; for how long it is waited for. */
class Retries {
  readonly #isKnown: boolean;
  #count = 0;

  /** A server that is only just back knows no task until the agents have told it. */
  constructor(isKnown: boolean) {
    this.#isKnown = isKnown;
  }

  /** Returns when it is time to ask again. @throws the error when that has no end or no point. */
  async after(error: Error, signal: AbortSignal): Promise<void> {
    const refused = error instanceof ApiError && !this.#passes(error);
    this.#count += 1;
    if (signal.aborted || refused || this.#count > RETRIES_MAX) throw error;
    if (this.#count === 1) note(`the connection is lost (${error.message}); trying again`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  #passes({ code }: ApiError): boolean {
    if (code === "not-found") return this.#isKnown || this.#count > 0;
    return PASSING.has(code);
  }
}

/** The output of tasks, each stream read to its end, across restarts of what it comes through. */
export class TaskLogs {
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

  #copy(task: string, file: "stdout" | "stderr"): Promise<void> {
    const write = writerTo(file, this.#prefixed ? `${task}: ` : "");
    const options = { file, write, offset: 0, signal: this.#over.signal, isKnown: true };
    return followLog(this.#server, task, options, () => this.#turn.signal);
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
 * Copies a task's log to ours until the task has ended, across restarts of what it comes through.
 * When the signal of the turn is aborted the rest is asked for anew, at once.
 * @throws Error when what is in the way does not pass, or lasts.
 */
export async function followLog(
  server: Server,
  task: string,
  options: Omit<LogOptions, "follow" | "at"> & { readonly isKnown: boolean },
  turnOf: () => AbortSignal = () => options.signal,
): Promise<void> {
  const { signal: over } = options;
  let retries = new Retries(options.isKnown);
  let { offset } = options;
  for (;;) {
    const turn = turnOf();
    try {
      return await copyLog(server, task, {
        ...options,
        offset,
        follow: true,
        signal: AbortSignal.any([turn, over]),
        at(end) {
          offset = end;
          retries = new Retries(true);
        },
      });
    } catch (error) {
      if (over.aborted) throw error;
      if (!turn.aborted) await retries.after(error as Error, over);
    }
  }
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

/**
 * Copies the bytes of a file of a task's sandbox.
 * @throws ApiError what the agent refuses; Error when the stream ends before the file does.
 */
export async function readFile(
  server: Server,
  task: string,
  query: { readonly path: string; readonly offset: number; readonly length?: number },
  write: (bytes: Buffer) => void,
): Promise<void> {
  const never = new AbortController().signal;
  for await (const { event, data } of server.stream("taskFile", { path: { task }, query }, never)) {
    if (event === "chunk") write(Buffer.from(data, "base64"));
    if (event === "fault") throw new Error((JSON.parse(data) as { message: string }).message);
    if (event === "end") return;
  }
  throw new Error("the stream of the file was cut");
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
