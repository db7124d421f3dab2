/**
 * The trust of a cluster: an operator, a system account, the account of the cluster and one
 * scoped signing key per role, kept as seeds in files that only their owner reads. It mints
 * credentials without telling any broker; what a role may do is access/permissions.ts.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { credentialName, type Identity, identityFault, ROLES, templateOf } from "#access";
import {
  type Credential,
  type KeyKind,
  type KeyPair,
  keyFromSeed,
  makeKey,
  writeFileDurably,
} from "#adapters";
import { type ClusterId, type Speaker, subjectsOf } from "#protocol";
import { Revocations } from "./revocations.ts";

const TRUST_DIR = "trust";
const DAY_MS = 86_400_000;

/**
 * How long a credential is good. Expiry cuts live connections, so a lifetime outlasts the longest
 * absence of whoever renews it; an executor's dies with its container.
 */
export const CREDENTIAL_LIFETIME_MS: Readonly<Record<Speaker, number>> = {
  master: 30 * DAY_MS,
  agent: 30 * DAY_MS,
  framework: 30 * DAY_MS,
  operator: 30 * DAY_MS,
  executor: 3_600_000,
  joiner: 3_600_000,
  registrar: 30 * DAY_MS,
};

/** Their keys came later: a trust of before has none, and gets them. */
const ADDED: ReadonlySet<string> = new Set(["role-joiner", "role-registrar"]);

/**
 * When revoked tokens were issued at the latest, in s: beyond every clock, since issue times are
 * whatever the signer's clock showed. A revoked key never is good again; its holder makes another.
 */
const REVOKED_UNTIL_S = Date.UTC(2100, 0) / 1000;
/** Who tells a broker that the account has changed; it may do nothing else. */
export const SYSTEM_INBOX = "_INBOX.system";
const SYSTEM_LIFETIME_MS = 60_000;
/** Where all brokers answer which of them hold streams together. */
export const BROKERS_ASKED = "$SYS.REQ.SERVER.PING.JSZ";
/** Who asks that; it may do nothing else. */
export const WATCH_INBOX = "_INBOX.watch";

/**
 * What a broker's configuration says of trust; all of it may be read by anybody. The account's token
 * is made when it is read, and names the keys that are revoked by then.
 */
export interface BrokerTrust {
  readonly operatorJwt: string;
  readonly systemAccountId: string;
  readonly systemAccountJwt: string;
  readonly accountId: string;
  readonly accountJwt: string;
}

export interface Mint {
  readonly identity: Identity;
  /** The public key that the credential is for; it is made where it will be used. */
  readonly userId: string;
  readonly lifetimeMs?: number;
}

export interface Trust {
  readonly cluster: ClusterId;
  readonly broker: BrokerTrust;
  /** The signed token for a key that was made elsewhere. */
  mint(options: Mint): string;
  /** A new key and its token, for who has no key of their own yet. */
  issue(identity: Identity, lifetimeMs?: number): Credential;
  /** By which a running broker is told of a new account token; good for a minute. */
  issueSystem(): Credential;
  /** By which one of several brokers is watched; good for as long as its file is. */
  issueWatch(): Credential;
}

/** Where a running broker takes a new token of `accountId`, at once and without closing anything. */
export function accountUpdateSubject(accountId: string): string {
  return `$SYS.REQ.ACCOUNT.${accountId}.CLAIMS.UPDATE`;
}

/** The seeds of a trust, by file name without ending. */
type Keys = ReadonlyMap<string, KeyPair>;

const KEY_KINDS: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ["operator", "operator"],
  ["operator-signing", "operator"],
  ["system", "account"],
  ["account", "account"],
  ...ROLES.map((role) => [`role-${role}`, "account"] as [string, KeyKind]),
]);

export interface OpenTrust {
  readonly dataDir: string;
  readonly cluster: ClusterId;
  /** Wall clock; issue and expiry times are absolute. */
  readonly nowMs: () => number;
}

/**
 * Reads the trust in `dataDir`, or makes it there.
 * @throws Error when a seed file can be read by others, is damaged or is missing among others.
 */
export async function openTrust(options: OpenTrust): Promise<Trust> {
  const dir = join(options.dataDir, TRUST_DIR);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const keys = new Map<string, KeyPair>();
  const missing: string[] = [];
  for (const [name, kind] of KEY_KINDS) {
    const key = await readKey(join(dir, `${name}.seed`), kind);
    if (key === undefined) missing.push(name);
    else keys.set(name, key);
  }
  // The operator's key is written last: where it stands, the others were complete.
  const lost = missing.filter((name) => !ADDED.has(name));
  if (keys.has("operator") && lost.length > 0) {
    throw new Error(
      `${dir}: the seeds ${lost.join(", ")} are missing; restore them, or remove the folder ` +
        "to make a new trust (every credential of this cluster is void then)",
    );
  }
  for (const name of missing.reverse()) {
    const key = makeKey(KEY_KINDS.get(name) ?? "account");
    await writeFileDurably(join(dir, `${name}.seed`), `${key.seed}\n`, { mode: 0o600 });
    keys.set(name, key);
  }
  return trustOf(keys, options);
}

async function readKey(path: string, kind: KeyKind): Promise<KeyPair | undefined> {
  const about = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (about === undefined) return undefined;
  if ((about.mode & 0o077) !== 0) {
    const mode = (about.mode & 0o777).toString(8);
    throw new Error(`${path}: mode ${mode} lets others read a seed; chmod 600 it, or replace it`);
  }
  const key = keyFromSeed(await readFile(path, "utf8"));
  if (key.kind !== kind) throw new Error(`${path}: holds a seed of kind ${key.kind}, not ${kind}`);
  return key;
}

function keyNamed(keys: Keys, name: string): KeyPair {
  const key = keys.get(name);
  if (key === undefined) throw new Error(`the trust has no key ${name}`);
  return key;
}

function trustOf(keys: Keys, options: OpenTrust): Trust {
  const account = keyNamed(keys, "account");
  const mint = ({ identity, userId, lifetimeMs }: Mint): string => {
    const fault = identityFault(identity);
    if (fault !== undefined) throw new Error(`no credential: ${fault}`);
    const nowMs = options.nowMs();
    return sign(keyNamed(keys, `role-${identity.role}`), nowMs, {
      name: credentialName(identity),
      sub: userId,
      exp: Math.floor((nowMs + (lifetimeMs ?? CREDENTIAL_LIFETIME_MS[identity.role])) / 1000),
      nats: { type: "user", issuer_account: account.id },
    });
  };
  return {
    cluster: options.cluster,
    broker: brokerTrust(keys, options),
    mint,
    issue(identity, lifetimeMs) {
      const key = makeKey("user");
      const limit = lifetimeMs === undefined ? {} : { lifetimeMs };
      return { jwt: mint({ identity, userId: key.id, ...limit }), seed: key.seed };
    },
    issueSystem: () =>
      systemUser(keys, options.nowMs(), {
        may: accountUpdateSubject(account.id),
        inbox: SYSTEM_INBOX,
        lifetimeMs: SYSTEM_LIFETIME_MS,
      }),
    issueWatch: () => systemUser(keys, options.nowMs(), { may: BROKERS_ASKED, inbox: WATCH_INBOX }),
  };
}

/** Somebody of the system account, who may ask one question and hear its answers. */
function systemUser(
  keys: Keys,
  nowMs: number,
  what: { readonly may: string; readonly inbox: string; readonly lifetimeMs?: number },
): Credential {
  const key = makeKey("user");
  const { may, inbox, lifetimeMs } = what;
  const jwt = sign(keyNamed(keys, "system"), nowMs, {
    name: "system",
    sub: key.id,
    ...(lifetimeMs === undefined ? {} : { exp: Math.floor((nowMs + lifetimeMs) / 1000) }),
    nats: {
      type: "user",
      ...UNLIMITED,
      pub: { allow: [may] },
      sub: { allow: [`${inbox}.>`] },
    },
  });
  return { jwt, seed: key.seed };
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = {
  ...UNLIMITED,
  conn: -1,
  leaf: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
};
/** Without these an account has no stream at all. */
const STREAM_LIMITS = {
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
  mem_max_stream_bytes: -1,
  disk_max_stream_bytes: -1,
  max_ack_pending: -1,
};
/** For users signed by the account's own key; there are none, and there shall be none. */
const DENY_ALL = { pub: { deny: [">"] }, sub: { deny: [">"] } };

function brokerTrust(keys: Keys, { cluster, dataDir, nowMs }: OpenTrust): BrokerTrust {
  const subjects = subjectsOf(cluster);
  const root = keyNamed(keys, "operator");
  const signer = keyNamed(keys, "operator-signing");
  const system = keyNamed(keys, "system");
  const account = keyNamed(keys, "account");
  const scopes = ROLES.map((role) => {
    const { publish, subscribe } = templateOf(subjects, role);
    const template = { ...UNLIMITED, pub: { allow: publish }, sub: { allow: subscribe } };
    return { kind: "user_scope", role, key: keyNamed(keys, `role-${role}`).id, template };
  });
  const revocations = new Revocations(dataDir);
  const now = nowMs();
  return {
    systemAccountId: system.id,
    accountId: account.id,
    operatorJwt: sign(root, now, {
      name: `meseta-${cluster}`,
      sub: root.id,
      nats: { type: "operator", signing_keys: [signer.id], system_account: system.id },
    }),
    systemAccountJwt: sign(signer, now, {
      name: "SYS",
      sub: system.id,
      nats: { type: "account", limits: ACCOUNT_LIMITS },
    }),
    get accountJwt() {
      const revoked = revocations.list().map(({ key }) => [key, REVOKED_UNTIL_S]);
      return sign(signer, nowMs(), {
        name: `meseta-${cluster}`,
        sub: account.id,
        nats: {
          type: "account",
          limits: { ...ACCOUNT_LIMITS, ...STREAM_LIMITS },
          signing_keys: scopes,
          default_permissions: DENY_ALL,
          ...(revoked.length === 0 ? {} : { revocations: Object.fromEntries(revoked) }),
        },
      });
    },
  };
}

interface Claims {
  readonly name: string;
  readonly sub: string;
  readonly exp?: number;
  readonly nats: { readonly type: string } & Readonly<Record<string, unknown>>;
}

const HEAD = base64url('{"typ":"JWT","alg":"ed25519-nkey"}');

function sign(signer: KeyPair, nowMs: number, claims: Claims): string {
  const iat = Math.floor(nowMs / 1000);
  const nats = { ...claims.nats, version: 2 };
  const body = JSON.stringify({ jti: randomUUID(), iat, iss: signer.id, ...claims, nats });
  const text = `${HEAD}.${base64url(body)}`;
  return `${text}.${base64url(signer.sign(Buffer.from(text)))}`;
}

function base64url(bytes: string | Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** When a token ends, by the wall clock; undefined for one without end. For renewal in time. */
export function expiryMs(jwt: string): number | undefined {
  const { exp } = claimsOf(jwt);
  return typeof exp === "number" ? exp * 1000 : undefined;
}

/** The public key that a token is for. @throws Error when the text is no token. */
export function userKeyOf(jwt: string): string {
  const { sub } = claimsOf(jwt);
  if (typeof sub !== "string") throw new Error("a token without a subject");
  return sub;
}

function claimsOf(jwt: string): { readonly exp?: unknown; readonly sub?: unknown } {
  const body = jwt.split(".")[1] ?? "";
  const claims: unknown = JSON.parse(Buffer.from(body, "base64url").toString("utf8"));
  return typeof claims === "object" && claims !== null ? claims : {};
}
