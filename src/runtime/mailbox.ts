/**
 * What waits for an actor: two lanes, the actor's own answers before everything else. Owns the
 * order and the limit; decides nothing. What others say is bounded twice: per session by the
 * windows (P-3.6), in all by the limit here. What the actor itself asked for (answers, timers,
 * changes of links) is bounded by what it may ask and is never refused.
 */
import type { Session } from "#protocol";
import type { Input } from "./inputs.ts";
import type { Link } from "./link.ts";
import type { Clock } from "./ports/clock.ts";
import type { ArmedTimer } from "./timers.ts";

/** Most mail that waits, unless the actor's options say otherwise; windows sum up to this. */
export const MAILBOX_MAIL_MAX = 1_000_000;
/** Most mail outside sessions (calls of people, beacons, words of local actors) that waits. */
export const MAILBOX_UNSOLICITED_MAX = 10_000;

/** One thing that waits, with what makes it void. */
export interface Waiting {
  input: Input;
  readonly atMs: number;
  /** Mail of a session: whose window it takes up. */
  readonly link: Link | undefined;
  readonly session: Session | undefined;
  readonly timer: ArmedTimer | undefined;
  /** Counts against the limit of what nobody granted. */
  readonly unsolicited: boolean;
  /** The actor has had it. */
  taken: boolean;
}

/** What waits of no session: an answer, a timer, a word of a local actor. */
export function waitingOf(
  input: Input,
  clock: Clock,
  unsolicited = false,
  timer?: ArmedTimer,
): Waiting {
  const atMs = clock.monotonicMs();
  return {
    input,
    atMs,
    link: undefined,
    session: undefined,
    timer,
    unsolicited,
    taken: false,
  };
}

/** Room of a lane at first; one with more than the second gives it back when it is empty. */
const LANE_LENGTH_MIN = 4;
const LANE_LENGTH_MAX = 1_024;

/** First in, first out, in a ring: what waits is never moved, but when there are twice as many. */
class Lane {
  /** Its length is a power of two. */
  #ring: (Waiting | undefined)[] = emptyRing();
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(waiting: Waiting): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = waiting;
    this.#length++;
  }

  at(index: number): Waiting | undefined {
    if (index >= this.#length) return undefined;
    return this.#ring[(this.#head + index) & (this.#ring.length - 1)];
  }

  drop(count: number): void {
    if (count === this.#length && this.#ring.length > LANE_LENGTH_MAX) {
      this.#ring = emptyRing();
      this.#head = 0;
      this.#length = 0;
      return;
    }
    const mask = this.#ring.length - 1;
    for (let i = 0; i < count; i++) this.#ring[(this.#head + i) & mask] = undefined;
    this.#head = (this.#head + count) & mask;
    this.#length -= count;
  }

  #grow(): void {
    const ring = this.#ring;
    const twice = new Array<Waiting | undefined>(ring.length * 2).fill(undefined);
    for (let i = 0; i < this.#length; i++) twice[i] = this.at(i);
    this.#ring = twice;
    this.#head = 0;
  }
}

function emptyRing(): (Waiting | undefined)[] {
  return new Array<Waiting | undefined>(LANE_LENGTH_MIN).fill(undefined);
}

function show(lane: Lane, count: number, into: Waiting[], from: number): void {
  for (let i = 0; i < count; i++) into[from + i] = lane.at(i) as Waiting;
}

const NOTHING: readonly Waiting[] = [];

export class Mailbox {
  readonly #system = new Lane();
  readonly #mail = new Lane();
  #unsolicited = 0;

  get length(): number {
    return this.#system.length + this.#mail.length;
  }

  get systemLength(): number {
    return this.#system.length;
  }

  /** Answers to what the actor asked: before all mail. */
  pushSystem(waiting: Waiting): void {
    this.#system.push(waiting);
  }

  /** false: what nobody granted has filled its share; the caller counts the refusal. */
  pushMail(waiting: Waiting): boolean {
    if (waiting.unsolicited) {
      if (this.#unsolicited >= MAILBOX_UNSOLICITED_MAX) return false;
      this.#unsolicited++;
    }
    this.#mail.push(waiting);
    return true;
  }

  /** The next `max` in order, still in the mailbox; `deferred` leaves the mail where it is. */
  peek(max: number, deferred: boolean): readonly Waiting[] {
    const answers = Math.min(max, this.#system.length);
    const mail = deferred ? 0 : Math.min(max - answers, this.#mail.length);
    if (answers + mail === 0) return NOTHING;
    const next = new Array<Waiting>(answers + mail);
    show(this.#system, answers, next, 0);
    show(this.#mail, mail, next, answers);
    return next;
  }

  /** Takes the first `count` of what `peek` showed out of the mailbox. */
  consume(count: number): void {
    const system = Math.min(count, this.#system.length);
    this.#system.drop(system);
    const mail = count - system;
    for (let i = 0; i < mail; i++) if (this.#mail.at(i)?.unsolicited) this.#unsolicited--;
    this.#mail.drop(mail);
  }

  /** Arrival of the mail behind the first `ahead` waiting ones; undefined when none waits. */
  oldestBehindMs(ahead: number): number | undefined {
    return this.#mail.at(Math.max(0, ahead - this.#system.length))?.atMs;
  }

  clear(): void {
    this.#system.drop(this.#system.length);
    this.#mail.drop(this.#mail.length);
    this.#unsolicited = 0;
  }
}
