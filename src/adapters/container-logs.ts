/**
 * The port `Streams` on sandboxes: stdout and stderr of containers with their rotated files as
 * one sequence of bytes. Files are opened as hostile (`sandbox-files.ts`). Offsets count from
 * the first byte ever written; of a log whose oldest files had gone before it was first read
 * here, from the first byte that was left.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StreamFile, StreamFolder, StreamRead, Streams } from "#runtime";
import { STREAM_CHUNK_BYTES_MAX } from "#runtime";
import { openSandbox, type SandboxFiles } from "./sandbox-files.ts";

/** Logs whose place in the sequence is remembered; the one read longest ago is forgotten. */
const LOGS_REMEMBERED_MAX = 1_024;
/** Rotated files of one log at most (`LogRotation`). */
const ROTATED_FILES_MAX = 100;

/** Where each file of a log began when it was last looked at, and where the log ended. */
interface Memory {
  readonly begins: ReadonlyMap<string, number>;
  readonly end: number;
}

export interface ContainerLogsOptions {
  /** Where the sandbox of a container is. */
  sandboxOf(containerId: string): string;
  /** Calls back after the current turn. */
  soon(run: () => void): void;
}

interface Part {
  readonly name: string;
  readonly size: number;
  readonly identity: string;
}

export function containerLogs({ sandboxOf, soon }: ContainerLogsOptions): Streams {
  const memories = new Map<string, Memory>();

  /** The rotated files, oldest first, and the one being written. */
  function partsOf(files: SandboxFiles, file: "stdout" | "stderr"): Part[] {
    const parts: Part[] = [];
    for (let number = 0; number <= ROTATED_FILES_MAX; number += 1) {
      const name = number === 0 ? file : `${file}.${number}`;
      const about = files.read(name, { offset: 0, length: 0 });
      if (!about.ok) break;
      parts.unshift({ name, size: about.size, identity: about.identity });
    }
    return parts;
  }

  /** Offset of the oldest file's first byte. */
  function beginOf(key: string, parts: readonly Part[]): number {
    const begin = findBegin(memories.get(key), parts);
    const begins = new Map<string, number>();
    let end = begin;
    for (const { identity, size } of parts) {
      begins.set(identity, end);
      end += size;
    }
    memories.delete(key);
    memories.set(key, { begins, end });
    for (const oldest of memories.keys()) {
      if (memories.size <= LOGS_REMEMBERED_MAX) break;
      memories.delete(oldest);
    }
    return begin;
  }

  function read(id: string, file: StreamFile, wanted: number, max: number): StreamRead {
    const dir = sandboxOf(id);
    if (!existsSync(dir)) return { kind: "absent" };
    const files = openSandbox(dir);
    if (typeof file !== "string") return readFile(files, file, wanted, max);
    const parts = partsOf(files, file);
    if (parts.length === 0) return { kind: "absent" };
    const begin = beginOf(join(id, file), parts);
    const end = parts.reduce((sum, { size }) => sum + size, begin);
    const from = wanted < 0 ? Math.max(begin, end + wanted) : Math.max(begin, wanted);
    let at = begin;
    for (const { name, size } of parts) {
      if (from < at + size) {
        const length = Math.min(max, STREAM_CHUNK_BYTES_MAX, at + size - from);
        const got = files.read(name, { offset: from - at, length });
        if (!got.ok) return { kind: "failed", why: got.message };
        return { kind: "chunk", offset: from, bytes: got.bytes, end };
      }
      at += size;
    }
    return { kind: "chunk", offset: Math.min(from, end), bytes: new Uint8Array(), end };
  }

  return {
    read(containerId, file, offset, max, done) {
      let outcome: StreamRead;
      try {
        outcome = read(containerId, file, offset, max);
      } catch (error) {
        outcome = { kind: "failed", why: error instanceof Error ? error.message : String(error) };
      }
      soon(() => done(outcome));
    },
  };
}

/** A file as it is, or the listing of a folder as bytes. */
function readFile(
  files: SandboxFiles,
  file: Exclude<StreamFile, string>,
  wanted: number,
  max: number,
): StreamRead {
  const from = (size: number): number => (wanted < 0 ? Math.max(0, size + wanted) : wanted);
  if ("folder" in file) {
    const listing = files.list(file.folder);
    if (!listing.ok) return { kind: "failed", why: listing.message };
    const { entries, isComplete } = listing;
    const folder: StreamFolder = { entries, isComplete };
    const all = Buffer.from(JSON.stringify(folder));
    const offset = Math.min(from(all.length), all.length);
    const bytes = all.subarray(offset, offset + Math.min(max, STREAM_CHUNK_BYTES_MAX));
    return { kind: "chunk", offset, bytes, end: all.length };
  }
  const about = files.read(file.path, { offset: 0, length: 0 });
  if (!about.ok) return { kind: "failed", why: about.message };
  const got = files.read(file.path, { offset: from(about.size), length: max });
  if (!got.ok) return { kind: "failed", why: got.message };
  return { kind: "chunk", offset: got.offset, bytes: got.bytes, end: got.size };
}

/** A file that was there before tells where the others are; none left: all since is new. */
function findBegin(memory: Memory | undefined, parts: readonly Part[]): number {
  if (memory === undefined) return 0;
  let before = 0;
  for (const { identity, size } of parts) {
    const known = memory.begins.get(identity);
    if (known !== undefined) return Math.max(0, known - before);
    before += size;
  }
  return memory.end;
}
