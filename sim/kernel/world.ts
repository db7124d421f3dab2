/**
 * The simulated world: one thread, virtual time, one event at a time. Owns the calendar, the
 * seed, the nodes and the trace; knows nothing of buses, disks or actors.
 */
import { Fifo } from "./fifo.ts";
import { type Entry, Heap } from "./heap.ts";
import { SimNode, type Surroundings, TICK_MS, ticks } from "./node.ts";
import { type Chance, type DrawListener, Seed } from "./prng.ts";

/** 2025-01-01T00:00:00Z: what wall clocks show at virtual time 0. */
const WALL_BEGIN_MS = 1_735_689_600_000;
/** Events at one instant before the world says that time stands still. */
const EVENTS_PER_INSTANT_MAX = 200_000;

/** One thing that happened. */
export interface Happening {
  readonly node: string;
  readonly kind: string;
  readonly summary: string;
  /** Where it came from; empty where it began here. */
  readonly from?: string;
  /** Number of the record that brought it about; absent: the one that the world is at work on. */
  readonly cause?: number;
}

/** Where happenings are written down. */
export interface Recorder {
  /** Whether records are kept to be read; explaining them is worth the time only then. */
  readonly keeps: boolean;
  /** false: kinds are all that it wants to know, and nobody need put what happened into words. */
  readonly reads: boolean;
  /** Answers with the number of the record. */
  record(nowMs: number, happening: Happening, cause: number): number;
  /** The number of a record that is told by `fill`; what is recorded meanwhile waits for it. */
  reserve(): number;
  /** Undefined: there was nothing to tell, nor was anything recorded meanwhile. */
  fill(nowMs: number, happening: Happening | undefined, cause: number): void;
  /** Adds to what record `n` brought about. */
  effect(n: number, text: string): void;
}

export interface WorldOptions {
  readonly seed: string;
  readonly recorder: Recorder;
  readonly heard?: DrawListener;
  /** true: a drain may read part of what waits; false: always all of it. */
  readonly drawBatches?: boolean;
}

/** An entry that calls somebody. */
class Call implements Entry {
  readonly atMs: number;
  sequence = 0;
  cause = 0;
  readonly #run: () => void;

  constructor(atMs: number, run: () => void) {
    this.atMs = atMs;
    this.#run = run;
  }

  happen(): void {
    this.#run();
  }
}

export class World implements Surroundings {
  nowMs = 0;
  /**
   * Number of the record that the world is at work on. Whatever is put into the calendar now
   * happens because of it, so causes need no bookkeeping anywhere else.
   */
  cause = 0;
  readonly wallBeginMs = WALL_BEGIN_MS;
  readonly seed: Seed;
  /** Events run so far. */
  events = 0;
  /** Called when a turn threw past the host: a process would have died of it. */
  onUncaught: ((node: SimNode, error: unknown) => void) | undefined;
  readonly #heap = new Heap();
  /** What is to run at the present instant: it comes after what the calendar has for it. */
  readonly #present = new Fifo<Entry>();
  /** Turns of idle processes that the event in hand has given something to do. */
  readonly #woken = new Fifo<() => void>();
  readonly #nodes = new Map<string, SimNode>();
  readonly #recorder: Recorder;
  readonly #batches: Chance;
  readonly #drawBatches: boolean;
  #sequence = 0;
  #instantMs = -1;
  #instantEvents = 0;
  #stopped = false;
  /** Called after each turn of a node. */
  onTurn: ((node: SimNode) => void) | undefined;

  constructor(options: WorldOptions) {
    this.seed = new Seed(options.seed, options.heard ?? (() => undefined));
    this.#recorder = options.recorder;
    this.#batches = this.seed.stream("batches");
    this.#drawBatches = options.drawBatches ?? true;
  }

  get pending(): number {
    return this.#heap.length + this.#present.length;
  }

  addNode(name: string): SimNode {
    if (this.#nodes.has(name)) throw new Error(`there is a node ${name} already`);
    const node = new SimNode(this, name);
    this.#nodes.set(name, node);
    return node;
  }

  node(name: string): SimNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Forgets a node whose last life is over. */
  removeNode(node: SimNode): void {
    if (node.up) throw new Error(`node ${node.name} is up`);
    this.#nodes.delete(node.name);
  }

  nodes(): IterableIterator<SimNode> {
    return this.#nodes.values();
  }

  /** Runs at true time `atMs`, whoever is up. */
  at(atMs: number, run: () => void): void {
    this.put(new Call(atMs, run));
  }

  /** Happens at its true time, because of the record that the world is at work on. */
  put(entry: Entry): void {
    entry.cause = this.cause;
    if (entry.atMs <= this.nowMs) return this.#present.push(entry);
    entry.sequence = this.#sequence++;
    this.#heap.push(entry);
  }

  after(inMs: number, run: () => void): void {
    this.at(this.nowMs + Math.max(ticks(inMs), TICK_MS), run);
  }

  wake(turn: () => void): void {
    this.#woken.push(turn);
  }

  #turns(): void {
    for (let turn = this.#woken.shift(); turn; turn = this.#woken.shift()) turn();
  }

  /** Writes down what happens; answers with the number of the record. */
  record(happening: Happening): number {
    return this.#recorder.record(this.nowMs, happening, happening.cause ?? this.cause);
  }

  /** Whether records are kept to be read, so that it is worth while to explain them. */
  get keeps(): boolean {
    return this.#recorder.keeps;
  }

  /** Whether summaries are read by anybody. */
  get reads(): boolean {
    return this.#recorder.reads;
  }

  /** Adds to what the record that the world is at work on brought about. */
  effect(text: string): void {
    if (this.#recorder.keeps && this.cause > 0) this.#recorder.effect(this.cause, text);
  }

  /** Does `run` because of record `cause`. */
  because<Result>(cause: number, run: () => Result): Result {
    const before = this.cause;
    this.cause = cause;
    try {
      return run();
    } finally {
      this.cause = before;
    }
  }

  /**
   * Writes down what `run` did, before all that came of it; nothing when `tell` has nothing.
   * Answers with the number of the record too.
   */
  account<Result>(
    run: () => Result,
    tell: (result: Result) => Happening | undefined,
  ): { readonly n: number; readonly result: Result } {
    const n = this.#recorder.reserve();
    const result = this.because(n, run);
    this.#recorder.fill(this.nowMs, tell(result), this.cause);
    return { n, result };
  }

  /** How many of `most` waiting messages one read brings. */
  batch(most: number): number {
    if (!this.#drawBatches || this.#batches.chance(500_000)) return most;
    return 1 + this.#batches.below(most);
  }

  /** Ends `runUntil` after the event in hand. */
  stop(): void {
    this.#stopped = true;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  uncaught(node: SimNode, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.record({ node: node.name, kind: "uncaught", summary: text });
    if (this.onUncaught === undefined) throw error;
    this.onUncaught(node, error);
  }

  /** Runs what comes until virtual time `untilMs`, or until nothing is left, or `stop`. */
  runUntil(untilMs: number): void {
    this.#turns();
    for (;;) {
      if (this.#stopped) return;
      const next = this.#next(untilMs);
      if (next === undefined) break;
      this.#guard(this.nowMs);
      this.events += 1;
      this.cause = next.cause;
      next.happen();
      this.#turns();
    }
    this.cause = 0;
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** The next event, and the time of it as the present; undefined: none comes until then. */
  #next(untilMs: number): Entry | undefined {
    const next = this.#heap.peek();
    if (this.#present.length > 0 && (next === undefined || next.atMs > this.nowMs)) {
      return this.nowMs > untilMs ? undefined : this.#present.shift();
    }
    if (next === undefined || next.atMs > untilMs) return undefined;
    this.#heap.pop();
    this.nowMs = next.atMs;
    return next;
  }

  #guard(atMs: number): void {
    if (atMs !== this.#instantMs) {
      this.#instantMs = atMs;
      this.#instantEvents = 0;
    }
    this.#instantEvents += 1;
    if (this.#instantEvents > EVENTS_PER_INSTANT_MAX) {
      throw new Error(
        `time stands still at ${atMs} ms: more than ${EVENTS_PER_INSTANT_MAX} events`,
      );
    }
  }
}
