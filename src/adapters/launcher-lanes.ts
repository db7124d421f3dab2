/**
 * The order of requests: those for one container one after the other where they must be, and only
 * so many launches at the same time. Knows nothing of what they do.
 */

/** Launches being carried out at the same time; more only fight for the processors. */
export const LAUNCHES_AT_ONCE_MAX = 16;

/** The request of one container that others of the same container wait for. */
interface Lane {
  readonly waiting: (() => void)[];
}

export class LauncherLanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #launches: (() => void)[] = [];
  #launching = 0;

  /** Runs at once, or when the request that holds this container's lane is answered. */
  pass(containerId: string, run: () => void): void {
    const lane = this.#lanes.get(containerId);
    if (lane === undefined) run();
    else lane.waiting.push(run);
  }

  /** Runs in the lane and holds it until `release`. */
  hold(containerId: string, run: (release: () => void) => void): void {
    this.pass(containerId, () => {
      const lane: Lane = { waiting: [] };
      this.#lanes.set(containerId, lane);
      run(() => {
        this.#lanes.delete(containerId);
        // Each goes through the lane again: the first of them may hold it anew.
        for (const next of lane.waiting) this.pass(containerId, next);
      });
    });
  }

  launchSlot(run: (free: () => void) => void): void {
    const begin = (): void => {
      this.#launching += 1;
      run(() => {
        this.#launching -= 1;
        this.#launches.shift()?.();
      });
    };
    if (this.#launching < LAUNCHES_AT_ONCE_MAX) begin();
    else this.#launches.push(begin);
  }
}
