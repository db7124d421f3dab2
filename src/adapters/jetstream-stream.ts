/**
 * The stream that holds the log: made once, read back each time, refused when anything in its
 * configuration could lose a record in silence (P-7.6). It changes no existing stream.
 */
import {
  DiscardPolicy,
  ErrorCode,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import type { ClusterId } from "#protocol";

/** Below this the log is not safe: earlier ones sync the group log late or lose streams whole. */
export const SERVER_VERSION_MIN = "2.10.23";
const STREAM_NOT_FOUND = 10_059;
const TOO_FEW_PEERS = 10_005;
/** Too few members are there yet, the cluster has no leader, JetStream is not there yet. */
const PASSING: ReadonlySet<number> = new Set([10_004, TOO_FEW_PEERS, 10_008, 10_009]);
const ASK_TIMEOUT_MS = 2_000;
const READY_RETRY_MS = 250;
const READY_MS_MAX = 60_000;
const HEADERS_BYTES = 1_024;

export interface StreamWanted {
  readonly name: string;
  readonly subject: string;
  /** Copies on different servers: 1, 3 or 5. */
  readonly replicas: number;
  /** It must be there: for tools that look, and make nothing. */
  readonly existing?: boolean;
}

/** The stream of a cluster's log. */
export function logStreamOf(cluster: ClusterId, subject: string, replicas: number): StreamWanted {
  return { name: `meseta-${cluster}-log`, subject, replicas };
}

/** This stream or this server would not keep what it acknowledges. */
export class StreamRefused extends Error {
  override readonly name = "StreamRefused";
}

/** @throws StreamRefused with one sentence for each fault. */
export async function openStream(link: NatsConnection, wanted: StreamWanted): Promise<void> {
  const version = link.info?.version ?? "";
  if (!isAtLeast(version, SERVER_VERSION_MIN)) {
    throw new StreamRefused(
      `the NATS server is version ${version}, the log needs at least ${SERVER_VERSION_MIN}`,
    );
  }
  const config = await whenReady(async () => {
    const manager = await link.jetstreamManager({ timeout: ASK_TIMEOUT_MS });
    const found = await read(manager, wanted);
    if (found !== undefined) return found;
    if (wanted.existing === true) {
      throw new StreamRefused(`there is no stream ${wanted.name}: no master has led here yet`);
    }
    return await make(manager, wanted);
  }, wanted);
  const faults = streamFaults(config, wanted);
  if (faults.length > 0) {
    throw new StreamRefused(
      `stream ${wanted.name} cannot hold the log: ${faults.join("; ")}; mend or remove it`,
    );
  }
}

/** Brokers that have just started elect a leader among them first, which takes seconds. */
async function whenReady<T>(ask: () => Promise<T>, wanted: StreamWanted): Promise<T> {
  const endMs = performance.now() + READY_MS_MAX;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (performance.now() > endMs) throw notReady(error as NatsError, wanted);
      await new Promise((resolve) => setTimeout(resolve, READY_RETRY_MS));
    }
  }
}

function notReady(error: NatsError, { name, replicas }: StreamWanted): Error {
  const isShort = error.api_error?.err_code === TOO_FEW_PEERS;
  // Seen with 2.10: one that voted while another was elected is left out until it starts anew.
  const mend = isShort
    ? `${replicas} brokers that know each other are needed; start the one anew that is left out`
    : "are its brokers running, and a majority of them?";
  return new Error(
    `stream ${name} cannot be had within ${READY_MS_MAX / 1_000} s: ${error.message}; ${mend}`,
  );
}

/** Whether the same question may be answered a moment later. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  if (error.code === ErrorCode.Timeout || error.code === ErrorCode.NoResponders) return true;
  return PASSING.has(error.api_error?.err_code ?? 0);
}

async function read(manager: JetStreamManager, wanted: StreamWanted) {
  try {
    return (await manager.streams.info(wanted.name)).config;
  } catch (error) {
    const code = error instanceof NatsError ? error.api_error?.err_code : undefined;
    if (code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

async function make(manager: JetStreamManager, wanted: StreamWanted) {
  await manager.streams.add({
    name: wanted.name,
    subjects: [wanted.subject],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: wanted.replicas,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    allow_rollup_hdrs: false,
    deny_delete: true,
    deny_purge: false,
    // Records carry their own ids; the shortest window that the server takes keeps no table.
    duplicate_window: 100_000_000,
  });
  // An older server drops options that it does not know without a word: what counts is read back.
  return (await manager.streams.info(wanted.name)).config;
}

/** Fields that newer servers know and the client's types do not. */
type LaterConfig = {
  readonly allow_msg_ttl?: boolean;
  readonly persist_mode?: string;
  readonly subject_delete_marker_ttl?: number;
};

/** Takes the stream away, with all that it holds. */
export async function removeStream(link: NatsConnection, name: string): Promise<void> {
  const manager = await link.jetstreamManager({ timeout: ASK_TIMEOUT_MS });
  await manager.streams.delete(name);
}

/** Why records could vanish, change or not be on as many disks as promised. Pure. */
export function streamFaults(config: StreamConfig & LaterConfig, wanted: StreamWanted): string[] {
  const faults: string[] = [];
  const refuse = (fault: boolean, sentence: string): void => {
    if (fault) faults.push(sentence);
  };
  const limited = (limit: number | undefined): boolean => limit !== undefined && limit > 0;
  refuse(config.subjects?.join() !== wanted.subject, `subjects: must be ${wanted.subject} alone`);
  refuse(config.storage !== StorageType.File, "storage: must be file");
  refuse(config.retention !== RetentionPolicy.Limits, "retention: must be limits");
  refuse(config.discard !== DiscardPolicy.New, "discard: must be new, else old records go");
  refuse(config.num_replicas < wanted.replicas, `replicas: fewer than ${wanted.replicas}`);
  refuse(limited(config.max_msgs), "max_msgs: must not be set");
  refuse(limited(config.max_bytes), "max_bytes: must not be set");
  refuse(limited(config.max_age), "max_age: must not be set");
  refuse(limited(config.max_msgs_per_subject), "max_msgs_per_subject: must not be set");
  refuse(
    limited(config.max_msg_size) && config.max_msg_size < 512 * 1024 + HEADERS_BYTES,
    "max_msg_size: below the size of a record",
  );
  refuse(config.mirror !== undefined, "mirror: the log is no copy");
  refuse((config.sources?.length ?? 0) > 0, "sources: the log is no copy");
  refuse(config.subject_transform !== undefined, "subject_transform: must not be set");
  refuse(config.allow_rollup_hdrs === true, "allow_rollup_hdrs: one message could replace all");
  refuse(config.no_ack === true, "no_ack: appends must be answered");
  refuse(config.sealed === true, "sealed: nothing can be appended");
  refuse(config.allow_msg_ttl === true, "allow_msg_ttl: records must not expire");
  refuse(config.persist_mode === "async", "persist_mode: must not be async");
  return faults;
}

function isAtLeast(version: string, min: string): boolean {
  const numbers = (text: string): number[] => (text.split("-")[0] ?? "").split(".").map(Number);
  const given = numbers(version);
  for (const [index, want] of numbers(min).entries()) {
    const have = given[index] ?? 0;
    if (have !== want) return have > want;
  }
  return true;
}
