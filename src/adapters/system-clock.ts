/** The machine's clock: monotonic time from the kernel, timers and turns from the event loop. */
import type { Clock, Timer } from "#runtime";

/** Longest delay that the event loop's timers take; longer ones are set again when it is over. */
const DELAY_MS_MAX = 2_147_483_647;

/** Never fires early: the event loop rounds delays, so the rest is waited for again. */
export function systemClock(): Clock {
  const monotonicMs = (): number => performance.now();
  return {
    monotonicMs,
    wallMs: () => Date.now(),
    timer(inMs, fire): Timer {
      const dueMs = monotonicMs() + Math.max(0, inMs);
      let handle: NodeJS.Timeout;
      const wait = (): void => {
        const delayMs = Math.min(DELAY_MS_MAX, Math.ceil(dueMs - monotonicMs()));
        handle = setTimeout(() => (monotonicMs() < dueMs ? wait() : fire()), Math.max(0, delayMs));
      };
      wait();
      return { cancel: () => clearTimeout(handle) };
    },
    soon: (run) => void setImmediate(run),
  };
}
