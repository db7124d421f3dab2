/**
 * X.509 certificates of two kinds: an authority that signs, and a server that it signed for. Node
 * makes keys and signatures but no certificate, and one is some hundred bytes of DER (RFC 5280).
 * It keeps nothing.
 */
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { isIP } from "node:net";

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  id: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[0]`, the version; `[2]`, a name of DNS; `[7]`, an address of IP; `[3]`, the extensions. */
  version: 0xa0,
  dnsName: 0x82,
  ipAddress: 0x87,
  extensions: 0xa3,
} as const;

const ID = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

/** Bits of the key usage: digitalSignature alone; keyCertSign alone. */
const USAGE = { server: [7, 0x80], authority: [2, 0x04] } as const;
const SERIAL_LENGTH = 16;
/** Clocks of machines differ; a certificate of this moment is good on one that is behind. */
const BACKDATED_MS = 24 * 3_600_000;

/** A key on the curve P-256, which every TLS speaks. */
export function makeCertificateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export interface Signer {
  readonly name: string;
  readonly key: KeyObject;
}

export interface Validity {
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

/** A certificate that signs itself and may sign others, as DER. */
export function authorityCertificate(authority: Signer, validity: Validity): Buffer {
  const extensions = [
    extension(ID.basicConstraints, sequence(tlv(TAG.boolean, [0xff])), true),
    extension(ID.keyUsage, tlv(TAG.bits, USAGE.authority), true),
  ];
  return certificate({ subject: authority, signer: authority, validity, extensions });
}

/** A certificate for a server under one DNS name, as DER. */
export function serverCertificate(server: Signer, signer: Signer, validity: Validity): Buffer {
  return endCertificate({ subject: server, signer, validity }, [ID.serverAuth], [server.name]);
}

/** For one of several that dial each other: a server at these hosts as well, and a client. */
export function peerCertificate(
  peer: Signer & { readonly hosts: readonly string[] },
  signer: Signer,
  validity: Validity,
): Buffer {
  const names = [peer.name, ...peer.hosts];
  return endCertificate({ subject: peer, signer, validity }, [ID.serverAuth, ID.clientAuth], names);
}

function endCertificate(
  about: Omit<Certified, "extensions">,
  purposes: readonly string[],
  names: readonly string[],
): Buffer {
  const extensions = [
    extension(ID.keyUsage, tlv(TAG.bits, USAGE.server), true),
    extension(ID.extendedKeyUsage, sequence(...purposes.map(objectId)), false),
    extension(ID.subjectAltName, sequence(...names.map(altName)), false),
  ];
  return certificate({ ...about, extensions });
}

function altName(name: string): Buffer {
  if (isIP(name) === 0) return tlv(TAG.dnsName, Buffer.from(name));
  return tlv(TAG.ipAddress, ipBytes(name));
}

/** Four bytes, or sixteen. */
function ipBytes(address: string): number[] {
  if (isIP(address) === 4) return address.split(".").map(Number);
  // The platform's own reader writes any form of it in full groups of hexadecimal digits.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text = ""): string[] => text.split(":").filter((group) => group !== "");
  const last = groups(tail);
  const first = groups(head);
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return [...first, ...zeros, ...last].flatMap((group) => {
    const number = Number.parseInt(group, 16);
    return [number >> 8, number & 0xff];
  });
}

interface Certified {
  readonly subject: Signer;
  readonly signer: Signer;
  readonly validity: Validity;
  readonly extensions: readonly Buffer[];
}

function certificate({ subject, signer, validity, extensions }: Certified): Buffer {
  const algorithm = sequence(objectId(ID.ecdsaWithSha256));
  const serial = randomBytes(SERIAL_LENGTH);
  // Positive, and of the same length always.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const { nowMs, lifetimeMs } = validity;
  const said = sequence(
    tlv(TAG.version, tlv(TAG.integer, [2])),
    tlv(TAG.integer, serial),
    algorithm,
    nameOf(signer),
    sequence(time(nowMs - BACKDATED_MS), time(nowMs + lifetimeMs)),
    nameOf(subject),
    createPublicKey(subject.key).export({ type: "spki", format: "der" }),
    tlv(TAG.extensions, sequence(...extensions)),
  );
  const signature = sign("sha256", said, signer.key);
  return sequence(said, algorithm, tlv(TAG.bits, Buffer.concat([Buffer.of(0), signature])));
}

function nameOf({ name }: Signer): Buffer {
  const part = sequence(objectId(ID.commonName), tlv(TAG.utf8, Buffer.from(name)));
  return sequence(tlv(TAG.set, part));
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  const mark = critical ? [tlv(TAG.boolean, [0xff])] : [];
  return sequence(objectId(id), ...mark, tlv(TAG.octets, value));
}

/** Years up to 2049 have two digits in a certificate, later ones four. */
function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
  if (text < "2050") return tlv(TAG.utcTime, Buffer.from(text.slice(2)));
  return tlv(TAG.time, Buffer.from(text));
}

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = rest.flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return tlv(TAG.id, [first * 40 + second, ...bytes]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => tlv(TAG.sequence, Buffer.concat(parts));

function tlv(tag: number, content: readonly number[] | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  const length = bytes.length;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), bytes]);
  const size = length < 256 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 255);
  return Buffer.concat([Buffer.of(tag), size, bytes]);
}
