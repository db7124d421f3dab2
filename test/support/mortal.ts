/**
 * A log or a disk in a process of its own, so that a test can kill it in the middle. This file is
 * both sides: imported it starts the child, run it is the child.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { openFilesDisk, openSegmentLog, systemClock } from "#adapters";
import type { AppendOutcome, Disk, DiskOutcome, DiskRead, Log, ReadOutcome } from "#runtime";

type Target =
  | { readonly kind: "segment-log"; readonly dir: string }
  | { readonly kind: "files-disk"; readonly dir: string };

type Question =
  | { readonly ask: "open"; readonly target: Target }
  | { readonly ask: "append"; readonly expected: number; readonly record: Uint8Array }
  | { readonly ask: "read"; readonly from: number; readonly max: number }
  | { readonly ask: "replace"; readonly path: string; readonly bytes: Uint8Array }
  | { readonly ask: "readFile"; readonly path: string }
  | { readonly ask: "close" };

/** A question and its answer find each other by the number. */
type Call = { readonly id: number; readonly question: Question };
type Answer = { readonly id: number; readonly outcome?: unknown; readonly error?: string };

const UNLIMITED = "unlimited";
const HERE = fileURLToPath(import.meta.url);

class Child {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #count = 0;
  #limit = UNLIMITED;

  constructor() {
    this.#process = fork(HERE, ["child"], { serialization: "advanced" });
    this.#process.on("message", (answer: Answer) => {
      const done = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      done?.(answer);
    });
  }

  ask<Outcome>(question: Question, done: (outcome: Outcome) => void): void {
    this.#count += 1;
    this.#pending.set(this.#count, ({ outcome }) => done(outcome as Outcome));
    this.#send(question);
  }

  open(target: Target): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#count += 1;
      this.#pending.set(this.#count, ({ error }) => {
        if (error === undefined) resolve();
        else reject(new Error(error));
      });
      this.#send({ ask: "open", target });
    });
  }

  #send(question: Question): void {
    if (this.#process.connected) this.#process.send({ id: this.#count, question });
  }

  /** No file of the child can grow beyond so many bytes: the kernel refuses the write. */
  limitFiles(bytes: string): void {
    if (bytes === this.#limit) return;
    this.#limit = bytes;
    execFileSync("prlimit", ["--pid", String(this.#process.pid), `--fsize=${bytes}:`]);
  }

  /** Kills the process; returns when it is gone. Nothing is answered afterwards. */
  kill(): Promise<void> {
    this.#pending.clear();
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return Promise.resolve();
    const gone = new Promise<void>((resolve) => this.#process.once("exit", () => resolve()));
    this.#process.kill("SIGKILL");
    return gone;
  }
}

export interface Mortal<Port> {
  readonly port: Port;
  kill(): Promise<void>;
}

/** A log whose next append meets a disk that takes no byte more. */
export interface MortalLog extends Mortal<Log> {
  refuseNextWrite(): void;
}

export async function mortalLog(dir: string): Promise<MortalLog> {
  const child = new Child();
  await child.open({ kind: "segment-log", dir });
  const port: Log = {
    exclusive: true,
    append: (expected, record, done: (outcome: AppendOutcome) => void) =>
      child.ask({ ask: "append", expected, record }, (outcome: AppendOutcome) => {
        child.limitFiles(UNLIMITED);
        done(outcome);
      }),
    read: (from, max, done: (outcome: ReadOutcome) => void) =>
      child.ask({ ask: "read", from, max }, done),
    follow: () => notHere("follow"),
    hint: () => notHere("hint"),
    truncate: () => notHere("truncate"),
    stepDown: () => notHere("stepDown"),
    close: (done) => child.ask({ ask: "close" }, done),
  };
  return { port, kill: () => child.kill(), refuseNextWrite: () => child.limitFiles("1") };
}

export async function mortalDisk(dir: string): Promise<Mortal<Disk>> {
  const child = new Child();
  await child.open({ kind: "files-disk", dir });
  const port: Disk = {
    replace: (path, bytes, done: (outcome: DiskOutcome) => void) =>
      child.ask({ ask: "replace", path, bytes }, done),
    read: (path, done: (outcome: DiskRead) => void) => child.ask({ ask: "readFile", path }, done),
    append: () => notHere("append"),
    list: () => notHere("list"),
    remove: () => notHere("remove"),
    close: (done) => child.ask({ ask: "close" }, done),
  };
  return { port, kill: () => child.kill() };
}

function notHere(what: string): never {
  throw new Error(`${what} is not asked of a mortal port`);
}

let log: Log | undefined;
let disk: Disk | undefined;

async function openHere(target: Target): Promise<void> {
  const clock = systemClock();
  if (target.kind === "files-disk") {
    disk = await openFilesDisk({ root: target.dir, clock });
    return;
  }
  const owner = { logId: "test", generation: 0 };
  log = await openSegmentLog({ dir: target.dir, owner, clock, warn: () => undefined });
}

function answerHere(question: Question, done: (outcome?: unknown) => void): void {
  switch (question.ask) {
    case "append":
      return log?.append(question.expected, question.record, done);
    case "read":
      return log?.read(question.from, question.max, done);
    case "replace":
      return disk?.replace(question.path, question.bytes, done);
    case "readFile":
      return disk?.read(question.path, done);
    case "close":
      log?.close(done);
      disk?.close(done);
      return;
    case "open":
      throw new Error("opened twice");
  }
}

if (process.argv[1] === HERE && process.argv[2] === "child") {
  const say = (answer: Answer): void => void process.send?.(answer);
  process.on("message", ({ id, question }: Call) => {
    if (question.ask !== "open") return answerHere(question, (outcome) => say({ id, outcome }));
    openHere(question.target).then(
      () => say({ id }),
      (error: Error) => say({ id, error: error.message }),
    );
  });
  // The kernel's signal at such a limit would end the process; the refusal is enough.
  process.on("SIGXFSZ", () => undefined);
  process.on("disconnect", () => process.exit(0));
}
