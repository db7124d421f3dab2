/**
 * A lock on a directory that dies with its holder: a listening Unix socket in it (Node has no
 * flock). A socket file that nobody answers on is a dead holder's and is taken over.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, rm, stat } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import { join } from "node:path";

const TAKE_OVER_TRIES = 5;
const ANSWER_TIMEOUT_MS = 2_000;

export interface ExclusiveLock {
  /** Gives the lock back; nobody answers on it afterwards. */
  release(): Promise<void>;
}

/** Somebody else holds the lock and is alive. */
export class LockHeld extends Error {
  override readonly name = "LockHeld";
}

/**
 * @param name file name of the lock within `dir`, which is made when absent.
 * @throws LockHeld when a living process has it.
 */
export async function takeLock(dir: string, name = "lock"): Promise<ExclusiveLock> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const folder = await open(dir, "r");
  try {
    // A socket's path has at most 107 bytes; through the open folder it is always short.
    const near = (file: string): string => `/proc/self/fd/${folder.fd}/${file}`;
    const mine = `.${name}-${randomBytes(8).toString("hex")}`;
    const server = await listenAt(near(mine));
    try {
      await publishAs(near(mine), near(name), join(dir, name));
    } catch (error) {
      await closeServer(server);
      throw error;
    } finally {
      await rm(near(mine), { force: true });
    }
    return {
      async release() {
        await rm(join(dir, name), { force: true });
        await closeServer(server);
      },
    };
  } finally {
    await folder.close();
  }
}

/** A hard link is made or refused at once: of two that try, one has the name. */
async function publishAs(mine: string, lock: string, shown: string): Promise<void> {
  for (let tries = 0; tries < TAKE_OVER_TRIES; tries++) {
    try {
      return await link(mine, lock);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    if (await isAnswered(lock)) break;
    await removeDead(lock);
  }
  throw new LockHeld(`${shown} is held by another process that is alive; stop that one first`);
}

/**
 * Only one at a time may remove, else the second removes the first one's new lock. The section
 * is guarded by an abstract socket, which the kernel frees with its process.
 */
async function removeDead(lock: string): Promise<void> {
  const folder = await stat(join(lock, ".."));
  let guard: Server;
  try {
    guard = await listenAt(`\0meseta-lock-${folder.dev}-${folder.ino}`);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") return;
    throw error;
  }
  try {
    if (!(await isAnswered(lock))) await rm(lock, { force: true });
  } finally {
    await closeServer(guard);
  }
}

function listenAt(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

/** A socket that takes no connection for two seconds belongs to a process that only hangs. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(() => end(true), ANSWER_TIMEOUT_MS);
    socket.once("connect", () => end(true));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") end(false);
      else if (error.code === "EAGAIN") end(true);
      else reject(error);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
