/**
 * Every draw of a run, so that a second run can be stopped at the first draw that differs: that
 * is where determinism was lost, long before the digests show it.
 */

/** The second run drew something else than the first. */
class DivergenceError extends Error {}

export class DrawLog {
  readonly #draws: number[] = [];
  #at = 0;
  #recorded = false;

  get length(): number {
    return this.#draws.length;
  }

  static isDivergence(error: unknown): error is Error {
    return error instanceof DivergenceError;
  }

  /** Called before each run: the first one records, later ones compare. */
  rewind(): void {
    this.#recorded = this.#draws.length > 0;
    this.#at = 0;
  }

  heard(stream: string, value: number, atMs: number): void {
    let mixed = Math.imul(value ^ Math.floor(atMs * 1024), 0x9e3779b1);
    for (let index = 0; index < stream.length; index++) {
      mixed = Math.imul(mixed ^ stream.charCodeAt(index), 0x01000193);
    }
    if (!this.#recorded) return void this.#draws.push(mixed);
    const expected = this.#draws[this.#at];
    this.#at += 1;
    if (expected === mixed) return;
    throw new DivergenceError(
      `draw ${this.#at} differs: stream ${stream} at ${atMs.toFixed(3)} ms drew ${value}`,
    );
  }
}
