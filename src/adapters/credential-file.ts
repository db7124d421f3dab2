/**
 * Credential files: who somebody is on the bus, where the bus is and the keys to it, in one file
 * that only its owner reads. The blocks are in the form of the broker's own tools; lines that
 * begin with # say what the blocks are for. It mints nothing.
 */
import { readFileSync, statSync } from "node:fs";
import { credentialName, type Identity, identityFault } from "#access";
import { asId, type ClusterId, idFault } from "#protocol";
import { writeFileDurably } from "./durable-files.ts";
import { type Credential, credentialText, parseCredential } from "./nkeys.ts";

export interface CredentialFile {
  readonly cluster: ClusterId;
  /** Addresses of the broker, such as nats://127.0.0.1:4222. */
  readonly servers: readonly string[];
  readonly entries: readonly CredentialEntry[];
  /**
   * The authority whose certificates the broker shows, as DER; then it is reached by TLS alone.
   * Absent: without TLS, as on loopback.
   */
  readonly authority?: Uint8Array;
}

export interface CredentialEntry {
  readonly identity: Identity;
  readonly credential: Credential;
}

/** What the file of a broker says that it is, which is no file for clients. */
export const BROKER_CREDENTIAL_KIND = "meseta broker credential";

const HEAD = "# Meseta credential: whoever can read this file can act in this name.";

export function credentialFileText(file: CredentialFile): string {
  const { cluster, servers, entries, authority } = file;
  const blocks = entries.map(
    ({ identity, credential }) =>
      `# identity ${identity.role} ${credentialName(identity)}\n${credentialText(credential)}`,
  );
  const head = [HEAD, `# cluster ${cluster}`, `# servers ${servers.join(",")}`];
  if (authority !== undefined) {
    head.push(`# authority ${Buffer.from(authority).toString("base64")}`);
  }
  return [...head, ...blocks].join("\n");
}

/** Writes it readable by its owner alone. */
export function writeCredentialFile(path: string, file: CredentialFile): Promise<void> {
  return writeFileDurably(path, credentialFileText(file), { mode: 0o600 });
}

/** The text of a file that its owner alone may read. @throws Error why it is not to be used. */
export function readOwnText(path: string): string {
  const others = statSync(path).mode & 0o077;
  if (others === 0) return readFileSync(path, "utf8");
  throw new Error(`others may read or change it; chmod 600 ${path}, or replace it`);
}

/** @throws Error in one sentence: unreadable, readable by others, or damaged. */
export function readCredentialFile(path: string): CredentialFile {
  let text: string;
  try {
    text = readOwnText(path);
  } catch (error) {
    throw new Error(`the credential file ${path} cannot be used: ${(error as Error).message}`);
  }
  if (text.startsWith("{") && text.includes(BROKER_CREDENTIAL_KIND)) {
    throw new Error(
      `the credential file ${path} is of a broker, for meseta broker alone; name one of your own`,
    );
  }
  try {
    return parseCredentialFile(text);
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`the credential file ${path} is damaged: ${why}; have a new one made`);
  }
}

export function parseCredentialFile(text: string): CredentialFile {
  const cluster = /^# cluster (\S+)$/m.exec(text)?.[1];
  const servers = /^# servers (\S+)$/m.exec(text)?.[1];
  if (cluster === undefined || servers === undefined) {
    throw new Error("it names no cluster and no servers");
  }
  const fault = idFault(cluster);
  if (fault !== undefined) throw new Error(`cluster: ${fault}`);
  const entries = text
    .split(/^# identity /m)
    .slice(1)
    .map(parseEntry);
  if (entries.length === 0) throw new Error("it holds no credential");
  const authority = /^# authority (\S+)$/m.exec(text)?.[1];
  return {
    cluster: asId(cluster),
    servers: servers.split(","),
    entries,
    ...(authority === undefined ? {} : { authority: Buffer.from(authority, "base64") }),
  };
}

function parseEntry(block: string): CredentialEntry {
  const [, role = "", name = ""] = /^(\S+) (\S+)\n/.exec(block) ?? [];
  const identity = identityOf(role, name);
  const fault = identityFault(identity);
  if (fault !== undefined) throw new Error(fault);
  return { identity, credential: parseCredential(block) };
}

/** The identity that a role and a credential's name are. @throws Error for an unknown role. */
export function identityOf(role: string, name: string): Identity {
  const [first = "", second = ""] = name.split(".");
  switch (role) {
    case "master":
      return { role, masterId: asId(first) };
    case "agent":
    case "operator":
      return { role, principal: asId(first) };
    case "framework":
      return { role, principal: asId(first), instance: asId(second) };
    case "executor":
      return { role, principal: asId(first), containerId: asId(second) };
    default:
      throw new Error(`${JSON.stringify(role)} is no role with a credential file`);
  }
}

/** The entry of one role. @throws Error naming the role that is missing. */
export function entryOf<Role extends Identity["role"]>(
  file: CredentialFile,
  role: Role,
): CredentialEntry & { readonly identity: Extract<Identity, { readonly role: Role }> } {
  for (const { identity, credential } of file.entries) {
    if (identity.role === role) {
      return { identity: identity as Extract<Identity, { readonly role: Role }>, credential };
    }
  }
  throw new Error(`the credential file holds no credential of the role ${role}`);
}
