/**
 * Durable before said (P-1.5): which tokens are settled, and what waits for the others. Owns the
 * order within each lane: what waits holds back everything later for the same lane and nothing
 * else. Performs nothing itself but what it was handed.
 */
import type { Token } from "./inputs.ts";
import { invariant } from "./invariant.ts";

/** Most effects that wait for tokens at one time; beyond it the actor has lost its disk or log. */
export const HELD_EFFECTS_MAX = 200_000;
/** How many settled tokens are remembered, the latest ones. */
export const SETTLED_TOKENS_MAX = 65_536;

/** Something that waits: how many tokens are open, whether one of them will never be durable. */
export interface Waiter {
  open: number;
  void: boolean;
  /** Called when `open` has reached 0 or `void` was set. */
  readonly ready: () => void;
}

export class Tokens {
  readonly #waiting = new Map<Token, Waiter[]>();
  readonly #settled = new Map<Token, boolean>();
  #held = 0;

  /** A write or an append of this token is under way; a token may be tried again. */
  opened(token: Token): void {
    this.#settled.delete(token);
  }

  get held(): number {
    return this.#held;
  }

  /** Ties `waiter` to all tokens of `after` that are not durable yet. */
  wait(after: Token | readonly Token[] | undefined, waiter: Waiter): void {
    if (after === undefined) return;
    if (typeof after === "string") this.#tie(after, waiter);
    else for (const token of after) this.#tie(token, waiter);
  }

  #tie(token: Token, waiter: Waiter): void {
    const settled = this.#settled.get(token);
    if (settled === true) return;
    if (settled === false) {
      waiter.void = true;
      return;
    }
    invariant(this.#held < HELD_EFFECTS_MAX, "effects that wait stay below their limit", {
      limit: HELD_EFFECTS_MAX,
      token,
    });
    this.#held++;
    waiter.open++;
    const waiters = this.#waiting.get(token);
    if (waiters === undefined) this.#waiting.set(token, [waiter]);
    else waiters.push(waiter);
  }

  /** The token is durable, or never will be. */
  settle(token: Token, durable: boolean): void {
    this.#settled.delete(token);
    this.#settled.set(token, durable);
    if (this.#settled.size > SETTLED_TOKENS_MAX) {
      for (const oldest of this.#settled.keys()) {
        this.#settled.delete(oldest);
        break;
      }
    }
    const waiters = this.#waiting.get(token);
    if (waiters === undefined) return;
    this.#waiting.delete(token);
    this.#held -= waiters.length;
    for (const waiter of waiters) {
      waiter.open--;
      if (!durable) waiter.void = true;
    }
    for (const waiter of waiters) if (waiter.open === 0 || waiter.void) waiter.ready();
  }

  clear(): void {
    this.#waiting.clear();
    this.#settled.clear();
    this.#held = 0;
  }
}

interface Held {
  readonly waiter: Waiter;
  readonly run: () => void;
}

/** Effects that are no messages of sessions, in lanes by where they go. */
export class Holds {
  readonly #tokens: Tokens;
  readonly #lanes = new Map<string, Held[]>();
  readonly #voided: () => void;

  /** @param voided told once for each effect whose token will never be durable. */
  constructor(tokens: Tokens, voided: () => void) {
    this.#tokens = tokens;
    this.#voided = voided;
  }

  /** Runs `run` now, or when its tokens are durable and all before it in `lane` have run. */
  perform(lane: string, after: Token | readonly Token[] | undefined, run: () => void): void {
    const queue = this.#lanes.get(lane);
    if (after === undefined && queue === undefined) return run();
    const waiter: Waiter = { open: 0, void: false, ready: () => this.#release(lane) };
    this.#tokens.wait(after, waiter);
    if (queue !== undefined) queue.push({ waiter, run });
    else {
      this.#lanes.set(lane, [{ waiter, run }]);
      this.#release(lane);
    }
  }

  #release(lane: string): void {
    const queue = this.#lanes.get(lane);
    if (queue === undefined) return;
    let done = 0;
    for (const { waiter, run } of queue) {
      if (!waiter.void && waiter.open > 0) break;
      done++;
      if (waiter.void) this.#voided();
      else run();
    }
    if (done === queue.length) this.#lanes.delete(lane);
    else queue.splice(0, done);
  }

  clear(): void {
    this.#lanes.clear();
  }
}
