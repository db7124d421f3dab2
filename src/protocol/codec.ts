/**
 * Bytes ⇄ bodies of messages: the only place that knows the CBOR library. Owns the check of each
 * kind's schema in both directions; never throws for what a peer sent.
 *
 * Wire form: plain RFC 8949 maps, no tags. Decoded byte strings are copies, so that a message
 * that is kept does not hold the whole frame. Unknown fields are kept. Keys stay texts: a table
 * of integer keys was measured to halve the bytes and to double the time of decoding.
 */
import type { TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { Encoder } from "cbor-x";
import { frameMessage } from "./frame.ts";
import type { MessageId } from "./ids.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { BodyOf } from "./messages.ts";
import type { WireReason } from "./refusals.ts";
import { decodeScanned } from "./plain.ts";
import { scanCbor } from "./scan.ts";

/** `int64AsNumber` is an option of the decoder that its type leaves out. */
const options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  copyBuffers: true,
  int64AsNumber: true,
};
const cbor: Encoder & { encode(value: unknown, mode?: number): Uint8Array } = new Encoder(options);
/**
 * The library writes the next value where this one stands: for what is copied at once. Its types
 * leave the mode out (`RESET_BUFFER_MODE`). Else each message would use up memory of its own.
 */
const OVERWRITTEN_NEXT = 1024;
/**
 * How `undefined` is encoded. No text has such a byte and few numbers do: where none is found, as
 * nearly always, no field was undefined, and the value need not be walked over to know.
 */
const UNDEFINED = 0xf7;

const checks = new Map<Kind, TypeCheck<TSchema>>();

function checkOf(kind: Kind): TypeCheck<TSchema> {
  let check = checks.get(kind);
  if (check === undefined) {
    check = TypeCompiler.Compile(KINDS[kind].schema);
    checks.set(kind, check);
  }
  return check;
}

/** A body that passed, or why it did not. */
export type Decoded<K extends Kind> =
  | { readonly body: BodyOf<K>; readonly reason?: undefined }
  | { readonly body?: undefined; readonly reason: BodyFault };

export type BodyFault = Extract<WireReason, "scan-failed" | "decode-failed" | "schema-failed">;

/** Scans, decodes and checks one body. */
export function decodeBody<K extends Kind>(kind: K, bytes: Uint8Array): Decoded<K> {
  const value = decodePlain(bytes, kind);
  if (typeof value === "string") return { reason: value };
  if (!checkOf(kind).Check(value.plain)) return { reason: "schema-failed" };
  return { body: value.plain as BodyOf<K> };
}

function decodePlain(
  bytes: Uint8Array,
  of: Kind | undefined,
): { plain: unknown } | "scan-failed" | "decode-failed" {
  if (scanCbor(bytes) !== undefined) return "scan-failed";
  try {
    return { plain: decodeScanned(bytes, of) };
  } catch {
    // The scan leaves the decoder nothing to fail on but its own limits: said by the reason.
    return "decode-failed";
  }
}

/**
 * What is wrong with a body that was refused, as a sentence that names the field. Costs tens of
 * microseconds: for the first of its kind and for answers, not for each.
 */
export function explainBody(kind: Kind, bytes: Uint8Array): string {
  const fault = scanCbor(bytes);
  if (fault !== undefined) return `${kind}: its bytes are refused: ${fault}`;
  const value = decodePlain(bytes, kind);
  if (typeof value === "string") return `${kind}: its bytes cannot be decoded`;
  return explainValue(kind, value.plain);
}

function explainValue(kind: Kind, value: unknown): string {
  const first = checkOf(kind).Errors(value).First();
  if (first === undefined) return `${kind}: nothing is wrong with it`;
  const found = typeof first.value === "string" ? quote(first.value) : typeof first.value;
  return `${kind}${first.path}: ${first.message}, found ${found}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/** A message that can be put into a frame, or why it cannot: our own fault, not a peer's. */
export type EncodedMessage =
  | { readonly bytes: Uint8Array; readonly fault?: undefined }
  | {
      readonly bytes?: undefined;
      readonly fault: string;
      readonly reason: Extract<WireReason, "schema-failed" | "too-large">;
    };

/**
 * Checks and encodes one message; a body that its own schema refuses is not said to anybody. What
 * is checked is what the peer will read: fields that are undefined are absent there.
 */
export function encodeMessage<K extends Kind>(
  kind: K,
  ids: { readonly id: MessageId; readonly re: MessageId },
  body: BodyOf<K>,
): EncodedMessage {
  const check = checkOf(kind);
  if (!check.Check(body)) {
    const read = withoutUndefined(body);
    if (read === body || !check.Check(read)) return unfit(kind, read);
  }
  let encoded = cbor.encode(body, OVERWRITTEN_NEXT);
  if (encoded.includes(UNDEFINED)) {
    const read = withoutUndefined(body);
    if (read !== body) {
      if (!check.Check(read)) return unfit(kind, read);
      encoded = cbor.encode(read, OVERWRITTEN_NEXT);
    }
  }
  const bytes = frameMessage(kind, ids, encoded);
  if (bytes !== undefined) return { bytes };
  return { fault: `${kind}: it is larger than any frame`, reason: "too-large" };
}

function unfit(kind: Kind, body: unknown): EncodedMessage {
  return { fault: explainValue(kind, body), reason: "schema-failed" };
}

/** Plain data as CBOR, for what is no message: records of the log, checkpoints. */
export function encodePlain(value: unknown): Uint8Array {
  const encoded: Uint8Array = cbor.encode(value);
  return encoded.includes(UNDEFINED) ? cbor.encode(withoutUndefined(value)) : encoded;
}

/**
 * What `encodePlain` wrote; a reason where the bytes are none of ours.
 * @param of the kind whose body it is, where it is one: bodies of a kind are expected again.
 */
export function decodeValue(
  bytes: Uint8Array,
  of?: Kind,
): { readonly value: unknown; readonly fault?: undefined } | { readonly fault: BodyFault } {
  const decoded = decodePlain(bytes, of);
  return typeof decoded === "string" ? { fault: decoded } : { value: decoded.plain };
}

/** A field that is undefined is absent: readers know no third thing. Copies only where needed. */
function withoutUndefined(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      const clean = withoutUndefined(item);
      if (clean !== item && copy === undefined) copy = value.slice();
      if (copy !== undefined) copy[i] = clean;
    }
    return copy ?? value;
  }
  const record = value as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const key in record) {
    const item = record[key];
    const clean = withoutUndefined(item);
    if (clean === item && item !== undefined) continue;
    copy ??= { ...record };
    if (clean === undefined) delete copy[key];
    else copy[key] = clean;
  }
  return copy ?? value;
}
