/**
 * A world on a desk: virtual time, a bus that is FIFO and may lose, a log and a disk that answer
 * when told. Small real implementations of the ports for stories about the host; the simulator
 * has the full ones.
 */
import type { LogLevel, Uuid } from "#protocol";
import type {
  ActorPorts,
  AppendOutcome,
  Bus,
  BusMessage,
  BusStatus,
  Clock,
  Disk,
  DiskOutcome,
  Log,
  Logger,
  Random,
} from "#runtime";

interface Planned {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Time that moves only when told; every step runs one thing. */
export class DeskClock implements Clock {
  nowMs = 0;
  #order = 0;
  #turns = 0;
  #soon: (() => void)[] = [];
  #planned: Planned[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_000_000 + this.nowMs;
  }

  timer(inMs: number, fire: () => void): { cancel(): void } {
    const planned: Planned = { atMs: this.nowMs + inMs, order: this.#order++, run: fire };
    this.#planned.push(planned);
    return {
      cancel: () => {
        planned.run = undefined;
      },
    };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#planned.filter((planned) => planned.run !== undefined).length;
  }

  /** How many turns `run` took. */
  count(run: () => void): number {
    const before = this.#turns;
    run();
    return this.#turns - before;
  }

  /** Runs everything that is to run without time passing. */
  settle(): void {
    for (let i = 0; this.#soon.length > 0; i++) {
      if (i > 100_000) throw new Error("the desk never comes to rest");
      this.#turns++;
      this.#soon.shift()?.();
    }
  }

  /** Timers that are due fire, whatever else waits to run. */
  fireDue(): void {
    const due = this.#planned.filter(({ atMs }) => atMs <= this.nowMs);
    this.#planned = this.#planned.filter(({ atMs }) => atMs > this.nowMs);
    for (const { run } of due) run?.();
  }

  /** Lets `ms` pass, step by step. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    this.settle();
    for (;;) {
      this.#planned = this.#planned.filter((planned) => planned.run !== undefined);
      this.#planned.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const next = this.#planned[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#planned.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run?.();
      this.settle();
    }
    this.nowMs = untilMs;
  }
}

export class DeskRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  uuid(): Uuid {
    const hex = (length: number): string =>
      Array.from({ length }, () => this.below(16).toString(16)).join("");
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}` as Uuid;
  }

  token(length: number): string {
    return Array.from({ length }, () => String.fromCharCode(97 + this.below(26))).join("");
  }
}

export class DeskLogger implements Logger {
  level: LogLevel = "debug";
  readonly lines: string[] = [];

  log(level: LogLevel, sentence: string): void {
    this.lines.push(`${level} ${sentence.split("\n")[0] ?? ""}`);
  }

  child(): Logger {
    return this;
  }

  setLevel(level: LogLevel): void {
    this.level = level;
  }
}

interface Listener {
  readonly bus: DeskBus;
  readonly pattern: readonly string[];
  readonly onMessage: (message: BusMessage) => void;
}

/** All connections of one broker; `lose` decides about each delivery. */
export class DeskBroker {
  readonly listeners = new Set<Listener>();
  readonly clock: DeskClock;
  lose: (subject: string, data: Uint8Array) => boolean = () => false;
  /** Every publish, before it is lost or not. */
  onPublish: (subject: string, data: Uint8Array) => void = () => undefined;
  #inboxes = 0;

  constructor(clock: DeskClock) {
    this.clock = clock;
  }

  connect(): DeskBus {
    return new DeskBus(this);
  }

  inbox(): string {
    this.#inboxes++;
    return `_INBOX.${this.#inboxes}`;
  }

  /** How many heard it. */
  publish(subject: string, data: Uint8Array, reply?: string): number {
    this.onPublish(subject, data);
    const tokens = subject.split(".");
    const hearing = [...this.listeners].filter(({ pattern }) => matches(pattern, tokens));
    if (this.lose(subject, data)) return hearing.length;
    for (const listener of hearing) {
      this.clock.soon(() => {
        if (!this.listeners.has(listener) || !listener.bus.connected) return;
        const arrivedAtMs = this.clock.nowMs;
        const message = { subject, data, arrivedAtMs };
        listener.onMessage(reply === undefined ? message : { ...message, reply });
      });
    }
    return hearing.length;
  }
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  if (pattern.length !== tokens.length) return false;
  return pattern.every((part, i) => part === "*" || part === tokens[i]);
}

export class DeskBus implements Bus {
  connected = true;
  readonly dropped = new Map<string, number>();
  readonly #broker: DeskBroker;
  readonly #status = new Set<(status: BusStatus) => void>();

  constructor(broker: DeskBroker) {
    this.#broker = broker;
  }

  publish(subject: string, data: Uint8Array, reply?: string): "sent" | "dropped" {
    if (!this.connected) return "dropped";
    this.#broker.publish(subject, data, reply);
    return "sent";
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): { stop(): void } {
    const listener = { bus: this, pattern: subject.split("."), onMessage };
    this.#broker.listeners.add(listener);
    return { stop: () => void this.#broker.listeners.delete(listener) };
  }

  request: Bus["request"] = (subject, data, timeoutMs, done) => {
    const { clock } = this.#broker;
    const inbox = this.#broker.inbox();
    let over = false;
    const end = (outcome: Parameters<typeof done>[0]): void => {
      if (over) return;
      over = true;
      subscription.stop();
      timer.cancel();
      clock.soon(() => done(outcome));
    };
    const subscription = this.subscribe(inbox, (message) => end({ kind: "reply", message }));
    const timer = clock.timer(timeoutMs, () => end({ kind: "timeout" }));
    if (!this.connected) return end({ kind: "disconnected" });
    if (this.#broker.publish(subject, data, inbox) === 0) end({ kind: "no-responders" });
  };

  flush(done: (reached: boolean) => void): void {
    this.#broker.clock.soon(() => done(this.connected));
  }

  onStatus(listener: (status: BusStatus) => void): { stop(): void } {
    this.#status.add(listener);
    return { stop: () => void this.#status.delete(listener) };
  }

  cut(): void {
    this.connected = false;
    for (const listener of this.#status) listener({ kind: "disconnected", why: "cut" });
  }

  mend(): void {
    this.connected = true;
    for (const listener of this.#status) listener({ kind: "connected", reconnect: true });
  }

  close(done: () => void): void {
    this.connected = false;
    this.#broker.clock.soon(done);
  }
}

/** A log whose appends are answered by hand. */
export class DeskLog implements Log {
  readonly exclusive = false;
  readonly open: ((outcome: AppendOutcome) => void)[] = [];
  throwing = false;

  append: Log["append"] = (_expected, _record, done) => {
    if (this.throwing) throw new Error("the log is broken");
    this.open.push(done);
  };

  read: Log["read"] = (_from, _max, done) => done({ kind: "failed", why: "nothing here" });
  follow: Log["follow"] = () => ({ stop: () => undefined });
  truncate: Log["truncate"] = (_before, done) => done({ kind: "failed", why: "nothing here" });
  stepDown: Log["stepDown"] = (_end, done) => done({ kind: "failed", why: "nothing here" });
  hint: Log["hint"] = (done) => done({ kind: "failed", why: "nothing here" });
  close: Log["close"] = (done) => done();
}

/** A disk whose writes are answered by hand. */
export class DeskDisk implements Disk {
  readonly open: ((outcome: DiskOutcome) => void)[] = [];

  replace: Disk["replace"] = (_path, _bytes, done) => void this.open.push(done);
  append: Disk["append"] = (_path, _bytes, done) => void this.open.push(done);
  remove: Disk["remove"] = (_path, done) => void this.open.push(done);
  read: Disk["read"] = (_path, done) => done({ kind: "absent" });
  list: Disk["list"] = (_path, done) => done({ kind: "list", names: [] });
  close: Disk["close"] = (done) => done();
}

export interface DeskPorts extends ActorPorts {
  readonly bus: DeskBus;
  readonly clock: DeskClock;
  readonly logger: DeskLogger;
  readonly log: DeskLog;
  readonly disk: DeskDisk;
}

export function deskPorts(broker: DeskBroker, seed: number): DeskPorts {
  return {
    bus: broker.connect(),
    clock: broker.clock,
    random: new DeskRandom(seed),
    logger: new DeskLogger(),
    log: new DeskLog(),
    disk: new DeskDisk(),
  };
}
