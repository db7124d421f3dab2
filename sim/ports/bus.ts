/**
 * The simulated bus: brokers, the connections of nodes to them, dialling and losing them. What
 * is published without a connection is dropped and counted (P-3.5). `connect` gives a node the
 * same port that the real adapter gives a process.
 */
import type { SimNode } from "../kernel/node.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import { Broker, type Hostility, NOBODY, PEACE } from "./broker.ts";
import { BusClient, type BusObserver, type BusPermissions, type BusSide } from "./bus-client.ts";
import type { Packet } from "./packet.ts";
import type { Paths } from "./paths.ts";

export interface ConnectOptions {
  /** Everything that is answered to this client arrives below it. */
  readonly inbox?: string;
  readonly permissions?: BusPermissions;
}

export interface BusNetworkOptions {
  readonly brokers: readonly string[];
  readonly profile: "nats" | "hostile";
}

/** Rates of the hostile profile, per million deliveries. */
const HOSTILE: Readonly<Hostility> = {
  drop: 5_000,
  duplicate: 5_000,
  reorder: 5_000,
  replayOld: 1_000,
};

export class BusNetwork implements BusSide {
  readonly world: World;
  readonly paths: Paths;
  readonly chance: Chance;
  readonly hostility: Hostility;
  readonly observers: BusObserver[] = [];
  readonly brokers: readonly Broker[];
  readonly clients = new Set<BusClient>();
  readonly profile: BusNetworkOptions["profile"];
  #clients = 0;

  constructor(world: World, paths: Paths, options: BusNetworkOptions) {
    this.world = world;
    this.paths = paths;
    this.profile = options.profile;
    this.chance = world.seed.stream("net");
    this.hostility = { ...(options.profile === "hostile" ? HOSTILE : PEACE) };
    this.brokers = options.brokers.map(
      (name) =>
        new Broker(name, {
          world,
          paths,
          chance: this.chance,
          hostility: this.hostility,
          lost: (packet, node, why) => this.lost(packet, node, why),
        }),
    );
    this.#reroute();
  }

  broker(name: string): Broker {
    const broker = this.brokers.find((one) => one.name === name);
    if (broker === undefined) throw new Error(`there is no broker ${name}`);
    return broker;
  }

  /** The bus of `node` in its present life; it ends with that life. */
  connect(node: SimNode, options: ConnectOptions = {}): BusClient {
    this.#clients += 1;
    const id = `c${this.#clients}`;
    const { inbox = `_INBOX.${id}`, permissions } = options;
    const client = new BusClient(this, node, { id, inbox, permissions });
    this.clients.add(client);
    return client;
  }

  /** `node` does not get a message. What is said to whoever listens may find nobody. */
  lost({ subject, from, cause }: Packet, node: string, why: string): void {
    if (why === NOBODY && subject.includes(".event.")) return;
    const n = this.world.record({ node, kind: "lost", summary: `${subject} ${why}`, from, cause });
    for (const observer of this.observers) observer.lost?.(n, cause);
  }

  gone(client: BusClient): void {
    this.clients.delete(client);
  }

  stopBroker(name: string): void {
    const broker = this.broker(name);
    if (!broker.up) return;
    this.world.record({ node: name, kind: "down", summary: "broker" });
    broker.stop("broker ended");
    this.#reroute();
  }

  startBroker(name: string): void {
    const broker = this.broker(name);
    if (broker.up) return;
    this.world.record({ node: name, kind: "up", summary: "broker" });
    broker.up = true;
    this.#reroute();
  }

  /** Breaks the connection of a node, as a reset by the network does. */
  disconnect(nodeName: string, why: string): void {
    for (const client of this.#clientsOf(nodeName)) client.reset(why);
  }

  /** Fault: the broker lets a node publish nothing. */
  deny(nodeName: string, denied: boolean): void {
    for (const client of this.#clientsOf(nodeName)) client.denied = denied;
  }

  /** Fault: the broker takes no larger messages of a node; undefined: as large as always. */
  limitPayload(nodeName: string, bytes: number | undefined): void {
    for (const client of this.#clientsOf(nodeName)) client.payloadBytesMax = bytes;
  }

  /** Fault: the next publishes of a node throw. */
  throwFor(nodeName: string, count: number): void {
    for (const client of this.#clientsOf(nodeName)) client.throwing = count;
  }

  /** Fault: a node's questions are answered 503, whoever listens. */
  hearNobody(nodeName: string, hearsNobody: boolean): void {
    for (const client of this.#clientsOf(nodeName)) client.hearsNobody = hearsNobody;
  }

  #clientsOf(nodeName: string): BusClient[] {
    return [...this.clients].filter((client) => client.nodeName === nodeName);
  }

  #reroute(): void {
    for (const broker of this.brokers) if (broker.up) broker.route(this.brokers);
    this.paths.changed();
  }
}

export type { BusObserver, BusPermissions } from "./bus-client.ts";
