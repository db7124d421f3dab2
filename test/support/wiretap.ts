/**
 * A wire between a client and a broker that writes down what the client says: every publication
 * with its subject, of every connection that goes over it. It changes nothing.
 */
import { type Relay, startRelay } from "./relay.ts";

export interface Said {
  readonly subject: string;
  readonly payload: Buffer;
  readonly atMs: number;
}

export interface Wiretap extends Relay {
  /** In the order in which they came. */
  readonly said: readonly Said[];
}

export async function startWiretap(target: string): Promise<Wiretap> {
  const said: Said[] = [];
  const relay = await startRelay(target, (near, far) => {
    const reader = new Sayings((one) => said.push(one));
    near.on("data", (bytes: Buffer) => {
      reader.push(bytes);
      far.write(bytes);
    });
    far.on("data", (bytes: Buffer) => {
      if (!near.destroyed) near.write(bytes);
    });
  });
  return { ...relay, said };
}

/** Cuts a client's bytes into lines and payloads: PUB and HPUB are told, the rest is passed over. */
class Sayings {
  readonly #tell: (said: Said) => void;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(tell: (said: Said) => void) {
    this.#tell = tell;
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const end = this.#bytes.indexOf("\r\n");
      if (end < 0) return;
      const words = this.#bytes.subarray(0, end).toString("utf8").split(" ");
      const [verb = "", subject = ""] = words;
      if (!/^H?PUB$/i.test(verb)) {
        this.#bytes = this.#bytes.subarray(end + 2);
        continue;
      }
      const size = Number(words.at(-1));
      const next = end + 2 + size + 2;
      if (this.#bytes.length < next) return;
      const headers = verb.length === 4 ? Number(words.at(-2)) : 0;
      const payload = Buffer.from(this.#bytes.subarray(end + 2 + headers, next - 2));
      this.#tell({ subject, payload, atMs: performance.now() });
      this.#bytes = this.#bytes.subarray(next);
    }
  }
}
