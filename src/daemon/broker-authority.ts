/**
 * The authority that signs the broker's certificates: made with the first listener, kept beside
 * the cluster's other keys, never shown. What it certifies proves the broker to other machines.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { BROKER_TLS_NAME, writeFileDurably } from "#adapters";
import {
  authorityCertificate,
  makeCertificateKey,
  peerCertificate,
  serverCertificate,
} from "./certificates.ts";

const DAY_MS = 86_400_000;
const AUTHORITY_LIFETIME_MS = 3_650 * DAY_MS;
/** A broker's certificate is made at each start and lives in memory only. */
export const CERTIFICATE_LIFETIME_MS = 90 * DAY_MS;
/**
 * Of a broker that is one of several: it lies in a file that nobody renews, beside a secret that never
 * ends and is worth as much.
 */
export const PEER_LIFETIME_MS = 1_825 * DAY_MS;
const NAME = "meseta broker authority";

export interface BrokerAuthority {
  /** DER; whoever has it can tell our broker from a stranger's. */
  readonly certificate: Buffer;
  /** A new key and certificate for the broker, as PEM. */
  issue(nowMs: number): CertifiedKey;
  /** The same for one of several brokers, which dial each other at `hosts`. */
  issuePeer(nowMs: number, hosts: readonly string[]): CertifiedKey;
}

export interface CertifiedKey {
  readonly key: string;
  readonly cert: string;
}

interface Paths {
  readonly dir: string;
  readonly key: string;
  readonly certificate: string;
}

function pathsIn(dataDir: string): Paths {
  const dir = join(dataDir, "trust");
  return { dir, key: join(dir, "broker-tls.key"), certificate: join(dir, "broker-tls.crt") };
}

/** Reads the authority, or makes it. @throws Error in one sentence when its files are unfit. */
export async function openBrokerAuthority(
  dataDir: string,
  nowMs: number,
): Promise<BrokerAuthority> {
  const paths = pathsIn(dataDir);
  const key = (await readKey(paths.key)) ?? (await makeKeyFile(paths));
  const known = await readCertificate(paths.certificate);
  if (known !== undefined) {
    checkCertificate(known, key, paths, nowMs);
    return authorityOf(key, known);
  }
  const validity = { nowMs, lifetimeMs: AUTHORITY_LIFETIME_MS };
  const made = authorityCertificate({ name: NAME, key }, validity);
  await writeFileDurably(paths.certificate, certificatePem(made), { mode: 0o600 });
  return authorityOf(key, new X509Certificate(made));
}

/** The certificate alone; undefined where there never was a listener. */
export async function readBrokerAuthority(dataDir: string): Promise<Buffer | undefined> {
  return (await readCertificate(pathsIn(dataDir).certificate))?.raw;
}

function authorityOf(key: KeyObject, certificate: X509Certificate): BrokerAuthority {
  const signer = { name: NAME, key };
  return {
    certificate: certificate.raw,
    issue(nowMs) {
      const server = { name: BROKER_TLS_NAME, key: makeCertificateKey() };
      const validity = { nowMs, lifetimeMs: CERTIFICATE_LIFETIME_MS };
      return {
        key: exported(server.key),
        cert: certificatePem(serverCertificate(server, signer, validity)),
      };
    },
    issuePeer(nowMs, hosts) {
      const peer = { name: BROKER_TLS_NAME, key: makeCertificateKey(), hosts };
      // What outlives its authority is good for nothing, and would say that it were.
      const untilMs = Math.min(nowMs + PEER_LIFETIME_MS, Date.parse(certificate.validTo));
      const cert = peerCertificate(peer, signer, { nowMs, lifetimeMs: untilMs - nowMs });
      return { key: exported(peer.key), cert: certificatePem(cert) };
    },
  };
}

async function makeKeyFile({ dir, key: path }: Paths): Promise<KeyObject> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const key = makeCertificateKey();
  await writeFileDurably(path, exported(key), { mode: 0o600 });
  return key;
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  const about = await stat(path).catch(ifAbsent);
  if (about === undefined) return undefined;
  if ((about.mode & 0o077) !== 0) {
    throw new Error(`${path}: others may read or change it; chmod 600 it, or replace it`);
  }
  try {
    return createPrivateKey(await readFile(path, "utf8"));
  } catch (error) {
    throw new Error(`${path} is no key: ${(error as Error).message}; restore it from a copy`);
  }
}

async function readCertificate(path: string): Promise<X509Certificate | undefined> {
  const text = await readFile(path, "utf8").catch(ifAbsent);
  if (text === undefined) return undefined;
  try {
    return new X509Certificate(text);
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`${path} is no certificate: ${why}; remove it, a new one is made`);
  }
}

function checkCertificate(
  certificate: X509Certificate,
  key: KeyObject,
  paths: Paths,
  nowMs: number,
): void {
  const mend = `remove ${paths.certificate}, a new one is made, and have machines join anew`;
  if (!certificate.publicKey.equals(createPublicKey(key))) {
    throw new Error(`${paths.certificate} is not of the key in ${paths.key}; ${mend}`);
  }
  if (Date.parse(certificate.validTo) < nowMs + CERTIFICATE_LIFETIME_MS) {
    throw new Error(`${paths.certificate} ends on ${certificate.validTo}; ${mend}`);
  }
}

function ifAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}

function exported(key: KeyObject): string {
  return String(key.export({ type: "pkcs8", format: "pem" }));
}

export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
