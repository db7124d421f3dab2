/**
 * Reads files of a container's sandbox for people. The task owns what is in there and may be
 * hostile: no link is followed out of it, no FIFO or device is opened for long, nothing hangs
 * the process. The path is resolved by the kernel once, and what was opened is checked after.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from "node:fs";
import { sep } from "node:path";

/** Bytes of one read at most. */
export const SANDBOX_READ_BYTES_MAX = 256 * 1_024;
/** Entries of one listing at most; `isComplete` tells whether there were more. */
export const SANDBOX_LIST_MAX = 4_096;

export type SandboxRefusal =
  /** The path leaves the sandbox, by its words or by a link. */
  | "outside"
  | "absent"
  /** A directory, device, FIFO or socket where a file was wanted, or a file for a directory. */
  | "wrongKind"
  /** The kernel refused for another reason. */
  | "failed";

export interface SandboxFailure {
  readonly ok: false;
  readonly reason: SandboxRefusal;
  readonly message: string;
}

export interface SandboxBytes {
  readonly ok: true;
  readonly bytes: Uint8Array;
  readonly offset: number;
  /** Size of the file when it was read. */
  readonly size: number;
  /** Tells the file from another that had or will have its name. */
  readonly identity: string;
}

export interface SandboxEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "other";
  readonly bytes: number;
  readonly modifiedMs: number;
}

export interface SandboxListing {
  readonly ok: true;
  readonly entries: readonly SandboxEntry[];
  readonly isComplete: boolean;
}

export interface SandboxFiles {
  /** Bytes `offset … offset + length` of a regular file; fewer at its end, none beyond it. */
  read(
    path: string,
    range: { readonly offset: number; readonly length: number },
  ): SandboxBytes | SandboxFailure;
  list(path: string): SandboxListing | SandboxFailure;
}

const failure = (reason: SandboxRefusal, message: string): SandboxFailure => ({
  ok: false,
  reason,
  message,
});

const OPEN_FLAGS =
  constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | constants.O_NOCTTY;

/** Opens a sandbox for reading; the directory itself is resolved once, here. */
export function openSandbox(directory: string): SandboxFiles {
  const root = realpathSync(directory);

  /** Opens within the root and hands the descriptor on; closes it whatever happens. */
  function within<T extends object>(
    path: string,
    flags: number,
    use: (descriptor: number) => T | SandboxFailure,
  ): T | SandboxFailure {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (path.includes("\0") || parts.includes("..")) {
      return failure("outside", `${JSON.stringify(path)} leaves the sandbox`);
    }
    let descriptor: number;
    try {
      descriptor = openSync([root, ...parts].join(sep), flags);
    } catch (error) {
      return refusalOf(error, path);
    }
    try {
      // A directory on the way may have been a link: what was opened tells where it is.
      const real = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (real !== root && !real.startsWith(`${root}${sep}`)) {
        return failure("outside", `${JSON.stringify(path)} is a link out of the sandbox`);
      }
      return use(descriptor);
    } catch (error) {
      return refusalOf(error, path);
    } finally {
      closeSync(descriptor);
    }
  }

  return {
    read(path, { offset, length }) {
      if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isInteger(length) || length < 0) {
        return failure("failed", `offset ${offset} and length ${length} must not be negative`);
      }
      return within<SandboxBytes>(path, OPEN_FLAGS, (descriptor) => {
        const about = fstatSync(descriptor);
        if (!about.isFile()) return failure("wrongKind", `${path} is not a regular file`);
        const wanted = Math.min(length, SANDBOX_READ_BYTES_MAX, Math.max(0, about.size - offset));
        const bytes = Buffer.alloc(wanted);
        const got = wanted === 0 ? 0 : readSync(descriptor, bytes, 0, wanted, offset);
        // A number alone is given to the next file as soon as this one is removed.
        const identity = `${about.ino}-${about.birthtimeMs}`;
        return { ok: true, bytes: bytes.subarray(0, got), offset, size: about.size, identity };
      });
    },

    list(path) {
      return within<SandboxListing>(path, OPEN_FLAGS | constants.O_DIRECTORY, (descriptor) => {
        const all = readdirSync(`/proc/self/fd/${descriptor}`, { withFileTypes: true });
        const entries = all.slice(0, SANDBOX_LIST_MAX).flatMap((entry): SandboxEntry[] => {
          const kind = entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other";
          // Of the entry itself, whatever it links to; one that is gone by now is left out.
          const path = `/proc/self/fd/${descriptor}/${entry.name}`;
          const about = lstatSync(path, { throwIfNoEntry: false });
          if (about === undefined) return [];
          return [{ name: entry.name, kind, bytes: about.size, modifiedMs: about.mtimeMs }];
        });
        entries.sort((a, b) => (a.name < b.name ? -1 : 1));
        return { ok: true, entries, isComplete: all.length <= SANDBOX_LIST_MAX };
      });
    },
  };
}

function refusalOf(error: unknown, path: string): SandboxFailure {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const name = JSON.stringify(path);
  if (code === "ENOENT") return failure("absent", `${name} is not in the sandbox`);
  if (code === "ELOOP") return failure("outside", `${name} is a link`);
  if (code === "ENOTDIR" || code === "EISDIR" || code === "ENXIO") {
    return failure("wrongKind", `${name} is not what was asked for`);
  }
  if (code === undefined) throw error;
  return failure("failed", `${name}: ${String(code)}`);
}
