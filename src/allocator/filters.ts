/**
 * What frameworks do not want again for a while: refusals per agent and subscription. An offer is
 * filtered when one refusal contains all of it, so more of anything passes. Filters end by time, on
 * a timing wheel, but never before one batch has run since they were made (mesos.md §11.5).
 */
import type { AgentId } from "#protocol";
import type { Resources } from "#resources";
import { Marks } from "./marks.ts";
import { TimingWheel } from "./timing-wheel.ts";

/** The longest refusal: 365 days, as in Mesos. */
export const REFUSE_MS_MAX = 365 * 24 * 3600 * 1000;

/** Refusals kept per agent and subscription; beyond it the one that ends first is dropped. */
export const FILTERS_PER_CLIENT_MAX = 16;

export type Filter<Client> = {
  readonly agentId: AgentId;
  readonly client: Client;
  readonly resources: Resources;
  readonly expiryMs: number;
  /** How many batches had run when it was made. */
  readonly batch: number;
  /** A refusal for no time: only keeps event runs from answering a decline by the same offer. */
  readonly backoff: boolean;
  /** The bag that was found to be contained last: most checks are of the same bag again. */
  contained: Resources | undefined;
};

/** What was refused of one agent. */
type Refused<Client> = {
  readonly clients: Map<Client, Filter<Client>[]>;
  /** By role; forgotten when a filter on the agent ends. */
  readonly marks: Map<object, Marks>;
};

export class Filters<Client> {
  readonly #intervalMs: number;
  readonly #byAgent = new Map<AgentId, Refused<Client>>();
  readonly #agentsOf = new Map<Client, Set<AgentId>>();
  readonly #wheel = new TimingWheel<Filter<Client>>();
  /** Due, but no batch has run since they were made. */
  readonly #waiting = new Set<Filter<Client>>();
  readonly #backoffs = new Set<Filter<Client>>();
  #batches = 0;
  #size = 0;

  constructor(allocationIntervalMs: number) {
    this.#intervalMs = allocationIntervalMs;
  }

  /** Filters in force, backoffs included. */
  get size(): number {
    return this.#size;
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
      contained: undefined,
    };
    for (const other of [...(this.#byAgent.get(agentId)?.clients.get(client) ?? [])]) {
      const covered = other.backoff === backoff && other.expiryMs <= filter.expiryMs;
      if (covered && resources.contains(other.resources)) this.#end(other);
    }
    const kept = this.#byAgent.get(agentId)?.clients.get(client) ?? [];
    if (kept.length >= FILTERS_PER_CLIENT_MAX) {
      this.#end(kept.reduce((a, b) => (b.expiryMs < a.expiryMs ? b : a)));
    }
    this.#enter(filter, nowMs);
  }

  /** Takes over the refusals of another list, in its order, for those whom `clientOf` knows. */
  adopt(other: Filters<Client>, clientOf: (client: Client) => Client | undefined): void {
    this.#batches = other.#batches;
    for (const filter of other.all()) {
      const client = clientOf(filter.client);
      if (client !== undefined) this.#enter({ ...filter, client }, other.#wheel.nowMs);
    }
  }

  /** Those in force, in no order that means anything. */
  *all(): Iterable<Filter<Client>> {
    for (const { clients } of this.#byAgent.values()) {
      for (const filters of clients.values()) yield* filters;
    }
  }

  /** The refusal that contains all of `resources`, if there is one. */
  match(client: Client, agentId: AgentId, resources: Resources): Filter<Client> | undefined {
    const list = this.#byAgent.get(agentId)?.clients.get(client);
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

  /** Where a run may note who refused all that is free; undefined: nobody refused anything. */
  marks(agentId: AgentId, role: object): Marks | undefined {
    if (this.#size === 0) return undefined;
    const refused = this.#byAgent.get(agentId);
    if (refused === undefined) return undefined;
    const known = refused.marks.get(role);
    if (known !== undefined) return known;
    const marks = new Marks();
    refused.marks.set(role, marks);
    return marks;
  }

  /** Ends those that are due; gives the agents they were on. */
  expire(nowMs: number): AgentId[] {
    const agents: AgentId[] = [];
    for (const filter of this.#wheel.advance(nowMs)) {
      if (filter.batch === this.#batches) this.#waiting.add(filter);
      else {
        this.#end(filter);
        agents.push(filter.agentId);
      }
    }
    return agents;
  }

  /** Backoffs end where a batch begins. */
  batchBegins(): void {
    for (const filter of [...this.#backoffs]) this.#end(filter);
  }

  /** Filters that were due before end where a batch is over; gives their agents. */
  batchEnds(): AgentId[] {
    this.#batches += 1;
    const ended = [...this.#waiting];
    for (const filter of ended) this.#end(filter);
    return ended.map(({ agentId }) => agentId);
  }

  /** When a timer should call next: what waits for a batch needs none. */
  nextExpiryMs(): number | undefined {
    return this.#wheel.nextMs();
  }

  /** Gives the agents where something ended. */
  dropClient(client: Client): AgentId[] {
    const agents = [...(this.#agentsOf.get(client) ?? [])];
    for (const agentId of agents) {
      for (const filter of [...(this.#byAgent.get(agentId)?.clients.get(client) ?? [])]) {
        this.#end(filter);
      }
    }
    return agents;
  }

  dropAgent(agentId: AgentId): void {
    for (const list of [...(this.#byAgent.get(agentId)?.clients.values() ?? [])]) {
      for (const filter of [...list]) this.#end(filter);
    }
  }

  #enter(filter: Filter<Client>, nowMs: number): void {
    const { agentId, client } = filter;
    let refused = this.#byAgent.get(agentId);
    if (refused === undefined) {
      refused = { clients: new Map(), marks: new Map() };
      this.#byAgent.set(agentId, refused);
    }
    const list = refused.clients.get(client);
    if (list === undefined) refused.clients.set(client, [filter]);
    else list.push(filter);
    const agents = this.#agentsOf.get(client);
    if (agents === undefined) this.#agentsOf.set(client, new Set([agentId]));
    else agents.add(agentId);
    this.#size += 1;
    if (filter.backoff) this.#backoffs.add(filter);
    else this.#wheel.add(filter, nowMs);
  }

  #end(filter: Filter<Client>): void {
    const { agentId, client } = filter;
    const refused = this.#byAgent.get(agentId);
    const list = refused?.clients.get(client);
    const at = list?.indexOf(filter) ?? -1;
    if (refused === undefined || list === undefined || at < 0) return;
    list.splice(at, 1);
    refused.marks.clear();
    this.#size -= 1;
    this.#backoffs.delete(filter);
    this.#waiting.delete(filter);
    this.#wheel.remove(filter);
    if (list.length > 0) return;
    refused.clients.delete(client);
    if (refused.clients.size === 0) this.#byAgent.delete(agentId);
    const agents = this.#agentsOf.get(client);
    agents?.delete(agentId);
    if (agents?.size === 0) this.#agentsOf.delete(client);
  }
}
