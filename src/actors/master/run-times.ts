/**
 * How long the allocator's runs take, and how long they were waited for: Mesos' timers
 * `allocation_run_ms` and `allocation_run_latency_ms` (mesos.md §19). Kept for people; nothing is
 * decided on it.
 */
import type { TimerView } from "#protocol";

/** Times that quantiles are taken of, as many as a timer of Mesos keeps; the newer replaces the oldest. */
export const TIMES_KEPT_MAX = 1000;

/** Times of one kind: all are counted, the last ones are kept. */
export class TimerMetric {
  readonly #kept: number[] = [];
  #total = 0;
  #sumMs = 0;
  #lastMs = 0;

  note(ms: number): void {
    this.#kept[this.#total % TIMES_KEPT_MAX] = ms;
    this.#total += 1;
    this.#sumMs += ms;
    this.#lastMs = ms;
  }

  /** Undefined before the first time. */
  view(): TimerView | undefined {
    if (this.#total === 0) return undefined;
    const sorted = Float64Array.from(this.#kept).sort();
    const at = (part: number): number => quantileOf(sorted, part);
    return {
      total: this.#total,
      sumMs: this.#sumMs,
      lastMs: this.#lastMs,
      count: sorted.length,
      minMs: at(0),
      maxMs: at(1),
      p50Ms: at(0.5),
      p90Ms: at(0.9),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      p9999Ms: at(0.9999),
    };
  }
}

/** Between its two neighbours in proportion, as Mesos has it. */
function quantileOf(sorted: Float64Array, part: number): number {
  const at = part * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}

export class RunTimes {
  readonly run = new TimerMetric();
  /** From what asked for a run until it begins. */
  readonly latency = new TimerMetric();
  #askedMs: number | undefined;

  /** Something made a run necessary; what asks while one is waited for waits with it. */
  asked(atMs: number): void {
    this.#askedMs ??= atMs;
  }

  /** A run went from `beginMs` to `endMs`; `dueMs` is when a batch should have begun. */
  ran(beginMs: number, endMs: number, dueMs: number | undefined): void {
    const askedMs = Math.min(this.#askedMs ?? beginMs, dueMs ?? beginMs);
    this.#askedMs = undefined;
    this.latency.note(Math.max(0, beginMs - askedMs));
    this.run.note(Math.max(0, endMs - beginMs));
  }
}
