/**
 * Frames, `[v, epoch, session, number, ack, window, [[kind, id, re, body], …]]` (P-2.1): written
 * by putting encoded bodies together, read without decoding one. Owns the form and its limits;
 * knows nothing of sessions. Number 0 marks a frame outside the numbering: the system lane
 * (Hello, Come, Probe, Heartbeat, Closed), bare acknowledgements, and, with an empty session,
 * beacons, events, calls of operators and their answers.
 */
import type { Epoch, MessageId } from "./ids.ts";
import { isKind, KINDS, type Kind } from "./kinds.ts";
import { PROTOCOL_VERSION } from "./messages/leader.ts";
import type { WireReason } from "./refusals.ts";
import { ARRAY, BYTES, headLength, TEXT, UNSIGNED, writer } from "./write.ts";

/** Largest frame in bytes. */
export const FRAME_BYTES_MAX = 256 * 1024;
/** Most messages in one frame. */
export const FRAME_MESSAGES_MAX = 512;
/** Longest session name in bytes. */
export const SESSION_LENGTH_MAX = 64;
/** Room that a frame keeps for its header. */
export const FRAME_HEADER_BYTES_MAX = 128;
/** Largest encoded message that fits into a frame alone. */
export const MESSAGE_BYTES_MAX = FRAME_BYTES_MAX - FRAME_HEADER_BYTES_MAX;

export interface FrameHeader {
  readonly epoch: Epoch;
  readonly session: string;
  readonly number: number;
  readonly ack: number;
  /** How many messages of this session the sender of the frame takes, counted from its start. */
  readonly window: number;
}

/** `[kind` of each kind, as every message of it begins. */
const openings = new Map<Kind, Uint8Array>();

function openingOf(kind: Kind): Uint8Array {
  let opening = openings.get(kind);
  if (opening === undefined) {
    writer.head(ARRAY, 4);
    writer.ascii(kind);
    opening = writer.take().slice();
    openings.set(kind, opening);
  }
  return opening;
}

/** One message around its body, ready for a frame; undefined when it is larger than any. */
export function frameMessage(
  kind: Kind,
  { id, re }: { readonly id: MessageId; readonly re: MessageId },
  body: Uint8Array,
): Uint8Array | undefined {
  const opening = openingOf(kind);
  const heads = headLength(id) + headLength(re) + headLength(body.length);
  if (opening.length + heads + body.length > MESSAGE_BYTES_MAX) return undefined;
  writer.raw(opening);
  writer.head(UNSIGNED, id);
  writer.head(UNSIGNED, re);
  writer.head(BYTES, body.length);
  writer.raw(body);
  return writer.take();
}

/** How many of the messages from `from` on make the next frame; at least one where there is one. */
export function fitting(messages: readonly Uint8Array[], from: number): number {
  let bytes = 0;
  let to = from;
  while (to < messages.length && to - from < FRAME_MESSAGES_MAX) {
    bytes += (messages[to] as Uint8Array).length;
    if (bytes > MESSAGE_BYTES_MAX) break;
    to++;
  }
  return to - from;
}

/** A frame of `count` messages from `from` on, which must fit (`fitting`). */
export function encodeFrame(
  header: FrameHeader,
  messages: readonly Uint8Array[] = [],
  { from, count }: { readonly from: number; readonly count: number } = {
    from: 0,
    count: messages.length,
  },
): Uint8Array {
  let bytes = FRAME_HEADER_BYTES_MAX;
  for (let i = from; i < from + count; i++) bytes += (messages[i] as Uint8Array).length;
  writer.expect(bytes);
  writer.head(ARRAY, 7);
  writer.head(UNSIGNED, PROTOCOL_VERSION);
  writer.head(UNSIGNED, header.epoch);
  writer.ascii(header.session);
  writer.head(UNSIGNED, header.number);
  writer.head(UNSIGNED, header.ack);
  writer.head(UNSIGNED, header.window);
  writer.head(ARRAY, count);
  for (let i = from; i < from + count; i++) writer.raw(messages[i] as Uint8Array);
  return writer.take();
}

/** Kinds by the hash of their bytes, so that reading one makes no text. */
const kindsByHash = new Map<number, Kind>();
for (const kind of Object.keys(KINDS)) {
  if (isKind(kind)) kindsByHash.set(hashOf(kind), kind);
}

function hashOf(kind: string): number {
  let hash = kind.length;
  for (let i = 0; i < kind.length; i++) hash = (Math.imul(hash, 31) + kind.charCodeAt(i)) | 0;
  return hash;
}

/** Where each message of the frame in hand lies: kind start, kind length, body start, end. */
const SPAN = 4;
/** Sessions whose texts are kept at first and at most; powers of two. */
const SESSIONS_KNOWN_MIN = 1_024;
const SESSIONS_KNOWN_MAX = 65_536;
/** Sessions read lately, by their bytes: making a text costs more than reading the frame. */
let knownSessions = new Array<string>(SESSIONS_KNOWN_MIN).fill("");
/** Texts made since there is room for so many: who has many peers soon has room for all. */
let sessionsMade = 0;

function makeSessionsRoom(): void {
  if (knownSessions.length === SESSIONS_KNOWN_MAX) return;
  sessionsMade += 1;
  if (sessionsMade < knownSessions.length * 4) return;
  sessionsMade = 0;
  knownSessions = new Array<string>(knownSessions.length * 4).fill("");
}
const NOTHING = new Uint8Array(0);
/** Messages that a reader has room for at first; most frames bring fewer. */
const ROOM_AT_FIRST = 8;

/**
 * Reads one frame after another; what it shows belongs to the last one. `open` judges form and
 * header alone, `walk` the list of messages; bodies are only pointed at.
 */
export class FrameReader implements FrameHeader {
  epoch = 0;
  session = "";
  number = 0;
  ack = 0;
  window = 0;
  /** Number of messages the frame says it has. */
  count = 0;
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #value = 0;
  #room = ROOM_AT_FIRST;
  #spans = new Int32Array(ROOM_AT_FIRST * SPAN);
  #ids = new Float64Array(ROOM_AT_FIRST * 2);

  /** Why the bytes are no frame of ours; undefined when the header stands. */
  open(bytes: Uint8Array): WireReason | undefined {
    if (bytes.length > FRAME_BYTES_MAX) return "too-large";
    this.#bytes = bytes;
    this.#at = 0;
    if (!this.#head(ARRAY)) return "decode-failed";
    const fields = this.#value;
    if (!this.#head(0)) return "decode-failed";
    if (this.#value !== PROTOCOL_VERSION) return "unknown-version";
    if (fields !== 7 || !this.#head(0)) return "decode-failed";
    this.epoch = this.#value;
    if (!this.#head(TEXT) || this.#value > SESSION_LENGTH_MAX) return "decode-failed";
    if (!this.#readSession(this.#value)) return "decode-failed";
    if (!this.#head(0)) return "decode-failed";
    this.number = this.#value;
    if (!this.#head(0)) return "decode-failed";
    this.ack = this.#value;
    if (!this.#head(0)) return "decode-failed";
    this.window = this.#value;
    if (!this.#head(ARRAY)) return "decode-failed";
    if (this.#value > FRAME_MESSAGES_MAX) return "too-large";
    this.count = this.#value;
    if (this.count > this.#room) this.#makeRoom();
    return undefined;
  }

  /** For the largest frame at once: who sends many messages in one will do so again. */
  #makeRoom(): void {
    this.#room = FRAME_MESSAGES_MAX;
    this.#spans = new Int32Array(FRAME_MESSAGES_MAX * SPAN);
    this.#ids = new Float64Array(FRAME_MESSAGES_MAX * 2);
  }

  /** Walks over the messages of the frame that `open` judged. */
  walk(): WireReason | undefined {
    for (let i = 0; i < this.count; i++) {
      if (!this.#head(ARRAY) || this.#value !== 4) return "decode-failed";
      if (!this.#head(TEXT) || !this.#skip(i, 0)) return "decode-failed";
      if (!this.#head(0)) return "decode-failed";
      this.#ids[i * 2] = this.#value;
      if (!this.#head(0)) return "decode-failed";
      this.#ids[i * 2 + 1] = this.#value;
      if (!this.#head(BYTES) || !this.#skip(i, 2)) return "decode-failed";
    }
    return this.#at === this.#bytes.length ? undefined : "decode-failed";
  }

  /** Kind of message `index`; undefined when nobody knows it. */
  kind(index: number): Kind | undefined {
    const start = this.#spans[index * SPAN] as number;
    const end = this.#spans[index * SPAN + 1] as number;
    const length = end - start;
    let hash = length;
    for (let i = start; i < end; i++) {
      hash = (Math.imul(hash, 31) + (this.#bytes[i] as number)) | 0;
    }
    const kind = kindsByHash.get(hash);
    if (kind === undefined || kind.length !== length) return undefined;
    for (let i = 0; i < length; i++) {
      if (kind.charCodeAt(i) !== this.#bytes[start + i]) return undefined;
    }
    return kind;
  }

  id(index: number): MessageId {
    return this.#ids[index * 2] as number;
  }

  re(index: number): MessageId {
    return this.#ids[index * 2 + 1] as number;
  }

  /** Bytes of the body, a view into the frame. */
  body(index: number): Uint8Array {
    const start = this.#spans[index * SPAN + 2] as number;
    return this.#bytes.subarray(start, this.#spans[index * SPAN + 3]);
  }

  #skip(index: number, slot: number): boolean {
    const end = this.#at + this.#value;
    if (end > this.#bytes.length) return false;
    this.#spans[index * SPAN + slot] = this.#at;
    this.#spans[index * SPAN + slot + 1] = end;
    this.#at = end;
    return true;
  }

  #readSession(length: number): boolean {
    const end = this.#at + length;
    if (end > this.#bytes.length) return false;
    let slot = this.#slotOf(length);
    if (!this.#isSession(knownSessions[slot] as string, length)) {
      makeSessionsRoom();
      slot = this.#slotOf(length);
      // All at once: a text that grows by letters stays a tree of them for as long as it lives.
      knownSessions[slot] = String.fromCharCode(...this.#bytes.subarray(this.#at, end));
    }
    this.session = knownSessions[slot] as string;
    this.#at = end;
    return true;
  }

  /** Sessions are random texts: their beginning tells them apart well enough. */
  #slotOf(length: number): number {
    let hash = length;
    const end = this.#at + Math.min(length, 8);
    for (let i = this.#at; i < end; i++) {
      hash = (Math.imul(hash, 31) + (this.#bytes[i] as number)) | 0;
    }
    return hash & (knownSessions.length - 1);
  }

  #isSession(known: string, length: number): boolean {
    if (known.length !== length) return false;
    for (let i = 0; i < length; i++) {
      if (known.charCodeAt(i) !== this.#bytes[this.#at + i]) return false;
    }
    return true;
  }

  /** Reads a head of type `major` into `#value`; false when there is none or it is too large. */
  #head(major: number): boolean {
    const first = this.#bytes[this.#at];
    if (first === undefined || (first & 0xe0) !== major) return false;
    const info = first & 31;
    this.#at++;
    if (info < 24) {
      this.#value = info;
      return true;
    }
    if (info > 27) return false;
    const end = this.#at + (1 << (info - 24));
    if (end > this.#bytes.length) return false;
    let value = 0;
    for (; this.#at < end; this.#at++) value = value * 256 + (this.#bytes[this.#at] as number);
    this.#value = value;
    return value <= Number.MAX_SAFE_INTEGER;
  }
}
