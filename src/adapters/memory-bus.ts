/**
 * The bus within one process, for one machine without a broker and for tests. Permissions are
 * those of the broker's credentials, checked for each connection; delivery is FIFO, bounded and
 * never within the call. It carries nothing out of the process.
 */
import {
  covers,
  type Identity,
  identityFault,
  inboxOf,
  mayPublish,
  maySubscribe,
  type Permissions,
  permissionsOf,
} from "#access";
import type { Subjects } from "#protocol";
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

/** What may wait for one receiver; more is dropped and counted at the receiver. */
export const RECEIVER_MESSAGES_MAX = 100_000;
export const RECEIVER_BYTES_MAX = 64 * 1024 * 1024;

interface Interest {
  readonly pattern: string;
  readonly bus: MemoryBus;
  readonly onMessage: (message: BusMessage) => void;
}

/** Joins the connections of one process. */
export class MemoryBroker {
  readonly #clock: Clock;
  readonly #subjects: Subjects;
  readonly #interests = new Set<Interest>();
  /** Who hears a subject; thrown away whenever somebody comes or goes. */
  readonly #routes = new Map<string, readonly Interest[]>();
  readonly #buses = new Set<MemoryBus>();
  #connections = 0;
  #up = true;

  constructor(clock: Clock, subjects: Subjects) {
    this.#clock = clock;
    this.#subjects = subjects;
  }

  get up(): boolean {
    return this.#up;
  }

  /** @throws Error when the identity's names break the rule of ids. */
  connect(identity: Identity): Bus {
    const fault = identityFault(identity);
    if (fault !== undefined) throw new Error(`no connection: ${fault}`);
    this.#connections += 1;
    const inbox = `${inboxOf(identity)}.${this.#connections.toString(36)}`;
    const permissions = permissionsOf(this.#subjects, identity);
    const bus = new MemoryBus(this, this.#clock, permissions, inbox);
    this.#buses.add(bus);
    bus.begin();
    return bus;
  }

  /** Like a broker that is down: nothing is carried until `resume`. */
  interrupt(): void {
    this.#up = false;
    for (const bus of this.#buses) bus.lost();
  }

  resume(): void {
    this.#up = true;
    for (const bus of this.#buses) bus.back();
  }

  add(interest: Interest): void {
    this.#interests.add(interest);
    this.#routes.clear();
  }

  remove(interest: Interest): void {
    this.#interests.delete(interest);
    this.#routes.clear();
  }

  forget(bus: MemoryBus): void {
    this.#buses.delete(bus);
    for (const interest of this.#interests) if (interest.bus === bus) this.remove(interest);
  }

  /** @returns whether anybody listens. */
  route(subject: string, data: Uint8Array, reply: string | undefined): boolean {
    const hearers = this.#hearers(subject);
    // Each message is one's own copy: the sender may use its buffer again.
    for (const { bus, onMessage } of hearers) bus.receive(onMessage, subject, data.slice(), reply);
    return hearers.length > 0;
  }

  #hearers(subject: string): readonly Interest[] {
    const known = this.#routes.get(subject);
    if (known !== undefined) return known;
    const found = [...this.#interests].filter(({ pattern }) => covers(pattern, subject));
    if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
    this.#routes.set(subject, found);
    return found;
  }
}

/** Subjects whose hearers are remembered; inboxes pass through here too, once each. */
const ROUTES_MAX = 4_096;

interface Delivery {
  readonly onMessage: (message: BusMessage) => void;
  readonly message: BusMessage;
}

class MemoryBus implements Bus {
  readonly #broker: MemoryBroker;
  readonly #clock: Clock;
  readonly #permissions: Permissions;
  readonly #requests: PendingRequests;
  readonly #listeners = new Listeners<BusStatus>();
  readonly dropped = new Map<string, number>();
  #queue: Delivery[] = [];
  #queuedBytes = 0;
  #delivering = false;
  #closed = false;
  readonly #stopped = new WeakSet<(message: BusMessage) => void>();

  constructor(broker: MemoryBroker, clock: Clock, permissions: Permissions, inbox: string) {
    this.#broker = broker;
    this.#clock = clock;
    this.#permissions = permissions;
    this.#requests = new PendingRequests(clock, inbox);
  }

  get connected(): boolean {
    return this.#broker.up && !this.#closed;
  }

  begin(): void {
    this.subscribe(this.#requests.pattern, (message) => this.#requests.settle(message));
    this.#tellSoon({ kind: "connected", reconnect: false });
  }

  lost(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#clock.soon(() => this.#requests.failAll({ kind: "disconnected" }));
    this.#tellSoon({ kind: "disconnected", why: "the bus was interrupted" });
  }

  back(): void {
    this.#tellSoon({ kind: "connected", reconnect: true });
  }

  #tellSoon(status: BusStatus): void {
    this.#clock.soon(() => this.#closed || this.#listeners.tell(status));
  }

  #count(reason: string): "dropped" {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
    return "dropped";
  }

  publish(subject: string, data: Uint8Array, reply?: string): PublishOutcome {
    if (!this.connected) return this.#count("disconnected");
    if (data.length > BUS_PAYLOAD_BYTES_MAX) return this.#count("payload-too-large");
    if (subjectFault(subject) || (reply !== undefined && subjectFault(reply))) {
      return this.#count("subject-invalid");
    }
    // A broker takes it and refuses it afterwards; so it is not lost in silence here either.
    if (!mayPublish(this.#permissions, subject)) return this.#forbid(subject);
    if (!this.#broker.route(subject, data, reply) && reply !== undefined) {
      this.#clock.soon(() => this.#requests.fail(reply, { kind: "no-responders" }));
    }
    return "sent";
  }

  #forbid(subject: string): "dropped" {
    this.#tellSoon({ kind: "forbidden", subject });
    return this.#count("forbidden");
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    if (!maySubscribe(this.#permissions, subject)) {
      this.#forbid(subject);
      return { stop: () => undefined };
    }
    // One function object for each subscription, so that a stopped one is known by it.
    const hear = (message: BusMessage): void => onMessage(message);
    const interest: Interest = { pattern: subject, bus: this, onMessage: hear };
    this.#broker.add(interest);
    return {
      stop: () => {
        this.#stopped.add(hear);
        this.#broker.remove(interest);
      },
    };
  }

  receive(
    onMessage: (message: BusMessage) => void,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
  ): void {
    const full = this.#queue.length >= RECEIVER_MESSAGES_MAX;
    if (full || this.#queuedBytes + data.length > RECEIVER_BYTES_MAX) {
      this.#count("receiver-slow");
      return;
    }
    const arrivedAtMs = this.#clock.monotonicMs();
    const message = reply === undefined ? {} : { reply };
    this.#queue.push({ onMessage, message: { subject, data, arrivedAtMs, ...message } });
    this.#queuedBytes += data.length;
    if (this.#delivering) return;
    this.#delivering = true;
    this.#clock.soon(() => this.#deliver());
  }

  /** What comes while this runs waits for the next turn, so that timers are not starved. */
  #deliver(): void {
    this.#delivering = false;
    const batch = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { onMessage, message } of batch) {
      if (this.#closed) return;
      if (!this.#stopped.has(onMessage)) onMessage(message);
    }
  }

  request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    done: (outcome: RequestOutcome) => void,
  ): void {
    const reply = this.#requests.open(timeoutMs, done);
    const dropped = this.publish(subject, data, reply) === "dropped";
    // What is forbidden a broker swallows without an answer: that request runs into its timeout.
    if (dropped && mayPublish(this.#permissions, subject)) {
      this.#clock.soon(() => this.#requests.fail(reply, { kind: "disconnected" }));
    }
  }

  flush(done: (reached: boolean) => void): void {
    const reached = this.connected;
    this.#clock.soon(() => this.#closed || done(reached));
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    return this.#listeners.add(listener);
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#broker.forget(this);
    this.#requests.forgetAll();
    this.#queue = [];
    this.#clock.soon(done);
  }
}
