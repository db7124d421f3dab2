/**
 * The last operator events, numbered, so that a reader who was away goes on where it was; who
 * was away too long is told to begin anew.
 */
import type { EventBatch, OperatorEvent } from "#protocol";

/** Events kept for readers that come back. */
export const RING_LENGTH_MAX = 20_000;

export interface RingEvent {
  /** `<epoch>.<number>`. */
  readonly id: string;
  readonly epoch: number;
  readonly number: number;
  readonly atMs: number;
  readonly event: OperatorEvent;
}

export class EventRing {
  readonly #events: (RingEvent | undefined)[];
  readonly #lengthMax: number;
  /** Events ever put in; the ring holds the last `lengthMax` of them. */
  #count = 0;

  constructor(lengthMax: number = RING_LENGTH_MAX) {
    this.#lengthMax = lengthMax;
    this.#events = new Array<RingEvent | undefined>(lengthMax).fill(undefined);
  }

  /** Adds a batch and gives its events with their ids. */
  push(batch: EventBatch): RingEvent[] {
    return batch.events.map((event, index) => {
      const number = batch.first + index;
      const ringEvent = {
        id: `${batch.epoch}.${number}`,
        epoch: batch.epoch,
        number,
        atMs: batch.atMs,
        event,
      };
      this.#events[this.#count % this.#lengthMax] = ringEvent;
      this.#count += 1;
      return ringEvent;
    });
  }

  /** What came after the event of that id; undefined when it is not in the ring (any more). */
  after(id: string): RingEvent[] | undefined {
    const first = Math.max(0, this.#count - this.#lengthMax);
    for (let at = this.#count - 1; at >= first; at -= 1) {
      if (this.#events[at % this.#lengthMax]?.id === id) return this.#from(at + 1);
    }
    return undefined;
  }

  #from(start: number): RingEvent[] {
    const found: RingEvent[] = [];
    for (let at = start; at < this.#count; at += 1) {
      const event = this.#events[at % this.#lengthMax];
      if (event !== undefined) found.push(event);
    }
    return found;
  }

  /** Id of the newest event; `0.0` before the first. */
  get last(): string {
    if (this.#count === 0) return "0.0";
    return this.#events[(this.#count - 1) % this.#lengthMax]?.id ?? "0.0";
  }
}
