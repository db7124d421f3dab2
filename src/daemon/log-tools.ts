/**
 * What people ask of the replicated log: where it stands, what its last records say, whether it is
 * whole; and a snapshot of it in a file. It reads, and writes files of its own only.
 */
import type { Config } from "#config";
import { type LogRecord, open, type Witness, witnessFault } from "#replication";
import type { Log, LogEntry } from "#runtime";
import { type LogAccess, openLogAccess, readWholeLog, witnessesIn } from "./log-access.ts";
import { writeSnapshotFile } from "./snapshot-file.ts";

export interface LogStatus {
  readonly where: string;
  readonly logId: string;
  readonly generation: number;
  /** First and last position that the log holds. */
  readonly first: number;
  readonly last: number;
  readonly records: number;
  readonly bytes: number;
  readonly voids: number;
  readonly epoch: number;
  readonly leader: string | undefined;
  readonly minimumVersion: number;
  readonly snapshotPosition: number | undefined;
  readonly lastWrittenMs: number | undefined;
  readonly agents: number;
  readonly frameworks: number;
  /** Why no master may lead by it; undefined where it is whole. */
  readonly fault: string | undefined;
}

/** @throws Error in one sentence when there is no log to look at. */
export async function logStatus(config: Config, dataOfContext?: string): Promise<LogStatus> {
  return await withLog(config, dataOfContext, async ({ log, where }) => {
    const { follower, first, records, bytes, last, fault } = await readWholeLog(log);
    const { head, registry } = follower;
    return {
      where,
      logId: head.logId ?? "",
      generation: head.generation,
      first: records === 0 ? 0 : first,
      last: head.position,
      records,
      bytes,
      voids: [...follower.voids.values()].reduce((sum, count) => sum + count, 0),
      epoch: registry.epoch,
      leader: registry.leader,
      minimumVersion: registry.minimumVersion,
      snapshotPosition: registry.snapshot?.position,
      lastWrittenMs: last?.wallMs,
      agents: registry.agents.size,
      frameworks: registry.frameworks.size,
      fault,
    };
  });
}

export interface ShownRecord {
  readonly position: number;
  readonly writtenMs: number | undefined;
  readonly writer: string;
  readonly epoch: number | undefined;
  readonly operations: string;
}

/** The last `count` records; with `follow` also those that come, until `signal`. */
export async function logTail(
  config: Config,
  dataOfContext: string | undefined,
  count: number,
  show: (record: ShownRecord) => void,
  until?: AbortSignal,
): Promise<void> {
  await withLog(config, dataOfContext, async ({ log }) => {
    const tail: LogEntry[] = [];
    const { follower } = await readWholeLog(log, (entry) => {
      tail.push(entry);
      if (tail.length > count) tail.shift();
    });
    for (const entry of tail) show(shownRecord(entry));
    if (until !== undefined) await followOn(log, follower.next, show, until);
  });
}

function followOn(
  log: Log,
  from: number,
  show: (record: ShownRecord) => void,
  until: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const follow = log.follow(from, (entries) => {
      for (const entry of entries) show(shownRecord(entry));
    });
    const stop = (): void => {
      follow.stop();
      resolve();
    };
    if (until.aborted) stop();
    else until.addEventListener("abort", stop, { once: true });
  });
}

function shownRecord({ position, record }: LogEntry): ShownRecord {
  const opened = open(record);
  if (opened.kind !== "record") {
    const why = opened.kind === "void" ? `void: ${opened.why}` : `damaged: ${opened.why}`;
    return { position, writtenMs: undefined, writer: "", epoch: undefined, operations: why };
  }
  const { wallMs, writer, epoch, operations } = opened.record;
  return { position, writtenMs: wallMs, writer, epoch, operations: operationsText(operations) };
}

/** Kinds with what they are about: AgentAdmitted a1, WeightSet ops. */
function operationsText(operations: LogRecord["operations"]): string {
  return operations
    .map((operation) => {
      const { agentId, frameworkId, role, masterId } = operation as Partial<Record<string, string>>;
      const about = agentId ?? frameworkId ?? role ?? masterId;
      return about === undefined ? operation.kind : `${operation.kind} ${about}`;
    })
    .join(", ");
}

export interface Verified {
  readonly where: string;
  readonly first: number;
  readonly last: number;
  readonly records: number;
  readonly voids: number;
  /** What each master of the data directory has seen, and whether the log agrees. */
  readonly witnesses: readonly { readonly master: string; readonly says: string }[];
  /** All that is wrong; empty where nothing is. */
  readonly faults: readonly string[];
}

/** Judges every record by the one before, and the whole by what masters have seen. */
export async function logVerify(config: Config, dataOfContext?: string): Promise<Verified> {
  return await withLog(config, dataOfContext, async ({ log, where, root }) => {
    const found = await witnessesIn(root);
    const hashes = new Map<number, string>();
    for (const { witness } of found)
      if (typeof witness === "object") hashes.set(witness.position, "");
    const whole = await readWholeLog(log, ({ position, record }) => {
      if (!hashes.has(position)) return;
      const opened = open(record);
      if (opened.kind === "record") hashes.set(position, opened.hash);
    });
    const { follower, first, records, fault } = whole;
    const faults = fault === undefined ? [] : [fault];
    const witnesses = found.map(({ master, witness }) => {
      if (witness === "in-use") return { master, says: "runs, and looks itself" };
      if (witness === "damaged") {
        faults.push(`${master}: its witness is damaged`);
        return { master, says: "damaged" };
      }
      const hash = hashes.get(witness.position) || undefined;
      const why = witnessFault(witness, follower.head, hash)?.why;
      if (why !== undefined) faults.push(`${master}: ${why}`);
      return { master, says: why ?? saysOf(witness) };
    });
    const voids = [...follower.voids.values()].reduce((sum, count) => sum + count, 0);
    const { position: last } = follower.head;
    return { where, first: records === 0 ? 0 : first, last, records, voids, witnesses, faults };
  });
}

function saysOf({ generation, position }: Witness): string {
  return `has seen position ${position} of generation ${generation}, as it is`;
}

export interface Saved {
  readonly file: string;
  readonly logId: string;
  readonly generation: number;
  readonly position: number;
  readonly agents: number;
  readonly frameworks: number;
}

/** Writes what the log holds now into a file. @throws Error where the log is not whole. */
export async function saveSnapshot(
  config: Config,
  dataOfContext: string | undefined,
  file: string,
): Promise<Saved> {
  return await withLog(config, dataOfContext, async ({ log, where }) => {
    const { follower, last, fault } = await readWholeLog(log);
    if (fault !== undefined) throw new Error(`${where} is not whole: ${fault}`);
    const { head, registry } = follower;
    if (last === undefined || head.logId === undefined) throw new Error(`${where} is empty`);
    await writeSnapshotFile(file, follower, { wallMs: last.wallMs, savedMs: Date.now() });
    const { logId, generation, validPosition: position } = head;
    const { agents, frameworks } = registry;
    return {
      file,
      logId,
      generation,
      position,
      agents: agents.size,
      frameworks: frameworks.size,
    };
  });
}

async function withLog<T>(
  config: Config,
  dataOfContext: string | undefined,
  use: (access: LogAccess) => Promise<T>,
): Promise<T> {
  const access = await openLogAccess(config, dataOfContext);
  try {
    return await use(access);
  } finally {
    await access.close();
  }
}
