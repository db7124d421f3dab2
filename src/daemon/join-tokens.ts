/**
 * The join tokens of a cluster, as files that are made once and never changed: the token, one mark
 * for each key that used it, one where it was revoked. So whoever creates or revokes and whoever
 * admits need no lock. It signs nothing.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { systemRandom, writeFileDurably } from "#adapters";
import { asId, isId, type JoinRefused, type TokenId } from "#protocol";

/** Tokens that are kept, ended ones too; then creating one is refused until some are removed. */
export const TOKENS_MAX = 1_000;
export const TOKEN_USES_MAX = 10_000;
const TOKEN_ID_LENGTH = 10;
const ENDING = ".token.json";
const USE = /^.*\.used-/;

const Shape = Type.Object({
  id: Type.String(),
  role: Type.Literal("agent"),
  /** Keys that may be signed by it; the same key again is no further use. */
  uses: Type.Integer({ minimum: 1, maximum: TOKEN_USES_MAX }),
  createdMs: Type.Number(),
  expiresMs: Type.Number(),
});
const check = TypeCompiler.Compile(Shape);
export type JoinToken = Static<typeof Shape>;

export interface JoinTokenState {
  readonly token: JoinToken;
  readonly usedBy: readonly string[];
  readonly revoked: boolean;
}

export type TokenFate = "good" | Extract<JoinRefused["reason"], `token-${string}`>;

/** Whether a key may be signed now. One that was before may again, for answers get lost. */
export function fateOfToken(
  { token, usedBy, revoked }: JoinTokenState,
  nowMs: number,
  key?: string,
): TokenFate {
  if (revoked) return "token-revoked";
  if (nowMs >= token.expiresMs) return "token-expired";
  if (key !== undefined && usedBy.includes(key)) return "good";
  return usedBy.length >= token.uses ? "token-used" : "good";
}

export class JoinTokens {
  readonly #dir: string;

  constructor(dataDir: string) {
    this.#dir = join(dataDir, "trust", "tokens");
  }

  /** @throws Error in one sentence when there are too many. */
  async create(
    wish: Pick<JoinToken, "role" | "uses" | "createdMs" | "expiresMs">,
  ): Promise<JoinToken> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const { length } = await this.#names();
    if (length >= TOKENS_MAX) {
      throw new Error(`${this.#dir} holds ${length} tokens, the most; remove files of old ones`);
    }
    const token: JoinToken = { id: systemRandom().token(TOKEN_ID_LENGTH), ...wish };
    const path = join(this.#dir, `${token.id}${ENDING}`);
    await writeFileDurably(path, `${JSON.stringify(token)}\n`, { mode: 0o600 });
    return token;
  }

  async list(): Promise<JoinTokenState[]> {
    const ids = await this.#names();
    const all = await Promise.all(ids.map((id) => this.find(id)));
    return all.flatMap((one) => one ?? []).sort((a, b) => a.token.createdMs - b.token.createdMs);
  }

  async find(id: string): Promise<JoinTokenState | undefined> {
    if (!isId(id)) return undefined;
    const text = await readFile(join(this.#dir, `${id}${ENDING}`), "utf8").catch(ifAbsent);
    if (text === undefined) return undefined;
    const token: unknown = JSON.parse(text);
    if (!check.Check(token)) throw new Error(`${join(this.#dir, id)}: not a token of this build`);
    const files = await readdir(this.#dir);
    const prefix = `${id}.used-`;
    return {
      token,
      usedBy: files
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length)),
      revoked: files.includes(`${id}.revoked`),
    };
  }

  /** Durable when it returns: only then may the key be signed. */
  async markUsed(id: TokenId, key: string, principal: string): Promise<void> {
    await writeFileDurably(join(this.#dir, `${id}.used-${key}`), `${principal}\n`, { mode: 0o600 });
  }

  /** Keys that machines joined by, and what they are called. */
  async joined(): Promise<{ readonly key: string; readonly principal: string }[]> {
    const files = (await readdir(this.#dir).catch(ifAbsent)) ?? [];
    const marks = files.filter((name) => USE.test(name));
    return await Promise.all(
      marks.map(async (name) => ({
        key: name.replace(USE, ""),
        principal: (await readFile(join(this.#dir, name), "utf8")).trim(),
      })),
    );
  }

  /** @throws Error in one sentence when there is no such token. */
  async revoke(id: string): Promise<void> {
    if ((await this.find(id)) === undefined) {
      throw new Error(`there is no token ${id}; meseta token list shows those that there are`);
    }
    await writeFile(join(this.#dir, `${id}.revoked`), "", { mode: 0o600 });
  }

  async #names(): Promise<TokenId[]> {
    const files = (await readdir(this.#dir).catch(ifAbsent)) ?? [];
    const names = files.filter((name) => name.endsWith(ENDING));
    return names.map((name) => asId<TokenId>(name.slice(0, -ENDING.length)));
  }
}

function ifAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
