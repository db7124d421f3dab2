/**
 * The data directory of `meseta up`: where everything lies in it, which version of that layout
 * it has, who holds it, and which processes were started from it. A holder that was killed
 * leaves its record behind, and whoever comes next ends what it left running.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type ExclusiveLock, LockHeld, makeFolder, takeLock, writeFileDurably } from "#adapters";
import { type ProcessMark, processMark } from "./process-mark.ts";

/** Changes when an older build could not read what a newer one wrote. */
export const LAYOUT_VERSION = 1;
const LOCK_NAME = "up.lock";

/** Where things are below a data directory. */
export interface Layout {
  readonly root: string;
  readonly broker: string;
  readonly credentials: string;
  readonly masterDir: string;
  readonly logs: string;
  agentDir(number: number): string;
}

/** The first master's folder bears no number: there is one alone in most places. */
export function masterFolder(number: number): string {
  return number === 1 ? "master" : `master-${number}`;
}

export function layoutOf(root: string): Layout {
  return {
    root,
    broker: join(root, "broker"),
    credentials: join(root, "credentials"),
    masterDir: join(root, masterFolder(1)),
    logs: join(root, "logs"),
    agentDir: (number) => join(root, `agent-${number}`),
  };
}

/** `--data`, else a folder of the cluster's name below the user's state directory. */
export function dataDirOf(
  named: string | undefined,
  cluster: string,
  environment: NodeJS.ProcessEnv,
): string {
  if (named !== undefined) return resolve(named);
  const { XDG_STATE_HOME: state } = environment;
  const home = state !== undefined && state !== "" ? state : join(homedir(), ".local", "state");
  return join(home, "meseta", cluster);
}

/** What a running `up` says about itself, for `down` and for its successor. */
export interface UpRecord {
  readonly up: ProcessMark;
  /** Its children by name: master, agent-1 … */
  readonly children: Readonly<Record<string, ProcessMark>>;
  readonly agents: number;
}

export interface DataDir extends Layout {
  /** Begins the record, in the place of an earlier holder's. */
  recordStart(): Promise<void>;
  /** Keeps the record true when a child was started. */
  recordChild(name: string, pid: number): Promise<void>;
  /** Ends the record and gives the directory back. */
  release(): Promise<void>;
}

/** @throws Error in one sentence: held by another, of another version, or not ours to write. */
export async function openDataDir(root: string, agents: number): Promise<DataDir> {
  const lock = await lockDir(root);
  try {
    await checkVersion(root);
    const layout = layoutOf(root);
    for (const dir of [layout.credentials, layout.masterDir, layout.logs]) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
    }
    const up = await processMark(process.pid);
    if (up === undefined) throw new Error("/proc does not show this process; is /proc mounted?");
    return new HeldDataDir(layout, lock, up, agents);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function lockDir(root: string): Promise<ExclusiveLock> {
  try {
    await makeFolder(root);
    return await takeLock(root, LOCK_NAME);
  } catch (error) {
    if (error instanceof LockHeld) {
      throw new Error(
        `a cluster runs from ${root} already; stop it with meseta down --data ${root}, ` +
          "or choose another directory with --data",
      );
    }
    const why = (error as Error).message;
    throw new Error(`the data directory ${root} cannot be used: ${why}; choose one with --data`);
  }
}

async function checkVersion(root: string): Promise<void> {
  const path = join(root, "version");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) {
    return await writeFileDurably(path, `${LAYOUT_VERSION}\n`, { mode: 0o600 });
  }
  if (text.trim() === String(LAYOUT_VERSION)) return;
  throw new Error(
    `${root} has the layout ${JSON.stringify(text.trim())} and this build knows ` +
      `${LAYOUT_VERSION}; use the build that made it, or another directory`,
  );
}

class HeldDataDir implements DataDir {
  readonly root: string;
  readonly broker: string;
  readonly credentials: string;
  readonly masterDir: string;
  readonly logs: string;
  readonly agentDir: Layout["agentDir"];
  readonly #lock: ExclusiveLock;
  readonly #up: ProcessMark;
  readonly #agents: number;
  readonly #children: Record<string, ProcessMark> = {};
  #written: Promise<void> = Promise.resolve();

  constructor(layout: Layout, lock: ExclusiveLock, up: ProcessMark, agents: number) {
    this.root = layout.root;
    this.broker = layout.broker;
    this.credentials = layout.credentials;
    this.masterDir = layout.masterDir;
    this.logs = layout.logs;
    this.agentDir = layout.agentDir;
    this.#lock = lock;
    this.#up = up;
    this.#agents = agents;
  }

  recordStart(): Promise<void> {
    return this.#write(async () => undefined);
  }

  recordChild(name: string, pid: number): Promise<void> {
    return this.#write(async () => {
      const mark = await processMark(pid);
      if (mark !== undefined) this.#children[name] = mark;
    });
  }

  /** One write at a time, each with everything known by then. */
  #write(change: () => Promise<void>): Promise<void> {
    this.#written = this.#written.then(async () => {
      await change();
      const record: UpRecord = { up: this.#up, children: this.#children, agents: this.#agents };
      await writeFileDurably(recordOf(this.root), JSON.stringify(record), { mode: 0o600 });
    });
    return this.#written;
  }

  async release(): Promise<void> {
    await this.#written;
    await rm(recordOf(this.root), { force: true });
    await this.#lock.release();
  }
}

function recordOf(root: string): string {
  return join(root, "up.json");
}

/** The record of the last `up` in the directory; undefined when it ended in order. */
export async function readUpRecord(root: string): Promise<UpRecord | undefined> {
  const text = await readFile(recordOf(root), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const { up, children, agents } = JSON.parse(text) as Partial<UpRecord>;
    if (up === undefined || children === undefined) return undefined;
    return { up, children, agents: agents ?? 0 };
  } catch (error) {
    // It is replaced whole, so torn text was not written by us and names nobody.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
