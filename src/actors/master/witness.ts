/**
 * What this master's disk knows of the log: its name, its generation, and the last record seen
 * with its hash. A log that ends before that, or differs from it, is not led (P-7.4). Read before
 * the log is; written now and then while standing by and while leading.
 */
import { decodeValue, encodePlain } from "#protocol";
import { sha256, toHex, type Witness, witnessOf } from "#replication";
import type { DoneInput } from "#runtime";
import { note, refuse, type Turn } from "./state.ts";

/** The file on the master's disk. */
export const WITNESS_FILE = "witness";
/** How old a witness may be while the log goes on. */
export const WITNESS_INTERVAL_MS = 5_000;
const READ = "witness-read";
const WRITE = "witness-write";

/** Whether the disk is asked first what it has seen; the answer goes to `witnessRead`. */
export function readWitness({ state, out }: Turn): boolean {
  if (!state.hasDisk || state.witnessKnown) return false;
  out.push({ kind: "disk-read", token: READ, path: WITNESS_FILE });
  return true;
}

/** The disk's answer; a sentence where it cannot be known what this master has seen. */
export function witnessRead(
  turn: Turn,
  { outcome }: Extract<DoneInput, { what: "disk-read" }>,
): string | undefined {
  const { state } = turn;
  if (outcome.kind === "failed") return `the witness of the log cannot be read: ${outcome.why}`;
  state.witnessKnown = true;
  if (outcome.kind === "absent") return undefined;
  const witness = parseWitness(outcome.bytes);
  if (witness === undefined) {
    // It is evidence of nothing any more; agents' witnesses still are. The next one is whole.
    refuse(turn, "invalid", "witness-damaged");
    note(turn, "warn", "this master's witness of the log is damaged; it is written anew");
    return undefined;
  }
  state.witness = witness;
  state.follower.witnessPosition = witness.position;
  return undefined;
}

/** Writes what is known of the log now, unless that was done a moment ago. */
export function keepWitness(turn: Turn): void {
  const { state, env, out } = turn;
  if (!state.hasDisk || !state.witnessKnown || state.witnessWriting !== undefined) return;
  if (env.nowMs - state.witnessWrittenMs < WITNESS_INTERVAL_MS) return;
  const witness = witnessOf(state.head);
  const known = state.witnessWritten ?? state.witness;
  if (witness === undefined || !isNewer(witness, known)) return;
  state.witnessWriting = witness;
  state.witnessWrittenMs = env.nowMs;
  const bytes = witnessBytes(witness);
  out.push({ kind: "write", token: WRITE, mode: "replace", path: WITNESS_FILE, bytes });
}

/** A log that went backwards has been refused before; one that is being read is shorter still. */
function isNewer(witness: Witness, known: Witness | undefined): boolean {
  if (known === undefined || witness.generation > known.generation) return true;
  return witness.logId === known.logId && witness.position > known.position;
}

export function witnessWritten(
  turn: Turn,
  { outcome }: Extract<DoneInput, { what: "write" }>,
): void {
  const { state } = turn;
  if (outcome.kind === "done") state.witnessWritten = state.witnessWriting;
  else note(turn, "warn", "the witness of the log could not be written", { why: outcome.kind });
  state.witnessWriting = undefined;
}

/** The hash of what follows, then a CBOR map. */
function witnessBytes(witness: Witness): Uint8Array {
  const body = encodePlain({ v: 1, ...witness });
  const digest = sha256(body);
  const bytes = new Uint8Array(digest.length + body.length);
  bytes.set(digest);
  bytes.set(body, digest.length);
  return bytes;
}

/** The witness that a file holds; undefined where it is damaged. */
export function parseWitness(bytes: Uint8Array): Witness | undefined {
  const length = 32;
  const body = bytes.subarray(length);
  if (toHex(sha256(body)) !== toHex(bytes.subarray(0, length))) return undefined;
  const decoded = decodeValue(body);
  if (decoded.fault !== undefined) return undefined;
  const { logId, generation, position, hash } = decoded.value as Partial<Witness>;
  const fits =
    typeof logId === "string" &&
    typeof generation === "number" &&
    typeof position === "number" &&
    typeof hash === "string";
  return fits ? { logId, generation, position, hash } : undefined;
}
