/** One framework of the demo as a process of its own, and what it said about its tasks. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeJson } from "./cluster.ts";

const PROGRAM = fileURLToPath(new URL("../../examples/word-count/main.js", import.meta.url));
const CHUNK = fileURLToPath(new URL("../../examples/word-count/chunk.js", import.meta.url));

export interface Said {
  readonly event: string;
  readonly task?: string;
  readonly chunk?: number;
  readonly state?: string;
  readonly uuid?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** A path of the host that a task sees. */
export interface Volume {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly mode: "RW" | "RO";
}

export interface BatchOptions {
  readonly role: string;
  readonly kind: "words" | "digests";
  readonly credentials: string;
  readonly manifest: string;
  readonly chunks: readonly (readonly [number, number])[];
  readonly marks: string;
  readonly volumes: readonly Volume[];
  readonly resources: string;
  readonly dir: string;
  readonly twice?: number;
  readonly short?: number;
}

export interface Batch {
  readonly role: string;
  readonly kind: "words" | "digests";
  readonly chunks: number;
  readonly said: readonly Said[];
  readonly startedMs: number;
  endedMs: number | undefined;
  /** Tasks launched, by id, with their chunk. */
  readonly launched: ReadonlyMap<string, number>;
  /** Last state of each task. */
  readonly states: ReadonlyMap<string, string>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  kill(): void;
}

export function startBatch(options: BatchOptions): Batch {
  const config = join(options.dir, `${options.kind}.json`);
  writeJson(config, {
    ...options,
    name: `demo ${options.kind}`,
    program: [process.execPath, CHUNK],
  });
  const child = spawn(process.execPath, [PROGRAM, config], { stdio: ["ignore", "pipe", 2] });
  const said: Said[] = [];
  const launched = new Map<string, number>();
  const states = new Map<string, string>();
  readLines(child, (line) => {
    const event = JSON.parse(line) as Said;
    said.push(event);
    if (event.task === undefined) return;
    if (event.event === "launched") launched.set(event.task, event.chunk ?? -1);
    if (event.state !== undefined) states.set(event.task, event.state);
  });
  const batch: Batch = {
    role: options.role,
    kind: options.kind,
    chunks: options.chunks.length,
    said,
    startedMs: Date.now(),
    endedMs: undefined,
    launched,
    states,
    ended: new Promise((resolve) =>
      child.once("exit", (code) => {
        batch.endedMs = Date.now();
        resolve(code);
      }),
    ),
    kill: () => void child.kill("SIGTERM"),
  };
  return batch;
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") onLine(line);
  });
}
