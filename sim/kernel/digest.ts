/** One running SHA-256 over the lines of a trace; equal digests mean equal runs. */
import { createHash } from "node:crypto";

/** Text collected before it is hashed; hashing line by line would cost more than the run. */
const PENDING_LENGTH_MAX = 64 * 1024;

export class Digest {
  readonly #hash = createHash("sha256");
  #pending = "";

  add(line: string): void {
    this.#pending += `${line}\n`;
    if (this.#pending.length >= PENDING_LENGTH_MAX) this.#flush();
  }

  /** The digest so far, in hexadecimal; more lines may follow. */
  value(): string {
    this.#flush();
    return this.#hash.copy().digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.#pending);
    this.#pending = "";
  }
}

/** FNV-1a over words of four bytes, then over the rest: which bytes crossed, in 32 bits. */
export function bytesHash(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let hash = 0x811c9dc5 ^ bytes.length;
  for (let at = 0; at < whole; at += 4) {
    const mixed = Math.imul(hash ^ view.getInt32(at, true), 0x01000193);
    // A product carries upwards only: what the upper bits know must come down again.
    hash = mixed ^ (mixed >>> 15);
  }
  for (let at = whole; at < bytes.length; at++) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  }
  return hash >>> 0;
}
