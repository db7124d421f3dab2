/**
 * Explains the messages of a trace that is kept: which frame a record is about, and what that
 * frame carries, in words. Stands beside the checkers' eyes and changes nothing they see; a run
 * without a kept trace has none of it.
 */
import { decodeBody, FrameReader } from "#protocol";
import { messageText } from "./explain.ts";
import type { SimNode } from "./kernel/node.ts";
import type { World } from "./kernel/world.ts";
import type { BusObserver } from "./ports/bus-client.ts";
import type { Packet } from "./ports/packet.ts";
import type { Trace } from "./trace.ts";

export class TraceEyes implements BusObserver {
  readonly #world: World;
  readonly #trace: Trace;
  readonly #reader = new FrameReader();
  /** Frame ids by the record of the publication. */
  readonly #ids = new Map<number, string>();

  constructor(world: World, trace: Trace) {
    this.#world = world;
    this.#trace = trace;
  }

  published(_node: SimNode, { data, cause }: Packet): void {
    const reader = this.#reader;
    if (reader.open(data) !== undefined) return;
    const id = reader.number === 0 ? "" : `${reader.session}/${reader.number}`;
    const messages: string[] = [];
    if (reader.walk() === undefined) {
      for (let index = 0; index < reader.count; index++) messages.push(this.#text(index));
    }
    if (id !== "") this.#ids.set(cause, id);
    this.#trace.frame(cause, id, messages);
  }

  /** The world is at work on the record of the mail. */
  delivered(_node: SimNode, { cause }: Packet): void {
    this.#same(this.#world.cause, cause);
  }

  lost(n: number, cause: number): void {
    this.#same(n, cause);
  }

  /** Record `n` is about the frame that record `cause` sent; it names that one's messages. */
  #same(n: number, cause: number): void {
    const id = this.#ids.get(cause);
    if (id !== undefined) this.#trace.frame(n, id, []);
  }

  #text(index: number): string {
    const kind = this.#reader.kind(index);
    if (kind === undefined) return "unknown";
    return messageText(kind, decodeBody(kind, this.#reader.body(index)).body);
  }
}
