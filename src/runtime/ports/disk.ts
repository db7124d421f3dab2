/**
 * The way to a directory of one's own. Operations on one path happen in the order of the calls;
 * `done` is called when the change is durable, never within the call. The adapter shares one
 * sync between operations that wait together. A failed sync is fatal to the actor (P-1.5).
 */

/** Largest file that is read or replaced whole, in bytes. */
export const DISK_FILE_BYTES_MAX = 64 * 1024 * 1024;

export type DiskOutcome =
  | { readonly kind: "done" }
  /** No room: nothing was changed; try again with a bound, loudly. */
  | { readonly kind: "full" }
  /** The disk's state is not known any more: stop and start from what it holds. */
  | { readonly kind: "failed"; readonly why: string };

export type DiskRead =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly why: string };

export type DiskList =
  /** Names of files and, with a trailing slash, of folders, sorted; empty where absent. */
  | { readonly kind: "list"; readonly names: readonly string[] }
  | {
      readonly kind: "failed";
      readonly why: string;
    };

/** Paths are relative to the disk's root, made of ids, dots within names, and slashes. */
export interface Disk {
  /** The file is the old one or the new one, whole, whatever happens. Makes folders. */
  replace(path: string, bytes: Uint8Array, done: (outcome: DiskOutcome) => void): void;
  /** Adds to the end; a crash may leave a torn tail, which the reader must recognise. */
  append(path: string, bytes: Uint8Array, done: (outcome: DiskOutcome) => void): void;
  read(path: string, done: (outcome: DiskRead) => void): void;
  list(path: string, done: (outcome: DiskList) => void): void;
  /** A file or a whole folder; absent is done. */
  remove(path: string, done: (outcome: DiskOutcome) => void): void;
  close(done: () => void): void;
}
