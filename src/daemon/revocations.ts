/**
 * Keys whose credentials are void, and keys that credentials were given to, as files beside the keys
 * that sign: made once, never changed, so that whoever revokes and whoever signs need no lock. It
 * tells no broker (revoke-command.ts does).
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isUserKey, writeFileDurably } from "#adapters";

/** Revoked keys that one account token names: some 70 bytes each, and it may not pass 1 MB. */
export const REVOCATIONS_MAX = 5_000;
/** Keys whose holders are remembered. */
export const ISSUED_MAX = 50_000;

export interface KnownKey {
  readonly key: string;
  /** Role and name of whom it was given to, such as `agent web1-du6zdna53q`; empty: not known. */
  readonly holder: string;
}

export class Revocations {
  readonly #revoked: string;
  readonly #issued: string;

  constructor(dataDir: string) {
    this.#revoked = join(dataDir, "trust", "revoked");
    this.#issued = join(dataDir, "trust", "issued");
  }

  /** Read at once, for a token that is made at once: a broker that starts may not miss one. */
  list(): KnownKey[] {
    return keysIn(this.#revoked);
  }

  has(key: string): boolean {
    return holderIn(this.#revoked, key) !== undefined;
  }

  /** Keys that a credential was given to, by `credential create` or to a machine that joined. */
  issued(): KnownKey[] {
    return keysIn(this.#issued);
  }

  /** Whom a key was given to; undefined: nobody remembers. */
  holderOf(key: string): string | undefined {
    return holderIn(this.#issued, key);
  }

  /** Durable when it returns. @throws Error in one sentence when there are too many. */
  async revoke({ key, holder }: KnownKey): Promise<void> {
    if (this.has(key)) return;
    if (namesIn(this.#revoked).length >= REVOCATIONS_MAX) {
      throw new Error(
        `${this.#revoked} holds ${REVOCATIONS_MAX} keys, the most that a broker can be told; ` +
          "remove files of keys whose credentials have ended by now",
      );
    }
    await this.#write(this.#revoked, key, holder);
  }

  /** Remembers whom a key was given to; durable when it returns. */
  async remember({ key, holder }: KnownKey): Promise<void> {
    if (this.holderOf(key) === holder) return;
    if (namesIn(this.#issued).length >= ISSUED_MAX) {
      throw new Error(
        `${this.#issued} holds ${ISSUED_MAX} keys, the most; remove files of ended credentials`,
      );
    }
    await this.#write(this.#issued, key, holder);
  }

  async #write(dir: string, key: string, holder: string): Promise<void> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFileDurably(join(dir, key), `${holder}\n`, { mode: 0o600 });
  }
}

function namesIn(dir: string): string[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return readdirSync(dir).filter(isUserKey);
}

function keysIn(dir: string): KnownKey[] {
  return namesIn(dir)
    .sort()
    .map((key) => ({ key, holder: holderIn(dir, key) ?? "" }));
}

function holderIn(dir: string, key: string): string | undefined {
  if (!isUserKey(key)) return undefined;
  try {
    return readFileSync(join(dir, key), "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
