/**
 * Named timers of one actor over one timer of the clock. Owns their order: by time, then by
 * asking. Arming a name again replaces it, even when the earlier one has fired and still waits
 * in the mailbox; after `clear` all are void. Never calls back within `arm`.
 */
import type { Clock, Timer } from "./ports/clock.ts";

/** Most timers that one actor may have armed. */
export const TIMERS_MAX = 1_000_000;

export interface ArmedTimer {
  readonly name: string;
  readonly dueAtMs: number;
  readonly order: number;
  /** `fired`: it waits in the mailbox; `void`: cancelled, replaced or handled. */
  state: "armed" | "fired" | "void";
}

export class Timers {
  readonly #clock: Clock;
  readonly #fire: (timer: ArmedTimer, lateMs: number) => void;
  readonly #byName = new Map<string, ArmedTimer>();
  /** Binary heap; void timers stay until they come up or outnumber the others. */
  #heap: ArmedTimer[] = [];
  #order = 0;
  /** One for all: most timers of most actors are set again whenever they have fired. */
  readonly #wake = (): void => this.#due();
  #next: { readonly timer: Timer; readonly atMs: number } | undefined;

  constructor(clock: Clock, fire: (timer: ArmedTimer, lateMs: number) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  get count(): number {
    return this.#byName.size;
  }

  arm(name: string, inMs: number): void {
    this.cancel(name);
    const dueAtMs = this.#clock.monotonicMs() + Math.max(0, inMs);
    const timer: ArmedTimer = { name, dueAtMs, order: this.#order++, state: "armed" };
    this.#byName.set(name, timer);
    this.#push(timer);
    this.#schedule();
  }

  cancel(name: string): void {
    const timer = this.#byName.get(name);
    if (timer === undefined) return;
    timer.state = "void";
    this.#byName.delete(name);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#byName.size) this.#rebuild();
  }

  /** The actor has it in hand: true unless it became void while it waited. */
  take(timer: ArmedTimer): boolean {
    if (timer.state !== "fired") return false;
    timer.state = "void";
    if (this.#byName.get(timer.name) === timer) this.#byName.delete(timer.name);
    return true;
  }

  clear(): void {
    for (const timer of this.#byName.values()) timer.state = "void";
    this.#byName.clear();
    this.#heap = [];
    this.#next?.timer.cancel();
    this.#next = undefined;
  }

  #schedule(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    if (this.#next !== undefined && this.#next.atMs <= first.dueAtMs) return;
    this.#next?.timer.cancel();
    const inMs = Math.max(0, first.dueAtMs - this.#clock.monotonicMs());
    const timer = this.#clock.timer(inMs, this.#wake);
    this.#next = { timer, atMs: first.dueAtMs };
  }

  #due(): void {
    this.#next = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || (first.state === "armed" && first.dueAtMs > nowMs)) break;
      this.#pop();
      if (first.state !== "armed") continue;
      first.state = "fired";
      this.#fire(first, nowMs - first.dueAtMs);
    }
    this.#schedule();
  }

  #rebuild(): void {
    const armed = this.#heap.filter((timer) => timer.state === "armed");
    this.#heap = [];
    for (const timer of armed) this.#push(timer);
  }

  #push(timer: ArmedTimer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as ArmedTimer;
      if (!before(timer, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as ArmedTimer)) child++;
      const lower = heap[child] as ArmedTimer;
      if (!before(lower, last)) break;
      heap[at] = lower;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: ArmedTimer, b: ArmedTimer): boolean {
  return a.dueAtMs < b.dueAtMs || (a.dueAtMs === b.dueAtMs && a.order < b.order);
}
