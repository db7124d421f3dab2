/**
 * Writing so that a power cut leaves the old file or the new one, whole. Used for the few files
 * that are written at start; an actor's files go through the disk port.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces a file; when this has returned, it stays. */
export async function writeFileDurably(
  path: string,
  content: string | Uint8Array,
  options: { readonly mode: number },
): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(aside, "wx", options.mode);
    await thenClose(file, async () => {
      await file.writeFile(content);
      await file.sync();
    });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Makes a folder and those above it that are missing, for their owner alone. Node's own `recursive`
 * tries for ever where a file system takes no folders, as below /proc.
 * @throws Error of the system.
 */
export async function makeFolder(path: string): Promise<void> {
  const fault = await makeOne(path);
  if (fault === undefined) return;
  if (fault.code !== "ENOENT" || dirname(path) === path) throw fault;
  await makeFolder(dirname(path));
  const again = await makeOne(path);
  if (again !== undefined) throw again;
}

/** The error that kept the folder from being there. */
async function makeOne(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path, { mode: 0o700 });
    return undefined;
  } catch (error) {
    const fault = error as NodeJS.ErrnoException;
    const isThere = fault.code === "EEXIST" && (await stat(path)).isDirectory();
    return isThere ? undefined : fault;
  }
}

/** Makes names in a folder durable: what was made, renamed or removed in it. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await thenClose(folder, () => folder.sync());
}

async function thenClose(file: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await file.close();
  }
}
