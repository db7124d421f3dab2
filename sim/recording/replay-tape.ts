/**
 * The replaying side of a tape: answers from the recording and compares what the actor asks. It
 * writes the same entries again as they come about; the first that differs is the divergence, and
 * from there on nothing is answered.
 */
import { createHash } from "node:crypto";
import {
  type Asked,
  type Callback,
  type Codec,
  DIGEST_BYTES,
  EntryFault,
  EntryReader,
  EntryWriter,
  hashOfAsked,
  readAsked,
  type Redactor,
  type Tape,
  TAG,
  writeAsked,
} from "#recording";

export interface Divergence {
  /** Number of the event, from 1. */
  readonly event: number;
  readonly recorded: string;
  readonly replayed: string;
}

/** Thrown into the actor at and after a divergence: its turn is over. */
export class Diverged extends Error {
  override readonly name = "Diverged";
}

/** What comes next in a recording. */
export type Turn =
  | { readonly what: "call"; readonly name: string; readonly value: unknown; run(): void }
  | { readonly what: "outside"; readonly tag: number; readonly value: unknown }
  | { readonly what: "mark"; readonly facts: unknown };

interface Known {
  readonly name: string;
  /** Reads what it was called with, after `heads` has written what stands before that. */
  take(heads: () => void): { readonly value: unknown; run(): void };
}

/** Callbacks that a port may call many times. */
const LASTING: ReadonlySet<string> = new Set([
  "bus.message",
  "bus.status",
  "log.entries",
  "launcher.exit",
  "launcher.loss",
]);

const TAG_NAMES = new Map<number, string>(
  Object.entries(TAG).map(([name, tag]): [number, string] => [tag, name]),
);

export class ReplayTape implements Tape {
  readonly #reader = new EntryReader();
  readonly #writer = new EntryWriter();
  readonly #hashOf: ReturnType<typeof hashOfAsked>;
  readonly #known = new Map<number, Known>();
  #callbacks = 0;
  #digest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  #event = 0;
  divergence: Divergence | undefined;
  /** Monotonic time that the actor has read last, in microseconds. */
  nowUs = 0;
  /** Told what is asked, with what it was asked with. */
  onAsk: (what: string, args: readonly Asked[]) => void = () => undefined;

  /** @param blank as at the recording: blanks what goes out before it is compared. */
  constructor(blank: Redactor) {
    this.#hashOf = (content) => hashOfAsked(blank, new EntryWriter(1_024))(content);
  }

  /** The entries that follow. */
  load(entries: Uint8Array): void {
    this.#reader.next(entries);
  }

  get atEnd(): boolean {
    return this.#reader.atEnd;
  }

  /** Digest over all that was written again, in hexadecimal; at the end of a block. */
  blockEnds(): string {
    const written = this.#writer.take();
    this.#digest = createHash("sha256").update(this.#digest).update(written).digest();
    return Buffer.from(this.#digest).toString("hex");
  }

  /** What comes from outside next. @throws Diverged when the recorded turn is not over. */
  next(event: number): Turn {
    this.#event = event;
    const tag = this.#reader.peek();
    if (tag === TAG.mark) {
      this.#reader.byte();
      return { what: "mark", facts: this.#reader.value() };
    }
    if (tag === TAG.call) return this.#call();
    if (tag !== TAG.start && tag !== TAG.told && tag !== TAG.stop && tag !== TAG.kill) {
      this.#event = event - 1;
      return this.diverge(this.#nextText(), "the end of the turn");
    }
    this.#reader.byte();
    const value = this.#reader.value();
    this.#writer.byte(tag);
    this.#writer.value(value);
    return { what: "outside", tag, value };
  }

  /** Compares the facts of a mark. */
  mark(recorded: unknown, facts: unknown): void {
    const [then, now] = [JSON.stringify(recorded), JSON.stringify(facts)];
    if (then !== now) this.diverge(`the state ${then}`, `the state ${now}`);
    this.#writer.byte(TAG.mark);
    this.#writer.value(facts);
  }

  /** @throws Diverged always. */
  diverge(recorded: string, replayed: string): never {
    this.divergence ??= { event: this.#event, recorded, replayed };
    throw new Diverged(`${recorded} was recorded; now comes ${replayed}`);
  }

  /** The entries themselves are none. */
  unreadable(why: string): void {
    this.divergence ??= { event: this.#event, recorded: `no entry: ${why}`, replayed: "an entry" };
  }

  reading<T>(tag: number, codec: Codec<T>): T {
    this.#refuseAfterDivergence();
    const wanted = `a reading of ${TAG_NAMES.get(tag)}`;
    if (this.#reader.peek() !== tag) this.diverge(this.#nextText(), wanted);
    this.#reader.byte();
    const value = codec.read(this.#reader);
    this.#writer.byte(tag);
    codec.write(this.#writer, value);
    if (tag === TAG.monotonic) this.nowUs = Number(value);
    return value;
  }

  ask(what: string, args: readonly Asked[]): void {
    this.#refuseAfterDivergence();
    this.onAsk(what, args);
    const from = this.#writer.length;
    writeAsked(this.#writer, what, args, this.#hashOf);
    const written = this.#writer.since(from);
    if (this.#reader.peek() !== TAG.ask) this.diverge(this.#nextText(), askText(what, args));
    const start = this.#reader.at;
    const recorded = readAsked(this.#reader);
    if (!Buffer.from(written).equals(this.#reader.since(start))) {
      this.diverge(recorded, askText(what, args));
    }
    if (this.#reader.peek() !== TAG.threw) return;
    this.#reader.byte();
    const sentence = this.#reader.text();
    this.#writer.byte(TAG.threw);
    this.#writer.text(sentence);
    throw new Error(sentence);
  }

  publish(args: readonly Asked[]): boolean {
    this.ask("bus.publish", args);
    if (this.#reader.peek() !== TAG.dropped) return true;
    this.#writer.byte(this.#reader.byte());
    return false;
  }

  callback<T>(name: string, codec: Codec<T>, run: (value: T) => void): Callback<T> {
    const number = this.#callbacks++;
    const take: Known["take"] = (heads) => {
      const value = codec.read(this.#reader);
      heads();
      codec.write(this.#writer, value);
      return { value, run: () => run(value) };
    };
    this.#known.set(number, { name, take });
    return { number, call: () => undefined };
  }

  forget(number: number): void {
    this.#known.delete(number);
  }

  #call(): Turn {
    this.#reader.byte();
    const distance = this.#reader.count();
    const number = this.#callbacks - distance;
    const known = this.#known.get(number);
    if (known === undefined) {
      return this.diverge(`a call of callback ${number}`, "nobody who waits for that call");
    }
    const { name } = known;
    const taken = known.take(() => {
      this.#writer.byte(TAG.call);
      this.#writer.count(distance);
    });
    if (!LASTING.has(name)) this.#known.delete(number);
    return { what: "call", name, ...taken };
  }

  #refuseAfterDivergence(): void {
    if (this.divergence !== undefined) throw new Diverged("the replay has diverged");
  }

  /** What stands next in the recording, for people. */
  #nextText(): string {
    const tag = this.#reader.peek();
    if (tag < 0) return "the end of the recording";
    if (tag === TAG.call) return "the end of the turn";
    if (tag !== TAG.ask) return `a reading of ${TAG_NAMES.get(tag) ?? `tag ${tag}`}`;
    try {
      return readAsked(this.#reader);
    } catch (error) {
      if (error instanceof EntryFault) return error.message;
      throw error;
    }
  }
}

/** An ask in the words of the recording, as far as they are known. */
function askText(what: string, args: readonly Asked[]): string {
  return `${what}(${args.map(argText).join(", ")})`;
}

function argText(arg: Asked): string {
  if (arg instanceof Uint8Array) return `${arg.length} bytes`;
  if (typeof arg !== "object" || arg === null) return String(arg);
  if ("file" in arg && arg.file instanceof Uint8Array) return `${arg.file.length} bytes`;
  return JSON.stringify(arg).slice(0, 400);
}
