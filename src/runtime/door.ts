/**
 * Judges what arrives from the bus: header first, then session, then each body (P-2.1). Owns the
 * refusals at the door: whatever a peer sends costs it a count with a reason, never an exception,
 * never memory. What passes becomes mail.
 */
import {
  type BodyOf,
  decodeBody,
  encodeNobody,
  encodeSingle,
  explainBody,
  type FrameHeader,
  FrameReader,
  type Hello,
  type Kind,
  KINDS,
  MASTER_PEER,
  type Peer,
  type Role,
  type Speaker,
  roleOf,
  type Session,
  type SessionId,
  type WireReason,
} from "#protocol";
import type { Mail } from "./inputs.ts";
import type { Link } from "./link.ts";
import type { Links, LinksHost } from "./links.ts";
import type { Waiting } from "./mailbox.ts";
import type { BusMessage } from "./ports/bus.ts";

/** How the lifecycle stands: the tag of the machine's state. */
export type Gate = "handle" | "defer" | "refuse";

export interface DoorHost extends LinksHost {
  gate(): Gate;
  lifecycle(): string;
  /** Counts mail that the state refuses, by state and kind. */
  refuseByState(kind: string, peer: Peer): void;
  isPoisonous(peer: Peer): boolean;
  /** false: too much waits that nobody granted. */
  mail(waiting: Waiting): boolean;
  reply(subject: string, bytes: Uint8Array): void;
}

/** Subjects of speakers that were looked up lately, as many as peers; emptied when full. */
const SPEAKERS_MAX = 65_536;
const UNKNOWN = "?";

/**
 * Readers that no actor is at work with. One does for most processes; one for each actor would hold
 * on to the last frame that it had, of which a process that simulates a large cluster has too many.
 */
const READERS: FrameReader[] = [];
const NO_FRAME = new FrameReader();

export class Door {
  readonly #host: DoorHost;
  readonly #links: Links;
  /** At work with the message in hand. */
  #reader = NO_FRAME;
  readonly #speakers = new Map<string, Peer | undefined>();
  readonly #self: Role;

  constructor(host: DoorHost, links: Links) {
    this.#host = host;
    this.#links = links;
    this.#self = roleOf(host.address.self);
  }

  /**
   * One message of the bus.
   * @param speaker who publishes there, where the subscription says it already.
   */
  receive(message: BusMessage, speaker: Peer | undefined): void {
    const peer = speaker ?? this.#speakerOf(message.subject);
    if (peer === undefined) {
      return this.#host.refuse("bad-subject", UNKNOWN, UNKNOWN as Peer, 1, () => message.subject);
    }
    if (this.#host.isPoisonous(peer)) return this.#host.refuse("poisonous-sender", UNKNOWN, peer);
    const before = this.#reader;
    const reader = READERS.pop() ?? new FrameReader();
    this.#reader = reader;
    try {
      this.#judge(message, peer);
    } finally {
      this.#reader = before;
      READERS.push(reader);
    }
  }

  #judge(message: BusMessage, peer: Peer): void {
    const fault = this.#reader.open(message.data);
    if (fault !== undefined) return this.#host.refuse(fault, UNKNOWN, peer);
    if (this.#host.gate() === "refuse") return this.#refuseByState(peer);
    if (this.#reader.session === "") return this.#outside(message, peer);
    if (this.#reader.number === 0) return this.#system(message, peer);
    return this.#numbered(message, peer);
  }

  #speakerOf(subject: string): Peer | undefined {
    if (this.#speakers.has(subject)) return this.#speakers.get(subject);
    const speaker = this.#host.address.subjects.speaker(subject);
    if (this.#speakers.size >= SPEAKERS_MAX) this.#speakers.clear();
    this.#speakers.set(subject, speaker);
    return speaker;
  }

  #refuseByState(peer: Peer): void {
    const fault = this.#reader.walk();
    if (fault !== undefined) return this.#host.refuse(fault, UNKNOWN, peer);
    for (let i = 0; i < this.#reader.count; i++) {
      this.#host.refuseByState(this.#reader.kind(i) ?? UNKNOWN, peer);
    }
  }

  /** A frame with a number: it counts whole, or closes its session, or is none of ours. */
  #numbered(message: BusMessage, peer: Peer): void {
    const reader = this.#reader;
    const link = this.#links.get(peer);
    const session = this.#sessionOf(link, peer);
    if (link === undefined || session === undefined) return;
    if (reader.walk() !== undefined) {
      this.#host.refuse("decode-failed", UNKNOWN, peer);
      return this.#links.close(link, "decode-failed");
    }
    if (!this.#take(link, session, message.arrivedAtMs)) return;
    for (let i = 0; i < reader.count; i++) this.#deliver(i, link, session, message.arrivedAtMs);
    this.#links.owe(link);
  }

  /** Whether the frame counts; closes the session when it cannot. */
  #take(link: Link, session: Session, arrivedAtMs: number): boolean {
    const verdict = session.receive(this.#reader, this.#reader.count, arrivedAtMs);
    if (verdict === "take") {
      link.lastHeardMs = arrivedAtMs;
      if (link.waiting > 0) this.#links.touch(link);
      return true;
    }
    this.#host.refuse(verdict, UNKNOWN, link.peer);
    if (verdict !== "duplicate-frame") this.#links.close(link, verdict);
    return false;
  }

  /** The open session that the header names in the right epoch; else counts and answers. */
  #sessionOf(link: Link | undefined, peer: Peer): Session | undefined {
    const { epoch, session: named } = this.#reader;
    const own = this.#host.address.epoch(peer);
    const session = link?.session;
    const weServe = this.#host.address.serves.includes(link?.role ?? roleOf(peer));
    if (epoch < own) {
      this.#host.refuse("lower-epoch", UNKNOWN, peer);
      if (weServe) this.#links.answerClosed(peer, named, "lower-epoch");
      return undefined;
    }
    if (session?.id === named && session.phase !== "closed") {
      const expected = weServe ? own : session.epoch;
      if (epoch === expected || session.phase === "calling") return session;
    }
    const reason = this.#foreignReason(epoch, own, link, weServe);
    this.#host.refuse(reason, UNKNOWN, peer);
    if (link?.hello?.change.session !== named) this.#links.answerClosed(peer, named, reason);
    return undefined;
  }

  #foreignReason(epoch: number, own: number, link: Link | undefined, serves: boolean): WireReason {
    if (serves && epoch !== own) return "wrong-epoch";
    if (link?.session === undefined || link.session.phase === "closed") return "no-session";
    return link.session.id === this.#reader.session ? "wrong-epoch" : "foreign-session";
  }

  /** One message of a frame that counts. What is refused here was still received. */
  #deliver(index: number, link: Link, session: Session, arrivedAtMs: number): void {
    const reader = this.#reader;
    const kind = reader.kind(index);
    const reason = this.#faultOfKind(kind, link.role, false);
    if (kind === undefined || reason !== undefined) {
      this.#host.refuse(reason ?? "unknown-kind", kind ?? UNKNOWN, link.peer);
      return this.#links.handled(link, session, 1);
    }
    const body = reader.body(index);
    const decoded = decodeBody(kind, body);
    const id = reader.id(index);
    if (decoded.reason !== undefined) {
      this.#host.refuse(decoded.reason, kind, link.peer, 1, () => explainBody(kind, body));
      if (id !== 0 && link.role === "framework") {
        const message = explainBody(kind, body);
        const answer = { accepted: false, reason: decoded.reason, message };
        this.#links.send(link.peer, { kind: "ANSWER", body: answer, re: id }, undefined);
      }
      return this.#links.handled(link, session, 1);
    }
    const input = {
      family: "mail",
      kind,
      body: decoded.body,
      id,
      re: reader.re(index),
      from: link.peer,
      epoch: reader.epoch,
      arrivedAtMs,
    } as Mail;
    this.#host.mail({
      input,
      atMs: arrivedAtMs,
      link,
      session,
      timer: undefined,
      unsolicited: false,
      taken: false,
    });
  }

  #faultOfKind(kind: Kind | undefined, from: Role, system: boolean): WireReason | undefined {
    if (kind === undefined) return "unknown-kind";
    const rule: { from: readonly Speaker[]; to: readonly Speaker[]; system?: true } = KINDS[kind];
    const fits = rule.from.includes(from) && rule.to.includes(this.#self);
    return fits && (rule.system === true) === system ? undefined : "not-said-by-this-peer";
  }

  /** The lane of its own: Hello, Come, Probe, Heartbeat, Closed, bare acknowledgements. */
  #system(message: BusMessage, peer: Peer): void {
    const reader = this.#reader;
    if (reader.walk() !== undefined) return this.#host.refuse("decode-failed", UNKNOWN, peer);
    if (reader.count > 1) return this.#host.refuse("too-large", UNKNOWN, peer);
    if (reader.count === 0) return this.#bare(message, peer);
    const kind = reader.kind(0);
    const fault = this.#faultOfKind(kind, roleOf(peer), true);
    if (kind === undefined || fault !== undefined) {
      return this.#host.refuse(fault ?? "unknown-kind", kind ?? UNKNOWN, peer);
    }
    switch (kind) {
      case "Hello":
        return this.#withBody(kind, peer, (body) => this.#hello(body, message, peer));
      case "Come":
        return this.#withBody(kind, peer, (body) => this.#come(body.window, message, peer));
      case "Probe":
        return this.#withBody(kind, peer, (body) => {
          const link = this.#links.get(peer);
          const session = this.#sessionOf(link, peer);
          if (link === undefined || session === undefined) return;
          if (!this.#take(link, session, message.arrivedAtMs)) return;
          const verdict = session.probed(body, message.arrivedAtMs);
          if (verdict === "take") return this.#links.touch(link);
          this.#host.refuse(verdict, kind, peer);
          this.#links.close(link, verdict);
        });
      case "Heartbeat":
        return this.#bare(message, peer);
      case "Closed":
        return this.#withBody(kind, peer, (body) => this.#closed(body.reason, peer));
      default:
        return this.#host.refuse("not-said-by-this-peer", kind, peer);
    }
  }

  #withBody<K extends Kind>(kind: K, peer: Peer, then: (body: BodyOf<K>) => void): void {
    const bytes = this.#reader.body(0);
    const decoded = decodeBody(kind, bytes);
    if (decoded.reason === undefined) return then(decoded.body);
    this.#host.refuse(decoded.reason, kind, peer, 1, () => explainBody(kind, bytes));
  }

  #bare(message: BusMessage, peer: Peer): void {
    const link = this.#links.get(peer);
    const session = this.#sessionOf(link, peer);
    if (link !== undefined && session !== undefined) {
      this.#take(link, session, message.arrivedAtMs);
    }
  }

  /** Server: somebody asks for a session; the newest Hello of a peer is the one that counts. */
  #hello(hello: Hello, message: BusMessage, peer: Peer): void {
    const reader: FrameHeader = this.#reader;
    if (!this.#host.address.serves.includes(roleOf(peer)) || hello.session !== reader.session) {
      return this.#host.refuse("not-said-by-this-peer", "Hello", peer);
    }
    if (hello.epoch > this.#host.address.epoch(peer)) {
      this.#host.refuse("wrong-epoch", "Hello", peer);
      return this.#links.answerClosed(peer, hello.session, "wrong-epoch");
    }
    const link = this.#links.obtain(peer);
    if (link === undefined) return this.#host.refuse("mailbox-full", "Hello", peer);
    if (link.hello?.change.session === hello.session) return;
    const session = link.session;
    if (session !== undefined && session.phase !== "closed") {
      if (session.id === hello.session) {
        if (!session.untouched) return this.#links.close(link, "gap");
        link.comeDue = true;
        return this.#links.touch(link);
      }
      this.#links.closedByPeer(link, session, "old-session");
    }
    link.lastHeardMs = message.arrivedAtMs;
    const change = {
      change: "hello",
      session: hello.session,
      incarnation: hello.incarnation,
      version: hello.version,
      kinds: hello.kinds,
      identity: hello.identity,
      epoch: hello.epoch,
    } as const;
    const waiting = link.hello?.waiting;
    if (waiting !== undefined && !waiting.taken) {
      waiting.input = { family: "done", what: "link", peer, link: change };
      link.hello = { change, window: reader.window, waiting };
      return;
    }
    this.#links.forgetHello(link);
    link.hello = { change, window: reader.window, waiting: this.#links.change(link, change) };
  }

  /** Client: the server has room. */
  #come(window: number, message: BusMessage, peer: Peer): void {
    const { epoch, session: named } = this.#reader;
    if (epoch < this.#host.address.epoch(peer))
      return this.#host.refuse("lower-epoch", "Come", peer);
    const link = this.#links.get(peer);
    const session = link?.session;
    if (link === undefined || session?.side !== "client" || session.id !== named) {
      return this.#host.refuse("old-session", "Come", peer);
    }
    if (session.phase !== "calling") return;
    session.open(window, epoch);
    link.lastHeardMs = message.arrivedAtMs;
    this.#links.change(link, { change: "come", session: named as SessionId, epoch });
  }

  #closed(reason: WireReason, peer: Peer): void {
    const { epoch, session: named } = this.#reader;
    const link = this.#links.get(peer);
    const session = link?.session;
    if (session?.side === "client" && epoch < this.#host.address.epoch(peer)) {
      return this.#host.refuse("lower-epoch", "Closed", peer);
    }
    if (link?.hello?.change.session === named) return this.#links.forgetHello(link);
    if (link === undefined || session?.id !== named || session.phase === "closed") {
      return this.#host.refuse("old-session", "Closed", peer);
    }
    this.#links.closedByPeer(link, session, reason);
  }

  /** Beacons, and calls of people: no session, no number. */
  #outside(message: BusMessage, peer: Peer): void {
    const reader = this.#reader;
    const own = this.#host.address.epoch(peer);
    if (reader.number !== 0 || reader.walk() !== undefined) {
      return this.#host.refuse("decode-failed", UNKNOWN, peer);
    }
    if (reader.count === 0) return this.#sought(message, peer, own);
    if (reader.count > 1) return this.#host.refuse("too-large", UNKNOWN, peer);
    const kind = reader.kind(0);
    const role = roleOf(peer);
    const fault = this.#faultOfKind(kind, role, false);
    if (kind === undefined || fault !== undefined) {
      return this.#host.refuse(fault ?? "unknown-kind", kind ?? UNKNOWN, peer);
    }
    if (role !== "operator" && kind !== "Beacon") {
      return this.#host.refuse("no-session", kind, peer);
    }
    const bytes = reader.body(0);
    const decoded = decodeBody(kind, bytes);
    if (decoded.reason !== undefined) {
      this.#host.refuse(decoded.reason, kind, peer, 1, () => explainBody(kind, bytes));
      return this.#answer(message, peer, decoded.reason, explainBody(kind, bytes));
    }
    if (peer === MASTER_PEER ? reader.epoch < own : reader.epoch !== 0 && reader.epoch !== own) {
      const reason = reader.epoch < own ? "lower-epoch" : "wrong-epoch";
      this.#host.refuse(reason, kind, peer);
      return this.#answer(message, peer, reason, `the leader speaks in epoch ${own}`);
    }
    const input = {
      family: "mail",
      kind,
      body: decoded.body,
      id: reader.id(0),
      re: reader.re(0),
      from: peer,
      epoch: reader.epoch,
      arrivedAtMs: message.arrivedAtMs,
      ...(message.reply === undefined ? {} : { reply: message.reply }),
    } as Mail;
    const waiting: Waiting = {
      input,
      atMs: message.arrivedAtMs,
      link: undefined,
      session: undefined,
      timer: undefined,
      unsolicited: true,
      taken: false,
    };
    if (this.#host.mail(waiting)) return;
    this.#host.refuse("mailbox-full", kind, peer);
    this.#answer(message, peer, "mailbox-full", "too many calls wait; try again in a second");
  }

  /**
   * Is anybody there? Only people may be answered where they ask; a client hears the leader where
   * it listens anyway, and standbys know enough by somebody's listening.
   */
  #sought({ reply, arrivedAtMs: atMs }: BusMessage, peer: Peer, own: number): void {
    const role = roleOf(peer);
    if (reply === undefined) return this.#host.refuse("no-session", UNKNOWN, peer);
    if (role === "operator") return this.#host.reply(reply, encodeNobody(own));
    if (!this.#host.address.serves.includes(role)) return;
    const input = { family: "done", what: "sought", peer } as const;
    const nobodys = { link: undefined, session: undefined, timer: undefined };
    const waiting = { input, atMs, ...nobodys, unsolicited: true, taken: false };
    if (this.#host.mail(waiting)) return;
    this.#host.refuse("mailbox-full", UNKNOWN, peer);
  }

  /** People are told why their call is refused at the door; others only counted. */
  #answer(message: BusMessage, peer: Peer, reason: WireReason, sentence: string): void {
    if (message.reply === undefined || roleOf(peer) !== "operator") return;
    const epoch = this.#host.address.epoch(peer);
    const body = { accepted: false, epoch, reason, message: sentence.slice(0, 4096) };
    const re = this.#reader.id(0);
    const { bytes } = encodeSingle({ kind: "OPERATOR_ANSWER", body, re }, epoch);
    if (bytes !== undefined) this.#host.reply(message.reply, bytes);
  }
}
