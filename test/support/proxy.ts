/**
 * A wire between a client and a broker that can be cut at the worst moment: before an append
 * leaves, or after the broker has written it and before its answer is heard.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export type Lost = "append" | "answer";

export interface Wire {
  readonly url: string;
  /** The next message to `subject`, or the answer to it, is the last thing that the wire had. */
  lose(what: Lost): void;
  /** How often the wire was cut. */
  readonly cuts: number;
  close(): Promise<void>;
}

/** @param subject of the appends, which begin with `HPUB <subject> `. */
export async function startWire(target: string, subject: string): Promise<Wire> {
  const { hostname, port } = new URL(target);
  const append = Buffer.from(`HPUB ${subject} `);
  const sockets = new Set<Socket>();
  let wanted: Lost | undefined;
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.add(near).add(far);
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
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.end();
      });
    }
  });
  await listening(server);
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `nats://127.0.0.1:${own}`,
    lose(what) {
      wanted = what;
    },
    get cuts() {
      return cuts;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
}
