/** Waits for answers of other processes, and lets time pass where time is the fault that is made. */
import { until, UNTIL_MS_MAX } from "./until.ts";

const ASK_INTERVAL_MS = 20;

/**
 * The first answer that fits; asks again and again, one question at a time.
 * @throws Error naming `what` and the last answer when none has fitted within `limitMs`.
 */
export async function untilAnswer<Answer>(
  ask: () => Promise<Answer>,
  fits: (answer: Answer) => boolean,
  what: string,
  limitMs: number = UNTIL_MS_MAX,
): Promise<Answer> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const askedMs = performance.now();
    const answer = await ask();
    if (fits(answer)) return answer;
    if (performance.now() > endMs) {
      const last = JSON.stringify(answer)?.slice(0, 2_000);
      throw new Error(`${what}: not within ${limitMs} ms; the last answer: ${last}`);
    }
    await until(() => performance.now() > askedMs + ASK_INTERVAL_MS, "the next question");
  }
}

/** A part that is to be away for so long is away when this returns. */
export async function away(ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  await until(() => performance.now() >= endMs, `${ms} ms pass`, ms + UNTIL_MS_MAX);
}
