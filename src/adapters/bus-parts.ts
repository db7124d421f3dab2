/**
 * What every bus needs whatever carries it: listeners, open requests, the rule for subjects. Holds
 * no connection.
 */
import type { BusMessage, Clock, RequestOutcome, Subscription, Timer } from "#runtime";

/** Listeners of one kind of news, told in the order in which they came. */
export class Listeners<News> {
  readonly #all = new Set<(news: News) => void>();

  add(listener: (news: News) => void): Subscription {
    this.#all.add(listener);
    return { stop: () => void this.#all.delete(listener) };
  }

  tell(news: News): void {
    for (const listener of [...this.#all]) if (this.#all.has(listener)) listener(news);
  }
}

/** The broker takes 4,096 bytes for a whole control line; a subject has to leave room in it. */
const SUBJECT_LENGTH_MAX = 1_024;

/**
 * Whether nothing can be published there: a blank would begin another field of the broker's
 * line, a wildcard is a wish to listen, an empty token is refused by the broker.
 */
export function subjectFault(subject: string): boolean {
  return subject.length > SUBJECT_LENGTH_MAX || !/^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(subject);
}

interface Pending {
  readonly timer: Timer;
  readonly done: (outcome: RequestOutcome) => void;
}

/** Requests that wait for their answer below one inbox; each is answered once. */
export class PendingRequests {
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #open = new Map<string, Pending>();
  #count = 0;

  constructor(clock: Clock, inbox: string) {
    this.#clock = clock;
    this.#inbox = inbox;
  }

  /** What to subscribe to. */
  get pattern(): string {
    return `${this.#inbox}.*`;
  }

  /** @returns the subject for the answer. */
  open(timeoutMs: number, done: (outcome: RequestOutcome) => void): string {
    this.#count += 1;
    const reply = `${this.#inbox}.${this.#count.toString(36)}`;
    const timer = this.#clock.timer(timeoutMs, () => this.fail(reply, { kind: "timeout" }));
    this.#open.set(reply, { timer, done });
    return reply;
  }

  /** An answer to nobody is late and falls through. */
  settle(message: BusMessage): void {
    this.fail(message.subject, { kind: "reply", message });
  }

  fail(reply: string, outcome: RequestOutcome): void {
    const pending = this.#open.get(reply);
    if (pending === undefined) return;
    this.#open.delete(reply);
    pending.timer.cancel();
    pending.done(outcome);
  }

  failAll(outcome: RequestOutcome): void {
    for (const reply of [...this.#open.keys()]) this.fail(reply, outcome);
  }

  forgetAll(): void {
    for (const { timer } of this.#open.values()) timer.cancel();
    this.#open.clear();
  }
}
