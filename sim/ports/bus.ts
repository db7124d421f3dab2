/**
 * The simulated bus: brokers, the connections of nodes to them, dialling and losing them. What
 * is published without a connection is dropped and counted (P-3.5). `connect` gives a node the
 * same port that the real adapter gives a process.
 */
import type { Bus } from "#runtime";
import type { SimNode } from "../kernel/node.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import { Broker, type Hostility, type Packet, PEACE } from "./broker.ts";
import { BusClient } from "./bus-client.ts";
import type { Paths } from "./paths.ts";

/** What a credential may do; the broker enforces it (P-4.1). */
export interface BusPermissions {
  mayPublish(subject: string): boolean;
  maySubscribe(subject: string): boolean;
}

/** Who hears everything that crosses the bus: checkers and the trace. */
export interface BusObserver {
  /** A node's adapter took it: `n` is the number of its record. */
  published(node: SimNode, packet: Packet): void;
  /** The node's callback is about to be called with it. */
  delivered(node: SimNode, packet: Packet): void;
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

export class BusNetwork {
  readonly world: World;
  readonly paths: Paths;
  readonly chance: Chance;
  readonly hostility: Hostility;
  readonly observers: BusObserver[] = [];
  readonly brokers: readonly Broker[];
  readonly clients = new Set<BusClient>();
  #clients = 0;

  constructor(world: World, paths: Paths, options: BusNetworkOptions) {
    this.world = world;
    this.paths = paths;
    this.chance = world.seed.stream("net");
    this.hostility = { ...(options.profile === "hostile" ? HOSTILE : PEACE) };
    this.brokers = options.brokers.map(
      (name) => new Broker(name, { world, paths, chance: this.chance, hostility: this.hostility }),
    );
    this.#reroute();
  }

  broker(name: string): Broker {
    const broker = this.brokers.find((one) => one.name === name);
    if (broker === undefined) throw new Error(`there is no broker ${name}`);
    return broker;
  }

  /** The bus of `node` in its present life; it ends with that life. */
  connect(node: SimNode, permissions?: BusPermissions): Bus {
    this.#clients += 1;
    const client = new BusClient(this, node, `c${this.#clients}`, permissions);
    this.clients.add(client);
    return client;
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
  disconnect(nodeName: string): void {
    for (const client of this.clients) {
      if (client.nodeName === nodeName) client.reset("connection reset");
    }
  }

  #reroute(): void {
    for (const broker of this.brokers) if (broker.up) broker.route(this.brokers);
    this.paths.changed();
  }
}
