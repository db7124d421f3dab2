/**
 * One simulated process: its lives, its three kinds of clock, its turns and what they cost.
 * Whatever was asked for in an earlier life is void. A node does one turn at a time and is busy
 * until the price of the turn is paid, so overload exists. Knows nothing of what runs on it.
 */
import { Fifo } from "./fifo.ts";
import type { Entry } from "./heap.ts";

/** The grain of time: 1/1024 ms is exact in binary, so sums of times never drift. */
export const TICK_MS = 1 / 1024;
/** Prices of what a turn does, in ms at slowness 1; about what one Node process pays. */
export const PRICE_MS = {
  turn: 8 * TICK_MS,
  /** Reading the clock stands for the work between two readings. */
  clock: TICK_MS,
  mail: 8 * TICK_MS,
  publish: 6 * TICK_MS,
  call: 8 * TICK_MS,
} as const;

/** Rounded up to the grain. */
export function ticks(ms: number): number {
  return Math.ceil(ms * 1024) / 1024;
}

type Run = () => void;
/** What waits to be run, and the record because of which it does. */
interface Work {
  readonly cause: number;
  run(): void;
}

/** What reaches a process's sockets: run when it is read. */
export interface Mail {
  /** Said when it arrives. */
  cause: number;
  run(): void;
  /** The process ends before it was read. */
  lost(why: string): void;
}

/** Mail of one who only wants to be called. */
class Letter implements Mail {
  cause = 0;
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  run(): void {
    this.#run();
  }

  lost(): void {
    // Whoever waits for it has a deadline of its own.
  }
}

/** What a node needs of the world around it. */
export interface Surroundings {
  readonly nowMs: number;
  readonly wallBeginMs: number;
  /** Number of the record that the world is at work on. */
  cause: number;
  at(atMs: number, run: Run): void;
  put(entry: Entry): void;
  /** `turn` runs as the end of the event in hand: what has come in was for this process. */
  wake(turn: Run): void;
  /** How many of `most` waiting messages one read brings. */
  batch(most: number): number;
  uncaught(node: SimNode, error: unknown): void;
  /** Called after each turn. */
  readonly onTurn: ((node: SimNode) => void) | undefined;
}

export interface SimTimer {
  cancel(): void;
}

/**
 * A timer, its entry in the calendar, and the work that it is when its time has come: an idle
 * cluster does little else.
 */
class NodeTimer implements SimTimer, Work, Entry {
  readonly life: number;
  /** By the node's monotonic clock. */
  readonly dueMs: number;
  /** By true time, as far as the clock of the node can tell. */
  atMs = 0;
  sequence = 0;
  cause = 0;
  live = true;
  readonly #come: (timer: NodeTimer) => void;
  readonly #fire: Run;

  constructor(life: number, dueMs: number, come: (timer: NodeTimer) => void, fire: Run) {
    this.life = life;
    this.dueMs = dueMs;
    this.#come = come;
    this.#fire = fire;
  }

  happen(): void {
    this.#come(this);
  }

  cancel(): void {
    this.live = false;
  }

  run(): void {
    if (this.live) this.#fire();
  }
}

export class SimNode {
  readonly name: string;
  readonly #world: Surroundings;
  /** Counts starts and ends; what carries another number is void. */
  life = 0;
  up = false;
  /** Factor on every price; a slow machine has more than 1. */
  slowness = 1;
  /** Told when a turn begins and when it is over; measures what turns cost this machine. */
  meter: { begin(): void; end(): void } | undefined;
  /** Fault: added to the time of every timer that is set. */
  timerBiasMs = 0;
  #halted: "pause" | "suspend" | undefined;
  #haltedAtMs = 0;
  #busyUntilMs = 0;
  #spentMs = 0;
  #inTurn = false;
  #waking = false;
  /** The life that is to have the next turn; a later one has to be woken itself. */
  #wokenLife = 0;
  readonly #begin: Run;
  readonly #soon = new Fifo<Work>();
  readonly #due = new Fifo<Work>();
  readonly #mail = new Fifo<Mail>();
  #downListeners: Run[] = [];
  /** Monotonic time runs at `#rate` since `#anchorMs`, where it showed `#shownMs`. */
  #rate = 1;
  #anchorMs = 0;
  #shownMs = 0;
  #wallStepMs = 0;
  #suspendedMs = 0;

  constructor(world: Surroundings, name: string) {
    this.#world = world;
    this.name = name;
    this.#begin = () => {
      this.#waking = false;
      if (this.#wokenLife === this.life && !this.paused) this.#turn();
      else this.#wake();
    };
  }

  get paused(): boolean {
    return this.#halted !== undefined;
  }

  /** How much mail waits to be read. */
  get waiting(): number {
    return this.#mail.length;
  }

  // Time ---------------------------------------------------------------------------------------

  /** True time as this node lives it: within a turn, after what the turn has spent. */
  get localMs(): number {
    return this.#world.nowMs + (this.#inTurn ? ticks(this.#spentMs * this.slowness) : 0);
  }

  monotonicMs(): number {
    const at = this.#halted === "suspend" ? this.#haltedAtMs : this.localMs;
    return this.#shownMs + ticks((at - this.#anchorMs) * this.#rate);
  }

  wallMs(): number {
    const shown = this.#world.wallBeginMs + this.monotonicMs() + this.#suspendedMs;
    return Math.floor(shown + this.#wallStepMs);
  }

  /** A clock that runs fast or slow from now on; 1 is true. */
  setRate(rate: number): void {
    this.#shownMs = this.monotonicMs();
    this.#anchorMs = this.localMs;
    this.#rate = rate;
  }

  stepWall(byMs: number): void {
    this.#wallStepMs += byMs;
  }

  // Lives --------------------------------------------------------------------------------------

  /** Begins a life and runs `boot` as its first turn. */
  start(boot: Run): void {
    if (this.up) throw new Error(`node ${this.name} is up already`);
    this.life += 1;
    this.up = true;
    this.#halted = undefined;
    this.#busyUntilMs = this.#world.nowMs;
    this.soon(boot);
  }

  /** Ends the life at once: memory, timers and unread mail are gone. */
  crash(): void {
    if (!this.up) return;
    this.life += 1;
    this.up = false;
    this.#halted = undefined;
    this.#soon.clear();
    this.#due.clear();
    for (let mail = this.#mail.shift(); mail; mail = this.#mail.shift())
      mail.lost("unread when the process ended");
    const listeners = this.#downListeners;
    this.#downListeners = [];
    for (const listener of listeners) listener();
  }

  /** Called when this life ends. */
  onDown(listener: Run): void {
    this.#downListeners.push(listener);
  }

  /** SIGSTOP: clocks go on, nothing runs. `suspend`: the monotonic clock stands still too. */
  halt(how: "pause" | "suspend"): void {
    if (!this.up || this.#halted !== undefined) return;
    this.#haltedAtMs = this.#world.nowMs;
    this.#halted = how;
  }

  /** Goes on. Timers that came due meanwhile run before mail that came meanwhile (P-6.1). */
  resume(): void {
    if (this.#halted === undefined) return;
    if (this.#halted === "suspend") {
      const away = this.#world.nowMs - this.#haltedAtMs;
      this.#suspendedMs += away;
      this.#anchorMs += away;
    }
    this.#halted = undefined;
    this.#wake();
  }

  // Work ---------------------------------------------------------------------------------------

  /** Pays for work of the turn in hand. */
  charge(ms: number): void {
    this.#spentMs += ms;
  }

  /** Runs after the turn in hand, before timers and mail. */
  soon(run: Run): void {
    this.#soon.push({ run, cause: this.#world.cause });
    this.#wake();
  }

  /** Runs when the node's own monotonic clock has advanced by `inMs`. */
  timer(inMs: number, run: Run): SimTimer {
    const nowMs = this.monotonicMs();
    const dueMs = nowMs + Math.max(ticks(inMs + this.timerBiasMs), TICK_MS);
    const timer = new NodeTimer(this.life, dueMs, this.#timeHasCome, run);
    const missingMs = dueMs - nowMs;
    const inTrueMs = this.#rate === 1 ? missingMs : missingMs / this.#rate;
    timer.atMs = this.localMs + Math.max(ticks(inTrueMs), TICK_MS);
    this.#world.put(timer);
    return timer;
  }

  /** By true time, when the timer was set. */
  readonly #timeHasCome = (timer: NodeTimer): void => {
    if (!timer.live || timer.life !== this.life) return;
    const missing = timer.dueMs - this.monotonicMs();
    if (missing > 0) {
      // A suspended or slow clock is not there yet.
      timer.atMs = this.#world.nowMs + Math.max(ticks(missing / this.#rate), 1);
      return this.#world.put(timer);
    }
    this.#due.push(timer);
    this.#wake();
  };

  /**
   * Something reaches the node's sockets at `atMs`, if this life goes on until then; read when the
   * node comes to it.
   */
  arrive(atMs: number, run: Run): void {
    const letter = new Letter(run);
    if (atMs <= this.#world.nowMs) return this.receive(letter);
    const life = this.life;
    this.#world.at(atMs, () => {
      if (life === this.life) this.receive(letter);
    });
  }

  /** Mail reaches the node's sockets now. */
  receive(mail: Mail): void {
    mail.cause = this.#world.cause;
    this.#mail.push(mail);
    this.#wake();
  }

  #ready(): boolean {
    return this.#soon.length > 0 || this.#due.length > 0 || this.#mail.length > 0;
  }

  #wake(): void {
    if (this.#waking || this.#inTurn || !this.up || this.paused || !this.#ready()) return;
    this.#waking = true;
    this.#wokenLife = this.life;
    if (this.#busyUntilMs > this.#world.nowMs) this.#world.at(this.#busyUntilMs, this.#begin);
    else this.#world.wake(this.#begin);
  }

  #turn(): void {
    this.#inTurn = true;
    this.#spentMs = PRICE_MS.turn;
    const life = this.life;
    this.meter?.begin();
    this.#work(this.#soon.shift() ?? this.#due.shift(), life);
    // What the work wants done soon is done before the process looks at its sockets again.
    for (let left = this.#soon.length; left > 0 && life === this.life; left--) {
      this.#spentMs += PRICE_MS.turn;
      this.#work(this.#soon.shift(), life);
    }
    this.meter?.end();
    this.#busyUntilMs = this.localMs;
    this.#inTurn = false;
    this.#world.onTurn?.(this);
    this.#wake();
  }

  /** Does the work that is at hand, or else reads the sockets. */
  #work(work: Work | undefined, life: number): void {
    try {
      if (work === undefined) this.#read(life);
      else {
        this.#world.cause = work.cause;
        work.run();
      }
    } catch (error) {
      this.#world.uncaught(this, error);
    }
  }

  /** One read of the sockets brings a drawn number of what waits: a batch boundary. */
  #read(life: number): void {
    const most = this.#mail.length;
    let count = most > 1 ? this.#world.batch(most) : most;
    for (; count > 0 && life === this.life; count--) {
      this.charge(PRICE_MS.mail);
      const mail = this.#mail.shift();
      if (mail === undefined) return;
      this.#world.cause = mail.cause;
      mail.run();
    }
  }
}
