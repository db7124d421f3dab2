/**
 * Between clients and a broker: carries bytes both ways and ends both sides together. What is
 * looked at or cut on the way is its user's affair.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Relay {
  /** Where clients connect instead. */
  readonly url: string;
  close(): Promise<void>;
}

/** @param joined a connection has come: `near` is the client's side, `far` the broker's. */
export async function startRelay(
  target: string,
  joined: (near: Socket, far: Socket) => void,
): Promise<Relay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.add(near).add(far);
    joined(near, far);
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
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `nats://127.0.0.1:${own}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
