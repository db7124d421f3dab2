/**
 * A node's end of the simulated bus: one connection at a time, subscriptions that live across
 * reconnections, requests with deadlines. Everything it tells its owner comes in a turn of the
 * node, never within a call.
 */
import type {
  Bus,
  BusMessage,
  BusStatus,
  PublishOutcome,
  RequestOutcome,
  Subscription,
} from "#runtime";
import { BUS_PAYLOAD_BYTES_MAX } from "#runtime";
import { copied } from "../kernel/bytes.ts";
import { bytesHash } from "../kernel/digest.ts";
import { PRICE_MS, type SimNode, type SimTimer } from "../kernel/node.ts";
import type { Broker, BrokerClient } from "./broker.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import { type Download, type Packet, packetBytes, type TellLost, Upload } from "./packet.ts";
import type { Paths, Pipe } from "./paths.ts";

/** What a credential may do; the broker enforces it (P-4.1). */
export interface BusPermissions {
  mayPublish(subject: string): boolean;
  maySubscribe(subject: string): boolean;
}

/** Who hears everything that crosses the bus: checkers and the trace. */
export interface BusObserver {
  /** A node's adapter took it: `n` is the number of its record. */
  published(node: SimNode, packet: Packet): void;
  /** What was to be published and no broker was reached, or took it: nobody will hear it. */
  unsent?(node: SimNode, packet: Packet): void;
  /** The node's callback is about to be called with it. */
  delivered(node: SimNode, packet: Packet): void;
  /** Record `n` says that a message is lost; `cause` is the record of its publication. */
  lost?(n: number, cause: number): void;
}

/** What a client needs of the network that it is part of. */
export interface BusSide {
  readonly world: World;
  readonly paths: Paths;
  readonly chance: Chance;
  readonly brokers: readonly Broker[];
  readonly observers: readonly BusObserver[];
  gone(client: BusClient): void;
  lost(packet: Packet, node: string, why: string): void;
}

export interface BusClientOptions {
  readonly id: string;
  readonly inbox: string;
  readonly permissions: BusPermissions | undefined;
}

/** What a publisher may name: tokens of visible characters, no wildcards. */
const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/;

type Rights = "invalid" | "forbidden" | "granted";

/** Subjects whose rights a client remembers: a leader speaks to each of its peers now and then. */
const RIGHTS_MAX = 131_072;
const RECONNECT_WAIT_MS = { low: 50, high: 250 };
const DIAL_TIMEOUT_MS = 2_000;
/** Two missed pings: how long a blocked way lets both sides believe in the connection. */
const STALE_MS = { low: 4_000, high: 6_000 };

interface Sub {
  readonly sid: number;
  readonly subject: string;
  readonly onMessage: (message: BusMessage) => void;
}

interface Link {
  readonly broker: Broker;
  readonly client: BrokerClient;
  readonly up: Pipe;
  readonly down: Pipe;
  /** What the broker does with what arrives over `up`. */
  readonly take: (broker: Broker, packet: Packet) => void;
}

interface Asked {
  readonly done: (outcome: RequestOutcome) => void;
  readonly timer: SimTimer;
}

export class BusClient implements Bus {
  readonly #network: BusSide;
  readonly #node: SimNode;
  readonly #life: number;
  readonly #id: string;
  readonly #inbox: string;
  readonly #permissions: BusPermissions | undefined;
  readonly #subs = new Map<number, Sub>();
  readonly #asked = new Map<string, Asked>();
  readonly #flushes = new Set<(reached: boolean) => void>();
  readonly #listeners = new Set<(status: BusStatus) => void>();
  readonly #dropped = new Map<string, number>();
  readonly #rights = new Map<string, Rights>();
  #link: Link | undefined;
  #told = false;
  #everConnected = false;
  #closed = false;
  #sids = 0;
  #requests = 0;
  #dials = 0;
  #stopWatching: (() => void) | undefined;
  /** Changes of the ways after which the connection's own were both open. */
  #openings = 0;
  /** Fault: so many of the next publishes throw. */
  throwing = 0;
  /** Fault: every question is answered as if nobody listened there. */
  hearsNobody = false;
  /** Fault: the broker allows no publish. */
  denied = false;
  /** Fault: largest message that the broker takes of this client. */
  payloadBytesMax: number | undefined;

  constructor(network: BusSide, node: SimNode, { id, inbox, permissions }: BusClientOptions) {
    this.#network = network;
    this.#node = node;
    this.#life = node.life;
    this.#id = id;
    this.#inbox = inbox;
    this.#permissions = permissions;
    node.onDown(() => this.#nodeDown());
    this.#dial();
  }

  get nodeName(): string {
    return this.#node.name;
  }

  /** Name of the broker that it is connected to. */
  get brokerName(): string | undefined {
    return this.#link?.broker.name;
  }

  get connected(): boolean {
    return this.#told;
  }

  get dropped(): ReadonlyMap<string, number> {
    return this.#dropped;
  }

  publish(subject: string, data: Uint8Array, reply?: string): PublishOutcome {
    return this.#publish(subject, data, reply, false);
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription {
    this.#node.charge(PRICE_MS.call);
    this.#sids += 1;
    const sub: Sub = { sid: this.#sids, subject, onMessage };
    if (this.#permissions !== undefined && !this.#permissions.maySubscribe(subject)) {
      this.#node.soon(() => this.#tell({ kind: "forbidden", subject }));
      return { stop: () => undefined };
    }
    this.#subs.set(sub.sid, sub);
    this.#sendSubscription(sub);
    return {
      stop: () => {
        if (!this.#subs.delete(sub.sid)) return;
        const link = this.#link;
        link?.up.send(this.#node.localMs, () => link.broker.unsubscribe(link.client, sub.sid));
      },
    };
  }

  request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    done: (outcome: RequestOutcome) => void,
  ): void {
    this.#requests += 1;
    const inbox = `${this.#inbox}.${this.#requests}`;
    const timer = this.#node.timer(timeoutMs, () => this.#answer(inbox, { kind: "timeout" }));
    this.#asked.set(inbox, { done, timer });
    if (this.hearsNobody) {
      return this.#node.soon(() => this.#answer(inbox, { kind: "no-responders" }));
    }
    if (this.#publish(subject, data, inbox, true) === "sent") return;
    this.#node.soon(() => this.#answer(inbox, { kind: "disconnected" }));
  }

  flush(done: (reached: boolean) => void): void {
    this.#node.charge(PRICE_MS.call);
    const link = this.#link;
    if (!this.#told || link === undefined) return this.#node.soon(() => done(false));
    this.#flushes.add(done);
    link.up.send(this.#node.localMs, () => {
      link.down.send(this.#network.world.nowMs, () =>
        this.#arrive(() => {
          if (this.#flushes.delete(done)) done(true);
        }),
      );
    });
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#subs.clear();
    for (const [, asked] of this.#asked) asked.timer.cancel();
    this.#asked.clear();
    this.#hangUp();
    this.#network.gone(this);
    this.#node.soon(done);
  }

  /** The connection is lost on both sides, whatever was under way with it. */
  reset(why: string): void {
    const link = this.#link;
    if (link === undefined) return;
    link.broker.remove(link.client);
    this.#lost(link, why);
  }

  // Publishing ---------------------------------------------------------------------------------

  #publish(
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
    asks: boolean,
  ): PublishOutcome {
    this.#node.charge(PRICE_MS.publish);
    if (this.throwing > 0) {
      this.throwing -= 1;
      this.#tellUnsent(subject, data, reply);
      throw new Error("the bus threw");
    }
    const bytesMax = this.payloadBytesMax ?? BUS_PAYLOAD_BYTES_MAX;
    const rights = this.#rightsTo(subject);
    if (rights === "invalid") return this.#drop("subject-invalid", subject);
    const link = this.#link;
    const isForbidden = rights === "forbidden" || this.denied;
    const isTooLarge = data.length > bytesMax;
    const isApart = this.#closed || !this.#told || link === undefined;
    if (isTooLarge || isApart || isForbidden) {
      this.#tellUnsent(subject, data, reply);
      if (isTooLarge) return this.#drop("payload-too-large", subject);
      if (isApart) return this.#drop("disconnected", subject);
      this.#node.soon(() => this.#tell({ kind: "forbidden", subject }));
      return this.#drop("forbidden", subject);
    }
    const copy = copied(data);
    const { name: from } = this.#node;
    const { world } = this.#network;
    const summary = world.reads
      ? `${subject} ${copy.length} ${bytesHash(copy).toString(16)}`
      : subject;
    const cause = world.record({ node: from, kind: "send", summary });
    const packet: Packet = { subject, data: copy, reply, asks, from, cause, seen: undefined };
    for (const observer of this.#network.observers) observer.published(this.#node, packet);
    link.up.carry(this.#node.localMs, new Upload(packet, link.broker, link.take, this.#lostPacket));
    return "sent";
  }

  readonly #lostPacket: TellLost = (packet, node, why) => this.#network.lost(packet, node, why);

  /** Nobody will hear it, and whoever said it counts it as said all the same. */
  #tellUnsent(subject: string, data: Uint8Array, reply: string | undefined): void {
    const from = this.#node.name;
    const packet: Packet = { subject, data, reply, asks: false, from, cause: 0, seen: undefined };
    for (const observer of this.#network.observers) observer.unsent?.(this.#node, packet);
  }

  /** What this client may do with a subject; looked up once, since credentials stay. */
  #rightsTo(subject: string): Rights {
    let rights = this.#rights.get(subject);
    if (rights === undefined) {
      const may = this.#permissions?.mayPublish(subject) ?? true;
      rights = !SUBJECT.test(subject) ? "invalid" : may ? "granted" : "forbidden";
      if (this.#rights.size >= RIGHTS_MAX) this.#rights.clear();
      this.#rights.set(subject, rights);
    }
    return rights;
  }

  #drop(reason: string, subject: string): "dropped" {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
    const { name } = this.#node;
    const summary = `${subject} ${reason}`;
    this.#network.world.record({ node: name, kind: "lost", summary, from: name });
    return "dropped";
  }

  #answer(inbox: string, outcome: RequestOutcome): void {
    const asked = this.#asked.get(inbox);
    if (asked === undefined) return;
    this.#asked.delete(inbox);
    asked.timer.cancel();
    asked.done(outcome);
  }

  // Receiving ----------------------------------------------------------------------------------

  /** In a turn of the node, if this connection's owner still lives then. */
  #arrive(run: () => void): void {
    if (this.#life !== this.#node.life) return;
    this.#node.arrive(this.#network.world.nowMs, () => {
      if (!this.#closed) run();
    });
  }

  /** What the broker of `client` has sent is at this host. */
  #arrived(download: Download): void {
    if (this.#life !== this.#node.life) return download.lost("the process has ended");
    this.#node.receive(download);
  }

  /** A read of the socket has brought it. */
  #read(client: BrokerClient, download: Download): void {
    if (this.#closed) return download.lost("the connection is closed");
    const { sid, packet } = download;
    client.pendingBytes -= packetBytes(packet);
    if (client !== this.#link?.client) return download.lost("the connection broke");
    const { name } = this.#node;
    const arrivedAtMs = this.#node.monotonicMs();
    const { subject, data, reply, from, cause } = packet;
    const message: BusMessage =
      reply === undefined ? { subject, data, arrivedAtMs } : { subject, data, arrivedAtMs, reply };
    const { world } = this.#network;
    world.cause = world.record({ node: name, kind: "mail", summary: subject, from, cause });
    if (sid === 0) return this.#answer(packet.subject, { kind: "reply", message });
    const sub = this.#subs.get(sid);
    if (sub === undefined) return;
    for (const observer of this.#network.observers) observer.delivered(this.#node, packet);
    sub.onMessage(message);
  }

  #tell(status: BusStatus): void {
    for (const listener of [...this.#listeners]) listener(status);
  }

  // The connection -----------------------------------------------------------------------------

  #dial(): void {
    if (this.#closed || this.#life !== this.#node.life) return;
    const { brokers, chance, paths, world } = this.#network;
    this.#dials += 1;
    const first = this.#dials === 1 ? chance.below(brokers.length) : this.#dials;
    const broker = brokers[first % brokers.length];
    if (broker === undefined) throw new Error("a bus needs at least one broker");
    const up = paths.pipe(this.#node.name, broker.name, chance);
    const down = paths.pipe(broker.name, this.#node.name, chance);
    let answered = false;
    const giveUp = this.#node.timer(DIAL_TIMEOUT_MS, () => {
      up.break();
      down.break();
      if (!answered) this.#redial();
      answered = true;
    });
    const answer = (run: () => void) =>
      down.send(world.nowMs, () =>
        this.#arrive(() => {
          if (answered) return;
          answered = true;
          giveUp.cancel();
          run();
        }),
      );
    up.send(this.#node.localMs, () => {
      if (!broker.up) return answer(() => this.#redial());
      const client = this.#brokerSide(broker, up, down);
      const take = (to: Broker, packet: Packet): void => {
        if (to.up) to.publish(client, packet);
        else this.#network.lost(packet, to.name, "the broker is down");
      };
      answer(() => this.#connected({ broker, client, up, down, take }));
    });
  }

  #redial(): void {
    const { low, high } = RECONNECT_WAIT_MS;
    this.#node.timer(this.#network.chance.between(low, high), () => this.#dial());
  }

  /** What the broker holds of this connection. */
  #brokerSide(broker: Broker, up: Pipe, down: Pipe): BrokerClient {
    const client: BrokerClient = {
      clientId: this.#id,
      nodeName: this.#node.name,
      inbox: this.#inbox,
      down,
      pendingBytes: 0,
      arrived: (download) => this.#arrived(download),
      read: (download) => this.#read(client, download),
      noResponders: (reply) =>
        down.send(this.#network.world.nowMs, () =>
          this.#arrive(() => this.#answer(reply, { kind: "no-responders" })),
        ),
      cutOff: (why) => {
        up.break();
        const link = this.#link;
        if (link?.client !== client) return down.break();
        down.send(this.#network.world.nowMs, () => this.#arrive(() => this.#lost(link, why)));
      },
    };
    broker.add(client);
    return client;
  }

  #connected(link: Link): void {
    if (!link.broker.up || link.broker.clients.get(this.#id) !== link.client) {
      return this.#redial();
    }
    this.#link = link;
    this.#told = true;
    const reconnect = this.#everConnected;
    this.#everConnected = true;
    const { world, paths } = this.#network;
    world.record({ node: this.#node.name, kind: "connect", summary: link.broker.name });
    this.#stopWatching = paths.onChange(() => this.#watch(link));
    this.#watch(link);
    for (const sub of this.#subs.values()) this.#sendSubscription(sub);
    this.#tell({ kind: "connected", reconnect });
  }

  /** A way that stays blocked ends the connection for both sides, each by its own pings. */
  #watch(link: Link): void {
    const { world, chance } = this.#network;
    if (this.#link !== link) return;
    if (!link.up.isCut && !link.down.isCut) {
      this.#openings += 1;
      return;
    }
    const { low, high } = STALE_MS;
    const before = this.#openings;
    world.after(chance.between(low, high), () => {
      if (this.#openings !== before || this.#link !== link) return;
      link.broker.remove(link.client);
      this.#arrive(() => this.#lost(link, "stale connection"));
    });
  }

  #lost(link: Link, why: string): void {
    if (this.#link !== link) return;
    this.#hangUp();
    this.#network.world.record({ node: this.#node.name, kind: "disconnect", summary: why });
    const asked = [...this.#asked.keys()];
    this.#node.soon(() => {
      for (const done of this.#flushes) done(false);
      this.#flushes.clear();
      for (const inbox of asked) this.#answer(inbox, { kind: "disconnected" });
      this.#tell({ kind: "disconnected", why });
    });
    this.#redial();
  }

  #sendSubscription(sub: Sub): void {
    const link = this.#link;
    if (link === undefined) return;
    link.up.send(this.#node.localMs, () => {
      if (link.broker.clients.get(this.#id) === link.client) {
        link.broker.subscribe(link.client, sub.sid, sub.subject);
      }
    });
  }

  #hangUp(): void {
    const link = this.#link;
    this.#link = undefined;
    this.#told = false;
    this.#stopWatching?.();
    if (link === undefined) return;
    link.down.break();
    link.up.send(this.#node.localMs, () => link.broker.remove(link.client));
  }

  /** The process is gone: the kernel still sends what it wrote, then says that it is over. */
  #nodeDown(): void {
    this.#closed = true;
    this.#hangUp();
    this.#network.gone(this);
  }
}
