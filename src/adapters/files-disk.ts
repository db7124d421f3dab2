/**
 * The disk port on a real directory. Operations that wait together go in rounds: each round's
 * files are synced side by side and each folder once. After a failed sync it does nothing more,
 * because nobody knows what the disk holds (P-1.5).
 */
import {
  constants,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type Clock,
  type Disk,
  DISK_FILE_BYTES_MAX,
  type DiskList,
  type DiskOutcome,
  type DiskRead,
} from "#runtime";
import { makeFolder } from "./durable-files.ts";
import { type ExclusiveLock, takeLock } from "./exclusive-lock.ts";

/** Operations of one round; what waits beyond is for the next. */
export const ROUND_OPERATIONS_MAX = 512;
/** Files worked on at the same time; the process has four threads for files. */
const SIDE_BY_SIDE_MAX = 8;
/** Files that are appended to stay open, the least recently used one is closed. */
export const OPEN_FILES_MAX = 64;
const ASIDE = ".aside";

export interface FilesDiskOptions {
  /** Directory of this disk alone; made 0700, locked while open. */
  readonly root: string;
  readonly clock: Clock;
  /** Makes a file's content durable. For tests that need it to fail. */
  readonly sync?: (file: FileHandle) => Promise<void>;
}

type Operation =
  | { kind: "replace"; path: string; bytes: Uint8Array; done: (outcome: DiskOutcome) => void }
  | { kind: "append"; path: string; bytes: Uint8Array; done: (outcome: DiskOutcome) => void }
  | { kind: "remove"; path: string; done: (outcome: DiskOutcome) => void }
  | { kind: "read"; path: string; done: (outcome: DiskRead) => void }
  | { kind: "list"; path: string; done: (outcome: DiskList) => void };

/** What one round does at one path: several equal operations count as one. */
interface Work {
  readonly path: string;
  readonly operations: Operation[];
  answer: () => void;
}

interface Appendable {
  readonly file: FileHandle;
  length: number;
  /** Being written to: not to be closed for another's sake. */
  busy: boolean;
}

/** @throws LockHeld when another process has the directory. */
export async function openFilesDisk(options: FilesDiskOptions): Promise<Disk> {
  await makeFolder(options.root);
  const lock = await takeLock(options.root, ".lock");
  try {
    // What an interrupted replace left there was never part of anything.
    await rm(join(options.root, ASIDE), { recursive: true, force: true });
    await mkdir(join(options.root, ASIDE), { mode: 0o700 });
    return new FilesDisk(options, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class FilesDisk implements Disk {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #lock: ExclusiveLock;
  readonly #sync: (file: FileHandle) => Promise<void>;
  /** Appends are synced by the write itself: one way to a thread and back instead of two. */
  readonly #writesSync: boolean;
  readonly #queue: Operation[] = [];
  readonly #open = new Map<string, Appendable>();
  /** Folders known to exist, so that they are not asked for each time. */
  readonly #folders = new Set<string>();
  #asides = 0;
  #running = false;
  #failed: string | undefined;
  #closing: (() => void) | undefined;
  #finished = false;

  constructor(options: FilesDiskOptions, lock: ExclusiveLock) {
    this.#root = options.root;
    this.#clock = options.clock;
    this.#lock = lock;
    this.#sync = options.sync ?? ((file) => file.datasync());
    this.#writesSync = options.sync === undefined;
    this.#folders.add(options.root);
  }

  replace(path: string, bytes: Uint8Array, done: (outcome: DiskOutcome) => void): void {
    if (bytes.length > DISK_FILE_BYTES_MAX) {
      throw new Error(`${path}: ${bytes.length} bytes, a file has at most ${DISK_FILE_BYTES_MAX}`);
    }
    this.#add({ kind: "replace", path, bytes, done });
  }

  append(path: string, bytes: Uint8Array, done: (outcome: DiskOutcome) => void): void {
    this.#add({ kind: "append", path, bytes, done });
  }

  read(path: string, done: (outcome: DiskRead) => void): void {
    this.#add({ kind: "read", path, done });
  }

  list(path: string, done: (outcome: DiskList) => void): void {
    this.#add({ kind: "list", path, done });
  }

  remove(path: string, done: (outcome: DiskOutcome) => void): void {
    this.#add({ kind: "remove", path, done });
  }

  #add(operation: Operation): void {
    checkPath(operation.path, operation.kind === "list");
    if (this.#closing !== undefined) throw new Error(`${operation.path}: the disk is closed`);
    this.#queue.push(operation);
    this.#run();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    this.#clock.soon(() => void this.#rounds());
  }

  async #rounds(): Promise<void> {
    while (this.#queue.length > 0) {
      const round = this.#takeRound();
      const folders = new Set<string>();
      await sideBySide(round, (work) => this.#perform(work, folders));
      const fault = await this.#syncFolders(folders);
      if (fault !== undefined) this.#failed = fault;
      for (const work of round) work.answer();
    }
    this.#running = false;
    if (this.#closing !== undefined) await this.#finish();
  }

  /** The longest beginning of the queue in which no operation touches another's path. */
  #takeRound(): Work[] {
    const round = new Map<string, Work>();
    const wholes: string[] = [];
    let count = 0;
    for (const operation of this.#queue) {
      if (count >= ROUND_OPERATIONS_MAX) break;
      const { path, kind } = operation;
      const same = round.get(path);
      if (same !== undefined && same.operations[0]?.kind !== kind) break;
      // A folder's list or end waits for what happens in it, and the other way round.
      const whole = kind === "remove" || kind === "list";
      if (wholes.some((folder) => isBelow(path, folder))) break;
      if (whole && [...round.keys()].some((other) => isBelow(other, path))) break;
      if (whole) wholes.push(path);
      if (same !== undefined) same.operations.push(operation);
      else round.set(path, { path, operations: [operation], answer: nothing });
      count += 1;
    }
    this.#queue.splice(0, count);
    return [...round.values()];
  }

  async #perform(work: Work, folders: Set<string>): Promise<void> {
    const last = work.operations.at(-1);
    if (last === undefined) return;
    switch (last.kind) {
      case "read": {
        const outcome = await this.#readNow(work.path);
        return this.#keep(work, "read", outcome);
      }
      case "list": {
        const outcome = await this.#listNow(work.path);
        return this.#keep(work, "list", outcome);
      }
      default: {
        const outcome = await this.#change(last, work, folders);
        work.answer = () => {
          // A folder that could not be synced makes every change of its round uncertain.
          const sure = this.#failed === undefined ? outcome : failure(this.#failed);
          for (const operation of work.operations) {
            if (operation.kind === last.kind) operation.done(sure);
          }
        };
      }
    }
  }

  #keep(work: Work, kind: "read", outcome: DiskRead): void;
  #keep(work: Work, kind: "list", outcome: DiskList): void;
  #keep(work: Work, kind: "read" | "list", outcome: DiskRead | DiskList): void {
    work.answer = () => {
      for (const operation of work.operations) {
        if (operation.kind === "read" && kind === "read") operation.done(outcome as DiskRead);
        if (operation.kind === "list" && kind === "list") operation.done(outcome as DiskList);
      }
    };
  }

  async #change(
    last: Exclude<Operation, { kind: "read" | "list" }>,
    work: Work,
    folders: Set<string>,
  ): Promise<DiskOutcome> {
    if (this.#failed !== undefined) return failure(this.#failed);
    try {
      if (last.kind === "replace") return await this.#replaceNow(last.path, last.bytes, folders);
      if (last.kind === "remove") return await this.#removeNow(last.path, folders);
      const parts = work.operations.flatMap((one) => (one.kind === "append" ? [one.bytes] : []));
      return await this.#appendNow(last.path, Buffer.concat(parts), folders);
    } catch (error) {
      if (isFull(error)) return { kind: "full" };
      if (error instanceof SyncFailed) this.#failed = error.message;
      return failure(messageOf(error));
    }
  }

  async #replaceNow(path: string, bytes: Uint8Array, folders: Set<string>): Promise<DiskOutcome> {
    await this.#closeFile(path);
    this.#asides += 1;
    const aside = join(this.#root, ASIDE, String(this.#asides));
    const full = join(this.#root, path);
    await this.#ensureFolder(dirname(full), folders);
    try {
      const file = await open(aside, "w", 0o600);
      try {
        await writeAt(file, bytes, 0);
        await this.#synced(file, path);
      } finally {
        await file.close();
      }
      await rename(aside, full);
    } catch (error) {
      await rm(aside, { force: true });
      // Where there was no room for it, the old file stands as it was.
      throw error instanceof SyncFailed && isFull(error.cause) ? error.cause : error;
    }
    folders.add(dirname(full));
    return { kind: "done" };
  }

  async #appendNow(path: string, bytes: Uint8Array, folders: Set<string>): Promise<DiskOutcome> {
    const target = await this.#appendable(path, folders);
    try {
      await this.#addTo(target, bytes, path);
    } finally {
      target.busy = false;
    }
    return { kind: "done" };
  }

  async #addTo(target: Appendable, bytes: Uint8Array, path: string): Promise<void> {
    try {
      await writeAt(target.file, bytes, target.length);
    } catch (error) {
      // What was written of it is taken back, so that "full" is true: nothing was changed.
      await target.file.truncate(target.length).catch((second: unknown) => {
        throw new SyncFailed(`${path}: could not be put back: ${messageOf(second)}`);
      });
      if (!this.#writesSync || isFull(error)) throw error;
      throw new SyncFailed(`${path}: synced write failed: ${messageOf(error)}`, { cause: error });
    }
    if (!this.#writesSync) await this.#synced(target.file, path);
    target.length += bytes.length;
  }

  async #synced(file: FileHandle, path: string): Promise<void> {
    try {
      await this.#sync(file);
    } catch (error) {
      throw new SyncFailed(`${path}: sync failed: ${messageOf(error)}`, { cause: error });
    }
  }

  async #appendable(path: string, folders: Set<string>): Promise<Appendable> {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      known.busy = true;
      return known;
    }
    const full = join(this.#root, path);
    await this.#ensureFolder(dirname(full), folders);
    const isNew = await stat(full).then(
      () => false,
      () => true,
    );
    const { O_RDWR, O_CREAT, O_EXCL, O_DSYNC } = constants;
    const flags = O_RDWR | (isNew ? O_CREAT | O_EXCL : 0) | (this.#writesSync ? O_DSYNC : 0);
    const file = await open(full, flags, 0o600);
    if (isNew) folders.add(dirname(full));
    const made = { file, length: (await file.stat()).size, busy: true };
    this.#open.set(path, made);
    for (const [old, { busy }] of this.#open) {
      if (this.#open.size <= OPEN_FILES_MAX) break;
      if (!busy) await this.#closeFile(old);
    }
    return made;
  }

  async #removeNow(path: string, folders: Set<string>): Promise<DiskOutcome> {
    for (const open of [...this.#open.keys()]) {
      if (open === path || isBelow(open, path)) await this.#closeFile(open);
    }
    const full = join(this.#root, path);
    for (const folder of this.#folders) {
      if (folder === full || isBelow(folder, full)) this.#folders.delete(folder);
    }
    // Renamed away first: whoever looks sees all of it or nothing.
    this.#asides += 1;
    const aside = join(this.#root, ASIDE, String(this.#asides));
    try {
      await rename(full, aside);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return { kind: "done" };
      throw error;
    }
    folders.add(dirname(full));
    await rm(aside, { recursive: true, force: true });
    return { kind: "done" };
  }

  async #readNow(path: string): Promise<DiskRead> {
    try {
      const full = join(this.#root, path);
      const about = await stat(full);
      if (about.size > DISK_FILE_BYTES_MAX) {
        return failure(`${path}: ${about.size} bytes, a file has at most ${DISK_FILE_BYTES_MAX}`);
      }
      return { kind: "read", bytes: await readFile(full) };
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return { kind: "absent" };
      return failure(messageOf(error));
    }
  }

  async #listNow(path: string): Promise<DiskList> {
    try {
      const entries = await readdir(join(this.#root, path), { withFileTypes: true });
      const names = entries
        .filter(({ name }) => SEGMENT.test(name))
        .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
      return { kind: "list", names: names.sort() };
    } catch (error) {
      if (codeOf(error) === "ENOENT") return { kind: "list", names: [] };
      return failure(messageOf(error));
    }
  }

  /** Makes a folder and those above it; what holds a new one is synced with the round. */
  async #ensureFolder(folder: string, folders: Set<string>): Promise<void> {
    if (this.#folders.has(folder)) return;
    await this.#ensureFolder(dirname(folder), folders);
    try {
      await mkdir(folder, { mode: 0o700 });
      folders.add(dirname(folder));
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    this.#folders.add(folder);
  }

  async #syncFolders(folders: ReadonlySet<string>): Promise<string | undefined> {
    try {
      for (const path of folders) {
        const folder = await open(path, "r").catch((error: unknown) => {
          // Made and removed again within the round.
          if (codeOf(error) === "ENOENT") return undefined;
          throw error;
        });
        if (folder === undefined) continue;
        try {
          await this.#sync(folder);
        } finally {
          await folder.close();
        }
      }
      return undefined;
    } catch (error) {
      return `a folder could not be synced: ${messageOf(error)}`;
    }
  }

  async #closeFile(path: string): Promise<void> {
    const known = this.#open.get(path);
    if (known === undefined) return;
    this.#open.delete(path);
    await known.file.close();
  }

  close(done: () => void): void {
    if (this.#finished) return this.#clock.soon(done);
    const before = this.#closing;
    this.#closing = () => {
      before?.();
      done();
    };
    this.#run();
  }

  async #finish(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    for (const path of [...this.#open.keys()]) await this.#closeFile(path);
    await this.#lock.release();
    this.#closing?.();
  }
}

/** The content of a file may or may not have reached the disk. */
class SyncFailed extends Error {
  override readonly name = "SyncFailed";
}

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** @throws Error for a path that leaves the root or hides: a programmer's fault. */
function checkPath(path: string, mayBeRoot: boolean): void {
  if (path === "" && mayBeRoot) return;
  if (!path.split("/").every((segment) => SEGMENT.test(segment))) {
    throw new Error(`${JSON.stringify(path)} is no path of a disk: ids, dots and slashes only`);
  }
}

function isBelow(path: string, folder: string): boolean {
  if (path === folder) return false;
  return folder === "" || path.startsWith(`${folder}/`);
}

async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

async function sideBySide<One>(all: readonly One[], work: (one: One) => Promise<void>) {
  const waiting = [...all];
  const worker = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE_MAX, all.length) }, worker));
}

function failure(why: string): { readonly kind: "failed"; readonly why: string } {
  return { kind: "failed", why };
}

function isFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nothing(): void {
  // Replaced by the answer of the work before it is called.
}
