/** What a step function may look at. Owns nothing: the host sets it, or it is read when asked. */
import type { ActorPorts, Env } from "./actor.ts";
import type { BusWatch } from "./bus-watch.ts";
import type { Counters } from "./counters.ts";
import type { Links } from "./links.ts";
import type { Peer } from "#protocol";

export interface EnvSource {
  readonly ports: ActorPorts;
  readonly counters: Counters;
  readonly links: Links;
  readonly busWatch: BusWatch;
  oldestWaitingMs(): number | undefined;
}

export class HostEnv implements Env {
  readonly random: Env["random"];
  readonly counters: Counters;
  readonly bus: Env["bus"];
  /** Set by the host: when a batch begins, and when the machine's state has changed. */
  nowMs = 0;
  lifecycle = "";
  readonly #source: EnvSource;

  constructor(source: EnvSource) {
    const { ports, counters, busWatch } = source;
    this.#source = source;
    this.random = ports.random;
    this.counters = counters;
    this.bus = {
      get connected() {
        return ports.bus.connected;
      },
      get sinceMs() {
        return busWatch.sinceMs;
      },
    };
  }

  clockMs(): number {
    return this.#source.ports.clock.monotonicMs();
  }

  get wallMs(): number {
    return this.#source.ports.clock.wallMs();
  }

  lastHeardMs(peer: Peer): number | undefined {
    return this.#source.links.get(peer)?.lastHeardMs;
  }

  isOpen(peer: Peer): boolean {
    return this.#source.links.isOpen(peer);
  }

  room(peer: Peer): number {
    return this.#source.links.get(peer)?.room ?? 0;
  }

  oldestWaitingMs(): number {
    return this.#source.oldestWaitingMs() ?? this.nowMs;
  }
}
