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

/** FNV-1a over bytes: which bytes crossed, in a word of 32 bits. */
export function bytesHash(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
