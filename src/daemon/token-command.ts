/** `meseta token create | list | revoke`: the right to join, given and taken by whoever has the cluster's keys. */
import { join } from "node:path";
import { readFile, rm } from "node:fs/promises";
import { writeFileDurably } from "#adapters";
import type { Config } from "#config";
import { asId, type TokenId } from "#protocol";
import { readBrokerAuthority } from "./broker-authority.ts";
import { needTls, serversOf as serversNamed } from "./broker-members.ts";
import { openTrust } from "./credentials.ts";
import { joinLineText } from "./join-line.ts";
import { fateOfToken, JoinTokens, type TokenFate } from "./join-tokens.ts";
import { brokersOf } from "./known-brokers.ts";
import { clusterOf, trustedDirOf } from "./role-processes.ts";

export interface TokenWish {
  readonly uses: number;
  readonly lifetimeMs: number;
}

export interface ShownToken {
  readonly id: string;
  readonly role: string;
  readonly state: "good" | "expired" | "revoked" | "used";
  readonly uses: number;
  readonly used: number;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** What a listener of `up` leaves for who makes tokens: where others reach it. */
function listenFile(root: string): string {
  return join(root, "trust", "listen");
}

export async function recordListen(
  root: string,
  servers: readonly string[] | undefined,
): Promise<void> {
  if (servers === undefined) return await rm(listenFile(root), { force: true });
  await writeFileDurably(listenFile(root), `${servers.join(",")}\n`, { mode: 0o600 });
}

/** @returns the line. @throws Error in one sentence. */
export async function createToken(
  config: Config,
  dataOfContext: string | undefined,
  { uses, lifetimeMs }: TokenWish,
): Promise<string> {
  const root = trustedDirOf(config, dataOfContext);
  const cluster = clusterOf(config);
  const servers = await serversOf(config, root);
  const authority = await readBrokerAuthority(root);
  if (authority === undefined || servers === undefined) {
    throw new Error(
      "the broker takes this machine alone; start the cluster with meseta up --listen ADDRESS, or " +
        "brokers on addresses that others reach (meseta credential create broker)",
    );
  }
  const trust = await openTrust({ dataDir: root, cluster, nowMs: () => Date.now() });
  const createdMs = Date.now();
  const wish = { role: "agent", uses, createdMs, expiresMs: createdMs + lifetimeMs } as const;
  const token = await new JoinTokens(root).create(wish);
  const identity = { role: "joiner", tokenId: asId<TokenId>(token.id) } as const;
  const { jwt, seed } = trust.issue(identity, lifetimeMs);
  return joinLineText({ cluster, servers, authority: authority.toString("base64url"), jwt, seed });
}

async function serversOf(config: Config, root: string): Promise<string[] | undefined> {
  const named = config.text("nats")?.split(",");
  const bad = named?.find((server) => !server.startsWith("tls://"));
  if (bad !== undefined) {
    throw new Error(`--nats: ${bad} is no tls://HOST:PORT, and others join by TLS alone`);
  }
  if (named !== undefined) return named;
  const brokers = await brokersOf(config, root);
  if (brokers !== undefined) {
    return needTls(brokers.members) ? serversNamed(brokers.members) : undefined;
  }
  const text = await readFile(listenFile(root), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text?.trim().split(",");
}

export async function listTokens(config: Config, dataOfContext?: string): Promise<ShownToken[]> {
  const all = await new JoinTokens(trustedDirOf(config, dataOfContext)).list();
  const nowMs = Date.now();
  return all.map((each) => {
    const { id, role, uses, createdMs, expiresMs } = each.token;
    const state = STATES[fateOfToken(each, nowMs)];
    return { id, role, state, uses, used: each.usedBy.length, createdMs, expiresMs };
  });
}

const STATES: Readonly<Record<TokenFate, ShownToken["state"]>> = {
  good: "good",
  "token-expired": "expired",
  "token-revoked": "revoked",
  "token-used": "used",
};

export async function revokeToken(
  config: Config,
  dataOfContext: string | undefined,
  id: string,
): Promise<void> {
  await new JoinTokens(trustedDirOf(config, dataOfContext)).revoke(id);
}
