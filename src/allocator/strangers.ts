/** Frameworks that are not known but hold something, and on which agents. */
import type { AgentId, FrameworkId } from "#protocol";

export class Strangers {
  readonly #agents = new Map<FrameworkId, Set<AgentId>>();

  /** Notes whether the framework holds anything there now. */
  note(frameworkId: FrameworkId, agentId: AgentId, holds: boolean): void {
    const agents = this.#agents.get(frameworkId) ?? new Set();
    if (holds) agents.add(agentId);
    else agents.delete(agentId);
    if (agents.size > 0) this.#agents.set(frameworkId, agents);
    else this.#agents.delete(frameworkId);
  }

  /** Where it holds something; from here on it is known. */
  take(frameworkId: FrameworkId): Iterable<AgentId> {
    const agents = this.#agents.get(frameworkId) ?? [];
    this.#agents.delete(frameworkId);
    return agents;
  }
}
