/**
 * `meseta credential list | revoke`: who was given rights on the bus, and taking them away: on disk
 * first, for every broker that starts, then said to the brokers that run, which close its
 * connections at once and nobody else's.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { holderOf } from "#access";
import { isUserKey, natsBus, readCredentialFile, systemClock, systemRandom } from "#adapters";
import type { Config } from "#config";
import type { RequestOutcome } from "#runtime";
import {
  accountUpdateSubject,
  openTrust,
  SYSTEM_INBOX,
  type Trust,
  userKeyOf,
} from "./credentials.ts";
import { JoinTokens } from "./join-tokens.ts";
import { type Reach, reachOf } from "./known-brokers.ts";
import { type KnownKey, Revocations } from "./revocations.ts";
import { clusterOf, trustedDirOf } from "./role-processes.ts";

/** How long the brokers may take to say that they know. */
const TELL_MS = 5_000;

export interface ShownCredential extends KnownKey {
  /** The key, by which one is told from all others. */
  readonly id: string;
  readonly state: "good" | "revoked";
}

export interface Revoked {
  readonly keys: readonly KnownKey[];
  /** Why no broker that runs was told; undefined: it was, and the connections are closed. */
  readonly untold: string | undefined;
}

/** @throws Error in one sentence. */
export async function listCredentials(
  config: Config,
  dataOfContext: string | undefined,
): Promise<ShownCredential[]> {
  const root = trustedDirOf(config, dataOfContext);
  const revocations = new Revocations(root);
  const known = new Map((await knownKeys(root, revocations)).map((one) => [one.key, one]));
  const revoked = revocations.list();
  for (const one of revoked) if (!known.has(one.key)) known.set(one.key, one);
  const isRevoked = new Set(revoked.map(({ key }) => key));
  return [...known.values()]
    .map(
      (one) =>
        ({ ...one, id: one.key, state: isRevoked.has(one.key) ? "revoked" : "good" }) as const,
    )
    .sort((a, b) => (a.holder < b.holder ? -1 : 1));
}

/**
 * @param who a credential file, a key, or a holder: the name, or the role and the name.
 * @throws Error in one sentence: nobody of that name, two of it, too many revoked.
 */
export async function revokeCredential(
  config: Config,
  dataOfContext: string | undefined,
  who: string,
): Promise<Revoked> {
  const cluster = clusterOf(config);
  const root = trustedDirOf(config, dataOfContext);
  const revocations = new Revocations(root);
  const keys = await keysOf(who, root, revocations);
  for (const one of keys) await revocations.revoke(one);
  const trust = await openTrust({ dataDir: root, cluster, nowMs: () => Date.now() });
  return { keys, untold: await tellBrokers(trust, await reachOf(config, root)) };
}

/** Tokens that were used before holders were remembered tell of them too. */
async function knownKeys(root: string, revocations: Revocations): Promise<KnownKey[]> {
  const joined = await new JoinTokens(root).joined();
  const known = new Map(
    joined.map(({ key, principal }) => [key, { key, holder: `agent ${principal}` }]),
  );
  for (const one of revocations.issued()) known.set(one.key, one);
  return [...known.values()];
}

async function keysOf(who: string, root: string, revocations: Revocations): Promise<KnownKey[]> {
  const known = await knownKeys(root, revocations);
  if (isUserKey(who)) return [known.find(({ key }) => key === who) ?? { key: who, holder: "" }];
  const named = known.filter(({ holder }) => holder === who || holder.split(" ")[1] === who);
  const holders = [...new Set(named.map(({ holder }) => holder))];
  if (holders.length > 1) {
    throw new Error(`${who} is the name of ${holders.join(" and ")}; name one of these`);
  }
  // A holder that was given several has all of them taken away.
  if (named.length > 0) return named;
  if (existsSync(resolve(who))) {
    const { entries } = readCredentialFile(resolve(who));
    return entries.map(({ identity, credential }) => ({
      key: userKeyOf(credential.jwt),
      holder: holderOf(identity),
    }));
  }
  throw new Error(
    `${who} is no credential file, no key and no holder of one; meseta credential list shows them`,
  );
}

/** Says the account's new token to the brokers that run. Answers why it could not. */
async function tellBrokers(trust: Trust, reach: Reach): Promise<string | undefined> {
  const credential = trust.issueSystem();
  const { servers } = reach;
  const bus = natsBus({
    ...reach,
    credential: () => credential,
    inbox: SYSTEM_INBOX,
    name: "meseta revoke",
    clock: systemClock(),
    nonce: systemRandom().token(8),
  });
  const { accountId, accountJwt } = trust.broker;
  const outcome = await new Promise<RequestOutcome>((done) => {
    const timer = setTimeout(() => done({ kind: "timeout" }), TELL_MS);
    bus.onStatus((status) => {
      if (status.kind !== "connected") return;
      bus.request(accountUpdateSubject(accountId), Buffer.from(accountJwt), TELL_MS, (answer) => {
        clearTimeout(timer);
        done(answer);
      });
    });
  });
  await new Promise<void>((done) => bus.close(done));
  if (outcome.kind !== "reply") {
    return `no broker at ${servers.join(", ")} took it within ${TELL_MS} ms (${outcome.kind})`;
  }
  const text = Buffer.from(outcome.message.data).toString("utf8");
  return /"code"\s*:\s*200/.test(text) ? undefined : `the broker refuses it: ${text}`;
}
