/**
 * What stands between an actor and its ports while it is recorded or replayed: every reading,
 * everything asked, everything called back goes over the tape. One side performs and writes down,
 * the other answers from what was written; the ports in between are the same (`taped-ports.ts`).
 */
import type { ActorPorts } from "#runtime";
import type { EntryReader, EntryWriter } from "./writer.ts";

/** First byte of each entry. Numbers are never given again. */
export const TAG = {
  monotonic: 1,
  wall: 2,
  below: 3,
  uuid: 4,
  token: 5,
  connected: 6,
  exclusive: 7,
  /** A reading of something that is no port: a user of the machine, a drawn limit. */
  named: 8,
  /** The port threw at what was asked just before. */
  threw: 9,
  /** The bus dropped what was published just before. */
  dropped: 10,
  ask: 16,
  /** Turns: what comes from outside and makes the actor do something. */
  start: 32,
  call: 33,
  told: 34,
  stop: 35,
  kill: 36,
  /** Between turns: what the actor is now. */
  mark: 48,
} as const;

export interface Codec<T> {
  write(to: EntryWriter, value: T): void;
  read(from: EntryReader): T;
}

/** What was asked of a port, with all that must be the same when it is asked again. */
export type Asked = string | number | Uint8Array | object | null;

/** A function of the actor that a port may call. */
export interface Callback<T> {
  /** From 0, in the order in which they are handed out. */
  readonly number: number;
  /** What the port is given. */
  readonly call: (value: T) => void;
}

export interface Tape {
  /** A value that the actor reads where it stands. */
  reading<T>(tag: number, codec: Codec<T>, take: (ports: ActorPorts) => T): T;
  /** What the actor asks of a port. */
  ask(what: string, args: readonly Asked[], act: (ports: ActorPorts) => unknown): void;
  /** As `ask`, for the one call that answers at once: whether the bus has dropped it. */
  publish(args: readonly Asked[], act: (ports: ActorPorts) => boolean): boolean;
  callback<T>(name: string, codec: Codec<T>, run: (value: T) => void): Callback<T>;
  /** It will not be called again. */
  forget(number: number): void;
}

export const NOTHING: Codec<void> = { write: () => undefined, read: () => undefined };
export const COUNT: Codec<number> = {
  write: (to, value) => to.count(value),
  read: (from) => from.count(),
};
export const TEXT: Codec<string> = {
  write: (to, value) => to.text(value),
  read: (from) => from.text(),
};
export const FLAG: Codec<boolean> = {
  write: (to, value) => to.byte(value ? 1 : 0),
  read: (from) => from.byte() === 1,
};
export const MONOTONIC: Codec<number> = {
  write: (to, value) => to.monotonicUs(value),
  read: (from) => from.monotonicUs(),
};
export const WALL: Codec<number> = {
  write: (to, value) => to.wallUs(value),
  read: (from) => from.wallUs(),
};

const ASKED = { name: 0, number: 1, bytes: 2, null: 3 } as const;

/** One thing asked. Of bytes and plain data a hash is kept: the replay makes them again. */
export function writeAsked(
  to: EntryWriter,
  what: string,
  args: readonly Asked[],
  hashOf: (content: Uint8Array | object) => { readonly length: number; readonly hash: number },
): void {
  to.byte(TAG.ask);
  to.name(what);
  to.byte(args.length);
  for (const arg of args) {
    if (typeof arg === "string") {
      to.byte(ASKED.name);
      to.name(arg);
    } else if (typeof arg === "number") {
      to.byte(ASKED.number);
      to.value(arg);
    } else if (arg === null) to.byte(ASKED.null);
    else {
      const { length, hash } = hashOf(arg);
      to.byte(ASKED.bytes);
      to.count(length);
      to.count(hash);
    }
  }
}

/** What was asked, for people: `bus.publish(meseta.local.leader, 120 bytes #1a2b)`. */
export function readAsked(from: EntryReader): string {
  from.byte();
  const what = from.name();
  const args: string[] = [];
  for (let left = from.byte(); left > 0; left--) {
    const form = from.byte();
    if (form === ASKED.name) args.push(from.name());
    else if (form === ASKED.number) args.push(String(from.value()));
    else if (form === ASKED.null) args.push("null");
    else args.push(`${from.count()} bytes #${from.count().toString(16)}`);
  }
  return `${what}(${args.join(", ")})`;
}
