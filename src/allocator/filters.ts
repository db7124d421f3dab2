/**
 * What frameworks do not want again for a while: refusals per agent and subscription. An offer is
 * filtered when one refusal contains all of it, so more of anything passes. Filters end by time, in
 * a heap, but never before one batch has run since they were made (mesos.md §11.5).
 */
import type { AgentId } from "#protocol";
import type { Resources } from "#resources";

/** The longest refusal: 365 days, as in Mesos. */
export const REFUSE_MS_MAX = 365 * 24 * 3600 * 1000;

/** Refusals kept per agent and subscription; beyond it the one that ends first is dropped. */
export const FILTERS_PER_CLIENT_MAX = 16;

/** Ended filters stay in the heap until they are due or outnumber the live ones by this many. */
const DEAD_LENGTH_MAX = 1024;

export type Filter<Client> = {
  readonly agentId: AgentId;
  readonly client: Client;
  readonly resources: Resources;
  readonly expiryMs: number;
  /** How many batches had run when it was made. */
  readonly batch: number;
  /** A refusal for no time: only keeps event runs from answering a decline by the same offer. */
  readonly backoff: boolean;
  alive: boolean;
  /** The bag that was found to be contained last: most checks are of the same bag again. */
  contained: Resources | undefined;
};

export class Filters<Client> {
  readonly #intervalMs: number;
  readonly #byAgent = new Map<AgentId, Map<Client, Filter<Client>[]>>();
  #heap: Filter<Client>[] = [];
  /** Due, but no batch has run since they were made. */
  #waiting: Filter<Client>[] = [];
  #backoffs: Filter<Client>[] = [];
  #batches = 0;
  #alive = 0;

  constructor(allocationIntervalMs: number) {
    this.#intervalMs = allocationIntervalMs;
  }

  /** Filters in force, backoffs included. */
  get size(): number {
    return this.#alive;
  }

  add(
    client: Client,
    agentId: AgentId,
    refused: { readonly resources: Resources; readonly refuseMs: number; readonly nowMs: number },
  ): void {
    const { resources, refuseMs, nowMs } = refused;
    const backoff = refuseMs <= 0;
    const lastsMs = Math.max(Math.min(refuseMs, REFUSE_MS_MAX), this.#intervalMs);
    const filter: Filter<Client> = {
      agentId,
      client,
      resources,
      expiryMs: backoff ? Number.POSITIVE_INFINITY : nowMs + lastsMs,
      batch: this.#batches,
      backoff,
      alive: true,
      contained: undefined,
    };
    const list = this.#listOf(agentId, client);
    for (const other of list) {
      const covered = other.backoff === backoff && other.expiryMs <= filter.expiryMs;
      if (covered && resources.contains(other.resources)) this.#end(other);
    }
    const kept = list.filter(({ alive }) => alive);
    if (kept.length >= FILTERS_PER_CLIENT_MAX) {
      const first = kept.reduce((a, b) => (b.expiryMs < a.expiryMs ? b : a));
      this.#end(first);
    }
    this.#listOf(agentId, client).push(filter);
    this.#alive += 1;
    if (backoff) this.#backoffs.push(filter);
    else this.#push(filter);
  }

  /** Takes over the refusals of another list, in its order, for those whom `clientOf` knows. */
  adopt(other: Filters<Client>, clientOf: (client: Client) => Client | undefined): void {
    this.#batches = other.#batches;
    for (const filter of other.all()) {
      const client = clientOf(filter.client);
      if (client === undefined) continue;
      const copy = { ...filter, client };
      this.#listOf(filter.agentId, client).push(copy);
      this.#alive += 1;
      if (filter.backoff) this.#backoffs.push(copy);
      else this.#push(copy);
    }
  }

  /** Those in force, in no order that means anything. */
  *all(): Iterable<Filter<Client>> {
    for (const clients of this.#byAgent.values()) {
      for (const filters of clients.values()) yield* filters;
    }
  }

  /** The refusal that contains all of `resources`, if there is one. */
  match(client: Client, agentId: AgentId, resources: Resources): Filter<Client> | undefined {
    const list = this.#byAgent.get(agentId)?.get(client);
    if (list === undefined) return undefined;
    for (const filter of list) {
      if (filter.contained === resources) return filter;
      if (filter.resources.contains(resources)) {
        filter.contained = resources;
        return filter;
      }
    }
    return undefined;
  }

  /** Ends those that are due; gives the agents they were on. */
  expire(nowMs: number): AgentId[] {
    const agents: AgentId[] = [];
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || (first.alive && first.expiryMs > nowMs)) break;
      this.#pop();
      if (!first.alive) continue;
      if (first.batch === this.#batches) this.#waiting.push(first);
      else {
        this.#end(first);
        agents.push(first.agentId);
      }
    }
    return agents;
  }

  /** Backoffs end where a batch begins. */
  batchBegins(): void {
    const ended = this.#backoffs;
    this.#backoffs = [];
    for (const filter of ended) this.#end(filter);
  }

  /** Filters that were due before end where a batch is over; gives their agents. */
  batchEnds(): AgentId[] {
    this.#batches += 1;
    const ended = this.#waiting.filter(({ alive }) => alive);
    this.#waiting = [];
    for (const filter of ended) this.#end(filter);
    return ended.map(({ agentId }) => agentId);
  }

  /** When a timer should call next: what waits for a batch needs none. */
  nextExpiryMs(): number | undefined {
    for (let first = this.#heap[0]; first !== undefined && !first.alive; first = this.#heap[0]) {
      this.#pop();
    }
    return this.#heap[0]?.expiryMs;
  }

  /** Gives the agents where something ended. */
  dropClient(client: Client): AgentId[] {
    const agents: AgentId[] = [];
    for (const [agentId, clients] of this.#byAgent) {
      const list = clients.get(client);
      if (list === undefined) continue;
      agents.push(agentId);
      for (const filter of [...list]) this.#end(filter);
    }
    return agents;
  }

  dropAgent(agentId: AgentId): void {
    for (const list of [...(this.#byAgent.get(agentId)?.values() ?? [])]) {
      for (const filter of [...list]) this.#end(filter);
    }
  }

  #listOf(agentId: AgentId, client: Client): Filter<Client>[] {
    const clients = this.#byAgent.get(agentId) ?? new Map<Client, Filter<Client>[]>();
    this.#byAgent.set(agentId, clients);
    const list = clients.get(client) ?? [];
    clients.set(client, list);
    return list;
  }

  #end(filter: Filter<Client>): void {
    if (!filter.alive) return;
    filter.alive = false;
    this.#alive -= 1;
    const clients = this.#byAgent.get(filter.agentId);
    const rest = clients?.get(filter.client)?.filter((each) => each !== filter) ?? [];
    if (rest.length > 0) clients?.set(filter.client, rest);
    else clients?.delete(filter.client);
    if (clients?.size === 0) this.#byAgent.delete(filter.agentId);
    if (this.#heap.length > 2 * this.#alive + DEAD_LENGTH_MAX) this.#compact();
    if (this.#waiting.length > 2 * this.#alive + DEAD_LENGTH_MAX) {
      this.#waiting = this.#waiting.filter(({ alive }) => alive);
    }
    if (this.#backoffs.length > 2 * this.#alive + DEAD_LENGTH_MAX) {
      this.#backoffs = this.#backoffs.filter(({ alive }) => alive);
    }
  }

  #compact(): void {
    const alive = this.#heap.filter((filter) => filter.alive);
    alive.sort((a, b) => a.expiryMs - b.expiryMs);
    this.#heap = alive;
  }

  #push(filter: Filter<Client>): void {
    const heap = this.#heap;
    let at = heap.push(filter) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || parent.expiryMs <= filter.expiryMs) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = filter;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = heap[down];
      const sibling = heap[down + 1];
      if (child !== undefined && sibling !== undefined && sibling.expiryMs < child.expiryMs) {
        down += 1;
        child = sibling;
      }
      if (child === undefined || child.expiryMs >= last.expiryMs) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}
