/**
 * The log on a JetStream stream. Every append names the position it must follow; the stream's
 * refusal is passed on as `conflict`, silence as `unknown`, and who appends finds out by reading
 * (P-7.1). It reads through the stream's leader and never trusts bounds. It does not make backups.
 */
import { connect, headers as makeHeaders, type Msg, type NatsConnection } from "nats";
import type { Position } from "#protocol";
import {
  type AppendOutcome,
  type Clock,
  type HintOutcome,
  type Log,
  LOG_RECORD_BYTES_MAX,
  type LogEntry,
  type ReadOutcome,
  type RequestOutcome,
  type Timer,
  type StepDownOutcome,
  type TruncateOutcome,
} from "#runtime";
import { PendingRequests } from "./bus-parts.ts";
import { connectionOptions, type NatsBusOptions } from "./nats-bus.ts";
import { openStream, removeStream, type StreamWanted } from "./jetstream-stream.ts";

/** An append without an answer for so long is `unknown`. */
export const APPEND_TIMEOUT_MS = 5_000;
/** Appends in flight; further ones are answered `unknown` at once. */
export const APPENDS_IN_FLIGHT_MAX = 4_096;
/** A question to the stream without an answer for so long has failed. */
const ASK_TIMEOUT_MS = 2_000;
/** Entries fetched side by side by one read, once it has found some. */
const READ_WINDOW_MAX = 128;
const READ_BYTES_MAX = 8 * 1024 * 1024;
const FOLLOW_ENTRIES_MAX = 256;
/** How long a follower that was woken waits for the entry to be committed, then ever longer. */
const FOLLOW_RETRY_MS_FIRST = 2;
const FOLLOW_RETRY_MS_MAX = 500;
const WRONG_LAST_SEQUENCE = 10_071;
const NO_MESSAGE_FOUND = 10_037;

export interface JetStreamLogOptions extends NatsBusOptions {
  readonly stream: StreamWanted;
  readonly appendTimeoutMs?: number;
}

/**
 * Connects, makes the stream when it is absent, reads it back.
 * @throws Error when no broker can be reached.
 * @throws StreamRefused when the stream or the server cannot hold the log safely (P-7.6).
 */
export async function openJetStreamLog(options: JetStreamLogOptions): Promise<Log> {
  const link = await reach(options);
  try {
    await openStream(link, options.stream);
    return new JetStreamLog(options, link);
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** Takes the stream of a log away, with all that it holds: before another is made in its place. */
export async function removeJetStreamLog(options: JetStreamLogOptions): Promise<void> {
  const link = await reach(options);
  try {
    await removeStream(link, options.stream.name);
  } finally {
    await link.close();
  }
}

/** @throws Error naming the broker, which the client library leaves out. */
async function reach(options: JetStreamLogOptions): Promise<NatsConnection> {
  try {
    return await connect(connectionOptions(options));
  } catch (error) {
    const { message } = error as Error;
    const where = options.servers.join(", ");
    throw new Error(`the broker at ${where} cannot be reached: ${message}; is it running?`);
  }
}

interface InFlight {
  readonly token: string;
  readonly done: (outcome: AppendOutcome) => void;
  outcome: AppendOutcome | undefined;
  readonly timer: Timer;
}

type Ordered = TruncateOutcome & StepDownOutcome;
const DONE = { kind: "done" } as const;

type Got =
  | { readonly kind: "entry"; readonly entry: LogEntry }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly why: string };

class JetStreamLog implements Log {
  readonly exclusive = false;
  readonly #options: JetStreamLogOptions;
  readonly #clock: Clock;
  readonly #link: NatsConnection;
  /** Questions of our own: the library's would wait their whole time after a lost connection. */
  readonly #asked: PendingRequests;
  readonly #inbox: string;
  /** In the order of appends, which is the order of their answers. */
  #inFlight: InFlight[] = [];
  readonly #byToken = new Map<string, InFlight>();
  readonly #followers = new Set<Follower>();
  #appends = 0;
  #up = true;
  #closed = false;

  constructor(options: JetStreamLogOptions, link: NatsConnection) {
    this.#options = options;
    this.#clock = options.clock;
    this.#link = link;
    this.#asked = new PendingRequests(options.clock, `${options.inbox}.${options.nonce}.ask`);
    this.#inbox = `${options.inbox}.${options.nonce}.append`;
    link.subscribe(this.#asked.pattern, {
      callback: (error, message) => {
        if (error === null) this.#told(message);
      },
    });
    link.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message);
      },
    });
    // A record on its way to the stream passes here too: it wakes whoever follows.
    link.subscribe(options.stream.subject, {
      callback: (error) => {
        if (error === null) for (const follower of this.#followers) follower.wake();
      },
    });
    void this.#watch();
  }

  async #watch(): Promise<void> {
    for await (const status of this.#link.status()) {
      if (this.#closed) return;
      if (status.type === "disconnect") {
        this.#up = false;
        this.#asked.failAll({ kind: "disconnected" });
        this.#giveUpAll("the connection was lost");
      } else if (status.type === "reconnect") {
        this.#up = true;
        for (const follower of this.#followers) follower.wake();
      }
    }
    this.#up = false;
    if (!this.#closed) this.#giveUpAll("the client gave up");
  }

  append(expected: Position, record: Uint8Array, done: (outcome: AppendOutcome) => void): void {
    if (record.length > LOG_RECORD_BYTES_MAX) {
      const size = `${record.length} of at most ${LOG_RECORD_BYTES_MAX} bytes`;
      throw new Error(`a record of the log is too large: ${size}; split it`);
    }
    this.#appends += 1;
    const token = this.#appends.toString(36);
    const limitMs = this.#options.appendTimeoutMs ?? APPEND_TIMEOUT_MS;
    const timer = this.#clock.timer(limitMs, () =>
      this.#settle(token, { kind: "unknown", why: `no answer within ${limitMs} ms` }),
    );
    const flight: InFlight = { token, done, outcome: undefined, timer };
    this.#inFlight.push(flight);
    this.#byToken.set(token, flight);
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#clock.soon(() => this.#settle(token, { kind: "unknown", why: refusal }));
      return;
    }
    const headers = makeHeaders();
    headers.set("Nats-Expected-Stream", this.#options.stream.name);
    headers.set("Nats-Expected-Last-Sequence", String(expected));
    const reply = `${this.#inbox}.${token}`;
    this.#link.publish(this.#options.stream.subject, record, { reply, headers });
  }

  /** The library would keep what is published now and send it after the connection is back. */
  #refusal(): string | undefined {
    if (this.#closed) return "the log is closed";
    if (!this.#up) return "there is no connection to the log";
    return this.#inFlight.length > APPENDS_IN_FLIGHT_MAX ? "too many appends wait" : undefined;
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    this.#settle(token, outcomeOf(message, this.#options.stream.name));
  }

  #settle(token: string, outcome: AppendOutcome): void {
    const flight = this.#byToken.get(token);
    if (flight === undefined || flight.outcome !== undefined) return;
    flight.outcome = outcome;
    flight.timer.cancel();
    // Answers come in the order of appends; one that is early waits for those before it.
    let settled = 0;
    for (const one of this.#inFlight) {
      if (one.outcome === undefined) break;
      settled += 1;
    }
    for (const one of this.#inFlight.splice(0, settled)) {
      this.#byToken.delete(one.token);
      if (one.outcome !== undefined && !this.#closed) one.done(one.outcome);
    }
  }

  #giveUpAll(why: string): void {
    for (const { token } of [...this.#inFlight]) this.#settle(token, { kind: "unknown", why });
  }

  read(from: Position, max: number, done: (outcome: ReadOutcome) => void): void {
    this.#read(from, max).then(
      (outcome) => this.#closed || done(outcome),
      (error) => this.#closed || done({ kind: "failed", why: messageOf(error) }),
    );
  }

  async #read(from: Position, max: number): Promise<ReadOutcome> {
    const entries: LogEntry[] = [];
    let bytes = 0;
    // Whoever has read to the end asks for one, and gets it or hears that there is none.
    let window = 1;
    while (entries.length < max && bytes < READ_BYTES_MAX) {
      const start = from + entries.length;
      const count = Math.min(window, max - entries.length);
      window = Math.min(READ_WINDOW_MAX, window * 8);
      const asked = Array.from({ length: count }, (_, index) => this.#get(start + index));
      const got = await Promise.all(asked);
      const gap = got.findIndex(({ kind }) => kind !== "entry");
      for (const one of gap < 0 ? got : got.slice(0, gap)) {
        if (one.kind !== "entry") continue;
        entries.push(one.entry);
        bytes += one.entry.record.length;
      }
      const stopper = got[gap];
      if (stopper?.kind === "failed" && entries.length === 0) return stopper;
      if (stopper !== undefined) break;
    }
    if (entries.length > 0 || max < 1) return { kind: "read", entries, first: 1 };
    // Nothing there: because the end has come, or because it was truncated.
    const { first } = await this.#bounds();
    return { kind: "read", entries, first };
  }

  async #get(position: Position): Promise<Got> {
    const answer = await this.#ask(`MSG.GET.${this.#options.stream.name}`, { seq: position });
    if (typeof answer === "string") return { kind: "failed", why: answer };
    const { error, message } = answer as GetAnswer;
    if (error?.err_code === NO_MESSAGE_FOUND) return { kind: "absent" };
    if (message === undefined) return { kind: "failed", why: error?.description ?? "no entry" };
    const record = Buffer.from(message.data ?? "", "base64");
    return { kind: "entry", entry: { position: message.seq, record } };
  }

  async #bounds(): Promise<{ first: Position; last: Position }> {
    const answer = await this.#ask(`INFO.${this.#options.stream.name}`, {});
    if (typeof answer === "string") throw new Error(answer);
    const { error, state } = answer as InfoAnswer;
    if (state === undefined) throw new Error(error?.description ?? "the stream tells no bounds");
    return { first: Math.max(1, state.first_seq), last: state.last_seq };
  }

  /** The stream's answer, or why there is none. */
  #ask(what: string, body: object): Promise<object | string> {
    return new Promise((resolve) => {
      const reply = this.#asked.open(ASK_TIMEOUT_MS, (outcome) => resolve(answerOf(outcome)));
      if (!this.#up) return this.#asked.fail(reply, { kind: "disconnected" });
      this.#link.publish(`$JS.API.STREAM.${what}`, JSON.stringify(body), { reply });
    });
  }

  #told(message: Msg): void {
    const { subject, data, headers } = message;
    if (headers?.code === 503) return this.#asked.fail(subject, { kind: "no-responders" });
    this.#asked.settle({ subject, data, arrivedAtMs: this.#clock.monotonicMs() });
  }

  follow(from: Position, onEntries: (entries: readonly LogEntry[]) => void): { stop(): void } {
    const follower = new Follower(this, this.#clock, from, onEntries);
    this.#followers.add(follower);
    follower.wake();
    return {
      stop: () => {
        this.#followers.delete(follower);
        follower.stop();
      },
    };
  }

  hint(done: (outcome: HintOutcome) => void): void {
    this.#bounds().then(
      (bounds) => this.#closed || done({ kind: "hint", ...bounds }),
      (error) => this.#closed || done({ kind: "failed", why: messageOf(error) }),
    );
  }

  truncate(before: Position, done: (outcome: TruncateOutcome) => void): void {
    // The stream forgets what lies before that position, and numbers on as before.
    this.#order("PURGE", { seq: before }).then((outcome) => this.#closed || done(outcome));
  }

  stepDown(end: Position, done: (outcome: StepDownOutcome) => void): void {
    this.#bounds()
      .then(({ last }) => (last > end ? DONE : this.#order("LEADER.STEPDOWN", {})))
      .then(
        (outcome) => this.#closed || done(outcome),
        (error) => this.#closed || done({ kind: "failed", why: messageOf(error) }),
      );
  }

  /** Something that the stream is to do, which it says it has done, or why not. */
  async #order(what: string, body: object): Promise<Ordered> {
    const answer = await this.#ask(`${what}.${this.#options.stream.name}`, body);
    if (typeof answer === "string") return { kind: "failed", why: answer };
    const { success, error } = answer as OrderAnswer;
    if (success === true) return DONE;
    const why = error?.description ?? "the stream did not say that it was done";
    return { kind: "failed", why };
  }

  close(done: () => void): void {
    this.#closed = true;
    for (const follower of this.#followers) follower.stop();
    for (const { timer } of this.#inFlight) timer.cancel();
    this.#asked.forgetAll();
    this.#link.close().then(done, done);
  }
}

/** Reads on whenever it is woken, and now and then by itself: a wake may be lost. */
class Follower {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onEntries: (entries: readonly LogEntry[]) => void;
  #next: Position;
  #reading = false;
  #stopped = false;
  #retryMs = FOLLOW_RETRY_MS_FIRST;
  #timer: Timer | undefined;

  constructor(
    log: Log,
    clock: Clock,
    from: Position,
    onEntries: (entries: readonly LogEntry[]) => void,
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#next = from;
    this.#onEntries = onEntries;
  }

  /** Something may have come. */
  wake(): void {
    this.#retryMs = FOLLOW_RETRY_MS_FIRST;
    if (!this.#reading && !this.#stopped) this.#later(0);
  }

  #later(inMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(inMs, () => this.#readOn());
  }

  #readOn(): void {
    if (this.#reading || this.#stopped) return;
    this.#reading = true;
    this.#log.read(this.#next, FOLLOW_ENTRIES_MAX, (outcome) => {
      this.#reading = false;
      if (this.#stopped) return;
      const last = outcome.kind === "read" ? outcome.entries.at(-1) : undefined;
      if (outcome.kind === "read" && last !== undefined) {
        this.#next = last.position + 1;
        this.#retryMs = FOLLOW_RETRY_MS_FIRST;
        this.#onEntries(outcome.entries);
        return this.#later(0);
      }
      // What it was to tell has been forgotten meanwhile.
      if (outcome.kind === "read") this.#next = Math.max(this.#next, outcome.first);
      this.#later(this.#retryMs);
      this.#retryMs = Math.min(FOLLOW_RETRY_MS_MAX, this.#retryMs * 2);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}

/** What the stream said to an append. Whatever is not understood may have been committed. */
function outcomeOf(message: Msg, stream: string): AppendOutcome {
  if (message.headers?.code === 503) return { kind: "unknown", why: "no stream answers" };
  let answer: unknown;
  try {
    answer = message.json();
  } catch (error) {
    return { kind: "unknown", why: `an answer that is no JSON: ${messageOf(error)}` };
  }
  if (typeof answer !== "object" || answer === null) return { kind: "unknown", why: "no answer" };
  if ("error" in answer) return refusalOf(answer.error);
  const placed = "seq" in answer && typeof answer.seq === "number" ? answer.seq : 0;
  const fits = "stream" in answer && answer.stream === stream && placed > 0;
  if (!fits) return { kind: "unknown", why: "an answer without a position" };
  return { kind: "committed", position: placed };
}

function refusalOf(error: unknown): AppendOutcome {
  const { err_code: code, description } = error as ApiError;
  if (code === WRONG_LAST_SEQUENCE) return { kind: "conflict" };
  return { kind: "unknown", why: `the stream refused: ${description ?? `error ${code}`}` };
}

interface ApiError {
  readonly err_code?: number;
  readonly description?: string;
}
interface GetAnswer {
  readonly error?: ApiError;
  readonly message?: { readonly seq: number; readonly data?: string };
}
interface OrderAnswer {
  readonly error?: ApiError;
  readonly success?: boolean;
}
interface InfoAnswer {
  readonly error?: ApiError;
  readonly state?: { readonly first_seq: number; readonly last_seq: number };
}

function answerOf(outcome: RequestOutcome): object | string {
  if (outcome.kind !== "reply") return `the stream cannot be asked: ${outcome.kind}`;
  try {
    const answer: unknown = JSON.parse(Buffer.from(outcome.message.data).toString("utf8"));
    return typeof answer === "object" && answer !== null ? answer : "an answer without content";
  } catch (error) {
    return `an answer that is no JSON: ${messageOf(error)}`;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
