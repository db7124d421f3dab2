/**
 * Key pairs of the broker's kind (ed25519 in base32 with a check sum) and credentials made of one
 * and a signed token. It signs and encodes; who gets what is decided elsewhere.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signWith,
  randomBytes,
} from "node:crypto";

export type KeyKind = "operator" | "account" | "user";

/** The first letter of an encoded key tells its kind: O, A, U. */
const KIND_BYTES: Readonly<Record<KeyKind, number>> = { operator: 112, account: 0, user: 160 };
const SEED_BYTE = 144;
const SEED_LENGTH = 32;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** DER around a raw ed25519 private key (RFC 8410). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD_LENGTH = 12;

export interface KeyPair {
  readonly kind: KeyKind;
  /** The public key as text; safe to show. */
  readonly id: string;
  /** The private key as text; whoever has it is the bearer. */
  readonly seed: string;
  sign(bytes: Uint8Array): Uint8Array;
}

/** A new key pair from the system's own randomness. */
export function makeKey(kind: KeyKind): KeyPair {
  return keyOf(kind, randomBytes(SEED_LENGTH));
}

/** @throws Error when the text is no seed, with no part of it in the message. */
export function keyFromSeed(seed: string): KeyPair {
  const bytes = decode(seed);
  if (bytes.length !== SEED_LENGTH + 2) throw new Error("a seed has the wrong length");
  const [first = 0, second = 0] = bytes;
  if ((first & 0xf8) !== SEED_BYTE) throw new Error("a seed begins with S");
  const byte = ((first & 7) << 5) | (second >> 3);
  const kind = (Object.keys(KIND_BYTES) as KeyKind[]).find((name) => KIND_BYTES[name] === byte);
  if (kind === undefined) throw new Error("a seed of a kind that is not used here");
  return keyOf(kind, bytes.subarray(2));
}

function keyOf(kind: KeyKind, raw: Uint8Array): KeyPair {
  const der = Buffer.concat([PKCS8_HEAD, raw]);
  const key: KeyObject = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const prefix = KIND_BYTES[kind];
  return {
    kind,
    id: encode([prefix, ...spki.subarray(SPKI_HEAD_LENGTH)]),
    seed: encode([SEED_BYTE | (prefix >> 5), (prefix & 31) << 3, ...raw]),
    sign: (bytes) => signWith(null, bytes, key),
  };
}

/** Whether the text is the public key of a user, whole. */
export function isUserKey(text: string): boolean {
  if (!/^U[A-Z2-7]{55}$/.test(text)) return false;
  try {
    return decode(text)[0] === KIND_BYTES.user;
  } catch (error) {
    // What strangers send may be anything; only that it is none matters.
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Base32 without padding of the bytes and their check sum, low byte first. */
function encode(bytes: readonly number[]): string {
  const sum = crc16(bytes);
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of [...bytes, sum & 255, sum >> 8]) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32[(held << (5 - bits)) & 31] : text;
}

function decode(text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text.trim()) {
    const value = BASE32.indexOf(letter);
    if (value < 0) throw new Error("a key holds a character that is not of base32");
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 255);
      held &= (1 << bits) - 1;
    }
  }
  // Bits that fill up the last letter belong to no byte, so no check sum guards them.
  if (held !== 0) throw new Error("the end of a key is damaged");
  const [low = 0, high = 0] = bytes.splice(-2);
  if (crc16(bytes) !== (low | (high << 8))) throw new Error("the check sum of a key is wrong");
  return Uint8Array.from(bytes);
}

/** CRC-16 of the XMODEM kind. */
function crc16(bytes: readonly number[]): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff;
    }
  }
  return sum;
}

/** A signed token and the seed of the key that it names. */
export interface Credential {
  readonly jwt: string;
  readonly seed: string;
}

/** The text of a credential file, in the form that the broker's own tools read too. */
export function credentialText(credential: Credential): string {
  const part = (name: string, text: string): string =>
    `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${part("NATS USER JWT", credential.jwt)}\n${part("USER NKEY SEED", credential.seed)}`;
}

/** @throws Error when one of the two parts is missing. */
export function parseCredential(text: string): Credential {
  const part = (name: string): string => {
    const found = new RegExp(`-+BEGIN ${name}-+\\s*(\\S+)\\s*-+END ${name}-+`).exec(text)?.[1];
    if (found === undefined) throw new Error(`a credential has no part ${name}`);
    return found;
  };
  return { jwt: part("NATS USER JWT"), seed: part("USER NKEY SEED") };
}

/** Answers the broker's challenge. A credential is asked for at each dial: it may be renewed. */
export function authenticatorOf(credential: () => Credential) {
  return (nonce?: string): { jwt: string; nkey: string; sig: string } => {
    const { jwt, seed } = credential();
    const key = keyFromSeed(seed);
    const sig = Buffer.from(key.sign(Buffer.from(nonce ?? ""))).toString("base64url");
    return { jwt, nkey: key.id, sig };
  };
}
