/**
 * The recording side of a tape: performs on the real ports and writes down what came of it, turn
 * by turn. Owns the entries until they are a block; a sink takes the blocks. After the end of a
 * recording everything passes through unwritten, and turns are only counted.
 */
import type { ActorPorts } from "#runtime";
import { BLOCK_BYTES, type RecordingEnd } from "./format.ts";
import { hash32 } from "./hash.ts";
import type { Redactor } from "./redact.ts";
import { type Asked, type Callback, type Codec, type Tape, TAG, writeAsked } from "./tape.ts";
import { EntryWriter } from "./writer.ts";

/** Takes blocks in order. */
export interface RecordingSink {
  /** What the entries of some turns are; the reason why nothing more is taken, if that is so. */
  block(before: number, entries: Uint8Array): RecordingEnd | undefined;
  /** Nothing follows. */
  end(turns: number, end: RecordingEnd): void;
}

export interface RecordTapeOptions {
  readonly ports: ActorPorts;
  readonly sink: RecordingSink;
  /** Blanks what goes out, before it is hashed. */
  readonly blank: Redactor;
  /** What the actor is now, for the mark at the end of a block: plain data. */
  facts(): unknown;
  /** Told once when turns begin to go unrecorded. */
  onEnd(end: RecordingEnd): void;
}

/** Hash and length of what goes out, its secrets blanked. */
export function hashOfAsked(
  blank: Redactor,
  scratch: EntryWriter,
): (content: Uint8Array | object) => { readonly length: number; readonly hash: number } {
  return (content) => {
    if (content instanceof Uint8Array) {
      return { length: content.length, hash: hash32(blank.message(content)) };
    }
    if ("file" in content && content.file instanceof Uint8Array) {
      return { length: content.file.length, hash: hash32(blank.file(content.file)) };
    }
    scratch.value(blank.value(content));
    const bytes = scratch.take();
    return { length: bytes.length, hash: hash32(bytes) };
  };
}

export class RecordTape implements Tape {
  readonly #options: RecordTapeOptions;
  readonly #writer = new EntryWriter();
  readonly #hashOf: ReturnType<typeof hashOfAsked>;
  #callbacks = 0;
  #inTurn = false;
  #turns = 0;
  #blockTurns = 0;
  #end: RecordingEnd | undefined;
  #ending: RecordingEnd | undefined;
  /** Turns that were not recorded. */
  missed = 0;

  constructor(options: RecordTapeOptions) {
    this.#options = options;
    // A memory of its own: what it writes is hashed and thrown away.
    this.#hashOf = (content) => hashOfAsked(options.blank, new EntryWriter(1_024))(content);
  }

  get turns(): number {
    return this.#turns;
  }

  get ended(): RecordingEnd | undefined {
    return this.#end;
  }

  reading<T>(tag: number, codec: Codec<T>, take: (ports: ActorPorts) => T): T {
    const value = take(this.#options.ports);
    if (this.#writes) {
      this.#writer.byte(tag);
      codec.write(this.#writer, value);
    }
    return value;
  }

  ask(what: string, args: readonly Asked[], act: (ports: ActorPorts) => unknown): void {
    if (this.#writes) writeAsked(this.#writer, what, args, this.#hashOf);
    this.#guard(() => act(this.#options.ports));
  }

  publish(args: readonly Asked[], act: (ports: ActorPorts) => boolean): boolean {
    if (this.#writes) writeAsked(this.#writer, "bus.publish", args, this.#hashOf);
    const sent = this.#guard(() => act(this.#options.ports));
    if (!sent && this.#writes) this.#writer.byte(TAG.dropped);
    return sent;
  }

  callback<T>(_name: string, codec: Codec<T>, run: (value: T) => void): Callback<T> {
    const number = this.#callbacks++;
    const write = (value: T): void => {
      this.#writer.byte(TAG.call);
      this.#writer.count(this.#callbacks - number);
      codec.write(this.#writer, value);
    };
    return {
      number,
      call: (value) =>
        this.#turn(
          () => write(value),
          () => run(value),
        ),
    };
  }

  forget(): void {
    // A port keeps what it may still call; here nothing is kept.
  }

  /** A turn that no port has caused: the start, a word of the process, the wish to stop. */
  outside(tag: number, value: unknown, run: () => void): void {
    const write = (): void => {
      this.#writer.byte(tag);
      this.#writer.value(value);
    };
    this.#turn(write, run);
  }

  /** Hands on what was written so far. Between turns only; else at the end of this one. */
  cut(): void {
    if (this.#inTurn || this.#end !== undefined || this.#writer.length === 0) return;
    this.#writer.byte(TAG.mark);
    this.#writer.value(this.#options.facts());
    const before = this.#blockTurns;
    this.#blockTurns = this.#turns;
    const refused = this.#options.sink.block(before, this.#writer.take());
    if (refused !== undefined) this.#over(refused);
  }

  /** Nothing more is recorded; what was is handed on. Within a turn: at its end. */
  finish(end: RecordingEnd): void {
    if (this.#inTurn) {
      this.#ending ??= end;
      return;
    }
    this.cut();
    if (this.#end === undefined) this.#over(end);
  }

  get #writes(): boolean {
    return this.#inTurn && this.#end === undefined;
  }

  #over(end: RecordingEnd): void {
    this.#end = end;
    this.#options.sink.end(this.#blockTurns, end);
    this.#options.onEnd(end);
  }

  #turn(write: () => void, run: () => void): void {
    if (this.#end !== undefined) {
      this.missed++;
      return run();
    }
    if (this.#inTurn) {
      // Ports never call back within a call; what one that does has caused cannot be replayed.
      this.#over({ kind: "gap", why: "a port called back within a call" });
      return run();
    }
    this.#inTurn = true;
    this.#turns++;
    try {
      write();
      run();
    } finally {
      this.#inTurn = false;
      if (this.#ending !== undefined) this.finish(this.#ending);
      else if (this.#writer.length >= BLOCK_BYTES) this.cut();
    }
  }

  #guard<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (this.#writes) {
        this.#writer.byte(TAG.threw);
        this.#writer.text(error instanceof Error ? error.message : String(error));
      }
      throw error;
    }
  }
}
