/**
 * Time. Monotonic time orders and measures; wall time is for people only. A timer never fires
 * within the call and never early.
 */
export interface Timer {
  /** From here on the timer does not fire. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds from an arbitrary beginning; never goes back; stands still in a suspend. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for people; may jump. */
  wallMs(): number;
  timer(inMs: number, fire: () => void): Timer;
  /** Runs after the current turn, before timers: the host's next drain. */
  soon(run: () => void): void;
}
