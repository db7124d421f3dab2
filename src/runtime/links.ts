/**
 * All peers of one actor: opens, keeps and closes the sessions with them, holds their windows
 * within the mailbox's limit, lets frames leave at the end of a drain. Owns the links; what
 * arrives is judged by `door.ts`. Two timers serve all peers: one for acknowledgements that
 * nothing carried, one that asks after what is unacknowledged.
 */
import {
  ACK_DELAY_MS_MAX,
  type AnyMessage,
  ClosedAnswers,
  encodeMessage,
  type Epoch,
  type Incarnation,
  type Peer,
  PROBE_AFTER_MS,
  PROTOCOL_VERSION,
  type Role,
  Session,
  type SessionId,
  type WireReason,
} from "#protocol";
import type { Address } from "./actor.ts";
import type { Tokens, Waiter } from "./holds.ts";
import type { LinkChange, Token } from "./inputs.ts";
import { encodeOwn, Link, OUTBOX_MESSAGES_MAX } from "./link.ts";
import { MAILBOX_MAIL_MAX, type Waiting } from "./mailbox.ts";
import type { Clock } from "./ports/clock.ts";

/**
 * Most peers that one actor knows. Those without a session are forgotten when there are more; a
 * Hello that still finds no place is dropped (`mailbox-full`).
 */
export const PEERS_MAX = 65_536;
/** How often those without a session are looked for, when there is no place. */
const FORGET_INTERVAL_MS = 1_000;
/** Between two looks at unacknowledged frames and unanswered Hellos there is at least this. */
const SWEEP_MS_MIN = 100;

/** Peers acknowledged at once, each by a frame (P-1.6); between two parts inputs have their turn. */
const ACKS_PER_PART = 512;
const ACKS_PAUSE_MS = 1;

/** Messages that a peer of each role may have on its way into the mailbox. */
export const WINDOWS: Readonly<Record<Role, number>> = {
  master: 4_096,
  agent: 64,
  framework: 2_048,
  executor: 64,
  operator: 0,
};

/**
 * Once half of what the mailbox takes is granted, new sessions get this part of their window, at
 * least `WINDOW_MIN`: tens of thousands of agents must be able to come, each with little to say.
 */
const CROWD_DIVISOR = 8;
const WINDOW_MIN = 8;

/** What links need of their host. */
export interface LinksHost {
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly address: Address;
  readonly uuid: () => SessionId;
  publish(subject: string, bytes: Uint8Array): void;
  /** Puts something into the mailbox, behind what is there. */
  input(waiting: Waiting): void;
  /** There is something to do: drain soon. */
  wake(): void;
  /** Counts a refusal; the first of its reason and kind is logged with what `explain` says. */
  refuse(reason: WireReason, kind: string, peer: Peer, by?: number, explain?: () => string): void;
}

export interface LinksOptions {
  /** Windows by role where they differ from `WINDOWS`. */
  readonly windows?: Partial<Readonly<Record<Role, number>>>;
  /** Limit of the sum of all windows granted. */
  readonly mailMax?: number;
  /** Limit of peers known at a time. */
  readonly peersMax?: number;
}

export class Links {
  readonly #host: LinksHost;
  readonly #windows: Readonly<Record<Role, number>>;
  readonly #mailMax: number;
  readonly #peersMax: number;
  readonly #links = new Map<Peer, Link>();
  /** Links with something to say at the next flush. */
  readonly #dirty = new Set<Link>();
  /** Links with unacknowledged frames or an unanswered Hello. */
  readonly #watched = new Set<Link>();
  readonly #owing = new Set<Link>();
  readonly #waitingForRoom = new Set<Link>();
  readonly #answers = new ClosedAnswers();
  #granted = 0;
  #forgotAtMs = Number.NEGATIVE_INFINITY;
  #sweeping = false;
  #acking = false;
  #gone = false;
  muted = false;
  /** Until when the actor may speak, by its monotonic clock. */
  leaseMs = Number.POSITIVE_INFINITY;

  constructor(
    host: LinksHost,
    { windows = {}, mailMax = MAILBOX_MAIL_MAX, peersMax = PEERS_MAX }: LinksOptions,
  ) {
    this.#host = host;
    this.#windows = { ...{}, ...WINDOWS, ...windows };
    this.#mailMax = mailMax;
    this.#peersMax = peersMax;
  }

  get(peer: Peer): Link | undefined {
    return this.#links.get(peer);
  }

  /** The link to `peer`, made when it is new; undefined when there are too many. */
  obtain(peer: Peer): Link | undefined {
    let link = this.#links.get(peer);
    if (link === undefined && this.#hasPlace()) {
      link = new Link(peer, subjectFor(this.#host.address, peer));
      this.#links.set(peer, link);
    }
    return link;
  }

  /** Sum of the windows that are granted now. */
  get granted(): number {
    return this.#granted;
  }

  isOpen(peer: Peer): boolean {
    return this.#links.get(peer)?.session?.phase === "open";
  }

  send(to: Peer, message: AnyMessage, after: Token | readonly Token[] | undefined): void {
    const { kind } = message;
    const link = this.#links.get(to);
    if (link?.session?.phase !== "open") return this.#host.refuse("no-session", kind, to);
    if (kind === "Heartbeat") {
      link.heartbeatDue = true;
      this.touch(link);
      return;
    }
    if (link.kinds !== undefined && !link.kinds.has(kind)) {
      return this.#host.refuse("unknown-kind", kind, to);
    }
    const ids = { id: message.id ?? 0, re: message.re ?? 0 };
    const encoded = encodeMessage(kind, ids, message.body);
    if (encoded.fault !== undefined) {
      const { fault, reason } = encoded;
      return this.#host.refuse(reason, kind, to, 1, () => `our own message: ${fault}`);
    }
    if (link.waiting >= OUTBOX_MESSAGES_MAX) return this.close(link, "window-exceeded");
    let waiter: Waiter | undefined;
    if (after !== undefined) {
      waiter = { open: 0, void: false, ready: () => this.touch(link) };
      this.#host.tokens.wait(after, waiter);
    }
    link.push(encoded.bytes, waiter);
    this.touch(link);
  }

  /** Client: from here on no frame of an older session is obeyed (P-3.2). */
  hello(peer: Peer, incarnation: Incarnation, identity: string | undefined): void {
    const link = this.obtain(peer);
    if (link === undefined) return this.#host.refuse("mailbox-full", "Hello", peer);
    const { address } = this.#host;
    if (link.session !== undefined) {
      link.session.superseded = true;
      this.#end(link, link.session);
    }
    const id = this.#host.uuid();
    const hello = encodeOwn("Hello", {
      session: id,
      incarnation,
      epoch: address.epoch(peer),
      version: PROTOCOL_VERSION,
      kinds: [...address.kinds],
      ...(identity === undefined ? {} : { identity }),
    });
    link.session = this.#session(link, id, "client");
    // A copy: as long as it is kept, so is all that was encoded into the same memory.
    link.helloMessage = hello.slice();
    link.helloDue = true;
    this.#watch(link);
    this.touch(link);
  }

  /** Server: lets the client come, now or when there is room for its window. */
  come(peer: Peer, session: SessionId): void {
    const link = this.#links.get(peer);
    if (link?.hello?.change.session !== session) {
      return this.#host.refuse("old-session", "Come", peer);
    }
    if (this.#granted + this.#windowFor(link.role) > this.#mailMax) {
      link.waitsForRoom = true;
      this.#waitingForRoom.add(link);
      return;
    }
    const { change, window } = link.hello;
    link.hello = undefined;
    link.waitsForRoom = false;
    link.kinds = new Set(change.kinds);
    link.session = this.#session(link, session, "server");
    link.session.granted(window);
    link.session.epoch = this.#host.address.epoch(peer);
    link.comeDue = true;
    this.touch(link);
  }

  /** The actor ends the session, or refuses the one that was asked for; it gets no word of it. */
  closeByActor(peer: Peer, reason: WireReason): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    if (link.hello !== undefined) {
      link.sayClosed(link.hello.change.session, reason);
      this.forgetHello(link);
    }
    const session = link.session;
    if (session !== undefined && session.phase !== "closed") {
      link.sayClosed(session.id, reason);
      this.#end(link, session);
    }
    this.touch(link);
  }

  /** Ends the session for `reason`, tells the peer and the actor. */
  close(link: Link, reason: WireReason): void {
    const session = link.session;
    if (session === undefined || session.phase === "closed") return;
    link.sayClosed(session.id, reason);
    this.touch(link);
    this.closedByPeer(link, session, reason);
  }

  /** The session is over by the peer's word: the actor is told, in order with its mail. */
  closedByPeer(link: Link, session: Session, reason: WireReason): void {
    this.#end(link, session);
    this.change(link, { change: "closed", session: session.id, reason });
  }

  /** Tells the actor of a change, behind the mail that came before it. */
  change(link: Link, change: LinkChange): Waiting {
    const waiting: Waiting = {
      input: { family: "done", what: "link", peer: link.peer, link: change },
      atMs: this.#host.clock.monotonicMs(),
      link: undefined,
      session: undefined,
      timer: undefined,
      unsolicited: false,
      taken: false,
    };
    this.#host.input(waiting);
    return waiting;
  }

  forgetHello(link: Link): void {
    link.hello = undefined;
    link.waitsForRoom = false;
    this.#waitingForRoom.delete(link);
  }

  /** Answers a frame of a session that is none, at most once a second and peer (P-3.3). */
  answerClosed(peer: Peer, session: string, reason: WireReason): void {
    if (!this.#answers.take(peer, this.#host.clock.monotonicMs())) return;
    const link = this.#links.get(peer) ?? new Link(peer, subjectFor(this.#host.address, peer));
    link.sayClosed(session, reason);
    this.touch(link);
  }

  /** A frame was taken: it will be acknowledged, by what leaves next or before long. */
  owe(link: Link): void {
    this.#owing.add(link);
    if (link.waiting > 0 || link.session?.owesAtOnce === true) this.touch(link);
    if (!this.#acking) this.#acknowledgeIn(ACK_DELAY_MS_MAX);
  }

  /** `count` messages of `session` have left the mailbox. */
  handled(link: Link, session: Session, count: number): void {
    session.handled(count);
    if (session.owesAtOnce) this.touch(link);
  }

  /** The actor has had it: a message of a session makes room for the next. */
  taken(waiting: Waiting | undefined): void {
    if (waiting?.session === undefined || waiting.link === undefined) return;
    this.handled(waiting.link, waiting.session, 1);
  }

  /** The link has something to say at the next flush. */
  touch(link: Link): void {
    if (this.#gone) return;
    this.#dirty.add(link);
    this.#host.wake();
  }

  /** Neither mute nor beyond the time until which it may speak. */
  get maySpeak(): boolean {
    if (this.muted) return false;
    return (
      this.leaseMs === Number.POSITIVE_INFINITY || this.#host.clock.monotonicMs() <= this.leaseMs
    );
  }

  /** Something waits for a flush, and a flush would let it leave. */
  get mayFlush(): boolean {
    return this.#dirty.size > 0 && this.maySpeak;
  }

  /** Lets everything leave that may; called at the end of a drain. */
  flush(): void {
    if (!this.mayFlush) return;
    const nowMs = this.#host.clock.monotonicMs();
    const links = [...this.#dirty];
    this.#dirty.clear();
    for (const link of links) {
      this.#endOutlived(link);
      const voided = link.flush(this.#epochFor(link), nowMs, this.#publish);
      if (voided > 0) this.#host.refuse("fenced", "held", link.peer, voided);
      if (link.session?.unacknowledged === true) this.#watch(link);
    }
  }

  /** The bus is back: both ends ask after each other's numbers (P-3.4). */
  reconnected(): void {
    for (const link of this.#links.values()) {
      if (link.session?.phase === "open") link.session.wantProbe();
      else if (link.session?.phase === "calling") link.helloDue = true;
      else continue;
      this.touch(link);
    }
  }

  /** Everything that waits to leave is void, and nothing more leaves (P-1.2). */
  end(): void {
    this.#gone = true;
    for (const link of this.#links.values()) {
      const count = link.clear();
      if (count > 0) this.#host.refuse("fenced", "frames", link.peer, count);
      link.session?.close();
    }
    this.#links.clear();
    this.#dirty.clear();
    this.#watched.clear();
    this.#owing.clear();
    this.#waitingForRoom.clear();
  }

  readonly #publish = (subject: string, bytes: Uint8Array): void => {
    this.#host.publish(subject, bytes);
  };

  /** Whether one more peer can be known; forgets those without a session where that helps. */
  #hasPlace(): boolean {
    if (this.#links.size < this.#peersMax) return true;
    const nowMs = this.#host.clock.monotonicMs();
    if (nowMs - this.#forgotAtMs < FORGET_INTERVAL_MS) return false;
    this.#forgotAtMs = nowMs;
    for (const [peer, { session, hello }] of this.#links) {
      if (hello !== undefined || (session !== undefined && session.phase !== "closed")) continue;
      this.#links.delete(peer);
    }
    return this.#links.size < this.#peersMax;
  }

  /** How many messages a new session of that role may have on their way to us. */
  #windowFor(role: Role): number {
    const full = this.#windows[role];
    if (this.#granted + full <= this.#mailMax / 2) return full;
    return Math.min(full, Math.max(WINDOW_MIN, Math.floor(full / CROWD_DIVISOR)));
  }

  #session(link: Link, id: SessionId, side: "client" | "server"): Session {
    const window = this.#windowFor(link.role);
    this.#granted += window;
    link.lastHeardMs = undefined;
    return new Session({ id, side, window, nowMs: this.#host.clock.monotonicMs() });
  }

  #end(link: Link, session: Session): void {
    if (session.phase === "closed") return;
    session.close();
    this.#granted -= session.window;
    const count = link.clear();
    if (count > 0) this.#host.refuse("no-session", "frames", link.peer, count);
    link.helloDue = false;
    link.comeDue = false;
    link.heartbeatDue = false;
    this.#watched.delete(link);
    this.#owing.delete(link);
    if (this.#waitingForRoom.size > 0) this.#letCome();
  }

  #letCome(): void {
    for (const link of this.#waitingForRoom) {
      if (this.#granted + this.#windowFor(link.role) > this.#mailMax) return;
      this.#waitingForRoom.delete(link);
      if (link.hello !== undefined) this.come(link.peer, link.hello.change.session);
    }
  }

  #watch(link: Link): void {
    this.#watched.add(link);
    // Nothing that begins to wait now is due before that.
    if (!this.#sweeping) this.#sweepIn(PROBE_AFTER_MS);
  }

  #sweepIn(inMs: number): void {
    this.#sweeping = true;
    this.#host.clock.timer(inMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweeping = false;
    if (this.#gone) return;
    const nowMs = this.#host.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const link of this.#watched) {
      const session = link.session;
      if (session === undefined || (session.phase === "open" && !session.unacknowledged)) {
        this.#watched.delete(link);
        continue;
      }
      const due = session.tick(nowMs);
      if (due === "hello") link.helloDue = true;
      if (due !== undefined) this.touch(link);
      nextMs = Math.min(nextMs, session.dueAtMs);
    }
    // What begins to wait until then is due later still.
    const inMs = Math.min(Math.max(SWEEP_MS_MIN, nextMs - nowMs), PROBE_AFTER_MS);
    if (this.#watched.size > 0) this.#sweepIn(inMs);
  }

  #acknowledgeIn(inMs: number): void {
    this.#acking = true;
    this.#host.clock.timer(inMs, () => this.#acknowledgeSome());
  }

  #acknowledgeSome(): void {
    this.#acking = false;
    if (this.#gone) return;
    if (!this.maySpeak) return this.#acknowledgeIn(ACK_DELAY_MS_MAX);
    const nowMs = this.#host.clock.monotonicMs();
    let left = ACKS_PER_PART;
    for (const link of this.#owing) {
      if (left === 0) return this.#acknowledgeIn(ACKS_PAUSE_MS);
      left -= 1;
      this.#owing.delete(link);
      this.#endOutlived(link);
      link.acknowledge(this.#epochFor(link), nowMs, this.#publish);
    }
  }

  /**
   * Client: knows its actor of a newer epoch, a session of an older one is over. What waits in it
   * was decided for the old leader and is void: stamped anew it would leave in an epoch that is not
   * durable yet (P-4.3). The actor, which knows, says Hello and what it has.
   */
  #endOutlived(link: Link): void {
    const { session } = link;
    if (session?.side !== "client" || session.phase !== "open") return;
    if (session.epoch >= this.#host.address.epoch(link.peer)) return;
    session.superseded = true;
    const voided = link.clear();
    if (voided > 0) this.#host.refuse("lower-epoch", "frames", link.peer, voided);
    this.#end(link, session);
  }

  /** A client speaks in the epoch of its open session, even where its actor has not read of it. */
  #epochFor({ session, peer }: Link): Epoch {
    if (session?.side === "client" && session.phase === "open") return session.epoch;
    return this.#host.address.epoch(peer);
  }
}

/** Where an actor publishes to reach `peer`. */
function subjectFor({ subjects, self }: Address, peer: Peer): string {
  const [role, first, second] = peer.split(".");
  if (role === "executor" && first !== undefined && second !== undefined) {
    return subjects.executor(asToken(first), asToken(second), "in");
  }
  if (role === "master") return subjects.toMaster(self);
  const [own, agent, containerId] = self.split(".");
  if (own === "executor" && agent !== undefined && containerId !== undefined) {
    return subjects.executor(asToken(agent), asToken(containerId), "out");
  }
  return subjects.toPeer(peer);
}

/** A part of a peer's name, which was checked when the peer was made. */
function asToken<Id extends string>(text: string): Id {
  return text as Id;
}
