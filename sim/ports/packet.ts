/**
 * A message on its way through the simulated bus: from its client up to a broker, over a route to
 * another, down to each client that wants it. One object a leg, which knows what happens when it
 * arrives and when it does not: most of what a run makes are such objects. Knows no subject's meaning.
 */
import type { Mail } from "../kernel/node.ts";
import type { Carried } from "./paths.ts";

const MESSAGE_OVERHEAD_BYTES = 64;

export interface Packet {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string | undefined;
  /** Its sender wants to be told at once where nobody listens. */
  readonly asks: boolean;
  /** Name of the node that published it. */
  readonly from: string;
  /** Number of the trace's record of its publication. */
  readonly cause: number;
  /** What who watches the bus has made of it, so that it is made once. */
  seen: unknown;
}

export function packetBytes(packet: Packet): number {
  return packet.data.length + MESSAGE_OVERHEAD_BYTES;
}

/** Told of a message that `node` does not get, and why. */
export type TellLost = (packet: Packet, node: string, why: string) => void;

/** A broker, as who sends to it sees it. */
export interface Station {
  readonly name: string;
}

/** A packet on its way to a broker. */
export class Upload<To extends Station> implements Carried {
  cause = 0;
  readonly packet: Packet;
  readonly #to: To;
  readonly #arrive: (to: To, packet: Packet) => void;
  readonly #lost: TellLost;

  /** @param arrive what the broker does with it; one function for all packets of a sender. */
  constructor(packet: Packet, to: To, arrive: (to: To, packet: Packet) => void, lost: TellLost) {
    this.packet = packet;
    this.#to = to;
    this.#arrive = arrive;
    this.#lost = lost;
  }

  deliver(): void {
    this.#arrive(this.#to, this.packet);
  }

  lost(why: string): void {
    this.#lost(this.packet, this.#to.name, why);
  }
}

/** Who takes what a broker sends down: one end of a connection. */
export interface Reader {
  readonly nodeName: string;
  /** It is at the host: whether a process is there that will read it is seen now. */
  arrived(download: Download): void;
  /** In a turn of the process. */
  read(download: Download): void;
}

/** A packet on its way to a client, for its subscription `sid`; then mail of the client's node. */
export class Download implements Carried, Mail {
  cause = 0;
  readonly sid: number;
  readonly packet: Packet;
  readonly #to: Reader;
  readonly #lost: TellLost;

  constructor(packet: Packet, to: Reader, sid: number, lost: TellLost) {
    this.packet = packet;
    this.sid = sid;
    this.#to = to;
    this.#lost = lost;
  }

  deliver(): void {
    this.#to.arrived(this);
  }

  run(): void {
    this.#to.read(this);
  }

  lost(why: string): void {
    this.#lost(this.packet, this.#to.nodeName, why);
  }
}
