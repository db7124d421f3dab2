/**
 * A log begun anew from a snapshot, as the next generation of the log that it was taken from: no
 * epoch of before is ever reached again (P-7.4). Refused while a master leads, and where records
 * would be lost without a word.
 */
import { asId, type MasterId } from "#protocol";
import { systemRandom } from "#adapters";
import {
  EMPTY_HEAD,
  operationsOf,
  RECORD_VERSION,
  type RegistryOperation,
  Writer,
  type WriterCommand,
} from "#replication";
import type { Config } from "#config";
import type { AppendOutcome, Log } from "#runtime";
import { type LogAccess, openLogAccess, readWholeLog, witnessesIn } from "./log-access.ts";
import { readSnapshotFile, type SnapshotFile } from "./snapshot-file.ts";

/** Operations of one record. */
const BATCH = 256;
const NONCE_LENGTH = 12;

export interface Restoring {
  readonly file: string;
  /** The log that is there may go. */
  readonly replace: boolean;
}

export interface RestoredLog {
  readonly logId: string;
  readonly generation: number;
  readonly records: number;
  readonly agents: number;
  readonly frameworks: number;
  readonly where: string;
}

/** @throws Error in one sentence: why nothing was changed, or where it stopped. */
export async function restoreSnapshot(
  config: Config,
  dataOfContext: string | undefined,
  { file, replace }: Restoring,
): Promise<RestoredLog> {
  const snapshot = await readSnapshotFile(file);
  let access = await openLogAccess(config, dataOfContext, true);
  try {
    if (!(await access.isFree())) {
      throw new Error("a master leads by this log; stop all masters first, then restore");
    }
    const generation = await nextGeneration(access, snapshot, replace);
    if (generation.hasRecords) {
      await access.remove();
      access = await openLogAccess(config, dataOfContext, true);
    }
    const records = await write(access.log, snapshot, generation.next);
    const { logId } = snapshot.head;
    const { agents, frameworks } = snapshot.registry;
    return {
      logId: logId ?? "",
      generation: generation.next,
      records,
      agents: agents.size,
      frameworks: frameworks.size,
      where: access.where,
    };
  } finally {
    await access.close();
  }
}

/** Above all that the log, the snapshot and the masters of this machine have ever seen. */
async function nextGeneration(access: LogAccess, { head }: SnapshotFile, replace: boolean) {
  const there = await readWholeLog(access.log);
  const { head: end } = there.follower;
  if (there.records > 0 && end.logId !== undefined && end.logId !== head.logId && !replace) {
    throw new Error(
      `${access.where} holds log ${end.logId}, the snapshot is of ${head.logId}; add --replace ` +
        "if that log may go",
    );
  }
  if (there.records > 0 && !replace) {
    const fault = there.fault === undefined ? "" : ` (${there.fault})`;
    throw new Error(
      `${access.where} holds ${there.records} records up to position ${end.position}${fault}, ` +
        `the snapshot is of position ${head.position}; add --replace if what came after may go`,
    );
  }
  const seen = [head.generation, end.generation];
  for (const { witness } of await witnessesIn(access.root)) {
    if (typeof witness === "object") seen.push(witness.generation);
  }
  return { next: Math.max(...seen) + 1, hasRecords: there.records > 0 };
}

async function write(log: Log, snapshot: SnapshotFile, generation: number): Promise<number> {
  const writer = new Writer({
    writer: asId<MasterId>("restore"),
    nonce: systemRandom().token(NONCE_LENGTH),
    // Nobody leads before the first election.
    epoch: 0,
    head: EMPTY_HEAD,
  });
  const logId = snapshot.head.logId ?? "";
  const time = {
    nowMs: 0,
    clusterTimeMs: snapshot.registry.clusterTimeMs,
    // Deadlines count what has passed since the snapshot's last record.
    wallMs: snapshot.wallMs,
  };
  const created = {
    kind: "LogCreated",
    logId,
    generation,
    minimumVersion: RECORD_VERSION,
  } as const;
  let batch: RegistryOperation[] = [created];
  let records = 0;
  const flush = async (): Promise<void> => {
    for (const operation of batch) {
      if (!writer.propose(operation)) throw new Error(`${operation.kind} is too large for the log`);
    }
    batch = [];
    while (writer.proposed > 0) {
      await carryOut(log, writer, writer.flush(time));
      records += 1;
    }
  };
  for (const operation of operationsOf(snapshot.registry)) {
    batch.push(operation);
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  return records;
}

/** The log is nobody else's: what is not committed at once is told, not tried again. */
async function carryOut(log: Log, writer: Writer, commands: WriterCommand[]): Promise<void> {
  for (const command of commands) {
    if (command.kind !== "append") continue;
    const outcome = await new Promise<AppendOutcome>((resolve) =>
      log.append(command.expected, command.bytes, resolve),
    );
    if (outcome.kind !== "committed") {
      const why = outcome.kind === "unknown" ? outcome.why : "somebody else writes it";
      throw new Error(`the log was not restored whole: ${why}; restore once more with --replace`);
    }
    writer.answered(command.token, outcome);
  }
}
