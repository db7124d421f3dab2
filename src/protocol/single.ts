/**
 * Messages outside sessions: a frame with an empty session and number 0 that carries one message
 * (a call of people and its answer, a beacon) or none (is anybody there?). Owns how one is put
 * together and taken apart; gateways and tools use it, actors are served by their host.
 */
import { decodeBody, type EncodedMessage, encodeMessage } from "./codec.ts";
import { encodeFrame, FrameReader } from "./frame.ts";
import type { Epoch } from "./ids.ts";
import type { AnyMessage } from "./messages.ts";
import type { WireReason } from "./refusals.ts";

const outside = (epoch: Epoch) => ({ epoch, session: "", number: 0, ack: 0, window: 0 });

/** A frame that says no more than being there. */
export function encodeNobody(epoch: Epoch): Uint8Array {
  return encodeFrame(outside(epoch));
}

/** A fault where the message breaks its own schema or fits into no frame: ours, not a peer's. */
export function encodeSingle(message: AnyMessage, epoch: Epoch): EncodedMessage {
  const ids = { id: message.id ?? 0, re: message.re ?? 0 };
  const encoded = encodeMessage(message.kind, ids, message.body);
  if (encoded.fault !== undefined) return encoded;
  return { bytes: encodeFrame(outside(epoch), [encoded.bytes]) };
}

export type Single =
  | {
      readonly epoch: Epoch;
      /** Absent: the frame asks or answers no more than being there. */
      readonly message: AnyMessage | undefined;
      readonly reason?: undefined;
    }
  | { readonly reason: WireReason };

export function decodeSingle(bytes: Uint8Array): Single {
  const reader = new FrameReader();
  const fault = reader.open(bytes) ?? reader.walk();
  if (fault !== undefined) return { reason: fault };
  if (reader.session !== "" || reader.number !== 0) return { reason: "foreign-session" };
  if (reader.count === 0) return { epoch: reader.epoch, message: undefined };
  const kind = reader.kind(0);
  if (kind === undefined || reader.count > 1) return { reason: "unknown-kind" };
  const decoded = decodeBody(kind, reader.body(0));
  if (decoded.reason !== undefined) return { reason: decoded.reason };
  const message = { kind, body: decoded.body, id: reader.id(0), re: reader.re(0) };
  return { epoch: reader.epoch, message: message as AnyMessage };
}
