/**
 * One simulated broker: who is connected, who wants what, and the routes to its neighbours. It
 * delivers at most once, in order per connection, tells a requester at once that nobody listens,
 * and cuts off a client that does not read. Knows subjects, never what messages mean.
 */
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import { SubjectIndex } from "./interest.ts";
import {
  Download,
  type Packet,
  packetBytes,
  type Reader,
  type TellLost,
  Upload,
} from "./packet.ts";
import type { Paths, Pipe } from "./paths.ts";

/** Bytes that may wait for one client before the broker cuts it off (NATS: max_pending). */
export const BROKER_PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Deliveries remembered for the fault that replays old ones. */
const REPLAY_MEMORY_MAX = 256;

/** What the broker sees of a client's connection. */
export interface BrokerClient extends Reader {
  readonly clientId: string;
  /** Answers to its requests arrive below this subject. */
  readonly inbox: string;
  readonly down: Pipe;
  /** Bytes sent to the client that it has not read. */
  pendingBytes: number;
  /** Nobody listens where `reply` was asked. */
  noResponders(reply: string): void;
  /** The broker ends the connection. */
  cutOff(why: string): void;
}

export const NOBODY = "nobody listens";

/** Rates per million deliveries of what real NATS never does. */
export interface Hostility {
  drop: number;
  duplicate: number;
  reorder: number;
  replayOld: number;
}

export const PEACE: Readonly<Hostility> = { drop: 0, duplicate: 0, reorder: 0, replayOld: 0 };

export class Broker {
  readonly name: string;
  readonly #world: World;
  readonly #paths: Paths;
  readonly #chance: Chance;
  readonly #hostility: Hostility;
  readonly #lost: TellLost;
  up = true;
  readonly clients = new Map<string, BrokerClient>();
  readonly #inboxes = new Map<string, BrokerClient>();
  readonly #interest = new SubjectIndex<BrokerClient>();
  #routes: { to: Broker; pipe: Pipe }[] = [];
  readonly #memory: { client: BrokerClient; sid: number; packet: Packet }[] = [];

  constructor(
    name: string,
    parts: {
      readonly world: World;
      readonly paths: Paths;
      readonly chance: Chance;
      readonly hostility: Hostility;
      readonly lost: TellLost;
    },
  ) {
    this.name = name;
    this.#world = parts.world;
    this.#paths = parts.paths;
    this.#chance = parts.chance;
    this.#hostility = parts.hostility;
    this.#lost = parts.lost;
  }

  /** Opens the routes to all `others`; called at the start and when a broker returns. */
  route(others: readonly Broker[]): void {
    for (const { pipe } of this.#routes) pipe.break();
    this.#routes = others
      .filter((other) => other !== this && other.up)
      .map((to) => ({ to, pipe: this.#paths.pipe(this.name, to.name, this.#chance) }));
  }

  /** Ends the process: every connection breaks, what it held is gone. */
  stop(why: string): void {
    this.up = false;
    const clients = [...this.clients.values()];
    this.clients.clear();
    this.#inboxes.clear();
    this.#interest.clear();
    this.#memory.length = 0;
    for (const { pipe } of this.#routes) pipe.break();
    this.#routes = [];
    for (const client of clients) client.cutOff(why);
  }

  add(client: BrokerClient): void {
    this.clients.set(client.clientId, client);
    this.#inboxes.set(client.inbox, client);
  }

  remove(client: BrokerClient): void {
    if (this.clients.get(client.clientId) === client) this.clients.delete(client.clientId);
    if (this.#inboxes.get(client.inbox) === client) this.#inboxes.delete(client.inbox);
    this.#interest.removeAll(client);
  }

  subscribe(client: BrokerClient, sid: number, subject: string): void {
    this.#interest.add(client, sid, subject);
  }

  unsubscribe(client: BrokerClient, sid: number): void {
    this.#interest.remove(client, sid);
  }

  /** A client of ours publishes: to our own clients and over each route. */
  publish(from: BrokerClient, packet: Packet): void {
    if (packet.asks && packet.reply !== undefined && !this.#anybody(packet.subject)) {
      return from.noResponders(packet.reply);
    }
    let heard = this.deliver(packet);
    for (const { to, pipe } of this.#routes) {
      if (!to.wants(packet.subject)) continue;
      heard = true;
      pipe.carry(this.#world.nowMs, new Upload(packet, to, this.#routed, this.#lost));
    }
    if (!heard) this.#lost(packet, this.name, NOBODY);
  }

  /** A neighbour has got it from us. */
  readonly #routed = (to: Broker, packet: Packet): void => {
    if (!to.deliver(packet)) this.#lost(packet, to.name, to.up ? NOBODY : "the broker is down");
  };

  /** Whether somebody connected here wants it. */
  wants(subject: string): boolean {
    return this.#inboxOwner(subject) !== undefined || this.#interest.matches(subject).length > 0;
  }

  /** To every matching subscription of our own clients; false: there is none. */
  deliver(packet: Packet): boolean {
    if (!this.up) return false;
    const owner = this.#inboxOwner(packet.subject);
    if (owner !== undefined) {
      this.#send(owner, 0, packet);
      return true;
    }
    const matches = this.#interest.matches(packet.subject);
    for (const { client, sid } of matches) this.#send(client, sid, packet);
    return matches.length > 0;
  }

  #anybody(subject: string): boolean {
    if (this.wants(subject)) return true;
    return this.#routes.some(
      ({ to }) => !this.#paths.parted(this.name, to.name) && to.up && to.wants(subject),
    );
  }

  #inboxOwner(subject: string): BrokerClient | undefined {
    if (!subject.startsWith("_INBOX.")) return undefined;
    return this.#inboxes.get(subject.slice(0, subject.lastIndexOf(".")));
  }

  #send(client: BrokerClient, sid: number, packet: Packet): void {
    const rates = this.#hostility;
    if (this.#chance.chance(rates.drop)) return this.#lost(packet, client.nodeName, "dropped");
    this.#put(client, sid, packet, this.#chance.chance(rates.reorder));
    if (this.#chance.chance(rates.duplicate)) this.#put(client, sid, packet, true);
    if (rates.replayOld > 0) this.#replay({ client, sid, packet });
  }

  #put(client: BrokerClient, sid: number, packet: Packet, outOfOrder: boolean): void {
    const bytes = packetBytes(packet);
    if (client.pendingBytes + bytes > BROKER_PENDING_BYTES_MAX) {
      this.remove(client);
      this.#lost(packet, client.nodeName, "slow consumer");
      return client.cutOff("slow consumer");
    }
    client.pendingBytes += bytes;
    const download = new Download(packet, client, sid, this.#lost);
    if (!outOfOrder) return client.down.carry(this.#world.nowMs, download);
    this.#world.after(this.#chance.exponential(50), () => {
      if (client.down.broken) download.lost("the connection broke");
      else download.deliver();
    });
  }

  /** Remembers a delivery, and now and then makes a remembered one happen again. */
  #replay(delivery: { client: BrokerClient; sid: number; packet: Packet }): void {
    this.#memory.push(delivery);
    if (this.#memory.length > REPLAY_MEMORY_MAX) this.#memory.shift();
    if (!this.#chance.chance(this.#hostility.replayOld)) return;
    const old = this.#chance.pick(this.#memory);
    if (old !== undefined && !old.client.down.broken) {
      this.#put(old.client, old.sid, old.packet, false);
    }
  }
}
