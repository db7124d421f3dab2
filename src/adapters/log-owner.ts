/**
 * The mark in a data directory that says which log it belongs to and who writes it: a log opened
 * by another adapter would begin anew beside the old one, and forget the cluster (P-7.9).
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "./durable-files.ts";

export interface LogOwner {
  /** Which adapter wrote here. */
  readonly adapter: "segment" | "jetstream";
  /** The log's own id (P-7.4). */
  readonly logId: string;
  /** Counts restores, from 0. */
  readonly generation: number;
}

const FILE = "log-owner.json";
const FLAGS: Readonly<Record<LogOwner["adapter"], string>> = {
  segment: "--bus memory",
  jetstream: "the NATS bus (without --bus memory)",
};

/** The data directory holds another log, or one of another adapter. */
export class LogOwnedElsewhere extends Error {
  override readonly name = "LogOwnedElsewhere";
}

/** The mark that stands in `dir`; undefined where there is none yet. */
export async function readLogOwner(dir: string): Promise<LogOwner | undefined> {
  const path = join(dir, FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const { adapter, logId, generation } = JSON.parse(text) as Partial<LogOwner>;
  const known = adapter === "segment" || adapter === "jetstream";
  if (!known || typeof logId !== "string" || typeof generation !== "number") {
    throw new LogOwnedElsewhere(`${path}: not a mark of a log; restore it from a backup`);
  }
  return { adapter, logId, generation };
}

/**
 * Marks an unmarked directory, or checks the mark. A higher generation of the same log replaces
 * the mark; a lower one is refused.
 * @throws LogOwnedElsewhere with a sentence for the operator.
 */
export async function claimLog(dir: string, owner: LogOwner): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const mark = await readLogOwner(dir);
  if (mark !== undefined) {
    const fault = ownerFault(dir, mark, owner);
    if (fault !== undefined) throw new LogOwnedElsewhere(fault);
    if (mark.generation === owner.generation) return;
  }
  await writeFileDurably(join(dir, FILE), `${JSON.stringify(owner)}\n`, { mode: 0o600 });
}

function ownerFault(dir: string, mark: LogOwner, owner: LogOwner): string | undefined {
  if (mark.adapter !== owner.adapter) {
    return (
      `${dir} holds a log written with ${FLAGS[mark.adapter]}; start with that again, or give ` +
      "another --data directory"
    );
  }
  if (mark.logId !== owner.logId) {
    return `${dir} belongs to log ${mark.logId}, not to ${owner.logId}; give another --data directory`;
  }
  if (mark.generation > owner.generation) {
    return (
      `${dir} has seen generation ${mark.generation} of log ${mark.logId}; generation ` +
      `${owner.generation} is older and must not be written`
    );
  }
  return undefined;
}
