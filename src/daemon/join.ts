/**
 * How a machine joins: from the line to a credential file of its own, once; and how that
 * credential is renewed in time. The key is made here and on disk before anything is asked, so
 * whoever is cut off in the middle asks again as the same.
 */
import { readFile, rm } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Identity, identityFault, inboxOf } from "#access";
import {
  type Credential,
  type CredentialFile,
  entryOf,
  keyFromSeed,
  type KeyPair,
  makeFolder,
  makeKey,
  natsBus,
  readCredentialFile,
  systemClock,
  systemRandom,
  writeCredentialFile,
  writeFileDurably,
} from "#adapters";
import type { Config } from "#config";
import {
  asId,
  type BodyOf,
  type ClusterId,
  decodeSingle,
  encodeSingle,
  type Epoch,
  idFault,
  subjectsOf,
  type TokenId,
} from "#protocol";
import type { Bus, Clock } from "#runtime";
import { buildVersion } from "./build.ts";
import { expiryMs, CREDENTIAL_LIFETIME_MS } from "./credentials.ts";
import { dataDirOf } from "./data-dir.ts";
import { JOIN_LINE_LENGTH_MAX, type JoinLine, parseJoinLine } from "./join-line.ts";

const CREDENTIAL_FILE = "agent.creds";
const SEED_FILE = "join.seed";
const REACHED_MS_MAX = 15_000;
const ANSWER_MS = 5_000;
const STANDARD_INPUT = 0;
/** A credential with less than this left is renewed, and until then asked for so often. */
const RENEW_BELOW_MS = CREDENTIAL_LIFETIME_MS.agent / 2;
const RENEW_EVERY_MS = 3_600_000;

/** Path of the credential by which this machine joined, where it did. */
export function joinedCredential(data: string): string | undefined {
  const path = join(data, CREDENTIAL_FILE);
  return existsSync(path) ? path : undefined;
}

/** The line that the settings name; undefined where they name none. @throws Error in one sentence. */
export function joinLineOf(config: Config): JoinLine | undefined {
  const [said, file] = [config.text("join"), config.text("join-file")];
  if (said !== undefined && file !== undefined) {
    throw new Error("--join and --join-file exclude each other: choose one");
  }
  if (file === undefined && said === undefined) return undefined;
  // It stands in the list of processes for as long as the title says so.
  if (said !== undefined && said !== "-") process.title = "meseta agent";
  if (file !== undefined) return parseJoinLine(textOf(file));
  return parseJoinLine(said === "-" || said === undefined ? textOf(STANDARD_INPUT) : said);
}

function textOf(from: string | number): string {
  try {
    return readFileSync(from, "utf8").slice(0, JOIN_LINE_LENGTH_MAX);
  } catch (error) {
    const name = from === STANDARD_INPUT ? "standard input" : `--join-file ${from}`;
    throw new Error(`${name} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * Joins, unless this machine has a credential of that cluster that is still good.
 * @returns the path of the credential file.
 * @throws Error in one sentence that names the mend.
 */
export async function joinCluster(
  line: JoinLine,
  config: Config,
  tell: (sentence: string) => void,
): Promise<string> {
  const cluster = clusterIn(line);
  const data = dataDirOf(config.text("data"), cluster, process.env);
  const path = join(data, CREDENTIAL_FILE);
  const known = joinedCredential(data) === undefined ? undefined : readCredentialFile(path);
  if (known !== undefined && known.cluster !== cluster) {
    throw new Error(
      `${path} is of cluster ${known.cluster} and the line of cluster ${cluster}; ` +
        "choose another directory with --data",
    );
  }
  if (known !== undefined && lifeLeftMs(known) > 0) {
    tell(`this machine has joined already as ${principalIn(known)}; the line is not used`);
    return path;
  }
  await makeFolder(data);
  const key = known === undefined ? await keyIn(data) : keyOf(known);
  const token = tokenIn(line);
  const bus = await reachBroker(line, token);
  try {
    const subject = subjectsOf(cluster).joining(token.tokenId);
    const { principal, jwt } = await ask(bus, subject, key);
    await writeCredentialFile(path, {
      cluster,
      servers: line.servers,
      authority: Buffer.from(line.authority, "base64url"),
      entries: [agentEntry(principal, { jwt, seed: key.seed })],
    });
    // It stands in the credential from here on.
    await rm(join(data, SEED_FILE), { force: true });
    tell(`joined cluster ${cluster} as ${principal}; the credential is ${path}`);
    return path;
  } finally {
    await new Promise<void>((resolve) => bus.close(resolve));
  }
}

function clusterIn({ cluster }: JoinLine): ClusterId {
  const fault = idFault(cluster);
  if (fault !== undefined) throw new Error(`--join: cluster: ${fault}`);
  return asId<ClusterId>(cluster);
}

interface Token {
  readonly tokenId: TokenId;
  readonly credential: Credential;
}

/** @throws Error when the line has expired by this machine's clock. */
function tokenIn({ jwt, seed }: JoinLine): Token {
  const claims: unknown = JSON.parse(
    Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"),
  );
  const { name } = claims as { readonly name?: unknown };
  const untilMs = expiryMs(jwt) ?? 0;
  if (typeof name !== "string" || idFault(name) !== undefined) {
    throw new Error("--join: the line names no token; have another made by meseta token create");
  }
  if (untilMs <= Date.now()) {
    const when = new Date(untilMs).toISOString();
    throw new Error(`--join: the line expired at ${when}; ${ANOTHER}`);
  }
  return { tokenId: asId<TokenId>(name), credential: { jwt, seed } };
}

const ANOTHER = "have another made with meseta token create agent";

async function keyIn(data: string): Promise<KeyPair> {
  const path = join(data, SEED_FILE);
  const seed = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (seed !== undefined) return keyFromSeed(seed);
  const key = makeKey("user");
  await writeFileDurably(path, `${key.seed}\n`, { mode: 0o600 });
  return key;
}

/** The same key once more, so that a machine that was away too long comes back as the same. */
function keyOf(file: CredentialFile): KeyPair {
  return keyFromSeed(entryOf(file, "agent").credential.seed);
}

function agentEntry(principal: string, credential: Credential) {
  const identity: Identity = { role: "agent", principal: asId(principal) };
  const fault = identityFault(identity);
  if (fault !== undefined) throw new Error(`the registrar named this agent badly: ${fault}`);
  return { identity, credential };
}

/** A connection with the right of the line. @throws Error why there is none. */
async function reachBroker(line: JoinLine, { tokenId, credential }: Token): Promise<Bus> {
  const clock = systemClock();
  const bus = natsBus({
    servers: line.servers,
    authority: Buffer.from(line.authority, "base64url"),
    credential: () => credential,
    inbox: inboxOf({ role: "joiner", tokenId }),
    name: `meseta joiner ${hostname()}`,
    clock,
    nonce: systemRandom().token(8),
  });
  const why = await connected(bus, clock);
  if (why === undefined) return bus;
  await new Promise<void>((resolve) => bus.close(resolve));
  throw new Error(whyUnreached(line.servers.join(", "), why));
}

/** Undefined once it is; else why it is not: at once where dialling again changes nothing. */
function connected(bus: Bus, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    let last = "nobody answers";
    const late = clock.timer(REACHED_MS_MAX, () => end(last));
    const listening = bus.onStatus((status) => {
      if (status.kind === "connected") return end(undefined);
      if (status.kind !== "disconnected") return;
      last = status.why;
      if (/certificate|authori[sz]ation|expired|revoked|wrong version/i.test(last)) end(last);
    });
    const end = (why: string | undefined): void => {
      late.cancel();
      listening.stop();
      resolve(why);
    };
  });
}

function whyUnreached(where: string, why: string): string {
  if (/certificate/i.test(why)) {
    return (
      `the broker at ${where} is not the one of the line: ${why}; is the address of another ` +
      `cluster now? If its authority was made anew, ${ANOTHER}`
    );
  }
  if (/wrong version/i.test(why)) {
    return `what listens at ${where} speaks no TLS; start the cluster with meseta up --listen`;
  }
  if (/authori[sz]ation|expired|revoked/i.test(why)) {
    return `the broker at ${where} refuses the line: ${why}; it has expired or is of another cluster; ${ANOTHER}`;
  }
  return `the broker at ${where} cannot be reached: ${why}; does the cluster run with --listen, and is the way open?`;
}

/** @throws Error in one sentence: refused, or no answer. */
async function ask(bus: Bus, subject: string, key: KeyPair): Promise<BodyOf<"Joined">> {
  const body = { key: key.id, host: hostname(), version: buildVersion() };
  const encoded = encodeSingle({ kind: "Join", id: 1, re: 0, body }, 0 as Epoch);
  if (encoded.fault !== undefined) throw new Error(encoded.fault);
  const outcome = await new Promise<Parameters<Parameters<Bus["request"]>[3]>[0]>((resolve) =>
    bus.request(subject, encoded.bytes, ANSWER_MS, resolve),
  );
  if (outcome.kind !== "reply") {
    throw new Error(
      `the cluster did not answer (${outcome.kind}): meseta up, which signs, does not run; start it and try again`,
    );
  }
  const decoded = decodeSingle(outcome.message.data);
  const answer = decoded.reason === undefined ? decoded.message : undefined;
  if (answer?.kind === "Joined") return answer.body;
  if (answer?.kind === "JoinRefused") {
    throw new Error(
      `the cluster refuses to let this machine join: ${answer.body.message}; ${ANOTHER}`,
    );
  }
  throw new Error("the cluster's answer cannot be read; do both run the same version?");
}

function principalIn(file: CredentialFile): string {
  return entryOf(file, "agent").identity.principal;
}

function lifeLeftMs(file: CredentialFile): number {
  const untilMs = expiryMs(entryOf(file, "agent").credential.jwt);
  return untilMs === undefined ? Number.POSITIVE_INFINITY : untilMs - Date.now();
}

export interface Renewal {
  stop(): void;
}

/** Renews the credential of a machine that joined, long before its end; each dial reads the file. */
export function keepRenewed(
  path: string,
  connect: (identity: Identity) => Bus,
  tell: (sentence: string) => void,
): Renewal {
  const clock = systemClock();
  let timer = clock.timer(0, look);
  function look(): void {
    renewOnce(path, connect, clock).catch((error: Error) =>
      tell(`the credential ${path} could not be renewed: ${error.message}`),
    );
    timer = clock.timer(RENEW_EVERY_MS, look);
  }
  return { stop: () => timer.cancel() };
}

/** Asks for another credential where the present one has lived half of its life. */
export async function renewOnce(
  path: string,
  connect: (identity: Identity) => Bus,
  clock: Clock,
  belowMs = RENEW_BELOW_MS,
): Promise<boolean> {
  const file = readCredentialFile(path);
  if (lifeLeftMs(file) >= belowMs) return false;
  const { identity } = entryOf(file, "agent");
  const bus = connect(identity);
  try {
    const why = await connected(bus, clock);
    if (why !== undefined) throw new Error(whyUnreached(file.servers.join(", "), why));
    const key = keyOf(file);
    const subject = subjectsOf(file.cluster).renewing(identity.principal);
    const { principal, jwt } = await ask(bus, subject, key);
    const entries = [agentEntry(principal, { jwt, seed: key.seed })];
    await writeCredentialFile(path, { ...file, entries });
    return true;
  } finally {
    await new Promise<void>((resolve) => bus.close(resolve));
  }
}
