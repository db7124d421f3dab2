/**
 * Processes of ours that `up` keeps running: started, waited for, started again with backoff
 * when they die, ended by signal. What a child prints goes to its log file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { type Restart, Restarts } from "./restarts.ts";

/** What a child says to its parent when it can be used. */
export interface Ready {
  readonly kind: "ready";
  readonly [field: string]: string | number | boolean;
}

export interface ChildOptions {
  readonly name: string;
  /** Arguments for Node: the program and its own; asked at each start. */
  readonly args: () => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  onStart(pid: number): void;
  onReady(ready: Ready): void;
  onDeath(why: string, restart: Restart): void;
}

export interface Child {
  readonly name: string;
  readonly pid: number | undefined;
  /**
   * Ends it and starts no other: the signal, then SIGKILL after `graceMs`.
   * @returns whether it ended by itself and well.
   */
  end(signal: NodeJS.Signals, graceMs: number): Promise<boolean>;
}

/** Says to the parent, where there is one, that this process can be used. */
export function sayReady(fields: Readonly<Record<string, string | number | boolean>>): void {
  if (process.send === undefined || process.connected !== true) return;
  const ready: Ready = { kind: "ready", ...fields };
  process.send(ready, (error: Error | null) => {
    // A parent that was killed hears nothing; its successor ends this process.
    if (error !== null) process.stderr.write(`the parent is gone: ${error.message}\n`);
  });
}

/** A child whose parent is killed goes on until the parent's successor comes. */
export function outliveParent(): void {
  process.channel?.unref();
}

export function startChild(options: ChildOptions): Child {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ending = false;
  const restarts = new Restarts();

  function start(): void {
    const log = openSync(options.logFile, "a", 0o600);
    // Its own session: a Ctrl-C in the terminal is for the parent, who ends things in order.
    const made = spawn(process.execPath, [...options.args()], {
      detached: true,
      stdio: ["ignore", log, log, "ipc"],
      env: options.env,
    });
    closeSync(log);
    child = made;
    made.on("message", (message) => {
      if ((message as Partial<Ready>).kind === "ready") options.onReady(message as Ready);
    });
    let over = false;
    const end = (why: string): void => {
      if (over) return;
      over = true;
      died(why);
    };
    made.once("error", (error) => end(error.message));
    made.once("exit", (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
    if (made.pid !== undefined) options.onStart(made.pid);
  }

  function died(why: string): void {
    child = undefined;
    if (ending) return;
    const restart = restarts.died(performance.now());
    // A parent that does not want another ends this child from within.
    timer = setTimeout(start, restart.inMs);
    options.onDeath(why, restart);
  }

  start();
  return {
    name: options.name,
    get pid() {
      return child?.pid;
    },
    async end(signal, graceMs) {
      ending = true;
      clearTimeout(timer);
      const running = child;
      if (running === undefined || running.exitCode !== null) return false;
      const gone = new Promise<void>((resolve) => running.once("exit", () => resolve()));
      running.kill(signal);
      const hard = setTimeout(() => running.kill("SIGKILL"), graceMs);
      await gone;
      clearTimeout(hard);
      return running.exitCode === 0;
    },
  };
}
