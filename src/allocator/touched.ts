/**
 * Agents where something changed since a run was last over them: what the next event run looks at.
 * However many events come before it, it is one run.
 */
import type { AgentId } from "#protocol";
import type { Absence, Agents, Slot } from "./agents.ts";

export class Touched {
  readonly #agents: Agents;
  readonly #ids = new Set<AgentId>();
  /** All agents: kept as one mark, since every new framework touches them. */
  #all = false;

  constructor(agents: Agents) {
    this.#agents = agents;
  }

  add(agentId: AgentId): void {
    this.#ids.add(agentId);
  }

  addEach(agentIds: Iterable<AgentId>): void {
    for (const agentId of agentIds) this.#ids.add(agentId);
  }

  addAll(): void {
    this.#all = true;
  }

  /** Those of them of which something is free. */
  addIfFree(agentIds: Iterable<AgentId>): void {
    for (const agentId of agentIds) {
      const slot = this.#agents.find(agentId);
      if (slot !== undefined && !this.#agents.free(slot).isEmpty) this.#ids.add(agentId);
    }
  }

  delete(agentId: AgentId): void {
    this.#ids.delete(agentId);
  }

  /** Untouches these, or all, and gives those of them of which anything can be offered. */
  drain(agentIds: Iterable<AgentId> | undefined, passOver: (why: Absence) => void): Slot[] {
    const slots: Slot[] = [];
    const consider = (slot: Slot): void => {
      if (this.#agents.free(slot).isEmpty) return;
      const absence = this.#agents.absence(slot);
      if (absence === undefined) slots.push(slot);
      else passOver(absence);
    };
    if (agentIds === undefined) {
      this.#ids.clear();
      this.#all = false;
      for (const slot of this.#agents.slots()) consider(slot);
    }
    for (const agentId of agentIds ?? []) {
      this.#ids.delete(agentId);
      const slot = this.#agents.find(agentId);
      if (slot !== undefined) consider(slot);
    }
    return slots;
  }

  list(): AgentId[] {
    if (this.#all) {
      this.#all = false;
      this.addIfFree(this.#agents.ids());
    }
    return [...this.#ids];
  }
}
