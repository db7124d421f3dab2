/**
 * The broker for other machines: an address on which TLS comes before the first word, and behind
 * it the broker on loopback, which local processes reach as ever. It reads nothing of what passes
 * but the broker's greeting, and lets nobody through who does not speak TLS (decision 0105).
 */
import { createConnection, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type Address, bracketed, isWildcard, parseAddress } from "./addresses.ts";
import { type BrokerAuthority, CERTIFICATE_LIFETIME_MS } from "./broker-authority.ts";

export const LISTENER_PORT_DEFAULT = 4_222;
/** Connections of other machines; further ones are closed at once, and counted. */
export const LISTENER_CONNECTIONS_MAX = 10_000;
/** Whoever has not said hello in TLS by then is closed. */
const HANDSHAKE_MS_MAX = 5_000;
/** The broker's greeting; a longer one is none. */
const GREETING_BYTES_MAX = 65_536;
/** Kinds of refusals that are told apart. */
const REFUSAL_KINDS_MAX = 16;
const REPORT_MS = 60_000;

/** `10.0.0.1`, `10.0.0.1:4222`, `[::1]:4222`. @throws Error what is wrong with it. */
export function parseListen(text: string): Address {
  return parseAddress(text, "--listen", LISTENER_PORT_DEFAULT);
}

export interface BrokerListener {
  /** Where other machines reach it. */
  readonly servers: readonly string[];
  stop(): Promise<void>;
}

export interface StartListener {
  readonly address: Address;
  readonly authority: BrokerAuthority;
  /** Port of the broker on loopback. */
  readonly brokerPort: number;
  nowMs(): number;
  tell(sentence: string): void;
}

/** @throws Error in one sentence when the address cannot be had. */
export async function startBrokerListener(options: StartListener): Promise<BrokerListener> {
  const { address, authority, brokerPort, nowMs, tell } = options;
  const refused = new Refusals(tell);
  const open = new Set<Socket>();
  const server = createServer(
    { ...authority.issue(nowMs()), minVersion: "TLSv1.2", handshakeTimeout: HANDSHAKE_MS_MAX },
    (client) => join(client, brokerPort, refused),
  );
  server.maxConnections = LISTENER_CONNECTIONS_MAX;
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => open.delete(socket));
  });
  server.on("tlsClientError", (error: NodeJS.ErrnoException) =>
    refused.count(`it spoke no TLS that is accepted here (${error.code ?? error.message})`),
  );
  server.on("drop", () => refused.count(`${LISTENER_CONNECTIONS_MAX} connections are open`));
  const port = await listen(server, address);
  const renewal = setInterval(
    () => server.setSecureContext(authority.issue(nowMs())),
    CERTIFICATE_LIFETIME_MS / 4,
  );
  renewal.unref();
  return {
    servers: reachableAs(address.host).map((host) => `tls://${bracketed(host)}:${port}`),
    async stop() {
      clearInterval(renewal);
      refused.stop();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function listen(server: Server, { host, port }: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Error(`--listen: ${host}:${port} cannot be had: ${error.message}`));
    });
    server.listen(port, host, () => {
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : port);
    });
  });
}

/** All addresses have names of their own for whoever dials. */
function reachableAs(host: string): string[] {
  if (!isWildcard(host)) return [host];
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outside = all.filter(({ internal, family }) => !internal && family === "IPv4");
  return outside.length > 0 ? outside.map((each) => each.address) : [host];
}

/** One client: the greeting told so that the client knows it is within TLS, then bytes as they come. */
function join(client: TLSSocket, brokerPort: number, refused: Refusals): void {
  const broker = createConnection(brokerPort, "127.0.0.1");
  broker.setNoDelay(true);
  const end = (): void => {
    client.destroy();
    broker.destroy();
  };
  for (const socket of [client, broker]) {
    socket.on("error", end);
    socket.on("close", end);
  }
  broker.once("error", (error) => refused.count(`the broker is away: ${error.message}`));
  let greeting = Buffer.alloc(0);
  const onGreeting = (bytes: Buffer): void => {
    greeting = Buffer.concat([greeting, bytes]);
    const at = greeting.indexOf("\r\n");
    if (at < 0 && greeting.length <= GREETING_BYTES_MAX) return;
    broker.off("data", onGreeting);
    const told = at < 0 ? undefined : withinTls(greeting.subarray(0, at).toString("utf8"));
    if (told === undefined) {
      refused.count("the broker's greeting cannot be read");
      return end();
    }
    client.write(`${told}\r\n`);
    client.write(greeting.subarray(at + 2));
    broker.pipe(client);
    client.pipe(broker);
  };
  broker.on("data", onGreeting);
}

/** Clients refuse a broker that offers no TLS; inside of it that is what this listener offers. */
function withinTls(line: string): string | undefined {
  const text = /^INFO (\{.*\})\s*$/.exec(line)?.[1];
  if (text === undefined) return undefined;
  const { connect_urls: _local, ...info } = JSON.parse(text) as Record<string, unknown>;
  return `INFO ${JSON.stringify({ ...info, tls_required: true })}`;
}

/**
 * Connections that were not let through: the first of each kind is told at once, how many came
 * after it once a minute.
 */
class Refusals {
  readonly #tell: (sentence: string) => void;
  /** Kinds that were told; at most `REFUSAL_KINDS_MAX` and one more. */
  readonly #known = new Set<string>();
  /** What came again since it was last told. */
  readonly #again = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (sentence: string) => void) {
    this.#tell = tell;
  }

  count(why: string): void {
    const text = why.trim().slice(0, 120);
    // What strangers send must not make the list grow: beyond some kinds it is one more kind.
    const isKnown = this.#known.has(text) || this.#known.size < REFUSAL_KINDS_MAX;
    const kind = isKnown ? text : "of other kinds";
    if (!this.#known.has(kind)) {
      this.#known.add(kind);
      return this.#say(kind, 1);
    }
    this.#again.set(kind, (this.#again.get(kind) ?? 0) + 1);
    this.#timer ??= setTimeout(() => this.#report(), REPORT_MS).unref();
  }

  #report(): void {
    this.#timer = undefined;
    for (const [kind, count] of this.#again) this.#say(kind, count);
    this.#again.clear();
  }

  #say(kind: string, count: number): void {
    const connections = count === 1 ? "connection" : "connections";
    this.#tell(`${count} ${connections} to --listen refused: ${kind}`);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
