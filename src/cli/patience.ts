/**
 * How long a command that follows something waits for a master that went away: it says so once,
 * tries again, and gives up after a bounded time.
 */
import { ApiError } from "#api";
import { note } from "./output.ts";

const RETRY_MS = 500;
/** A master that is started again is back long before. */
const AWAY_MS_MAX = 60_000;

/** Codes that pass by themselves. */
const PASSING: ReadonlySet<string> = new Set(["unreachable", "no-leader", "timeout", "busy"]);

/** How many streams of this command are cut off; the person is told of the first and the last. */
let awayCount = 0;

export class Patience {
  #awaySinceMs: number | undefined;

  /** Something was heard. */
  heard(): void {
    if (this.#awaySinceMs === undefined) return;
    this.#awaySinceMs = undefined;
    awayCount -= 1;
    if (awayCount === 0) note("connected again");
  }

  /** Waits before the next try. @throws the error itself when it will not pass, or lasts. */
  async after(error: unknown, signal: AbortSignal): Promise<void> {
    // What `fetch` throws when a connection is cut is a TypeError.
    const passes = error instanceof ApiError ? this.#passes(error) : error instanceof TypeError;
    if (signal.aborted || !passes) throw error;
    const nowMs = performance.now();
    if (this.#awaySinceMs === undefined) {
      if (awayCount === 0) {
        note(`the connection was lost (${(error as Error).message}); trying again`);
      }
      awayCount += 1;
      this.#awaySinceMs = nowMs;
    }
    if (nowMs - this.#awaySinceMs > AWAY_MS_MAX) throw error;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  /** A master that has come back knows nothing until the agents have told it. */
  #passes({ code }: ApiError): boolean {
    return PASSING.has(code) || (code === "not-found" && this.#awaySinceMs !== undefined);
  }
}
