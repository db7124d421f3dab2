/**
 * Inverse offers: asks frameworks to leave agents that will be unavailable. Owns the windows, what
 * was asked and not answered, and refusals of being asked again; never what frameworks hold.
 */
import type { AgentId, FrameworkId } from "#protocol";

/** A maintenance window; without a duration it has no end. */
export type Unavailability = { readonly startMs: number; readonly durationMs?: number };

/** Asks for the whole agent back. */
export type InverseOfferCandidate = {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  readonly unavailability: Unavailability;
};

export class InverseOffers {
  readonly #windows = new Map<AgentId, Unavailability>();
  /** Per agent: asked and not answered. */
  readonly #outstanding = new Map<AgentId, Set<FrameworkId>>();
  /** Per agent and framework: not to be asked again before. */
  readonly #refusedUntilMs = new Map<AgentId, Map<FrameworkId, number>>();

  window(agentId: AgentId): Unavailability | undefined {
    return this.#windows.get(agentId);
  }

  /** A change forgets what was asked and refused about the agent. */
  setWindow(agentId: AgentId, window: Unavailability | undefined): void {
    this.dropAgent(agentId);
    if (window !== undefined) this.#windows.set(agentId, window);
  }

  dropAgent(agentId: AgentId): void {
    this.#windows.delete(agentId);
    this.#outstanding.delete(agentId);
    this.#refusedUntilMs.delete(agentId);
  }

  /** Whoever holds something on an agent with a window is asked once. */
  ask(
    agentIds: Iterable<AgentId>,
    holders: (agentId: AgentId) => Iterable<FrameworkId>,
    nowMs: number,
  ): InverseOfferCandidate[] {
    const asked: InverseOfferCandidate[] = [];
    if (this.#windows.size === 0) return asked;
    for (const agentId of agentIds) {
      const unavailability = this.#windows.get(agentId);
      if (unavailability === undefined) continue;
      for (const frameworkId of holders(agentId)) {
        const outstanding = this.#outstanding.get(agentId) ?? new Set();
        const refused = (this.#refusedUntilMs.get(agentId)?.get(frameworkId) ?? 0) > nowMs;
        if (refused || outstanding.has(frameworkId)) continue;
        this.#outstanding.set(agentId, outstanding.add(frameworkId));
        asked.push({ frameworkId, agentId, unavailability });
      }
    }
    return asked;
  }

  /** Answered or rescinded; until then it is not asked again. */
  answered(agentId: AgentId, frameworkId: FrameworkId, untilMs: number | undefined): void {
    this.#outstanding.get(agentId)?.delete(frameworkId);
    if (untilMs === undefined) return;
    const refused = this.#refusedUntilMs.get(agentId) ?? new Map<FrameworkId, number>();
    this.#refusedUntilMs.set(agentId, refused.set(frameworkId, untilMs));
  }

  /** Revived, updated: it may be asked again. */
  dropRefusals(frameworkId: FrameworkId): void {
    for (const refused of this.#refusedUntilMs.values()) refused.delete(frameworkId);
  }

  /** Gone or disconnected: nothing is outstanding with it any more. */
  dropFramework(frameworkId: FrameworkId): void {
    this.dropRefusals(frameworkId);
    for (const outstanding of this.#outstanding.values()) outstanding.delete(frameworkId);
  }
}
