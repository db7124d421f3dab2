/**
 * Keeps secrets out of recordings: values of environments and opaque `data` of tasks, in messages
 * (CBOR, frames within it), in journals and in plain values. Each is replaced by another of the
 * same length. What comes in becomes a pseudonym, the same for the same secret, so that whoever
 * compares or measures decides the same; what goes out is compared with its secrets blanked.
 */
import { frameRecords, readRecords } from "#actors/agent";

/** What this floor must be lent: a keyed digest, and a fast search. */
export interface Secrecy {
  /** At least 16 bytes, not to be guessed without the key, which nobody keeps. */
  mac(secret: Uint8Array): Uint8Array;
  /** Where `part` first occurs in `bytes`; -1: nowhere. */
  find(bytes: Uint8Array, part: Uint8Array): number;
}

const ENVIRONMENT = "environment";
const ENV = "env";
const VALUE = "value";
const DATA = "data";
/** Keys as CBOR writes them, head included. */
const MARKS = [ENVIRONMENT, DATA].map((key) =>
  Uint8Array.from([0x60 + key.length, ...[...key].map((sign) => sign.charCodeAt(0))]),
);
/** Pseudonyms that are remembered, since a secret comes by again and again. */
export const PSEUDONYMS_MAX = 4_096;
const REMEMBERED_BYTES_MAX = 1_024;
const SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BLANK = 0x2a;

/** Writes what takes the place of the secret in `bytes` from `start` to `end`, in place. */
type Replace = (bytes: Uint8Array, start: number, end: number) => void;

/** The same bytes as `bytes` where nothing in them is secret; else a changed copy. */
export class Redactor {
  readonly #replace: Replace;
  readonly #find: Secrecy["find"];

  constructor(replace: Replace, find: Secrecy["find"]) {
    this.#replace = replace;
    this.#find = find;
  }

  /** CBOR, with CBOR in its byte strings. */
  message(bytes: Uint8Array): Uint8Array {
    if (!this.#mayHold(bytes)) return bytes;
    // Not `slice`: of one of Node's buffers that would be the same bytes, and change them.
    const copy = new Uint8Array(bytes);
    new Walk(copy, this.#replace, (part) => this.#mayHold(part)).within(0, copy.length);
    return copy;
  }

  /** A file of the disk: a journal's records, or CBOR. */
  file(bytes: Uint8Array): Uint8Array {
    if (!this.#mayHold(bytes)) return bytes;
    const { payloads, end, at } = readRecords(bytes);
    if (payloads.length === 0 && end !== "whole") return blankAfter(bytes, 0);
    const copy = new Uint8Array(bytes.length);
    copy.set(frameRecords(payloads.map((payload) => this.message(payload))));
    copy.set(blankAfter(bytes, at).subarray(at), at);
    return copy;
  }

  /** Plain data of a port. */
  value(value: unknown, key = ""): unknown {
    if (typeof value === "string") return key === ENV ? this.#text(value) : value;
    if (value instanceof Uint8Array) return this.message(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((one) => this.value(one, key));
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [name, this.value(one, key === ENV ? ENV : name)]),
    );
  }

  #text(text: string): string {
    const bytes = Uint8Array.from(text, (sign) => sign.charCodeAt(0) & 0x7f);
    this.#replace(bytes, 0, bytes.length);
    let replaced = "";
    for (const byte of bytes) replaced += String.fromCharCode(byte);
    return replaced;
  }

  #mayHold(bytes: Uint8Array): boolean {
    return MARKS.some((mark) => this.#find(bytes, mark) >= 0);
  }
}

/** What is no record is not looked into: its head stays, for what it says of the length. */
function blankAfter(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.fill(0, Math.min(bytes.length, at + 8));
  return copy;
}

/** Text becomes other text of the same length in bytes; bytes that matter to JSON stay. */
export function pseudonyms({ mac }: Secrecy): Replace {
  const known = new Map<string, Uint8Array>();
  return (bytes, start, end) => {
    const secret = bytes.subarray(start, end);
    const isShort = secret.length <= REMEMBERED_BYTES_MAX;
    const key = isShort ? String.fromCharCode(...secret) : "";
    let made = isShort ? known.get(key) : undefined;
    if (made === undefined) {
      made = pseudonymOf(secret, mac(secret));
      if (known.size >= PSEUDONYMS_MAX) known.clear();
      if (isShort) known.set(key, made);
    }
    bytes.set(made, start);
  };
}

function pseudonymOf(secret: Uint8Array, mac: Uint8Array): Uint8Array {
  let [a, b, c, d] = [wordOf(mac, 0), wordOf(mac, 4), wordOf(mac, 8), wordOf(mac, 12)];
  const next = (): number => {
    // sfc32: the mac is its seed, so that a long secret needs no second one.
    const sum = (a + b + d++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  return secret.map((byte, at) => {
    const drawn = next();
    if (byte >= 0x80 && byte < 0xc0) {
      const before = secret[at - 1] ?? 0;
      // The byte after these decides whether the text is valid at all.
      return [0xe0, 0xed, 0xf0, 0xf4].includes(before) ? byte : 0x80 | (drawn & 0x3f);
    }
    const stays = byte < 0x20 || byte >= 0x7f || byte === 0x22 || byte === 0x5c;
    return stays ? byte : SIGNS.charCodeAt(drawn & 0x3f);
  });
}

function wordOf(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Every secret of one length is the same. */
export const blanks: Replace = (bytes, start, end) => void bytes.fill(BLANK, start, end);

const nothing: Replace = () => undefined;

/** For what is replayed: its secrets are pseudonyms already. */
export function asItIs({ find }: Pick<Secrecy, "find">): Redactor {
  return new Redactor(nothing, find);
}

const DEPTH_MAX = 40;
/** Whether what stands there is told as it is, is part of an environment, or is a secret. */
type Place = "plain" | "environment" | "secret";

/** One walk over CBOR bytes, which changes them. Where they end to be CBOR the rest is blanked. */
class Walk {
  readonly #bytes: Uint8Array;
  readonly #replace: Replace;
  readonly #mayHold: (bytes: Uint8Array) => boolean;

  constructor(bytes: Uint8Array, replace: Replace, mayHold: (bytes: Uint8Array) => boolean) {
    this.#bytes = bytes;
    this.#replace = replace;
    this.#mayHold = mayHold;
  }

  within(start: number, end: number): void {
    const reached = this.#item(start, end, "plain", 0);
    if (reached < 0) this.#bytes.fill(0, -reached, end);
    else if (reached < end) this.#bytes.fill(0, reached, end);
  }

  /** Where the item ends; less than 0: minus where it stopped to be one. */
  #item(start: number, end: number, place: Place, depth: number): number {
    const bytes = this.#bytes;
    if (start >= end || depth > DEPTH_MAX) return -start;
    const head = bytes[start] as number;
    const major = head >> 5;
    const info = head & 31;
    const width = info < 24 ? 0 : 1 << (info - 24);
    const at = start + 1 + width;
    if (info > 27 || at > end || major === 6) return -Math.min(at, end);
    let value = info;
    if (width > 0) {
      value = 0;
      for (let i = start + 1; i < at; i++) value = value * 256 + (bytes[i] as number);
    }
    if (major < 2 || major === 7) return at;
    if (major < 4) return this.#string(at, value, end, { major, place });
    return this.#items(at, major === 5 ? value * 2 : value, end, { major, place, depth });
  }

  #string(
    at: number,
    length: number,
    end: number,
    { major, place }: { readonly major: number; readonly place: Place },
  ): number {
    const stop = at + length;
    if (stop > end) return -at;
    if (place === "secret") this.#replace(this.#bytes, at, stop);
    else if (major === 2 && this.#isNested(at, stop)) this.within(at, stop);
    return stop;
  }

  #items(
    start: number,
    count: number,
    end: number,
    { major, place, depth }: { major: number; place: Place; depth: number },
  ): number {
    let at = start;
    let key = "";
    for (let i = 0; i < count; i++) {
      const isKey = major === 5 && i % 2 === 0;
      const inner = isKey ? "plain" : this.#placeOf(place, major === 5 ? key : "");
      const next = this.#item(at, end, inner, depth + 1);
      if (next < 0) return next;
      if (isKey) key = this.#keyAt(at, next);
      at = next;
    }
    return at;
  }

  #placeOf(place: Place, key: string): Place {
    if (place === "secret") return place;
    if (key === "") return place;
    if (key === ENVIRONMENT) return "environment";
    if (key === DATA) return "secret";
    return place === "environment" && key === VALUE ? "secret" : place;
  }

  #keyAt(start: number, end: number): string {
    return end - start > ENVIRONMENT.length + 1
      ? ""
      : String.fromCharCode(...this.#bytes.subarray(start + 1, end));
  }

  /** An array or a map with a secret: a byte string may be CBOR itself. */
  #isNested(at: number, stop: number): boolean {
    const head = this.#bytes[at] ?? 0;
    return head >= 0x80 && head < 0xc0 && this.#mayHold(this.#bytes.subarray(at, stop));
  }
}
