/**
 * The wires between processes and brokers: one for each pair, through which all bytes go unchanged,
 * and on which every message of the cluster is read as it passes, both ways. A wire holds back
 * whoever sends more than the other side takes.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** A message as it passed. */
export interface Passed {
  /** said: by the process; heard: on its way to it. */
  readonly way: "said" | "heard";
  readonly subject: string;
  readonly reply: string | undefined;
  readonly payload: Buffer;
  /** Number of the connection. */
  readonly link: number;
}

export interface Wire {
  close(): Promise<void>;
}

export interface WireEnds {
  /** Where the process dials. */
  readonly host: string;
  readonly port: number;
  readonly broker: { readonly host: string; readonly port: number };
  /** The process has opened connection `link`; numbers of all wires rise together. */
  dialled(link: number): void;
  passed(message: Passed): void;
}

/** Connections so far, on all wires. */
let links = 0;

export async function openWire({ host, port, broker, dialled, passed }: WireEnds): Promise<Wire> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(broker.port, broker.host);
    sockets.add(near).add(far);
    links += 1;
    const link = links;
    dialled(link);
    const said = new Reader("said", (message) => passed({ ...message, link }));
    const heard = new Reader("heard", (message) => passed({ ...message, link }));
    carry(near, far, said, () => sockets.delete(near));
    carry(far, near, heard, () => sockets.delete(far));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function carry(from: Socket, to: Socket, reader: Reader, gone: () => void): void {
  from.setNoDelay(true);
  from.on("data", (bytes: Buffer) => {
    reader.push(bytes);
    if (!to.destroyed && !to.write(bytes)) from.pause();
  });
  to.on("drain", () => from.resume());
  // What breaks on one side breaks on the other: that is all there is to say of it.
  from.on("error", () => to.destroy());
  from.on("close", () => {
    gone();
    to.end();
  });
}

/** What comes before a size in the lines that carry a payload. */
const CARRIES = /^(?:H?PUB|H?MSG)$/;

/** Cuts bytes into lines and payloads of the broker's protocol, and tells the messages. */
class Reader {
  readonly #way: Passed["way"];
  readonly #tell: (passed: Omit<Passed, "link">) => void;
  #parts: Buffer[] = [];
  #size = 0;
  /** So many bytes are needed before it is worth looking. */
  #needed = 1;

  constructor(way: Passed["way"], tell: (passed: Omit<Passed, "link">) => void) {
    this.#way = way;
    this.#tell = tell;
  }

  push(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    if (this.#size < this.#needed) return;
    let rest = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts);
    this.#needed = 1;
    for (;;) {
      const read = this.#one(rest);
      if (read === 0) break;
      rest = rest.subarray(read);
    }
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
  }

  /** How many bytes the first line has, with its payload; 0 while it is not whole. */
  #one(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n");
    if (end < 0) return 0;
    // Only lines that carry a payload are looked at whole: an INFO may be long.
    const verb = bytes.toString("latin1", 0, Math.min(end, 5)).split(" ")[0] ?? "";
    if (!CARRIES.test(verb.toUpperCase())) return end + 2;
    const words = bytes
      .toString("utf8", 0, end)
      .split(" ")
      .filter((word) => word !== "");
    const size = Number(words.at(-1));
    const whole = end + 2 + size + 2;
    if (bytes.length < whole) {
      this.#needed = whole;
      return 0;
    }
    const hasHeaders = verb.toUpperCase().startsWith("H");
    const headers = hasHeaders ? Number(words.at(-2)) : 0;
    // What is left between the subject and the sizes: a subscription's number, and where to answer.
    const middle = words.slice(2, hasHeaders ? -2 : -1);
    if (this.#way === "heard") middle.shift();
    this.#tell({
      way: this.#way,
      subject: words[1] ?? "",
      reply: middle[0],
      payload: bytes.subarray(end + 2 + headers, whole - 2),
    });
    return whole;
  }
}
