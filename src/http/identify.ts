/**
 * Who calls, and whether that is enough for a route: the bearer token of the context, compared
 * without telling where it differs.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError, PERMISSIONS, type Permission } from "#api";

export interface Identity {
  readonly principal: string;
  /** The most it may do; what comes before in `PERMISSIONS` it may too. */
  readonly may: Permission;
}

/** @throws ApiError not-allowed, with what is needed. */
export function allow({ principal, may }: Identity, needed: Permission): void {
  if (PERMISSIONS.indexOf(may) >= PERMISSIONS.indexOf(needed)) return;
  throw new ApiError(
    "not-allowed",
    `${principal} may ${may}, and this needs a token that may ${needed}`,
    "use the context that meseta up wrote, or ask whoever runs the cluster for such a token",
  );
}

export interface Tokens {
  /** SHA-256 of each token, in hexadecimal, and whom it names. */
  readonly byHash: ReadonlyMap<string, Identity>;
}

export function tokensOf(pairs: Iterable<readonly [token: string, identity: Identity]>): Tokens {
  const byHash = new Map<string, Identity>();
  for (const [token, identity] of pairs) byHash.set(hashOf(token), identity);
  return { byHash };
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** @throws ApiError unauthenticated, with what to send. */
export function identify(authorization: string | undefined, tokens: Tokens): Identity {
  const hint = "send the header Authorization: Bearer TOKEN; the token stands in the context file";
  if (authorization === undefined) {
    throw new ApiError("unauthenticated", "this server answers nobody without a token", hint);
  }
  const token = /^Bearer ([A-Za-z0-9._-]{1,512})$/.exec(authorization)?.[1];
  if (token === undefined) {
    throw new ApiError("unauthenticated", "the Authorization header is no bearer token", hint);
  }
  const given = Buffer.from(hashOf(token), "hex");
  for (const [hash, identity] of tokens.byHash) {
    if (timingSafeEqual(given, Buffer.from(hash, "hex"))) return identity;
  }
  throw new ApiError("unauthenticated", "the token is not one of this cluster's", hint);
}
