/**
 * Which agents of the registry belong to which principal, so that a registration need not look at
 * every other agent: after a failover all of them register at once. Derived from the registry
 * alone; decides nothing.
 */
import type { AgentId, Principal } from "#protocol";
import type { RegisteredAgent, Registry } from "#replication";

/** Ids remembered beyond twice the registry's own before the index is made anew. */
const OWNED_SLACK_MAX = 1_024;

export class Owners {
  readonly #ids = new Map<Principal, AgentId[]>();
  #count = 0;

  /** As the registry has it now; at a takeover. */
  rebuild({ agents }: Registry): void {
    this.#ids.clear();
    this.#count = 0;
    for (const { agentId, principal } of agents.values()) this.#put(agentId, principal);
  }

  /** An admission is in the log. */
  admitted(agentId: AgentId, principal: Principal, registry: Registry): void {
    if (this.#count > 2 * registry.agents.size + OWNED_SLACK_MAX) return this.rebuild(registry);
    this.#put(agentId, principal);
  }

  /** Agents of `principal` that the registry knows. */
  of(principal: Principal, { agents }: Registry): RegisteredAgent[] {
    const known = (this.#ids.get(principal) ?? []).map((agentId) => agents.get(agentId));
    return known.filter((agent) => agent?.principal === principal) as RegisteredAgent[];
  }

  #put(agentId: AgentId, principal: Principal): void {
    const ids = this.#ids.get(principal);
    if (ids?.includes(agentId) === true) return;
    this.#count += 1;
    if (ids === undefined) this.#ids.set(principal, [agentId]);
    else ids.push(agentId);
  }
}
