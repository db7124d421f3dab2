/**
 * Calls of this master's own gateway to whoever leads: one request, one reply, as frames of one
 * message. It knows no route and keeps nothing.
 */
import { ApiError } from "#api";
import type { OperatorCall } from "#gateway";
import {
  type BodyOf,
  decodeSingle,
  encodeSingle,
  operatorPeer,
  type Principal,
  type Subjects,
} from "#protocol";
import type { Bus, RequestOutcome } from "#runtime";

/** An election may be under way: the answer comes within the time of one, or never. */
const CALL_TIMEOUT_MS = 10_000;
/** Nobody listens while there is no leader; the question is put again until then. */
const NO_LEADER_RETRY_MS = 200;
const NO_LEADER_MS_MAX = 3_000;

export type AskLeader = (message: OperatorCall) => Promise<BodyOf<"OPERATOR_ANSWER">>;

/** @throws ApiError no-leader, timeout, failed. */
export function operatorCalls(bus: Bus, subjects: Subjects, principal: Principal): AskLeader {
  const subject = subjects.toMaster(operatorPeer(principal));
  return async (message) => {
    const encoded = encodeSingle({ ...message, id: 1, re: 0 }, 0);
    if (encoded.fault !== undefined) throw new ApiError("invalid", encoded.fault);
    const endMs = performance.now() + NO_LEADER_MS_MAX;
    for (;;) {
      const outcome = await request(bus, subject, encoded.bytes);
      switch (outcome.kind) {
        case "reply":
          return answerIn(outcome.message.data);
        case "timeout":
          throw new ApiError("timeout", `the leader did not answer within ${CALL_TIMEOUT_MS} ms`);
        case "no-responders":
        case "disconnected":
          if (performance.now() > endMs) throw noLeader(outcome.kind);
          await new Promise((resolve) => setTimeout(resolve, NO_LEADER_RETRY_MS));
      }
    }
  };
}

function noLeader(why: "no-responders" | "disconnected"): ApiError {
  const message =
    why === "disconnected" ? "the bus is not connected" : "no master leads at the moment";
  return new ApiError("no-leader", message, "try again in a few seconds");
}

function request(bus: Bus, subject: string, bytes: Uint8Array): Promise<RequestOutcome> {
  return new Promise((resolve) => bus.request(subject, bytes, CALL_TIMEOUT_MS, resolve));
}

function answerIn(data: Uint8Array): BodyOf<"OPERATOR_ANSWER"> {
  const decoded = decodeSingle(data);
  if (decoded.reason !== undefined) {
    throw new ApiError("failed", `the leader's answer cannot be read: ${decoded.reason}`);
  }
  const { message } = decoded;
  if (message?.kind === "OPERATOR_ANSWER") return message.body;
  throw new ApiError("failed", `the leader answered with ${message?.kind ?? "nothing"}`);
}
