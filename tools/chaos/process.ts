/**
 * One process of a run, kept running: started in its place, started again when it ends, and held
 * down, stopped or ended by faults. Each start is another life. It ends no process but its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/** What started it again elsewhere would wait as long: a service manager's usual second. */
const AGAIN_MS = 1_000;
/** Between SIGTERM and SIGKILL. */
const END_MS_MAX = 15_000;

export interface ProcessOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly dir: string;
  readonly logFile: string;
  started(life: number): void;
  /** @param byItself false: a fault or the run ended it. */
  ended(why: string, byItself: boolean): void;
}

export class KeptProcess {
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #life = 0;
  /** true: nobody starts it again. */
  #held = true;
  #expected = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    this.#held = false;
    clearTimeout(this.#timer);
    if (this.#child !== undefined) return;
    const { command, env, dir, logFile } = this.#options;
    const log = openSync(logFile, "a", 0o600);
    const [program = "", ...args] = command;
    // Its own session: a Ctrl-C in the terminal is for the run, which ends things in order.
    const child = spawn(program, args, {
      env,
      cwd: dir,
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#expected = false;
    this.#life += 1;
    this.#options.started(this.#life);
    this.#gone = new Promise((resolve) => {
      const over = (why: string): void => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#options.ended(why, !this.#expected);
        if (!this.#held) this.#timer = setTimeout(() => this.start(), AGAIN_MS);
        resolve();
      };
      child.once("error", (error) => over(error.message));
      child.once("exit", (code, signal) => over(signal ?? `code ${code}`));
    });
  }

  /** Sends a signal that does not end it. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  /** SIGKILL, and nobody starts it again before `start`. */
  async kill(): Promise<void> {
    this.#hold();
    this.#child?.kill("SIGKILL");
    await this.#gone;
  }

  /** The signal, then SIGKILL; nobody starts it again before `start`. @returns whether in order. */
  async end(signal: "SIGTERM" | "SIGUSR2"): Promise<boolean> {
    this.#hold();
    const child = this.#child;
    if (child === undefined) return true;
    child.kill(signal);
    let inOrder = true;
    const hard = setTimeout(() => {
      inOrder = false;
      child.kill("SIGKILL");
    }, END_MS_MAX);
    await this.#gone;
    clearTimeout(hard);
    return inOrder;
  }

  #hold(): void {
    this.#held = true;
    this.#expected = true;
    clearTimeout(this.#timer);
  }
}
