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
 * How often a silent stream is asked where it is, soon at first: what is granted before the agent
 * listens is lost, and so is what was under way when the broker died, credits as well as chunks.
 */
const ASK_MS_FIRST = 25;
const ASK_MS_MAX = 1_000;
/** An agent that says nothing for so long does not have the stream (any more). */
const SILENT_MS_MAX = 5_000;

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

export function logRelay(options: LogRelayOptions): OpenLog {
  const { bus, ask } = options;
  return async (request, agentPrincipal, onChunk) => {
    const stream = new RelayedLog(options, request, agentPrincipal, onChunk);
    try {
      await reachBroker(bus);
      refuseUnaccepted(await ask({ kind: "OPERATOR_OPEN_STREAM", body: request }));
    } catch (error) {
      stream.end();
      throw error;
    }
    stream.begin();
    return stream;
  };
}

/** One stream, from an agent to one reader. */
class RelayedLog implements LogReader {
  readonly #options: LogRelayOptions;
  readonly #request: BodyOf<"OPERATOR_OPEN_STREAM">;
  readonly #onChunk: (chunk: LogChunk) => void;
  readonly #creditSubject: string;
  readonly #subscription: { stop(): void };
  #open = true;
  #timer: Timer | undefined;
  #heardMs: number;
  /** Where the next byte stands; undefined before anything has come. */
  #expected: number | undefined;
  /** Chunks that the reader can take and that have not come. */
  #credits = STREAM_CREDITS_MAX;

  constructor(
    options: LogRelayOptions,
    request: BodyOf<"OPERATOR_OPEN_STREAM">,
    agentPrincipal: string,
    onChunk: (chunk: LogChunk) => void,
  ) {
    const { bus, subjects, clock } = options;
    const principal = asId<Principal>(agentPrincipal);
    this.#options = options;
    this.#request = request;
    this.#onChunk = onChunk;
    this.#heardMs = clock.monotonicMs();
    this.#creditSubject = subjects.stream(principal, request.streamId, "in");
    const chunks = subjects.stream(principal, request.streamId, "out");
    this.#subscription = bus.subscribe(chunks, ({ data }) => this.#heard(data));
  }

  /** The agent has been told to open it. */
  begin(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#grant(this.#credits);
    this.#askAgain(ASK_MS_FIRST);
  }

  credit(): void {
    if (!this.#open) return;
    this.#credits = Math.min(STREAM_CREDITS_MAX, this.#credits + 1);
    this.#grant(1);
  }

  close(): void {
    if (!this.#open) return;
    this.end();
    const { ask, counters } = this.#options;
    const { agentId, streamId } = this.#request;
    ask({ kind: "OPERATOR_CLOSE_STREAM", body: { agentId, streamId } }).catch((error: Error) =>
      // The agent closes a stream that nobody grants anything by itself.
      counters.add("streams", `not-closed: ${error.name}`),
    );
  }

  end(): void {
    this.#open = false;
    this.#timer?.cancel();
    this.#subscription.stop();
  }

  #grant(count: number): void {
    this.#options.bus.publish(this.#creditSubject, encodeCredit(count));
  }

  /** Nothing is under way, so what has been granted and not used may be lost. */
  #isThere(offset: number): void {
    if (this.#credits > 0 && offset === (this.#expected ?? offset)) this.#grant(this.#credits);
  }

  /** Asks where the agent is, and again later unless the stream has ended. */
  #askAgain(inMs: number): void {
    this.#timer?.cancel();
    if (!this.#open) return;
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#heardMs > SILENT_MS_MAX) {
      return this.#fail("silent", "the agent does not answer");
    }
    this.#grant(0);
    this.#timer = clock.timer(inMs, () => this.#askAgain(Math.min(ASK_MS_MAX, 2 * inMs)));
  }

  #heard(data: Uint8Array): void {
    const { counters, clock } = this.#options;
    if (!this.#open) return;
    const chunk = decodeChunk(data);
    if (chunk === undefined) return counters.add("streams", "undecodable");
    this.#heardMs = clock.monotonicMs();
    const { offset, bytes, eof, fault } = chunk;
    const brings = bytes.length > 0;
    // The first bytes may stand higher than asked for: rotation took what was before.
    const unasked = brings || this.#request.offset < 0;
    const expected = this.#expected ?? (unasked ? offset : this.#request.offset);
    if (offset > expected) return this.#fail("hole", "a part of the log was lost on its way");
    if (!brings && !eof && fault === undefined) return this.#isThere(offset);
    this.#expected = offset + bytes.length;
    if (brings) this.#credits = Math.max(0, this.#credits - 1);
    const last = eof || fault !== undefined;
    if (last) this.end();
    this.#onChunk({ offset, bytes, last, ...(fault === undefined ? {} : { fault }) });
  }

  /** The reader comes back from where it is. */
  #fail(reason: string, fault: string): void {
    this.#options.counters.add("streams", reason);
    this.end();
    const offset = this.#expected ?? Math.max(0, this.#request.offset);
    this.#onChunk({ offset, bytes: new Uint8Array(), last: true, fault });
  }
}

/** Chunks may come as soon as the stream is open, so the broker must know that we listen. */
function reachBroker(bus: Bus): Promise<void> {
  return new Promise((resolve, reject) =>
    bus.flush((reached) =>
      reached ? resolve() : reject(new ApiError("no-leader", "the bus is not connected")),
    ),
  );
}
