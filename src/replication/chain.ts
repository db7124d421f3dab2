/**
 * Binds records to each other: the bytes of a record begin with our mark and the hash of the
 * rest, and the rest names the hash before it. Judges every position of the log alike for leader,
 * standby, replay and tools: next, void or stop (P-7.4, P-7.5). Never reads or writes a log.
 */
import { decodeValue, type Epoch, encodePlain, epochOf, type Position } from "#protocol";
import { isRecord, type LogRecord, RECORD_VERSION, recordFault } from "./records.ts";
import { DIGEST_BYTES, sha256, toHex } from "./sha256.ts";

/** "MSR1": what our records begin with. Bytes without it are void. */
const MARK = [0x4d, 0x53, 0x52, 0x31] as const;
const HEADER_BYTES = MARK.length + DIGEST_BYTES;

/** Where a reader of the log stands: the last valid record and what it says of the log. */
export interface Head {
  /** Last position seen, void ones included; 0 before the first. */
  readonly position: Position;
  /** Position and chain hash of the last valid record; 0 and empty before the first. */
  readonly validPosition: Position;
  readonly hash: string;
  readonly logId: string | undefined;
  readonly generation: number;
  /** Of the last election; 0 before the first. */
  readonly epoch: Epoch;
}

export const EMPTY_HEAD: Head = {
  position: 0,
  validPosition: 0,
  hash: "",
  logId: undefined,
  generation: 0,
  epoch: 0,
};

/** A record as bytes, with the hash that the next one names. */
export interface Sealed {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

export function seal(record: LogRecord): Sealed {
  const body = encodePlain(record);
  const digest = sha256(body);
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  bytes.set(MARK);
  bytes.set(digest, MARK.length);
  bytes.set(body, HEADER_BYTES);
  return { bytes, hash: toHex(digest) };
}

export type Opened =
  | { readonly kind: "record"; readonly record: LogRecord; readonly hash: string }
  /** Not ours: skipped by all alike. */
  | { readonly kind: "void"; readonly why: VoidReason }
  /** Ours and unreadable: a fault of a disk, or a version that this build does not know. */
  | { readonly kind: "stop"; readonly why: string };

export type VoidReason = "no-mark" | "other-epoch";

/** @param reads newest version of records that the reader understands. */
export function open(bytes: Uint8Array, reads = RECORD_VERSION): Opened {
  if (bytes.length < HEADER_BYTES || !holds(bytes, 0, MARK)) {
    return { kind: "void", why: "no-mark" };
  }
  const body = bytes.subarray(HEADER_BYTES);
  const digest = sha256(body);
  if (!holds(bytes, MARK.length, digest)) {
    return { kind: "stop", why: "its bytes do not match their hash" };
  }
  const hash = toHex(digest);
  const decoded = decodeValue(body);
  if (decoded.fault !== undefined) return { kind: "stop", why: `it is no CBOR: ${decoded.fault}` };
  const record = decoded.value;
  if (isRecord(record) && record.v <= reads) return { kind: "record", record, hash };
  return {
    kind: "stop",
    why: versionFault(record, reads) ?? recordFault(record) ?? "it is no record",
  };
}

/** Whether these bytes stand there. */
function holds(bytes: Uint8Array, at: number, these: ArrayLike<number>): boolean {
  for (let i = 0; i < these.length; i++) if (bytes[at + i] !== these[i]) return false;
  return true;
}

function versionFault(value: unknown, reads: number): string | undefined {
  if (typeof value !== "object" || value === null || !("v" in value)) return undefined;
  const { v } = value;
  if (typeof v !== "number" || v <= reads) return undefined;
  return `it has version ${v}, this build reads up to ${reads}; update this master`;
}

export type Judged =
  | { readonly kind: "next"; readonly record: LogRecord; readonly head: Head }
  | { readonly kind: "void"; readonly why: VoidReason; readonly head: Head }
  | { readonly kind: "stop"; readonly why: string };

/**
 * What the bytes at `position` mean to a reader that stands at `head`.
 * @param reads newest version of records that the reader understands.
 */
export function judge(
  head: Head,
  position: Position,
  bytes: Uint8Array,
  reads = RECORD_VERSION,
): Judged {
  return judgeOpened(head, position, open(bytes, reads));
}

/** The same for bytes that were opened before. */
export function judgeOpened(head: Head, position: Position, opened: Opened): Judged {
  if (position !== head.position + 1) {
    return { kind: "stop", why: `position ${head.position + 1} is missing before ${position}` };
  }
  if (opened.kind === "stop") return { kind: "stop", why: `position ${position}: ${opened.why}` };
  if (opened.kind === "void") {
    return { kind: "void", why: opened.why, head: { ...{}, ...head, position } };
  }
  const { record, hash } = opened;
  const { logId, generation, epoch } = leadAfter(head, position, record);
  if (record.epoch !== epoch) {
    return { kind: "void", why: "other-epoch", head: { ...{}, ...head, position } };
  }
  if (record.previous !== head.hash) {
    return {
      kind: "stop",
      why: `position ${position} follows ${short(record.previous)}, not ${short(head.hash)}`,
    };
  }
  const next = { position, validPosition: position, hash, logId, generation, epoch };
  return { kind: "next", record, head: next };
}

function short(hash: string): string {
  return hash === "" ? "the empty log" : hash.slice(0, 12);
}

/** The head's epoch, generation and name as this record makes them. */
function leadAfter(
  head: Head,
  position: Position,
  record: LogRecord,
): Pick<Head, "logId" | "generation" | "epoch"> {
  let { logId, generation, epoch } = head;
  for (const operation of record.operations) {
    if (operation.kind === "LogCreated" && operation.generation >= generation) {
      logId = operation.logId;
      generation = operation.generation;
    }
    if (operation.kind === "LeaderElected") epoch = epochOf(generation, position);
  }
  return { logId, generation, epoch };
}

/** What a master or an agent keeps of the log it last saw (P-7.4). */
export interface Witness {
  readonly logId: string;
  readonly generation: number;
  readonly position: Position;
  readonly hash: string;
}

/** The witness of a head; undefined before the log has a name. */
export function witnessOf(head: Head): Witness | undefined {
  if (head.logId === undefined) return undefined;
  const { logId, generation, validPosition, hash } = head;
  return { logId, generation, position: validPosition, hash };
}

/** Why a log is not the one that a witness saw. */
export interface WitnessFault {
  readonly why: string;
  /** It is that log, but an older or another state of it: perhaps another copy has the right one. */
  readonly wentBackwards: boolean;
}

/**
 * Why a log that ends at `head` is not the one a witness saw; undefined when it may be.
 * @param hashAt hash of the valid record at the witness' position, undefined where there is none.
 */
export function witnessFault(
  witness: Witness,
  head: Head,
  hashAt: string | undefined,
): WitnessFault | undefined {
  if (head.logId !== witness.logId) {
    const why = `the log is ${head.logId ?? "empty"}, this master's was ${witness.logId}`;
    return { why, wentBackwards: head.logId === undefined };
  }
  if (head.generation > witness.generation) return undefined;
  if (head.generation < witness.generation || head.validPosition < witness.position) {
    const why = `log went backwards: it ends at ${head.validPosition}, seen was ${witness.position}`;
    return { why, wentBackwards: true };
  }
  if (hashAt !== undefined && hashAt !== witness.hash) {
    const why = `log went backwards: position ${witness.position} is not the record that was seen`;
    return { why, wentBackwards: true };
  }
  return undefined;
}
