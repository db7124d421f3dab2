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
  taken?: boolean;
}

/** What waits of no session: an answer, a timer, a word of a local actor. */
export function waitingOf(input: Input, clock: Clock, unsolicited = false): Waiting {
  const atMs = clock.monotonicMs();
  return { input, atMs, link: undefined, session: undefined, timer: undefined, unsolicited };
}

/** First in, first out, without moving what waits at each step. */
class Lane {
  #items: (Waiting | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(waiting: Waiting): void {
    this.#items.push(waiting);
  }

  at(index: number): Waiting | undefined {
    return this.#items[this.#head + index];
  }

  drop(count: number): void {
    this.#items.fill(undefined, this.#head, this.#head + count);
    this.#head += count;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 4096 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}

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
  peek(max: number, deferred: boolean, into: Waiting[]): void {
    into.length = 0;
    for (const lane of deferred ? [this.#system] : [this.#system, this.#mail]) {
      for (let i = 0; i < lane.length && into.length < max; i++) {
        const waiting = lane.at(i);
        if (waiting !== undefined) into.push(waiting);
      }
    }
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
