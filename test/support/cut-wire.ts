/**
 * A wire between a client and a broker that can be cut at the worst moment: before an append
 * leaves, or after the broker has written it and before its answer is heard.
 */
import { type Relay, startRelay } from "./relay.ts";

export type Lost = "append" | "answer";

export interface Wire extends Relay {
  /** The next message to `subject`, or the answer to it, is the last thing that the wire had. */
  lose(what: Lost): void;
  /** How often the wire was cut. */
  readonly cuts: number;
}

/** @param subject of the appends, which begin with `HPUB <subject> `. */
export async function startWire(target: string, subject: string): Promise<Wire> {
  const append = Buffer.from(`HPUB ${subject} `);
  let wanted: Lost | undefined;
  let cuts = 0;
  const relay = await startRelay(target, (near, far) => {
    const cut = (): void => {
      cuts += 1;
      near.destroy();
      far.end();
    };
    let waiting = false;
    near.on("data", (bytes: Buffer) => {
      if (wanted !== undefined && bytes.includes(append)) {
        const lost = wanted;
        wanted = undefined;
        if (lost === "append") return cut();
        waiting = true;
      }
      far.write(bytes);
    });
    far.on("data", (bytes: Buffer) => {
      // The broker tells the same message to who follows first: only the stream's word counts.
      if (waiting && bytes.includes('"seq":')) return cut();
      if (!near.destroyed) near.write(bytes);
    });
  });
  return {
    ...relay,
    lose(what) {
      wanted = what;
    },
    get cuts() {
      return cuts;
    },
  };
}
