/**
 * The replicated log as an operator's tool reaches it: by the master's own credential over the
 * broker, or in the files of a cluster that is stopped. No master need run, and none is disturbed.
 */
import { existsSync } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join, resolve } from "node:path";
import { inboxOf } from "#access";
import {
  entryOf,
  type JetStreamLogOptions,
  LockHeld,
  logStreamOf,
  natsBus,
  openFilesDisk,
  openJetStreamLog,
  openSegmentLog,
  readCredentialFile,
  readLogOwner,
  removeJetStreamLog,
  systemClock,
  systemRandom,
} from "#adapters";
import type { Config } from "#config";
import { encodeNobody, MASTER_PEER, type Subjects, subjectsOf } from "#protocol";
import { Follower, type LogRecord, open, type Witness } from "#replication";
import type { Log, LogEntry, ReadOutcome, RequestOutcome } from "#runtime";
import { WITNESS_FILE, parseWitness } from "#actors/master";
import { dataDirOf } from "./data-dir.ts";
import { clusterOf } from "./role-processes.ts";

const ENTRIES_PER_READ = 512;
/** A read that fails is asked again: a broker may be electing its leader. */
const READ_TRIES_MAX = 10;
const RETRY_MS = 500;
/** Somebody who leads is heard by silence: it answers operators only. */
const ASK_MS_MAX = 1_000;
const DIAL_RETRY_MS = 20;

export interface LogAccess {
  readonly log: Log;
  /** Where the log is, for people. */
  readonly where: string;
  /** The data directory whose masters' witnesses are looked at. */
  readonly root: string;
  /** Takes the log away, or aside, so that another can begin in its place; closes it first. */
  remove(): Promise<void>;
  /** false while a master leads by this log. */
  isFree(): Promise<boolean>;
  close(): Promise<void>;
}

/** @throws Error in one sentence: no log there, in use, not reachable, not fit to hold a log. */
export async function openLogAccess(
  config: Config,
  dataOfContext: string | undefined,
  create = false,
): Promise<LogAccess> {
  const cluster = clusterOf(config);
  const root = dataDirOf(config.text("data") ?? dataOfContext, cluster, process.env);
  const named = config.text("credential");
  const path = named === undefined ? join(root, "credentials", "master.creds") : resolve(named);
  const dir = join(root, "master", "log");
  if (named === undefined && (await readLogOwner(dir))?.adapter === "segment") {
    return await openFiles(dir, root, cluster);
  }
  if (!existsSync(path)) {
    throw new Error(
      `${root} holds no log of a cluster; name its directory with --data, or a master's ` +
        "credential with --credential",
    );
  }
  return await openStream(config, path, root, create);
}

async function openFiles(dir: string, root: string, cluster: string): Promise<LogAccess> {
  try {
    const log = await openSegmentLog({
      dir,
      owner: { logId: cluster, generation: 0 },
      clock: systemClock(),
      warn: (sentence) => process.stderr.write(`${sentence}\n`),
    });
    return {
      log,
      where: dir,
      root,
      // Its lock is held here, so nobody else writes it.
      isFree: () => Promise.resolve(true),
      async remove() {
        await closed(log);
        await rename(dir, `${dir}.before-${Date.now()}`);
      },
      close: () => closed(log),
    };
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    throw new Error(`${dir} is in use by the cluster that runs from it; stop it with meseta down`);
  }
}

async function openStream(
  config: Config,
  path: string,
  root: string,
  create: boolean,
): Promise<LogAccess> {
  const file = readCredentialFile(path);
  const { identity, credential } = entryOf(file, "master");
  const servers = config.text("nats")?.split(",") ?? file.servers;
  const replicas = Number(config.need("log-replicas"));
  const stream = logStreamOf(file.cluster, subjectsOf(file.cluster).log, replicas);
  const options: JetStreamLogOptions = {
    servers,
    credential: () => credential,
    inbox: inboxOf(identity),
    name: "meseta log",
    clock: systemClock(),
    nonce: systemRandom().token(8),
    stream: { ...stream, existing: !create },
  };
  const log = await openJetStreamLog(options);
  return {
    log,
    where: `stream ${stream.name} at ${servers.join(", ")}`,
    root,
    isFree: () => nobodyLeads(options, subjectsOf(file.cluster)),
    async remove() {
      await closed(log);
      await removeJetStreamLog(options);
    },
    close: () => closed(log),
  };
}

/** The broker's own word: nobody listens where a leader does. */
async function nobodyLeads(options: JetStreamLogOptions, subjects: Subjects): Promise<boolean> {
  const bus = natsBus({ ...options, nonce: systemRandom().token(8) });
  try {
    const endMs = performance.now() + ASK_MS_MAX;
    for (;;) {
      const outcome = await new Promise<RequestOutcome>((resolve) =>
        bus.request(subjects.toMaster(MASTER_PEER), encodeNobody(0), ASK_MS_MAX, resolve),
      );
      if (outcome.kind === "no-responders") return true;
      if (outcome.kind !== "disconnected" || performance.now() > endMs) return false;
      await pause(DIAL_RETRY_MS);
    }
  } finally {
    await new Promise<void>((resolve) => bus.close(resolve));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function closed(log: Log): Promise<void> {
  return new Promise((resolve) => log.close(resolve));
}

/** What one reading of the log from its beginning has shown. */
export interface WholeLog {
  readonly follower: Follower;
  readonly first: number;
  readonly records: number;
  readonly bytes: number;
  /** The last valid record. */
  readonly last: LogRecord | undefined;
  /** Why the log cannot be trusted, where it cannot. */
  readonly fault: string | undefined;
}

/**
 * Reads everything there is and judges it as a master would.
 * @param onEntry told of each entry, void ones too.
 */
export async function readWholeLog(
  log: Log,
  onEntry: (entry: LogEntry) => void = () => undefined,
  witness?: Witness,
): Promise<WholeLog> {
  const follower = new Follower(witness?.position);
  let first = 1;
  let records = 0;
  let bytes = 0;
  let last: LogRecord | undefined;
  let fault: string | undefined;
  for (;;) {
    const outcome = await readSurely(log, follower.next);
    if (outcome.entries.length === 0) {
      if (outcome.first <= follower.next || outcome.first === first) break;
      first = outcome.first;
      follower.restart(first);
      continue;
    }
    for (const entry of outcome.entries) {
      onEntry(entry);
      records += 1;
      bytes += entry.record.length;
      const opened = open(entry.record);
      if (opened.kind === "record") last = opened.record;
    }
    const fed = follower.feed(outcome.entries);
    if (fed.kind === "stop") {
      fault = fed.why;
      break;
    }
  }
  return { follower, first, records, bytes, last, fault: fault ?? follower.fault };
}

async function readSurely(log: Log, from: number): Promise<Extract<ReadOutcome, { kind: "read" }>> {
  for (let tries = 1; ; tries += 1) {
    const outcome = await new Promise<ReadOutcome>((resolve) =>
      log.read(from, ENTRIES_PER_READ, resolve),
    );
    if (outcome.kind === "read") return outcome;
    if (tries === READ_TRIES_MAX) throw new Error(`the log cannot be read: ${outcome.why}`);
    await pause(RETRY_MS);
  }
}

/** What the masters of a data directory have seen of the log; those in use are passed over. */
export async function witnessesIn(
  root: string,
): Promise<{ readonly master: string; readonly witness: Witness | "damaged" | "in-use" }[]> {
  const names = existsSync(root) ? await readdir(root) : [];
  const found = [];
  for (const master of names.filter((name) => /^master(-|$)/.test(name)).sort()) {
    const dir = join(root, master, "disk");
    if (!existsSync(dir)) continue;
    const bytes = await fileIn(dir);
    if (bytes === "in-use") found.push({ master, witness: bytes });
    else if (bytes !== undefined) {
      found.push({ master, witness: parseWitness(bytes) ?? ("damaged" as const) });
    }
  }
  return found;
}

/** The witness's bytes as the master's own disk has them; its process may hold the disk now. */
async function fileIn(dir: string): Promise<Uint8Array | "in-use" | undefined> {
  try {
    const disk = await openFilesDisk({ root: dir, clock: systemClock() });
    const bytes = await new Promise<Uint8Array | undefined>((resolve, reject) => {
      disk.read(WITNESS_FILE, (outcome) => {
        if (outcome.kind === "failed") reject(new Error(outcome.why));
        else resolve(outcome.kind === "read" ? outcome.bytes : undefined);
      });
    });
    await new Promise<void>((resolve) => disk.close(resolve));
    return bytes;
  } catch (error) {
    if (error instanceof LockHeld) return "in-use";
    throw error;
  }
}
