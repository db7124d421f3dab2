/**
 * Keeps one launcher process running: starts it, waits until it is ready, starts another with a
 * growing, bounded pause when it ends, and gives up loudly. Knows bytes and processes only. A
 * process with a large heap forks slowly, so it forks exactly once per start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import {
  type Answer,
  encodeFrame,
  encodeLines,
  type Field,
  frameReader,
  lineReader,
  type Operation,
} from "./launcher-protocol.ts";

/** First and longest pause before another start, and the starts in a row before giving up. */
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 5_000;
const RESTARTS_MAX = 10;
/** A launcher that lived this long was healthy: the count begins anew. */
const HEALTHY_MS = 10_000;
/** Room for the socket's path in `sockaddr_un`. */
const SOCKET_PATH_MAX = 100;

/** Which program serves: the compiled one, or the shell scripts that need no compiler. */
export type LauncherPrograms =
  /** Its workers go on as the shims. */
  | { readonly kind: "native"; readonly launcher: string }
  | { readonly kind: "shell"; readonly launcher: string; readonly shim: string };

export interface LauncherProcessOptions {
  readonly programs: LauncherPrograms;
  /** Exists, belongs to this user, mode 0700. */
  readonly runtimeDir: string;
  /** All that the launcher may touch of cgroups: a path, or with a slash at its end all below. */
  readonly cgroupPaths: readonly string[];
}

export interface LauncherProcessEvents {
  ready(): void;
  answer(answer: Answer): void;
  /** The process ended; `retryInMs` is null when no other will be started. */
  ended(message: string, retryInMs: number | null): void;
  /** A line that it wrote to its standard error. */
  said(line: string): void;
}

export interface LauncherProcess {
  readonly pid: number | undefined;
  send(id: number, operation: Operation, fields: readonly Field[]): void;
  /** Moves the launcher, and so all shims to come, into these cgroups. */
  join(procsFiles: readonly string[]): void;
  close(): void;
}

/** The compiled programs below `dist/native` if they are there, else the scripts beside them. */
export function findLauncherPrograms(nativeDir: string): LauncherPrograms {
  const launcher = join(nativeDir, "launcher");
  if (existsSync(launcher)) return { kind: "native", launcher };
  return shellLauncherPrograms(nativeDir);
}

export function shellLauncherPrograms(nativeDir: string): LauncherPrograms {
  return {
    kind: "shell",
    launcher: join(nativeDir, "launcher.sh"),
    shim: join(nativeDir, "shim.sh"),
  };
}

export function startLauncherProcess(
  options: LauncherProcessOptions,
  events: LauncherProcessEvents,
): LauncherProcess {
  let child: ChildProcess | null = null;
  let socket: Socket | null = null;
  let isReady = false;
  let closed = false;
  let failures = 0;
  let startedAt = 0;
  let timer: NodeJS.Timeout | undefined;

  const { programs, runtimeDir, cgroupPaths } = options;

  function start(): void {
    startedAt = performance.now();
    const [command, argv] =
      programs.kind === "native"
        ? [programs.launcher, [runtimeDir, ...cgroupPaths]]
        : ["/bin/sh", [programs.launcher, runtimeDir, programs.shim, ...cgroupPaths]];
    const faultPoint = process.env["MESETA_FAULT_POINT"];
    const env = {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      // For tests alone: the numbered point at which launcher or shim end with their agent.
      ...(faultPoint === undefined ? {} : { MESETA_FAULT_POINT: faultPoint }),
    };
    // Its own session: a Ctrl-C at the agent's terminal is not meant for it.
    const made = spawn(command, argv, { env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
    child = made;
    let ended = false;
    const end = (message: string): void => {
      if (ended || child !== made) return;
      ended = true;
      onEnd(message);
    };
    made.on("error", (error) => end(`cannot start ${command}: ${error.message}`));
    made.on("exit", (code, signal) => end(`the launcher ended (${signal ?? `code ${code}`})`));
    made.stdin?.on("error", (error) => events.said(`writing to the launcher: ${error.message}`));
    made.stderr?.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString("utf8").trimEnd().split("\n")) events.said(line);
    });
    let head = "";
    const read = programs.kind === "shell" ? lineReader() : null;
    made.stdout?.on("data", (chunk: Buffer) => {
      if (isReady) return tell(read?.(chunk) ?? []);
      head += chunk.toString("utf8");
      if (head.startsWith("ready\n")) becomeReady(made, end);
    });
  }

  function becomeReady(made: ChildProcess, end: (message: string) => void): void {
    if (programs.kind === "shell") return announce();
    const near = join(runtimeDir, "launcher.sock");
    // The launcher's working directory is the runtime directory: always short enough.
    const path = near.length <= SOCKET_PATH_MAX ? near : `/proc/${made.pid}/cwd/launcher.sock`;
    const read = frameReader();
    socket = connect(path, announce);
    socket.on("data", (chunk) => tell(read(chunk)));
    socket.on("error", (error) => events.said(`the launcher's socket: ${error.message}`));
    socket.on("close", () => {
      made.kill("SIGKILL"); // without its socket it serves nobody; containers do not notice
      end("the launcher closed its socket");
    });
  }

  function tell(answers: readonly Answer[]): void {
    for (const answer of answers) events.answer(answer);
  }

  function announce(): void {
    isReady = true;
    events.ready();
  }

  function onEnd(message: string): void {
    isReady = false;
    child?.stdin?.destroy();
    socket?.destroy();
    socket = null;
    child = null;
    if (closed) return;
    failures = performance.now() - startedAt > HEALTHY_MS ? 1 : failures + 1;
    if (failures > RESTARTS_MAX) return events.ended(`${message}; given up`, null);
    const retryInMs = Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** (failures - 1));
    timer = setTimeout(start, retryInMs);
    events.ended(message, retryInMs);
  }

  start();
  return {
    get pid() {
      return child?.pid;
    },
    send(id, operation, fields) {
      if (programs.kind === "native") socket?.write(encodeFrame(id, operation, fields));
      else child?.stdin?.write(encodeLines(id, operation, fields));
    },
    join(procsFiles) {
      for (const path of procsFiles) writeFileSync(path, String(child?.pid ?? ""));
    },
    close() {
      closed = true;
      clearTimeout(timer);
      socket?.removeAllListeners("close");
      socket?.destroy();
      child?.stdin?.end();
    },
  };
}
