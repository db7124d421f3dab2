/** The leader's beacon and the words by which sessions are opened and closed (P-3). */
import { type Static, Type } from "@sinclair/typebox";
import { MasterIdSchema, oneOf, UuidSchema } from "../entities.ts";
import type { SessionId } from "../ids.ts";
import { WIRE_REASONS } from "../refusals.ts";

const SessionIdSchema = Type.Unsafe<SessionId>(UuidSchema);
const Count = Type.Integer({ minimum: 0 });
/** Version of the protocol that this build speaks. */
export const PROTOCOL_VERSION = 1;

/** Published on the leader's subject: who leads, since when, how callers spread out. */
export const BeaconSchema = Type.Object({
  masterId: MasterIdSchema,
  epoch: Count,
  /** Identity of the log, so that a client of another cluster notices. */
  logId: Type.String({ maxLength: 128 }),
  generation: Count,
  position: Count,
  /** Hash of the record at `position`, in hexadecimal. */
  hash: Type.String({ maxLength: 128 }),
  /** Clients wait a random part of this before their Hello. */
  windowMs: Count,
  intervalMs: Count,
});
export type Beacon = Static<typeof BeaconSchema>;

/** Client → server: opens a session. From here on frames of older sessions are void. */
export const HelloSchema = Type.Object({
  session: SessionIdSchema,
  incarnation: Count,
  epoch: Count,
  version: Count,
  /** Kinds the client understands; nobody is sent a kind it did not name (P-3.7). */
  kinds: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 256 }),
  /** What the client is, where the subject does not say it: an agent's id. */
  identity: Type.Optional(Type.String({ maxLength: 255 })),
});
export type Hello = Static<typeof HelloSchema>;

/** Server → client: there is room; say who you are and what you have. */
export const ComeSchema = Type.Object({ session: SessionIdSchema, window: Count });
export type Come = Static<typeof ComeSchema>;

/** Either way: what came last in my numbering is this; a silent tail costs a second (P-3.3). */
export const ProbeSchema = Type.Object({ session: SessionIdSchema, sent: Count, received: Count });
export type Probe = Static<typeof ProbeSchema>;

export const HeartbeatSchema = Type.Object({});

/** Either way: this session is over. Only a client of that very session opens the next. */
export const ClosedSchema = Type.Object({
  session: Type.String({ maxLength: 64 }),
  reason: oneOf(WIRE_REASONS),
});
export type Closed = Static<typeof ClosedSchema>;
