/**
 * Another master, as far as the log goes: follows it and writes that it leads, at the expected
 * end, by the code of masters. It says nothing on the bus, so whoever led finds out by the log.
 */
import { join } from "node:path";
import { inboxOf } from "#access";
import { entryOf, logStreamOf, openJetStreamLog, readCredentialFile, systemClock } from "#adapters";
import { asId, epochOf, type MasterId, subjectsOf } from "#protocol";
import { Follower, Writer } from "#replication";
import type { AppendOutcome, Log, ReadOutcome } from "#runtime";
import { untilAnswer } from "../support/answers.ts";
import type { Cluster } from "../support/cluster.ts";

const ENTRIES_MAX = 512;
const TRIES_MAX = 20;

function read(log: Log, from: number): Promise<ReadOutcome> {
  return new Promise((resolve) => log.read(from, ENTRIES_MAX, resolve));
}

function append(log: Log, expected: number, record: Uint8Array): Promise<AppendOutcome> {
  return new Promise((resolve) => log.append(expected, record, resolve));
}

async function caughtUp(log: Log, follower: Follower): Promise<void> {
  for (;;) {
    const outcome = await read(log, follower.head.position + 1);
    if (outcome.kind === "failed") throw new Error(`the rival cannot read: ${outcome.why}`);
    if (outcome.entries.length === 0) return;
    const fed = follower.feed(outcome.entries);
    if (fed.kind === "stop") throw new Error(`the rival does not trust the log: ${fed.why}`);
  }
}

/** One election record of the rival at the end of what it has read. */
function electionOf(follower: Follower, nonce: string) {
  const { head } = follower;
  const masterId = asId<MasterId>("rival");
  const epoch = epochOf(head.generation, head.position + 1);
  const writer = new Writer({ writer: masterId, nonce, epoch, head });
  writer.propose({ kind: "LeaderElected", masterId });
  const [command] = writer.flush({ nowMs: 0, wallMs: Date.now(), clusterTimeMs: 0 });
  if (command?.kind !== "append") throw new Error("the rival has nothing to append");
  return command;
}

/** The log by the master's own credential; a broker that has just started is waited for. */
async function opened(cluster: Cluster): Promise<Log> {
  const file = readCredentialFile(join(cluster.bench.data, "credentials", "master.creds"));
  const { identity, credential } = entryOf(file, "master");
  const options = {
    servers: file.servers,
    credential: () => credential,
    inbox: inboxOf(identity),
    name: "rival",
    clock: systemClock(),
    nonce: "rival",
    stream: logStreamOf(file.cluster, subjectsOf(file.cluster).log, 1),
  };
  const log = await untilAnswer(
    () => openJetStreamLog(options).catch((error: Error) => error),
    (answer) => !(answer instanceof Error),
    "the rival reaches the log",
  );
  if (log instanceof Error) throw log;
  return log;
}

/** Returns the position of the record by which the leader is replaced. */
export async function usurp(cluster: Cluster): Promise<number> {
  const log = await opened(cluster);
  try {
    const follower = new Follower();
    for (let tried = 0; tried < TRIES_MAX; tried++) {
      await caughtUp(log, follower);
      const { expected, bytes } = electionOf(follower, `rival${tried}`);
      const outcome = await append(log, expected, bytes);
      if (outcome.kind === "committed") return outcome.position;
    }
    throw new Error(`the rival was not faster than the leader in ${TRIES_MAX} tries`);
  } finally {
    await new Promise<void>((resolve) => log.close(resolve));
  }
}
