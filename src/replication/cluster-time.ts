/**
 * Cluster time: a monotone count of milliseconds that each record carries and the leader's
 * monotonic clock advances (P-6.3). A standby continues it; who only replays a log adds the wall
 * clock's difference since its last record, never less than zero.
 */
export class ClusterTime {
  #baseMs = 0;
  #baseAtMs: number;

  constructor(nowMs: number) {
    this.#baseAtMs = nowMs;
  }

  /** Milliseconds that the cluster has lived, at monotonic `nowMs`. */
  at(nowMs: number): number {
    return Math.floor(this.#baseMs + Math.max(0, nowMs - this.#baseAtMs));
  }

  /** A record that was just written was received at `nowMs`. */
  heard(recordMs: number, nowMs: number): void {
    this.#set(Math.max(recordMs, this.at(nowMs)), nowMs);
  }

  /** A record of the past was replayed: it was written at wall clock `recordWallMs`. */
  replayed(recordMs: number, recordWallMs: number, wallMs: number, nowMs: number): void {
    this.#set(recordMs + Math.max(0, wallMs - recordWallMs), nowMs);
  }

  #set(baseMs: number, nowMs: number): void {
    this.#baseMs = baseMs;
    this.#baseAtMs = nowMs;
  }
}
