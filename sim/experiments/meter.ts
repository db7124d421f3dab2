/**
 * What the turns of one node cost the machine that simulates it: the part of its own core that a
 * real process of the product would be busy. Reads the process's own timer, which others on the
 * machine cannot spoil, and decides nothing by it.
 */
import { openSync, readSync } from "node:fs";
import { GCProfiler, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { SimNode } from "../kernel/node.ts";

/** How many of the longest turns are remembered. */
const LONGEST_MAX = 5;

/** Helpers sweep as long as the process works while it waits; they are looked at so often. */
const SWEEP_WAIT_MS = 500;
const SWEEP_WAITS_MAX = 120;

/** One turn: the processor time it took, and the node's monotonic time. */
interface Turn {
  /** Without `collectedMs`. */
  readonly ms: number;
  /** How long garbage of the whole simulation was collected meanwhile. */
  readonly collectedMs: number;
  readonly atMs: number;
}

/**
 * Processor time of this thread so far, as the scheduler counts it, to some 4 ms: helpers collect the garbage
 * of the whole simulation meanwhile, which a leader in a process of its own has nothing to do with.
 */
class ThreadTimer {
  readonly #file = openSync("/proc/thread-self/schedstat", "r");
  readonly #bytes = Buffer.alloc(64);

  /** In ms. */
  now(): number {
    const length = readSync(this.#file, this.#bytes, 0, this.#bytes.length, 0);
    return Number(this.#bytes.toString("latin1", 0, length).split(" ")[0]) / 1e6;
  }
}

/** Processor time of this process so far, all its threads. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

export class Meter {
  busyMs = 0;
  collectedMs = 0;
  turns = 0;
  /** Longest first. */
  longest: Turn[] = [];
  readonly #node: SimNode;
  readonly #timer = new ThreadTimer();
  #collections = new GCProfiler();
  #beganMs = 0;

  constructor(node: SimNode) {
    this.#node = node;
    node.meter = this;
  }

  get longestMs(): number {
    return this.longest[0]?.ms ?? 0;
  }

  begin(): void {
    this.#collections = new GCProfiler();
    this.#collections.start();
    this.#beganMs = this.#timer.now();
  }

  end(): void {
    const wholeMs = this.#timer.now() - this.#beganMs;
    const { statistics } = this.#collections.stop();
    // Costs are in µs.
    const collectedMs = statistics.reduce((sum, { cost }) => sum + cost / 1_000, 0);
    const ms = Math.max(0, wholeMs - collectedMs);
    this.busyMs += ms;
    this.collectedMs += collectedMs;
    this.turns += 1;
    if (this.longest.length === LONGEST_MAX && ms <= (this.longest.at(-1)?.ms ?? 0)) return;
    this.longest.push({ ms, collectedMs, atMs: this.#node.monotonicMs() });
    this.longest.sort((a, b) => b.ms - a.ms).splice(LONGEST_MAX);
  }
}

/**
 * Collects what all of the simulation has left behind, so that no turn pays for it soon. Pages are
 * swept by helpers after that, and whoever needs one before sweeps them all: they are waited for.
 */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let waits = 0; waits < SWEEP_WAITS_MAX; waits++) {
    const before = processorMs();
    Atomics.wait(nobody, 0, 0, SWEEP_WAIT_MS);
    if (processorMs() - before < SWEEP_WAIT_MS / 20) return;
  }
}
