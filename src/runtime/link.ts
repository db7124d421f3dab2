/**
 * One peer as this actor sees it: the session, what waits to be said to it, when it was last
 * heard. Owns the order in which messages leave; judges nothing that arrives.
 *
 * A message waits for its tokens, for the session's window, and for all messages before it, in
 * that order of causes; it gets into a frame, and the frame gets its number, when it leaves.
 */
import {
  type BodyOf,
  type Epoch,
  encodeFrame,
  encodeMessage,
  fitting,
  type FrameHeader,
  type Peer,
  type Role,
  roleOf,
  type Session,
  type WireReason,
} from "#protocol";
import type { Waiter } from "./holds.ts";
import type { Input, LinkChange } from "./inputs.ts";
import { InvariantError } from "./invariant.ts";

/** Most messages that wait for one peer; beyond it the session is closed (`window-exceeded`). */
export const OUTBOX_MESSAGES_MAX = 65_536;
/** Most answers `Closed` to one peer that wait for the next flush. */
const CLOSED_WAITING_MAX = 4;

type HelloChange = Extract<LinkChange, { change: "hello" }>;

/** A client that has said Hello and waits for Come. */
export interface PendingHello {
  readonly change: HelloChange;
  /** How many messages it takes. */
  readonly window: number;
  /** Where the actor will find it, so that a newer Hello takes its place. */
  readonly waiting: { input: Input; readonly taken?: boolean };
}

export type Publish = (subject: string, bytes: Uint8Array) => void;

export class Link {
  readonly peer: Peer;
  readonly role: Role;
  /** Where this actor publishes to reach the peer. */
  readonly subject: string;
  session: Session | undefined;
  hello: PendingHello | undefined;
  /** Kinds that the peer named in its Hello; undefined: all (a server). */
  kinds: ReadonlySet<string> | undefined;
  lastHeardMs: number | undefined;
  /** Client: its Hello, said until it is answered. */
  helloMessage: Uint8Array | undefined;
  helloDue = false;
  comeDue = false;
  heartbeatDue = false;
  /** The actor has let it come, but the mailbox has no room to grant. */
  waitsForRoom = false;
  readonly #closed: { readonly session: string; readonly reason: WireReason }[] = [];
  #messages: Uint8Array[] = [];
  #waiters: (Waiter | undefined)[] = [];
  #head = 0;

  constructor(peer: Peer, subject: string) {
    this.peer = peer;
    this.role = roleOf(peer);
    this.subject = subject;
  }

  /** Messages that wait to leave. */
  get waiting(): number {
    return this.#messages.length - this.#head;
  }

  /** How many more messages the peer would take now. */
  get room(): number {
    return Math.max(0, (this.session?.room ?? 0) - this.waiting);
  }

  push(message: Uint8Array, waiter: Waiter | undefined): void {
    this.#messages.push(message);
    this.#waiters.push(waiter);
  }

  /** Forgets what waits; returns how many messages that were. */
  clear(): number {
    const count = this.waiting;
    this.#messages = [];
    this.#waiters = [];
    this.#head = 0;
    return count;
  }

  /** The peer is to be told that `session` is over. */
  sayClosed(session: string, reason: WireReason): void {
    if (this.#closed.length < CLOSED_WAITING_MAX) this.#closed.push({ session, reason });
  }

  /** Says everything that may leave now; returns how many messages were void. */
  flush(epoch: Epoch, nowMs: number, publish: Publish): number {
    if (this.#closed.length > 0) this.#sayClosed(epoch, publish);
    const session = this.session;
    if (session === undefined || session.phase === "closed") return 0;
    const stamp = (): FrameHeader => session.stamp(epoch, 0, nowMs);
    if (this.helloDue && this.helloMessage !== undefined) {
      this.helloDue = false;
      publish(this.subject, encodeFrame(stamp(), [this.helloMessage]));
    }
    if (session.phase !== "open") return 0;
    if (this.comeDue) {
      this.comeDue = false;
      const body = { session: session.id, window: session.grant };
      publish(this.subject, encodeFrame(stamp(), [encodeOwn("Come", body)]));
    }
    const voided = this.#frames(session, epoch, nowMs, publish);
    if (this.heartbeatDue) {
      this.heartbeatDue = false;
      publish(this.subject, encodeFrame(stamp(), HEARTBEAT));
    }
    if (session.owesProbe) {
      publish(this.subject, encodeFrame(stamp(), [encodeOwn("Probe", session.probe())]));
    }
    if (session.owesAtOnce) publish(this.subject, encodeFrame(stamp()));
    return voided;
  }

  #sayClosed(epoch: Epoch, publish: Publish): void {
    for (const { session, reason } of this.#closed.splice(0)) {
      const header = { epoch, session, number: 0, ack: 0, window: 0 };
      const closed = encodeOwn("Closed", { session, reason });
      publish(this.subject, encodeFrame(header, [closed]));
    }
  }

  /** An acknowledgement of its own, where nothing else has carried it in time. */
  acknowledge(epoch: Epoch, nowMs: number, publish: Publish): void {
    const session = this.session;
    if (session === undefined || session.phase !== "open" || !session.owesAck) return;
    publish(this.subject, encodeFrame(session.stamp(epoch, 0, nowMs)));
  }

  #frames(session: Session, epoch: Epoch, nowMs: number, publish: Publish): number {
    let voided = 0;
    for (;;) {
      voided += this.#dropVoid();
      const ready = Math.min(this.#ready(), session.room);
      if (ready === 0) break;
      const count = Math.min(ready, fitting(this.#messages, this.#head));
      const header = session.stamp(epoch, count, nowMs);
      publish(this.subject, encodeFrame(header, this.#messages, { from: this.#head, count }));
      this.#left(count);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#waiters = this.#waiters.slice(this.#head);
      this.#head = 0;
    }
    return voided;
  }

  /** The first `count` messages have left. */
  #left(count: number): void {
    const end = this.#head + count;
    if (end === this.#messages.length) return void this.clear();
    for (let i = this.#head; i < end; i++) this.#messages[i] = NOTHING;
    this.#head = end;
  }

  /** How many messages at the front wait for no token, as far as one frame can take. */
  #ready(): number {
    const end = Math.min(this.#messages.length, this.#head + 512);
    for (let i = this.#head; i < end; i++) {
      const waiter = this.#waiters[i];
      if (waiter !== undefined && (waiter.open > 0 || waiter.void)) return i - this.#head;
    }
    return end - this.#head;
  }

  #dropVoid(): number {
    const first = this.#head;
    let at = first;
    while (at < this.#messages.length && this.#waiters[at]?.void === true) at++;
    this.#head = at;
    if (at === this.#messages.length) this.clear();
    return at - first;
  }
}

const NOTHING = new Uint8Array(0);

/** All of them are the same bytes, and an idle cluster says little else. */
const HEARTBEAT = [encodeOwn("Heartbeat", {}).slice()];

/** A message of the system lane. Its body is ours: what is wrong with it is our own fault. */
export function encodeOwn<K extends "Hello" | "Come" | "Closed" | "Probe" | "Heartbeat">(
  kind: K,
  body: BodyOf<K>,
): Uint8Array {
  const encoded = encodeMessage(kind, { id: 0, re: 0 }, body);
  if (encoded.fault !== undefined) throw new InvariantError(encoded.fault);
  return encoded.bytes;
}
