/**
 * What the turns of one node cost the machine that simulates it: the part of its own core that a
 * real process of the product would be busy. Reads the real clock, and decides nothing by it.
 */
import type { SimNode } from "../kernel/node.ts";

export class Meter {
  busyMs = 0;
  turns = 0;
  longestMs = 0;
  #beganMs = 0;

  constructor(node: SimNode) {
    node.meter = this;
  }

  begin(): void {
    this.#beganMs = performance.now();
  }

  end(): void {
    const tookMs = performance.now() - this.#beganMs;
    this.busyMs += tookMs;
    this.turns += 1;
    this.longestMs = Math.max(this.longestMs, tookMs);
  }

  reset(): void {
    this.busyMs = 0;
    this.turns = 0;
    this.longestMs = 0;
  }
}
