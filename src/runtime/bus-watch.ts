/**
 * What an actor's bus says of itself: since when it is as it is, and each loss in one line of the
 * log for each reason, whatever is dialled in vain meanwhile. Sends nothing and hears no message.
 */
import type { ActorPorts } from "./actor.ts";
import type { Counters } from "./counters.ts";
import type { BusStatus } from "./ports/bus.ts";

export interface BusChange {
  readonly connected: boolean;
  /** Empty where it is connected. */
  readonly why: string;
  /** Connected again after a loss: what was under way may not have come. */
  readonly again: boolean;
}

export class BusWatch {
  readonly #ports: ActorPorts;
  readonly #actor: string;
  readonly #counters: Counters;
  /** Monotonic time of the last change. */
  sinceMs: number;
  /** Why the broker is not reached; empty: it is, or was not lost yet. */
  #why = "";

  constructor(ports: ActorPorts, actor: string, counters: Counters) {
    this.#ports = ports;
    this.#actor = actor;
    this.#counters = counters;
    this.sinceMs = ports.clock.monotonicMs();
  }

  /** Undefined: nothing has changed for the actor. */
  heard(status: BusStatus): BusChange | undefined {
    if (status.kind === "forbidden") {
      this.#counters.add("forbidden", status.subject);
      this.#log("error", `the broker forbids ${status.subject}`);
      return undefined;
    }
    this.sinceMs = this.#ports.clock.monotonicMs();
    const connected = status.kind === "connected";
    const why = connected ? "" : status.why;
    if (why !== this.#why) {
      if (connected) this.#log("info", "The broker is reached again");
      else this.#log("warn", `The broker is lost, and is dialled again: ${why}`);
    }
    this.#why = why;
    return { connected, why, again: connected && status.reconnect };
  }

  #log(level: "info" | "warn" | "error", sentence: string): void {
    this.#ports.logger.log(level, sentence, { actor: this.#actor });
  }
}
