/** Waits for something to become true, with a bound, without sleeping longer than needed. */

const POLL_INTERVAL_MS = 2;
export const UNTIL_MS_MAX = 30_000;

/** @throws Error naming `what` when it has not come true within `limitMs`. */
export async function until(
  condition: () => boolean,
  what: string,
  limitMs: number = UNTIL_MS_MAX,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

/** The result of `promise`. @throws Error naming `what` when it has not come within `limitMs`. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  limitMs: number = UNTIL_MS_MAX,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
