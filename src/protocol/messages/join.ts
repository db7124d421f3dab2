/**
 * How somebody comes to a credential of their own: asked with one that may do nothing else, or
 * with the one that is to be renewed. One request, one reply, outside sessions.
 */
import { type Static, Type } from "@sinclair/typebox";
import { ContainerIdSchema } from "../entities.ts";

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

/** Most executors that are signed for by one request; the answer must fit into a frame. */
export const EXECUTORS_SIGNED_MAX = 64;

const Keys = (max: number) => Type.String({ minLength: 1, maxLength: max });

/** An agent asks in advance, for containers that it has not started yet, or anew for those it has. */
export const SignExecutorsSchema = Type.Object({
  executors: Type.Array(
    Type.Object({
      /** The credential names it below the agent's principal: nobody else gets its subjects. */
      containerId: ContainerIdSchema,
      /** Public key that the credential is to be for. */
      key: Keys(64),
    }),
    { minItems: 1, maxItems: EXECUTORS_SIGNED_MAX },
  ),
});
export type SignExecutors = Static<typeof SignExecutorsSchema>;

export const ExecutorsSignedSchema = Type.Object({
  /** One for each that was asked for, in that order. */
  jwts: Type.Array(Keys(8192), { maxItems: EXECUTORS_SIGNED_MAX }),
});
export type ExecutorsSigned = Static<typeof ExecutorsSignedSchema>;

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
