/**
 * Refusals at the door and on the way out: counted by reason, the first of each reason and kind
 * logged with its detail. Owns what was logged already; costs a look-up for all later ones.
 */
import type { Peer, WireReason } from "#protocol";
import type { Counters } from "./counters.ts";
import type { Logger } from "./ports/logger.ts";

/** Different refusals, by reason and kind, that are logged when they first come. */
export const REFUSALS_LOGGED_MAX = 1_000;

export class Refusals {
  readonly #actor: string;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #logged = new Set<string>();

  constructor(actor: string, counters: Counters, logger: Logger) {
    this.#actor = actor;
    this.#counters = counters;
    this.#logger = logger;
  }

  /** @param explain asked for the first of its reason and kind only. */
  add(reason: WireReason, kind: string, peer: Peer, by: number, explain?: () => string): void {
    this.#counters.add("dropped", reason, by);
    const key = `${reason} ${kind}`;
    if (this.#logged.has(key) || this.#logged.size >= REFUSALS_LOGGED_MAX) return;
    this.#logged.add(key);
    const detail = explain?.() ?? "";
    const sentence = `refused ${kind}: ${reason}${detail === "" ? "" : `: ${detail}`}`;
    this.#logger.log("warn", `${sentence}; later ones are only counted`, {
      actor: this.#actor,
      peer,
      reason,
      kind,
    });
  }
}
