/** What a step function may look at, read from the host at the moment of asking. Owns nothing. */
import type { ActorPorts, Env } from "./actor.ts";
import type { Counters } from "./counters.ts";
import type { Links } from "./links.ts";

export interface EnvSource {
  readonly ports: ActorPorts;
  readonly counters: Counters;
  readonly links: Links;
  nowMs(): number;
  lifecycle(): string;
  busSinceMs(): number;
  oldestWaitingMs(): number | undefined;
}

export function envOf(source: EnvSource): Env {
  const { ports, counters, links } = source;
  return {
    get nowMs() {
      return source.nowMs();
    },
    clockMs: () => ports.clock.monotonicMs(),
    get wallMs() {
      return ports.clock.wallMs();
    },
    random: ports.random,
    counters,
    bus: {
      get connected() {
        return ports.bus.connected;
      },
      get sinceMs() {
        return source.busSinceMs();
      },
    },
    get lifecycle() {
      return source.lifecycle();
    },
    lastHeardMs: (peer) => links.get(peer)?.lastHeardMs,
    isOpen: (peer) => links.isOpen(peer),
    room: (peer) => links.get(peer)?.room ?? 0,
    oldestWaitingMs: () => source.oldestWaitingMs() ?? source.nowMs(),
  };
}
