/**
 * Who has ended: told by the launcher on its socket where it has promised to, else by the end of
 * the container's FIFO. Each exit is told once. Reads the runtime directory, writes nothing.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { ContainerExit } from "#runtime";
import { isMissing, lostExit, parseExit, readExit } from "./launcher-files.ts";

/** Somebody will say that the container has ended: the launcher, or its FIFO. */
interface Watch {
  readonly by: "launcher" | "fifo";
  readonly close: () => void;
  /** What waits for the end to be told. */
  readonly ended: (() => void)[];
}

const nothing = (): void => undefined;

export class LauncherExits {
  listener: (exit: ContainerExit) => void = nothing;
  readonly #runtimeDir: string;
  readonly #onMessage: (line: string) => void;
  readonly #watches = new Map<string, Watch>();
  /** Told, or in the answer of `recover`; until the container is forgotten. */
  readonly #told = new Set<string>();
  #closed = false;

  constructor(runtimeDir: string, onMessage: (line: string) => void) {
    this.#runtimeDir = runtimeDir;
    this.#onMessage = onMessage;
  }

  /** The launcher will say it: a promise that ends with the launcher. */
  promised(containerId: string): void {
    if (this.#isSettled(containerId)) return;
    this.#watches.set(containerId, { by: "launcher", close: nothing, ended: [] });
  }

  /** What the launcher says unasked: `container\nstatus`. */
  said(text: string): void {
    const line = text.indexOf("\n");
    const containerId = text.slice(0, line);
    if (this.#watches.get(containerId)?.by !== "launcher") return;
    this.#hasExited(containerId, parseExit(text.slice(line + 1), containerId));
  }

  /** The launcher has ended, and its promises with it. */
  watchAlone(): void {
    for (const [containerId, { by, ended }] of [...this.#watches]) {
      if (by !== "launcher") continue;
      this.#watches.delete(containerId);
      this.watch(containerId, ended);
    }
  }

  /** End of file on the FIFO means that the shim has ended; then the status is read. */
  watch(containerId: string, ended: (() => void)[] = []): void {
    if (this.#isSettled(containerId)) return;
    const directory = join(this.#runtimeDir, containerId);
    const over = (): void => this.#hasExited(containerId, readExit(directory, containerId));
    const descriptor = openAlive(directory);
    if (descriptor === null) {
      this.#watches.set(containerId, { by: "fifo", close: nothing, ended });
      return void setImmediate(over);
    }
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    this.#watches.set(containerId, { by: "fifo", close: () => socket.destroy(), ended });
    socket.on("error", (error) => this.#onMessage(`${containerId}: alive: ${error.message}`));
    socket.on("close", over);
    socket.resume();
  }

  /** Runs when the exit has been told; at once where none is awaited. */
  after(containerId: string, run: () => void): void {
    const watching = this.#watches.get(containerId);
    if (watching === undefined) run();
    else watching.ended.push(run);
  }

  known(containerId: string): void {
    this.#told.add(containerId);
  }

  forget(containerId: string): void {
    this.#told.delete(containerId);
  }

  close(): void {
    this.#closed = true;
    for (const { close } of this.#watches.values()) close();
  }

  #isSettled(containerId: string): boolean {
    return this.#watches.has(containerId) || this.#told.has(containerId) || this.#closed;
  }

  #hasExited(containerId: string, exit: ContainerExit | null): void {
    const ended = this.#watches.get(containerId)?.ended ?? [];
    this.#watches.delete(containerId);
    if (!this.#closed && !this.#told.has(containerId)) {
      this.#told.add(containerId);
      this.listener(exit ?? lostExit(containerId, Date.now()));
    }
    for (const run of ended) run();
  }
}

/** Null when its shim has ended, or when it was forgotten by another hand. */
function openAlive(directory: string): number | null {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  let descriptor: number;
  try {
    descriptor = openSync(join(directory, "alive"), flags);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return null;
  }
  // A FIFO whose writer left before the open never tells its end to a poll: ask it once.
  if (!hasEnded(descriptor)) return descriptor;
  closeSync(descriptor);
  return null;
}

/** Whether nobody has the other end of a FIFO open. The shim never writes to it. */
function hasEnded(descriptor: number): boolean {
  try {
    return readSync(descriptor, Buffer.alloc(1)) === 0;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return false;
    throw error;
  }
}
