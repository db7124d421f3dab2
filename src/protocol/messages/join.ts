/**
 * How somebody comes to a credential of their own: asked with one that may do nothing else, or
 * with the one that is to be renewed. One request, one reply, outside sessions.
 */
import { type Static, Type } from "@sinclair/typebox";

/** The key pair is made where it is used; only its public half is ever sent. */
export const JoinSchema = Type.Object({
  /** Public key that the credential is to be for. */
  key: Type.String({ minLength: 1, maxLength: 64 }),
  /** Name of the machine, a part of the principal; for people. */
  host: Type.String({ maxLength: 256 }),
  /** Build of whoever asks. */
  version: Type.String({ maxLength: 64 }),
});
export type Join = Static<typeof JoinSchema>;

export const JoinedSchema = Type.Object({
  /** Whom the credential names: the same for the same key, always. */
  principal: Type.String({ minLength: 1, maxLength: 200 }),
  /** Signed for the key. */
  jwt: Type.String({ minLength: 1, maxLength: 8192 }),
});
export type Joined = Static<typeof JoinedSchema>;

export const JoinRefusedSchema = Type.Object({
  reason: Type.Union([
    Type.Literal("unknown-token"),
    Type.Literal("token-expired"),
    Type.Literal("token-revoked"),
    Type.Literal("token-used"),
    Type.Literal("key-invalid"),
    Type.Literal("key-unknown"),
    Type.Literal("key-revoked"),
    Type.Literal("failed"),
  ]),
  message: Type.String({ maxLength: 4096 }),
});
export type JoinRefused = Static<typeof JoinRefusedSchema>;
