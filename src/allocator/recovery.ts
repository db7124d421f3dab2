/**
 * The pause after a failover with quota: until most agents are back nobody knows what roles consume,
 * so nothing is offered (Mesos, quota.md). Ended by agents or by time.
 */

import type { AgentId } from "#protocol";

/** The part of the agents known before that must be back. */
export const RECOVERED_PART_MIN = 0.8;
/** The longest pause. */
export const RECOVERY_PAUSE_MS_MAX = 600_000;

export class RecoveryPause {
  #missing = 0;
  #untilMs = 0;
  readonly #added = new Set<AgentId>();

  /** `agents` were known before; too few of them make no pause. */
  begin(agents: number, nowMs: number): void {
    this.#missing = Math.floor(agents * RECOVERED_PART_MIN);
    this.#untilMs = nowMs + RECOVERY_PAUSE_MS_MAX;
    this.#added.clear();
  }

  adopt(other: RecoveryPause): void {
    this.#missing = other.#missing;
    this.#untilMs = other.#untilMs;
    for (const agentId of other.#added) this.#added.add(agentId);
  }

  /** An agent that comes twice counts once. */
  agentAdded(agentId: AgentId): void {
    if (this.#missing === 0 || this.#added.has(agentId)) return;
    this.#added.add(agentId);
    this.#missing -= 1;
  }

  isOn(nowMs: number): boolean {
    if (this.#missing > 0 && nowMs >= this.#untilMs) this.#missing = 0;
    return this.#missing > 0;
  }

  /** For the caller's timer. */
  get untilMs(): number | undefined {
    return this.#missing > 0 ? this.#untilMs : undefined;
  }
}
