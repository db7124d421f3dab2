/**
 * Entries of a recording as bytes: numbers, times, texts and plain values, written one after the
 * other, and read back. Owns the form of a value and nothing of what is written; times are
 * differences to the one before, short texts that come again are numbers.
 */

/** Short texts that are remembered by number; later ones are written out each time. */
export const RECORDING_TEXTS_MAX = 65_536;
/** Longest text that is remembered. */
const REMEMBERED_LENGTH_MAX = 256;
const FIRST_BYTES = 64 * 1024;

const Form = {
  null: 0,
  false: 1,
  true: 2,
  integer: 3,
  negative: 4,
  float: 5,
  text: 6,
  bytes: 7,
  list: 8,
  map: 9,
  undefined: 10,
} as const;

/** What either side remembers, so that the reader understands what the writer left out. */
class Memory {
  readonly texts: string[] = [];
  readonly numbers = new Map<string, number>();
  monotonicUs = 0;
  wallUs = 0;

  remember(text: string): void {
    if (text.length > REMEMBERED_LENGTH_MAX || this.texts.length >= RECORDING_TEXTS_MAX) return;
    this.numbers.set(text, this.texts.length);
    this.texts.push(text);
  }
}

export class EntryWriter {
  readonly #memory = new Memory();
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** @param bytes room to begin with; it grows. */
  constructor(bytes = FIRST_BYTES) {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written from `from` on; valid until the next write. */
  since(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#length);
  }

  /** All that was written, as a copy; the writer is empty then. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  count(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A whole number of either sign, up to 2^52. */
  signed(value: number): void {
    this.count(value < 0 ? -value * 2 - 1 : value * 2);
  }

  float(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#length, value);
    this.#length += 8;
  }

  monotonicUs(us: number): void {
    this.signed(us - this.#memory.monotonicUs);
    this.#memory.monotonicUs = us;
  }

  wallUs(us: number): void {
    this.signed(us - this.#memory.wallUs);
    this.#memory.wallUs = us;
  }

  /** A text that may come again. */
  name(text: string): void {
    const known = this.#memory.numbers.get(text);
    if (known !== undefined) return this.count(known + 1);
    this.byte(0);
    this.text(text);
    this.#memory.remember(text);
  }

  text(text: string): void {
    const { length } = text;
    this.#room(length * 3 + 9);
    const from = this.#length;
    this.count(length * 2);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) return this.#wide(text, from);
      this.#bytes[this.#length++] = unit;
    }
  }

  #wide(text: string, from: number): void {
    this.#length = from;
    this.count(text.length * 2 + 1);
    for (let i = 0; i < text.length; i++) this.count(text.charCodeAt(i));
  }

  bytes(bytes: Uint8Array): void {
    this.count(bytes.length);
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Plain data. @throws Error for what is none, such as a function. */
  value(value: unknown): void {
    if (typeof value === "string") {
      this.byte(Form.text);
      return this.text(value);
    }
    if (typeof value === "number") return this.#number(value);
    if (typeof value === "boolean") return this.byte(value ? Form.true : Form.false);
    if (value === null) return this.byte(Form.null);
    if (value === undefined) return this.byte(Form.undefined);
    if (value instanceof Uint8Array) {
      this.byte(Form.bytes);
      return this.bytes(value);
    }
    if (Array.isArray(value)) {
      this.byte(Form.list);
      this.count(value.length);
      for (const one of value) this.value(one);
      return;
    }
    if (typeof value !== "object") throw new Error(`a ${typeof value} cannot be recorded`);
    const entries = Object.entries(value);
    this.byte(Form.map);
    this.count(entries.length);
    for (const [key, one] of entries) {
      this.name(key);
      this.value(one);
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.byte(Form.float);
      return this.float(value);
    }
    this.byte(value < 0 ? Form.negative : Form.integer);
    this.count(Math.abs(value));
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** The bytes are none that a writer wrote. */
export class EntryFault extends Error {
  override readonly name = "EntryFault";
}

/** Reads what one writer wrote, piece after piece: `next` gives it the piece that follows. */
export class EntryReader {
  readonly #memory = new Memory();
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  at = 0;

  /** The bytes that follow those that were read so far. */
  next(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** What was read from `from` on. */
  since(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.at);
  }

  get atEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  /** The next byte without taking it; -1 at the end. */
  peek(): number {
    return this.#bytes[this.at] ?? -1;
  }

  byte(): number {
    this.#has(1);
    return this.#bytes[this.at++] as number;
  }

  count(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new EntryFault("a number has no end");
  }

  signed(): number {
    const value = this.count();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  float(): number {
    this.#has(8);
    const value = this.#view.getFloat64(this.at);
    this.at += 8;
    return value;
  }

  monotonicUs(): number {
    this.#memory.monotonicUs += this.signed();
    return this.#memory.monotonicUs;
  }

  wallUs(): number {
    this.#memory.wallUs += this.signed();
    return this.#memory.wallUs;
  }

  name(): string {
    const number = this.count();
    if (number === 0) {
      const fresh = this.text();
      this.#memory.remember(fresh);
      return fresh;
    }
    const text = this.#memory.texts[number - 1];
    if (text === undefined) throw new EntryFault(`text ${number} was never written`);
    return text;
  }

  text(): string {
    const head = this.count();
    const length = Math.floor(head / 2);
    if (length > this.#bytes.length - this.at) throw new EntryFault("a text is cut off");
    let text = "";
    for (let i = 0; i < length; i++) {
      text += String.fromCharCode(head % 2 === 1 ? this.count() : this.byte());
    }
    return text;
  }

  bytes(): Uint8Array {
    const length = this.count();
    this.#has(length);
    const bytes = new Uint8Array(this.#bytes.subarray(this.at, this.at + length));
    this.at += length;
    return bytes;
  }

  value(depth = 0): unknown {
    if (depth > 64) throw new EntryFault("a value is too deep");
    switch (this.byte()) {
      case Form.null:
        return null;
      case Form.false:
        return false;
      case Form.true:
        return true;
      case Form.integer:
        return this.count();
      case Form.negative:
        return -this.count();
      case Form.float:
        return this.float();
      case Form.text:
        return this.text();
      case Form.bytes:
        return this.bytes();
      case Form.list:
        return Array.from({ length: this.#items() }, () => this.value(depth + 1));
      case Form.map:
        return this.#map(depth);
      case Form.undefined:
        return undefined;
      default:
        throw new EntryFault("a value of no known form");
    }
  }

  #map(depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let left = this.#items(); left > 0; left--) {
      const key = this.name();
      const value = this.value(depth + 1);
      // Assigned, this name would be the map's prototype.
      if (key !== "__proto__") map[key] = value;
      else Object.defineProperty(map, key, { value, enumerable: true, writable: true });
    }
    return map;
  }

  #items(): number {
    const items = this.count();
    if (items > this.#bytes.length - this.at) throw new EntryFault("a list is cut off");
    return items;
  }

  #has(bytes: number): void {
    if (bytes > this.#bytes.length - this.at) throw new EntryFault("the entries are cut off");
  }
}
