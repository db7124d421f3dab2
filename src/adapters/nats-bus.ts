/**
 * The bus over a NATS broker. It dials by itself and for ever, subscribes anew after each loss
 * and drops, counted, what is published without a connection: the client library would send a
 * part of it seconds late and lose the rest silently (P-3.5). It keeps no message.
 */
import { connect, type ConnectionOptions, type Msg, type NatsConnection } from "nats";
import type { Subscription as NatsSubscription } from "nats";
import {
  type Bus,
  BUS_PAYLOAD_BYTES_MAX,
  type BusMessage,
  type BusStatus,
  type Clock,
  type PublishOutcome,
  type RequestOutcome,
  type Subscription,
} from "#runtime";
import { Listeners, PendingRequests, subjectFault } from "./bus-parts.ts";
import { authenticatorOf, type Credential } from "./nkeys.ts";

/** What may wait in this process for the broker to take it; more is dropped. */
export const OUTBOUND_BYTES_MAX = 32 * 1024 * 1024;
const OUTBOUND_MARK_BYTES = 256 * 1024;
const DIAL_TIMEOUT_MS = 5_000;
const CLOSE_FLUSH_MS_MAX = 1_000;
/**
 * A broker that hangs or is cut off closes no connection: it is left for another when two pings have
 * gone unanswered, long before anybody takes us for lost.
 */
const PING_INTERVAL_MS = 5_000;
const PINGS_OUT_MAX = 2;

export interface NatsBusOptions {
  readonly servers: readonly string[];
  /** Asked at each dial, so that a renewed credential is used; none on an open test broker. */
  readonly credential?: () => Credential;
  /** The prefix below which this client may be answered. */
  readonly inbox: string;
  /** Shown by the broker's own tools. */
  readonly name: string;
  readonly clock: Clock;
  /** Tells two connections of one identity apart; new for each. */
  readonly nonce: string;
  /** Between two dials, in ms, each time with a random part of the jitter added. */
  readonly redialMs?: number;
  readonly redialJitterMs?: number;
  /** The authority whose certificate the broker must show, as DER; then TLS comes first of all. */
  readonly authority?: Uint8Array;
  /** Between two pings to the broker, in ms. */
  readonly pingMs?: number;
}

/**
 * The name in the certificates of our brokers. Their authority signs for nobody else, so it is
 * what proves the broker; under which address it was reached says nothing more.
 */
export const BROKER_TLS_NAME = "broker.meseta";

const REDIAL_MS = 250;
const REDIAL_JITTER_MS = 250;
/** What the library says where the broker lets nobody in by this credential. */
const REFUSED = "AUTHORIZATION_VIOLATION";
const REFUSED_WHY = "the credential was revoked, has ended, or is of another cluster";

export function connectionOptions(options: NatsBusOptions): ConnectionOptions {
  const redialMs = options.redialMs ?? REDIAL_MS;
  const jitterMs = options.redialJitterMs ?? REDIAL_JITTER_MS;
  const { credential } = options;
  return {
    servers: [...options.servers],
    name: options.name,
    inboxPrefix: options.inbox,
    maxReconnectAttempts: -1,
    reconnectTimeWait: redialMs,
    reconnectJitter: jitterMs,
    reconnectJitterTLS: jitterMs,
    // An expired token is renewed by its owner; giving up would kill this process for good.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    pingInterval: options.pingMs ?? PING_INTERVAL_MS,
    maxPingOut: PINGS_OUT_MAX,
    timeout: DIAL_TIMEOUT_MS,
    ...(credential === undefined ? {} : { authenticator: authenticatorOf(credential) }),
    ...(options.authority === undefined ? {} : { tls: tlsOptions(options.authority) }),
  };
}

/** The library hands on to Node what it does not know itself. */
function tlsOptions(authority: Uint8Array) {
  const ca = `-----BEGIN CERTIFICATE-----\n${Buffer.from(authority).toString("base64")}\n-----END CERTIFICATE-----\n`;
  return { handshakeFirst: true, ca, servername: BROKER_TLS_NAME };
}

/** Begins to dial; the first connection is told as a status like any later one. */
export function natsBus(options: NatsBusOptions): Bus {
  const bus = new NatsBus(options);
  bus.dial();
  return bus;
}

interface Wish {
  readonly subject: string;
  readonly onMessage: (message: BusMessage) => void;
  live: NatsSubscription | undefined;
}

class NatsBus implements Bus {
  readonly #options: NatsBusOptions;
  readonly #clock: Clock;
  readonly #listeners = new Listeners<BusStatus>();
  readonly #wishes = new Set<Wish>();
  readonly #requests: PendingRequests;
  readonly dropped = new Map<string, number>();
  #link: NatsConnection | undefined;
  #up = false;
  #closed = false;
  #why = "";
  #unflushed = 0;
  #unmarked = 0;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#requests = new PendingRequests(options.clock, `${options.inbox}.${options.nonce}`);
    this.subscribe(this.#requests.pattern, (message) => this.#requests.settle(message));
  }

  get connected(): boolean {
    return this.#up;
  }

  dial(): void {
    connect(connectionOptions(this.#options)).then(
      (link) => this.#linked(link),
      (error: Error) => {
        this.#tellLoss(error.message);
        const waitMs = this.#options.redialMs ?? REDIAL_MS;
        if (!this.#closed) this.#clock.timer(waitMs, () => this.#closed || this.dial());
      },
    );
  }

  #linked(link: NatsConnection): void {
    if (this.#closed) return void link.close();
    this.#link = link;
    void this.#watch(link);
    for (const wish of this.#wishes) this.#make(wish, link);
    this.#up = true;
    this.#tell({ kind: "connected", reconnect: false });
  }

  async #watch(link: NatsConnection): Promise<void> {
    for await (const status of link.status()) {
      if (this.#closed) return;
      if (status.type === "disconnect") {
        this.#up = false;
        this.#tellLoss(this.#why || "the connection was lost");
      } else if (status.type === "reconnect") {
        this.#up = true;
        this.#why = "";
        this.#tell({ kind: "connected", reconnect: true });
      } else if (status.type === "error") {
        this.#fault(String(status.data), status.permissionContext?.subject);
      }
    }
    if (!this.#closed) {
      // The library closed by itself; nothing of it is used again.
      this.#up = false;
      this.#link = undefined;
      this.#tellLoss(this.#why || "the client gave up");
      this.dial();
    }
  }

  #fault(code: string, subject: string | undefined): void {
    if (subject === undefined) {
      this.#why = code === REFUSED ? `${code}: ${REFUSED_WHY}` : code;
      return;
    }
    this.#count("forbidden");
    this.#tell({ kind: "forbidden", subject });
  }

  #tellLoss(why: string): void {
    this.#unflushed = 0;
    this.#unmarked = 0;
    this.#requests.failAll({ kind: "disconnected" });
    this.#tell({ kind: "disconnected", why });
  }

  #tell(status: BusStatus): void {
    if (!this.#closed) this.#listeners.tell(status);
  }

  #count(reason: string): "dropped" {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
    return "dropped";
  }

  publish(subject: string, data: Uint8Array, reply?: string): PublishOutcome {
    const link = this.#link;
    if (!this.#up || link === undefined) return this.#count("disconnected");
    if (data.length > BUS_PAYLOAD_BYTES_MAX) return this.#count("payload-too-large");
    if (subjectFault(subject) || (reply !== undefined && subjectFault(reply))) {
      return this.#count("subject-invalid");
    }
    if (this.#unflushed > OUTBOUND_BYTES_MAX) return this.#count("broker-slow");
    link.publish(subject, data, reply === undefined ? {} : { reply });
    this.#measure(link, data.length + subject.length);
    return "sent";
  }

  /** Every 256 KB a ping is sent along; its answer says that what went before has been taken. */
  #measure(link: NatsConnection, bytes: number): void {
    this.#unflushed += bytes;
    this.#unmarked += bytes;
    if (this.#unmarked < OUTBOUND_MARK_BYTES) return;
    const marked = this.#unmarked;
    this.#unmarked = 0;
    link.flush().then(
      () => {
        this.#unflushed = Math.max(0, this.#unflushed - marked);
      },
      // The loss of the connection has put both counts to zero.
      () => undefined,
    );
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    const wish: Wish = { subject, onMessage, live: undefined };
    this.#wishes.add(wish);
    if (this.#link !== undefined) this.#make(wish, this.#link);
    return {
      stop: () => {
        this.#wishes.delete(wish);
        wish.live?.unsubscribe();
        wish.live = undefined;
      },
    };
  }

  #make(wish: Wish, link: NatsConnection): void {
    wish.live = link.subscribe(wish.subject, {
      callback: (error, message) => {
        // An error here is a forbidden subscription; it is told as a status.
        if (error === null && !this.#closed && this.#wishes.has(wish)) {
          this.#deliver(wish, message);
        }
      },
    });
  }

  #deliver(wish: Wish, message: Msg): void {
    const arrivedAtMs = this.#clock.monotonicMs();
    if (message.headers?.code === 503 && message.data.length === 0) {
      this.#requests.fail(message.subject, { kind: "no-responders" });
      return;
    }
    const { subject, data, reply } = message;
    try {
      wish.onMessage(
        reply ? { subject, data, arrivedAtMs, reply } : { subject, data, arrivedAtMs },
      );
    } catch (error) {
      // Thrown here it would end the library's reader in silence and the process would be deaf.
      setImmediate(() => {
        throw error;
      });
    }
  }

  request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    done: (outcome: RequestOutcome) => void,
  ): void {
    const reply = this.#requests.open(timeoutMs, done);
    if (this.publish(subject, data, reply) === "dropped") {
      this.#clock.soon(() => this.#requests.fail(reply, { kind: "disconnected" }));
    }
  }

  flush(done: (reached: boolean) => void): void {
    const answer = (reached: boolean): void =>
      this.#clock.soon(() => this.#closed || done(reached));
    if (!this.#up || this.#link === undefined) return answer(false);
    this.#link.flush().then(
      () => answer(true),
      () => answer(false),
    );
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    return this.#listeners.add(listener);
  }

  close(done: () => void): void {
    if (this.#closed) return this.#clock.soon(done);
    this.#closed = true;
    const wasUp = this.#up;
    this.#up = false;
    this.#requests.forgetAll();
    const link = this.#link;
    if (link === undefined) return this.#clock.soon(done);
    let ending = false;
    const end = (): void => {
      if (ending) return;
      ending = true;
      bound.cancel();
      link.close().then(done, done);
    };
    // Last words are given a second to leave.
    const bound = this.#clock.timer(wasUp ? CLOSE_FLUSH_MS_MAX : 0, end);
    if (wasUp) link.flush().then(end, end);
  }
}
