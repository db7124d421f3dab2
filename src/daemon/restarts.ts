/**
 * When a process that died is started again: soon at first, ever later while it goes on dying,
 * and never not at all. Whoever ended the tasks of a cluster because its master cannot start
 * would do more harm than the fault: tasks need no master to run on.
 */

export interface RestartPolicy {
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  /** With so many deaths in a row, restarts become rare. */
  readonly deathsMax: number;
  /** The pause of a process that dies again and again. */
  readonly rareMs: number;
  /** A process that lived for so long is well: the next death is a first one. */
  readonly calmMs: number;
}

/** Deaths in a row after which a process is started twice a minute only. */
export const RESTART_DEATHS_MAX = 10;

export const RESTARTS: RestartPolicy = {
  backoffFirstMs: 100,
  backoffMaxMs: 5_000,
  deathsMax: RESTART_DEATHS_MAX,
  rareMs: 30_000,
  calmMs: 60_000,
};

export interface Restart {
  readonly inMs: number;
  /** Deaths in a row, this one included. */
  readonly deaths: number;
  /** Whether it has died so often that it is started rarely from now on. */
  readonly isRare: boolean;
}

/** Counts the deaths of one process. */
export class Restarts {
  readonly #policy: RestartPolicy;
  #deaths = 0;
  #startedMs = 0;

  constructor(policy: RestartPolicy = RESTARTS) {
    this.#policy = policy;
  }

  /** It died at `nowMs`, of a clock that only goes forward. @returns when to start another. */
  died(nowMs: number): Restart {
    const { backoffFirstMs, backoffMaxMs, deathsMax, rareMs, calmMs } = this.#policy;
    this.#deaths = nowMs - this.#startedMs >= calmMs ? 1 : this.#deaths + 1;
    const isRare = this.#deaths >= deathsMax;
    const backoffMs = Math.min(backoffMaxMs, backoffFirstMs * 2 ** (this.#deaths - 1));
    const inMs = isRare ? rareMs : backoffMs;
    this.#startedMs = nowMs + inMs;
    return { inMs, deaths: this.#deaths, isRare };
  }
}

/** For people: when another one starts, and why it takes long where it does. */
export function restartText({ inMs, deaths, isRare }: Restart): string {
  if (!isRare) return `another starts in ${inMs} ms`;
  return `it died ${deaths} times in a row, so another starts in ${inMs / 1_000} s; tasks run on`;
}
