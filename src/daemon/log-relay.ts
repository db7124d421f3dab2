/**
 * Logs of tasks on their way from an agent to a reader: asks the leader to have the stream
 * opened, passes its chunks on, grants credits at the reader's pace. It keeps no bytes.
 */
import { ApiError } from "#api";
import type { LogChunk, LogReader } from "#gateway";
import { refuseUnaccepted } from "#gateway";
import {
  asId,
  type BodyOf,
  decodeChunk,
  encodeCredit,
  type Principal,
  STREAM_CREDITS_MAX,
  type Subjects,
} from "#protocol";
import type { Bus, Clock, Counters, Timer } from "#runtime";
import type { AskLeader } from "./operator-calls.ts";

/**
 * Credits that come before the agent listens are lost, so they are granted again, soon and then
 * ever later; a stream that is followed and silent is kept open by the last of these.
 */
const RENEW_MS_FIRST = 25;
const RENEW_MS_MAX = 20_000;

export interface LogRelayOptions {
  /** A master's connection: only masters may hear streams. */
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly ask: AskLeader;
}

export type OpenLog = (
  request: BodyOf<"OPERATOR_OPEN_STREAM">,
  agentPrincipal: string,
  onChunk: (chunk: LogChunk) => void,
) => Promise<LogReader>;

export function logRelay({ bus, subjects, clock, counters, ask }: LogRelayOptions): OpenLog {
  return async (request, agentPrincipal, onChunk) => {
    const principal = asId<Principal>(agentPrincipal);
    const { streamId, agentId } = request;
    const credits = subjects.stream(principal, streamId, "in");
    let open = true;
    let timer: Timer | undefined;
    let expected: number | undefined;

    const grant = (count: number, renewMs = RENEW_MS_MAX): void => {
      timer?.cancel();
      if (!open) return;
      bus.publish(credits, encodeCredit(count));
      const next = Math.min(RENEW_MS_MAX, renewMs * 2);
      timer = clock.timer(renewMs, () => grant(expected === undefined ? count : 1, next));
    };
    const end = (): void => {
      open = false;
      timer?.cancel();
      subscription.stop();
    };
    const subscription = bus.subscribe(subjects.stream(principal, streamId, "out"), ({ data }) => {
      const chunk = decodeChunk(data);
      if (!open) return;
      if (chunk === undefined) return counters.add("streams", "undecodable");
      const { offset, bytes, eof, fault } = chunk;
      // A chunk that was lost on its way leaves a hole: the reader comes back from its offset. At
      // the beginning a higher offset is what rotation took, but an end alone there is a hole.
      const from = expected ?? (eof && bytes.length === 0 ? request.offset : offset);
      if (from >= 0 && offset > from) {
        counters.add("streams", "hole");
        end();
        const why = "a part of the log was lost on its way";
        return onChunk({ offset: from, bytes: new Uint8Array(), last: true, fault: why });
      }
      expected = offset + bytes.length;
      const last = eof || fault !== undefined;
      if (last) end();
      onChunk({ offset, bytes, last, ...(fault === undefined ? {} : { fault }) });
    });
    const close = (): void => {
      if (!open) return;
      end();
      ask({ kind: "OPERATOR_CLOSE_STREAM", body: { agentId, streamId } }).catch((error: Error) =>
        // The agent closes a stream without credits by itself.
        counters.add("streams", `not-closed: ${error.name}`),
      );
    };
    try {
      await reachBroker(bus);
      refuseUnaccepted(await ask({ kind: "OPERATOR_OPEN_STREAM", body: request }));
    } catch (error) {
      end();
      throw error;
    }
    grant(STREAM_CREDITS_MAX, RENEW_MS_FIRST);
    return { credit: () => grant(1), close };
  };
}

/** Chunks may come as soon as the stream is open, so the broker must know that we listen. */
function reachBroker(bus: Bus): Promise<void> {
  return new Promise((resolve, reject) =>
    bus.flush((reached) =>
      reached ? resolve() : reject(new ApiError("no-leader", "the bus is not connected")),
    ),
  );
}
