/**
 * The credentials of an agent's custom executors (P-4.5). A small pool of keys, made here and signed
 * in advance, each for one container that is still to come, so that a launch waits for nobody; and
 * a folder for each container that has begun, whose file is renewed for as long as it lives and
 * goes when it is forgotten. A credential is never given to a second container.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Identity } from "#access";
import type { ExecutorAccess, ExecutorOwner } from "#actors/agent";
import {
  type CredentialFile,
  credentialFileText,
  entryOf,
  keyFromSeed,
  type KeyPair,
  makeKey,
  parseCredentialFile,
} from "#adapters";
import { CREDENTIAL_FILE, type InsideOptions } from "#isolation";
import {
  asId,
  type ClusterId,
  type ContainerId,
  decodeSingle,
  encodeSingle,
  EXECUTORS_SIGNED_MAX,
  isId,
  type Principal,
  subjectsOf,
} from "#protocol";
import type { Bus, Clock, Logger, Random, RequestOutcome } from "#runtime";
import { CREDENTIAL_LIFETIME_MS, expiryMs } from "./credentials.ts";

/** Executors that can be started one after the other while nobody signs. */
export const EXECUTOR_POOL_LENGTH = 32;
const LOOK_MS = 10_000;
/** Where nobody signed: asked again so soon. */
const LOOK_AGAIN_MS = 1_000;
const ANSWER_MS = 5_000;
/** With less than this left a credential is signed anew. */
const RENEW_BELOW_MS = CREDENTIAL_LIFETIME_MS.executor / 2;
/** How long a container may take from its credential to its first trace on the machine. */
const LAUNCHED_MS_MAX = 600_000;
/** How long an agent that begins says that it is not ready while its pool is empty. */
const FIRST_MS_MAX = 2_000;

/** Where executors reach the broker: where their agent does. */
export type Reach = Pick<CredentialFile, "servers" | "authority">;

export interface ExecutorCredentialsOptions {
  /** Folder of the folders; made when absent, for the agent's user alone. */
  readonly dir: string;
  /** Folder in which the launcher has one of each container that it knows. */
  readonly runtimeDir: string;
  readonly cluster: ClusterId;
  readonly principal: Principal;
  readonly reach: Reach;
  /** The agent's own: the broker vouches for who asks. */
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly userIds: InsideOptions["userIds"];
}

interface Pooled {
  readonly containerId: ContainerId;
  readonly key: KeyPair;
  readonly jwt: string;
}

type Wish = Omit<Pooled, "jwt">;

export class ExecutorCredentials {
  readonly #options: ExecutorCredentialsOptions;
  /** Of those that this process gave away, when, until the container is seen. */
  readonly #begun = new Map<string, number>();
  readonly #counters = new Map<string, number>();
  #pool: Pooled[] = [];
  #timer: { cancel(): void };
  readonly #listening: { stop(): void };
  #isLooking = false;
  #stopped = false;
  /** Why nobody signs at present; empty where somebody does. */
  #why = "";
  /** Resolves when the first question has been answered, or nobody does in time. */
  readonly first: Promise<void>;
  #firstDone: () => void = () => undefined;

  constructor(options: ExecutorCredentialsOptions) {
    this.#options = options;
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    this.first = new Promise((resolve) => {
      this.#firstDone = resolve;
    });
    options.clock.timer(FIRST_MS_MAX, () => this.#firstDone());
    this.#timer = options.clock.timer(LOOK_MS, () => this.#look());
    this.#listening = options.bus.onStatus(({ kind }) => {
      if (kind === "connected") this.#look();
    });
    if (options.bus.connected) this.#look();
  }

  /** One for a container that begins now; a sentence where there is none. */
  take({ user, userNamespace }: ExecutorOwner): ExecutorAccess | string {
    this.#pool = this.#pool.filter(({ jwt }) => lifeLeftMs(jwt, this.#nowMs) > 0);
    const taken = this.#pool.shift();
    if (taken === undefined) {
      this.#count("refused");
      const why = this.#why === "" ? "more are being signed" : this.#why;
      return `executor: this agent has no credential left to give it: ${why}; try again`;
    }
    const { containerId, key, jwt } = taken;
    const credentialDir = join(this.#options.dir, containerId);
    const shift = userNamespace ? (this.#options.userIds?.first ?? 0) : 0;
    const owner = user === null ? undefined : { uid: user.uid + shift, gid: user.gid + shift };
    try {
      mkdirSync(credentialDir);
      // Whoever gets to the folder at all may look into it, whatever our umask.
      chmodSync(credentialDir, 0o755);
      this.#write(containerId, { jwt, seed: key.seed }, owner);
    } catch (error) {
      rmSync(credentialDir, { recursive: true, force: true });
      this.#count("failed");
      return `executor: its credential could not be written: ${(error as Error).message}`;
    }
    this.#begun.set(containerId, this.#options.clock.monotonicMs());
    this.#count("given");
    this.#options.clock.soon(() => this.#look());
    return { containerId, credentialDir };
  }

  *counts(): Iterable<readonly [string, string, number]> {
    for (const [what, count] of this.#counters) yield ["executor-credential", what, count];
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.cancel();
    this.#listening.stop();
  }

  get #nowMs(): number {
    return this.#options.clock.wallMs();
  }

  #count(what: string): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + 1);
  }

  /** Forgets the dead, renews the living, fills the pool; one look at a time. */
  #look(): void {
    if (this.#stopped || this.#isLooking) return;
    this.#isLooking = true;
    this.#timer.cancel();
    this.#lookNow()
      .catch((error: Error) => this.#fails(error.message))
      .finally(() => {
        this.#isLooking = false;
        this.#firstDone();
        if (this.#stopped) return;
        // Some may have been taken while others were signed.
        const isFull = this.#pool.length >= EXECUTOR_POOL_LENGTH;
        const inMs = isFull ? LOOK_MS : this.#why === "" ? 0 : LOOK_AGAIN_MS;
        this.#timer = this.#options.clock.timer(inMs, () => this.#look());
      });
  }

  async #lookNow(): Promise<void> {
    this.#pool = this.#pool.filter(({ jwt }) => lifeLeftMs(jwt, this.#nowMs) > RENEW_BELOW_MS);
    const due = this.#begunFolders().filter((containerId) => this.#isDue(containerId));
    for (let from = 0; from < due.length; from += EXECUTORS_SIGNED_MAX) {
      const some = due.slice(from, from + EXECUTORS_SIGNED_MAX);
      const signed = await this.#sign(some.map((containerId) => this.#wishOf(containerId)));
      for (const one of signed) this.#renew(one);
    }
    const missing = EXECUTOR_POOL_LENGTH - this.#pool.length;
    if (missing > 0) {
      const { random } = this.#options;
      const wishes = Array.from({ length: missing }, () => ({
        containerId: asId<ContainerId>(random.uuid()),
        key: makeKey("user"),
      }));
      const signed = await this.#sign(wishes);
      // After the wait: whoever took one meanwhile has put another list in its place.
      this.#pool.push(...signed);
    }
    this.#why = "";
  }

  /** Those whose container lives, or may yet begin; the folders of all others are removed. */
  #begunFolders(): ContainerId[] {
    const { dir, runtimeDir, clock } = this.#options;
    return readdirSync(dir).flatMap((name) => {
      if (!isId(name)) return [];
      const isLaunched = existsSync(join(runtimeDir, name));
      const begunMs = this.#begun.get(name);
      if (isLaunched) this.#begun.delete(name);
      const mayBegin = begunMs !== undefined && clock.monotonicMs() - begunMs < LAUNCHED_MS_MAX;
      if (isLaunched || mayBegin) return [asId<ContainerId>(name)];
      this.#begun.delete(name);
      rmSync(join(dir, name), { recursive: true, force: true });
      this.#count("forgotten");
      return [];
    });
  }

  #fileOf(containerId: ContainerId): CredentialFile {
    const path = join(this.#options.dir, containerId, CREDENTIAL_FILE);
    return parseCredentialFile(readFileSync(path, "utf8"));
  }

  /** Its life is half over, or the broker is elsewhere now. */
  #isDue(containerId: ContainerId): boolean {
    const file = this.#fileOf(containerId);
    const moved = file.servers.join() !== this.#options.reach.servers.join();
    return (
      moved || lifeLeftMs(entryOf(file, "executor").credential.jwt, this.#nowMs) < RENEW_BELOW_MS
    );
  }

  /** The same key once more. */
  #wishOf(containerId: ContainerId): Wish {
    const { credential } = entryOf(this.#fileOf(containerId), "executor");
    return { containerId, key: keyFromSeed(credential.seed) };
  }

  #renew({ containerId, key, jwt }: Pooled): void {
    const path = join(this.#options.dir, containerId, CREDENTIAL_FILE);
    const { uid, gid } = statSync(path);
    this.#write(containerId, { jwt, seed: key.seed }, { uid, gid });
    this.#count("renewed");
  }

  /**
   * Another file in its place, so that a reader sees the old one or the new one. It need not
   * outlive the machine: its container does not.
   */
  #write(
    containerId: ContainerId,
    credential: { readonly jwt: string; readonly seed: string },
    owner: { readonly uid: number; readonly gid: number } | undefined,
  ): void {
    const { dir, principal, cluster, reach } = this.#options;
    const identity: Identity = { role: "executor", principal, containerId };
    const text = credentialFileText({ cluster, ...reach, entries: [{ identity, credential }] });
    const path = join(dir, containerId, CREDENTIAL_FILE);
    const aside = `${path}.tmp`;
    writeFileSync(aside, text, { mode: 0o600 });
    if (owner !== undefined) chownSync(aside, owner.uid, owner.gid);
    renameSync(aside, path);
  }

  async #sign(wishes: readonly Wish[]): Promise<Pooled[]> {
    const executors = wishes.map(({ containerId, key }) => ({ containerId, key: key.id }));
    const message = { kind: "SignExecutors", id: 1, re: 0, body: { executors } } as const;
    const encoded = encodeSingle(message, 0 as Parameters<typeof encodeSingle>[1]);
    if (encoded.fault !== undefined) throw new Error(encoded.fault);
    const { bus, cluster, principal } = this.#options;
    const subject = subjectsOf(cluster).renewing(principal);
    const outcome = await new Promise<RequestOutcome>((resolve) =>
      bus.request(subject, encoded.bytes, ANSWER_MS, resolve),
    );
    const jwts = jwtsIn(outcome);
    if (jwts.length !== wishes.length) throw new Error("the answer is not to what was asked");
    this.#count("asked");
    return wishes.map((wish, index) => ({ ...wish, jwt: jwts[index] ?? "" }));
  }

  /** Said once, until it is well again. */
  #fails(why: string): void {
    if (this.#stopped) return;
    this.#count("unsigned");
    if (this.#why === why) return;
    this.#why = why;
    this.#options.logger.log("warn", `credentials of executors cannot be signed: ${why}`);
  }
}

/** @throws Error in one sentence where these are none. */
function jwtsIn(outcome: RequestOutcome): readonly string[] {
  if (outcome.kind === "no-responders") {
    throw new Error("meseta up, which signs for the cluster, does not run");
  }
  if (outcome.kind !== "reply") throw new Error(`nobody answers (${outcome.kind})`);
  const decoded = decodeSingle(outcome.message.data);
  const answer = decoded.reason === undefined ? decoded.message : undefined;
  if (answer?.kind === "ExecutorsSigned") return answer.body.jwts;
  if (answer?.kind === "JoinRefused") throw new Error(answer.body.message);
  throw new Error("the answer cannot be read; does the cluster run an older version?");
}

function lifeLeftMs(jwt: string, nowMs: number): number {
  return (expiryMs(jwt) ?? 0) - nowMs;
}
