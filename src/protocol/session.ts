/**
 * One session between a client and its server, as one end sees it (P-3): numbering both ways,
 * acknowledgement, windows, holes, probes. Owns the numbers; sends nothing, knows no clock but
 * the times it is given. A session that has lost anything is closed, never repaired: the client
 * opens the next one and says again what it has.
 */
import type { Epoch, SessionId } from "./ids.ts";
import type { FrameHeader } from "./frame.ts";
import type { Probe } from "./messages/leader.ts";

/** Frames unacknowledged for so long are asked after (P-3.3). */
export const PROBE_AFTER_MS = 1_000;
/** Longest delay of an acknowledgement that nothing else carries. */
export const ACK_DELAY_MS_MAX = 100;
/** A Hello that nobody answered is said again after 1 s, 2 s, 4 s … at most this. */
export const HELLO_AGAIN_MS_MAX = 10_000;
const HELLO_AGAIN_MS_MIN = 1_000;

export type SessionPhase = "calling" | "open" | "closed";

/** Why an arriving frame ends the session, or only itself. */
export type FrameVerdict = "take" | "duplicate-frame" | "gap" | "window-exceeded";

export interface SessionStart {
  readonly id: SessionId;
  readonly side: "client" | "server";
  /** How many messages of the peer this end takes before it has handled any. */
  readonly window: number;
  readonly nowMs: number;
}

export class Session {
  readonly id: SessionId;
  readonly side: "client" | "server";
  readonly window: number;
  phase: SessionPhase;
  /** Epoch in which the server speaks; known from Come on. */
  epoch: Epoch = 0;
  /** A client has said Hello anew: what still waits of this session is void (P-3.2). */
  superseded = false;
  /** Frames and messages sent, frames acknowledged, messages the peer has said it takes. */
  #sentFrames = 0;
  #sentMessages = 0;
  #ackedFrames = 0;
  #peerWindow = 0;
  /** Frames and messages received, messages handled; what of it the peer has been told. */
  #receivedFrames = 0;
  #receivedMessages = 0;
  #handledMessages = 0;
  #toldAck = 0;
  #toldWindow: number;
  /** Since when the oldest unacknowledged frame waits, or the Hello or the probe after it. */
  #waitingSinceMs: number;
  #helloAgainMs = HELLO_AGAIN_MS_MIN;
  #probeWanted = false;
  #ackWanted = false;

  constructor({ id, side, window, nowMs }: SessionStart) {
    this.id = id;
    this.side = side;
    this.window = window;
    this.#toldWindow = window;
    this.#waitingSinceMs = nowMs;
    this.phase = side === "client" ? "calling" : "open";
  }

  /** Client: the server has room for `peerWindow` messages and speaks in `epoch`. */
  open(peerWindow: number, epoch: Epoch): void {
    this.phase = "open";
    this.#peerWindow = Math.max(this.#peerWindow, peerWindow);
    this.epoch = epoch;
  }

  /** Server: the client's Hello said how many messages it takes. */
  granted(peerWindow: number): void {
    this.#peerWindow = Math.max(this.#peerWindow, peerWindow);
  }

  close(): void {
    this.phase = "closed";
  }

  /** How many messages the peer would still take. */
  get room(): number {
    return this.phase === "open" ? Math.max(0, this.#peerWindow - this.#sentMessages) : 0;
  }

  /** How many messages this end takes in all, counted from the session's start. */
  get grant(): number {
    return this.#handledMessages + this.window;
  }

  /** true while nothing numbered has gone either way: a Come may be repeated. */
  get untouched(): boolean {
    return this.#sentFrames === 0 && this.#receivedFrames === 0;
  }

  get unacknowledged(): boolean {
    return this.#ackedFrames < this.#sentFrames;
  }

  /** Something was received that the peer does not know of yet. */
  get owesAck(): boolean {
    return this.#receivedFrames > this.#toldAck;
  }

  /** So much was handled, or asked, that the peer should know now rather than in a while. */
  get owesAtOnce(): boolean {
    return this.#ackWanted || (this.grant - this.#toldWindow) * 2 >= this.window;
  }

  get owesProbe(): boolean {
    return this.#probeWanted;
  }

  /** The header of the next frame; one with messages gets the next number. */
  stamp(epoch: Epoch, count: number, nowMs: number): FrameHeader {
    this.#toldAck = this.#receivedFrames;
    this.#toldWindow = this.grant;
    this.#ackWanted = false;
    if (count > 0) {
      if (!this.unacknowledged) this.#waitingSinceMs = nowMs;
      this.#sentFrames++;
      this.#sentMessages += count;
    }
    return {
      epoch,
      session: this.id,
      number: count > 0 ? this.#sentFrames : 0,
      ack: this.#receivedFrames,
      window: this.grant,
    };
  }

  /** Judges an arriving frame of this session; only a taken one is counted. */
  receive(header: FrameHeader, count: number, nowMs: number): FrameVerdict {
    if (this.phase !== "open") return "gap";
    if (header.number !== 0) {
      if (header.number <= this.#receivedFrames) return "duplicate-frame";
      if (header.number > this.#receivedFrames + 1) return "gap";
      if (this.#receivedMessages + count > this.grant) return "window-exceeded";
    }
    if (!this.#acknowledge(header.ack, nowMs)) return "gap";
    if (header.window > this.#peerWindow) this.#peerWindow = header.window;
    if (header.number !== 0) {
      this.#receivedFrames++;
      this.#receivedMessages += count;
    }
    return "take";
  }

  /** Judges the peer's word on what it has sent: a silent tail shows here (P-3.3). */
  probed(probe: Probe, nowMs: number): FrameVerdict {
    if (this.phase !== "open" || probe.sent > this.#receivedFrames) return "gap";
    if (!this.#acknowledge(probe.received, nowMs)) return "gap";
    this.#ackWanted = true;
    return "take";
  }

  /** `count` messages have left the mailbox: the peer may send as many more. */
  handled(count: number): void {
    this.#handledMessages += count;
  }

  /** After a reconnect both ends probe; only differing numbers are a gap (P-3.4). */
  wantProbe(): void {
    if (this.phase === "open") this.#probeWanted = true;
  }

  probe(): Probe {
    this.#probeWanted = false;
    return { session: this.id, sent: this.#sentFrames, received: this.#receivedFrames };
  }

  /** When `tick` will have something to say at the earliest; infinite while nothing is open. */
  get dueAtMs(): number {
    if (this.phase === "calling") return this.#waitingSinceMs + this.#helloAgainMs;
    if (this.phase !== "open" || !this.unacknowledged) return Number.POSITIVE_INFINITY;
    return this.#waitingSinceMs + PROBE_AFTER_MS;
  }

  /** What time has made due. */
  tick(nowMs: number): "hello" | "probe" | undefined {
    const waitedMs = nowMs - this.#waitingSinceMs;
    if (this.phase === "calling" && waitedMs >= this.#helloAgainMs) {
      this.#waitingSinceMs = nowMs;
      this.#helloAgainMs = Math.min(this.#helloAgainMs * 2, HELLO_AGAIN_MS_MAX);
      return "hello";
    }
    if (this.phase === "open" && this.unacknowledged && waitedMs >= PROBE_AFTER_MS) {
      this.#waitingSinceMs = nowMs;
      this.#probeWanted = true;
      return "probe";
    }
    return undefined;
  }

  /** false: the peer acknowledges what was never sent. */
  #acknowledge(ack: number, nowMs: number): boolean {
    if (ack > this.#sentFrames) return false;
    if (ack > this.#ackedFrames) {
      this.#ackedFrames = ack;
      this.#waitingSinceMs = nowMs;
    }
    return true;
  }
}

/** How often Closed is said to one peer, and to how many peers within that time. */
export const CLOSED_ANSWER_INTERVAL_MS = 1_000;
export const CLOSED_ANSWERS_PER_INTERVAL_MAX = 16_384;

/** Rations the answers to frames of foreign sessions: one a second and peer (P-3.3). */
export class ClosedAnswers {
  #sinceMs = Number.NEGATIVE_INFINITY;
  #current = new Set<string>();
  #previous = new Set<string>();

  /** true: say it, and it has been noted. */
  take(peer: string, nowMs: number): boolean {
    const ageMs = nowMs - this.#sinceMs;
    if (ageMs >= CLOSED_ANSWER_INTERVAL_MS) {
      this.#previous = ageMs < 2 * CLOSED_ANSWER_INTERVAL_MS ? this.#current : new Set();
      this.#current = new Set();
      this.#sinceMs = nowMs;
    }
    if (this.#current.has(peer) || this.#previous.has(peer)) return false;
    if (this.#current.size >= CLOSED_ANSWERS_PER_INTERVAL_MAX) return false;
    this.#current.add(peer);
    return true;
  }
}
