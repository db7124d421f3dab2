/**
 * Writes the parts of frames: heads, texts, and bytes that are CBOR already. Owns the memory that
 * is written into; checks nothing.
 *
 * What is written is a view into memory that many share, so that neither a message nor a frame
 * costs memory of its own: both soon leave. Whoever keeps one for long copies it.
 */

/** Bytes of memory that writings share. What is larger gets memory of its own. */
export const WRITING_BYTES_MIN = 16 * 1024;

/** Longest head. */
const HEAD_BYTES_MAX = 9;

/** Major types, as the upper bits of a head. */
export const UNSIGNED = 0;
export const BYTES = 0x40;
export const TEXT = 0x60;
export const ARRAY = 0x80;

export function headLength(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 0x1_0000_0000 ? 5 : HEAD_BYTES_MAX;
}

export class Writer {
  #bytes = new Uint8Array(WRITING_BYTES_MIN);
  /** Where what is in hand begins, and where the next byte goes. */
  #start = 0;
  #at = 0;

  /** Makes room at once for what is written next, where it is known to be much. */
  expect(bytes: number): void {
    this.#need(bytes);
  }

  /** Writes one head. */
  head(major: number, value: number): void {
    this.#need(HEAD_BYTES_MAX);
    const bytes = this.#bytes;
    if (value < 24) {
      bytes[this.#at++] = major | value;
      return;
    }
    const width = headLength(value) - 1;
    bytes[this.#at] = major | (width === 1 ? 24 : width === 2 ? 25 : width === 4 ? 26 : 27);
    let rest = value;
    for (let i = this.#at + width; i > this.#at; i--) {
      bytes[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#at += width + 1;
  }

  /** Writes a text of ASCII letters. */
  ascii(text: string): void {
    this.head(TEXT, text.length);
    this.#need(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
  }

  /** Writes bytes that are CBOR already. */
  raw(bytes: Uint8Array): void {
    this.#need(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** What was written since the last was taken. */
  take(): Uint8Array {
    const taken = new Uint8Array(this.#bytes.buffer, this.#start, this.#at - this.#start);
    // Memory that was made for something large is not shared: whoever kept a word would keep all.
    this.#start = this.#bytes.length > WRITING_BYTES_MIN ? this.#bytes.length : this.#at;
    this.#at = this.#start;
    return taken;
  }

  /** Makes room for `more` bytes: elsewhere, where there is none behind what is in hand. */
  #need(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const length = this.#at - this.#start;
    const bytes = new Uint8Array(Math.max(WRITING_BYTES_MIN, length * 2, length + more));
    bytes.set(this.#bytes.subarray(this.#start, this.#at));
    this.#bytes = bytes;
    this.#start = 0;
    this.#at = length;
  }
}

/** What everything is written with: each writing is taken before the next begins. */
export const writer = new Writer();
