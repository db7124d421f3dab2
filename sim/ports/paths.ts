/**
 * The network between hosts: which ways are cut or clogged, and pipes over them. A pipe is what
 * a TCP connection is in one direction: in order, nothing lost while it lives; a blocked way
 * makes it wait and a healed one delivers late. Knows no broker and no message.
 */
import { Fifo } from "../kernel/fifo.ts";
import type { Entry } from "../kernel/heap.ts";
import { TICK_MS, ticks } from "../kernel/node.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";

/** Usual one-way delay: a floor and the mean of what comes on top. */
export interface Delay {
  readonly floorMs: number;
  readonly meanMs: number;
}

export const LAN_DELAY: Delay = { floorMs: 0.1, meanMs: 0.25 };
/** After a heal, TCP's next retransmission comes within this. */
const RETRANSMIT_MS_MAX = 200;
const BROKEN = "the connection broke";

type Listener = () => void;

/** Something under way: what happens when it arrives, and who is told when it never does. */
export interface Carried {
  /** Number of the record because of which it was sent; said when it is. */
  cause: number;
  deliver(): void;
  lost(why: string): void;
}

/** Carried for one who only wants to be called. */
class Call implements Carried {
  cause = 0;
  readonly #deliver: () => void;

  constructor(deliver: () => void) {
    this.#deliver = deliver;
  }

  deliver(): void {
    this.#deliver();
  }

  lost(): void {
    // What is lost with its connection is asked for again, or nobody waits for it.
  }
}

/** What one event sends over a pipe: it arrives together. */
class Written implements Entry {
  readonly atMs: number;
  sequence = 0;
  cause = 0;
  readonly carried: Carried[];
  readonly #pipe: Pipe;

  constructor(pipe: Pipe, atMs: number, first: Carried) {
    this.#pipe = pipe;
    this.atMs = atMs;
    this.carried = [first];
  }

  happen(): void {
    this.#pipe.arrived(this);
  }
}

export class Paths {
  readonly #world: World;
  readonly #cuts = new Map<string, number>();
  readonly #listeners = new Set<Listener>();
  /** Added to each delay, by directed way; a fault sets it. */
  readonly slow = new Map<string, Delay>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Blocks the way from `from` to `to`; each cut wants its own heal. */
  cut(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
    this.changed();
  }

  heal(from: string, to: string): void {
    const key = `${from}>${to}`;
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) this.#cuts.set(key, left);
    else this.#cuts.delete(key);
    this.changed();
  }

  healAll(): void {
    this.#cuts.clear();
    this.slow.clear();
    this.changed();
  }

  /** As `blocked`, by the name `from>to`, which who asks often has made once. */
  isCut(way: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(way);
  }

  blocked(from: string, to: string): boolean {
    return this.#cuts.size > 0 && from !== to && this.#cuts.has(`${from}>${to}`);
  }

  /** Blocked in either direction: no conversation is possible. */
  parted(one: string, other: string): boolean {
    return this.blocked(one, other) || this.blocked(other, one);
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  pipe(from: string, to: string, chance: Chance, delay = LAN_DELAY): Pipe {
    return new Pipe(this.#world, this, from, to, chance, delay);
  }

  /** Tells everybody who waits on the ways; also called when a broker comes or goes. */
  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

export class Pipe {
  readonly #world: World;
  readonly #paths: Paths;
  readonly #way: string;
  readonly #chance: Chance;
  readonly #delay: Delay;
  readonly #stalled = new Fifo<Carried>();
  #lastMs = 0;
  /** What was written last, while it is under way, and the event that wrote it. */
  #written: Written | undefined;
  #writtenBy = -1;
  #broken = false;
  #unlisten: (() => void) | undefined;

  constructor(world: World, paths: Paths, from: string, to: string, chance: Chance, delay: Delay) {
    this.#world = world;
    this.#paths = paths;
    this.#way = `${from}>${to}`;
    this.#chance = chance;
    this.#delay = delay;
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** Whether its way is blocked now. */
  get isCut(): boolean {
    return this.#paths.isCut(this.#way);
  }

  /** `deliver` runs when what departs at `departMs` arrives, after everything sent before. */
  send(departMs: number, deliver: () => void): void {
    this.carry(departMs, new Call(deliver));
  }

  /**
   * The same of what knows itself what happens then. What one event sends is one write, as clients
   * and brokers make it: it arrives together.
   */
  carry(departMs: number, carried: Carried): void {
    if (this.#broken) return carried.lost(BROKEN);
    const { cause, events } = this.#world;
    carried.cause = cause;
    if (this.#written !== undefined && this.#writtenBy === events) {
      this.#written.carried.push(carried);
      return;
    }
    this.#writtenBy = events;
    const extra = this.#paths.slow.get(this.#way);
    let delayMs = this.#delay.floorMs + this.#chance.exponential(this.#delay.meanMs);
    if (extra !== undefined) delayMs += extra.floorMs + this.#chance.exponential(extra.meanMs);
    const atMs = Math.max(departMs + ticks(delayMs), this.#lastMs);
    this.#lastMs = atMs;
    this.#written = new Written(this, atMs, carried);
    this.#world.put(this.#written);
  }

  /** The calendar's word that what was written is there. */
  arrived(written: Written): void {
    if (this.#written === written) this.#written = undefined;
    for (const each of written.carried) this.#arrive(each);
  }

  /** What has not arrived never will. */
  break(): void {
    this.#broken = true;
    this.#unlisten?.();
    for (let next = this.#stalled.shift(); next; next = this.#stalled.shift()) next.lost(BROKEN);
  }

  #arrive(carried: Carried): void {
    this.#world.cause = carried.cause;
    if (this.#broken) return carried.lost(BROKEN);
    if (this.#stalled.length === 0 && !this.isCut) return carried.deliver();
    this.#stalled.push(carried);
    this.#unlisten ??= this.#paths.onChange(() => this.#healed());
  }

  #healed(): void {
    if (this.#stalled.length === 0 || this.isCut) return;
    const waitMs = TICK_MS + this.#chance.below(RETRANSMIT_MS_MAX);
    this.#world.after(waitMs, () => this.#flush());
  }

  /** In order: what stalled first arrives first, and later arrivals wait behind it. */
  #flush(): void {
    if (this.#broken || this.isCut) return;
    for (let next = this.#stalled.shift(); next; next = this.#stalled.shift()) {
      this.#world.cause = next.cause;
      next.deliver();
      if (this.#broken) return;
    }
    this.#unlisten?.();
    this.#unlisten = undefined;
  }
}
