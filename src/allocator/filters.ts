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
  /** Where the agent stands; its filters end before another one stands there. */
  readonly slot: number;
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
  /** By role; whose filter ends is not marked any more. */
  readonly marks: Map<object, Marks>;
};

/** Where a client refused something. */
type Refusing = {
  readonly slots: Set<number>;
  /** Filters in force, backoffs left out. */
  active: number;
};

export class Filters<Client> {
  readonly #intervalMs: number;
  readonly #unmark: (marks: ReadonlyMap<object, Marks>, client: Client) => void;
  /** By the slot of the agent: a run asks for each of them. */
  readonly #bySlot: (Refused<Client> | undefined)[] = [];
  readonly #refusing = new Map<Client, Refusing>();
  readonly #wheel = new TimingWheel<Filter<Client>>();
  /** Due, but no batch has run since they were made. */
  readonly #waiting = new Set<Filter<Client>>();
  readonly #backoffs = new Set<Filter<Client>>();
  #batches = 0;
  #size = 0;

  /** `unmark` takes a client out of those marked in its role. */
  constructor(
    allocationIntervalMs: number,
    unmark: (marks: ReadonlyMap<object, Marks>, client: Client) => void,
  ) {
    this.#intervalMs = allocationIntervalMs;
    this.#unmark = unmark;
  }

  /** Filters in force, backoffs included. */
  get size(): number {
    return this.#size;
  }

  add(
    client: Client,
    { agentId, slot }: { readonly agentId: AgentId; readonly slot: number },
    refused: { readonly resources: Resources; readonly refuseMs: number; readonly nowMs: number },
  ): void {
    const { resources, refuseMs, nowMs } = refused;
    const backoff = refuseMs <= 0;
    const lastsMs = Math.max(Math.min(refuseMs, REFUSE_MS_MAX), this.#intervalMs);
    const filter: Filter<Client> = {
      agentId,
      slot,
      client,
      resources,
      expiryMs: backoff ? Number.POSITIVE_INFINITY : nowMs + lastsMs,
      batch: this.#batches,
      backoff,
      contained: undefined,
    };
    for (const other of [...(this.#bySlot[slot]?.clients.get(client) ?? [])]) {
      const covered = other.backoff === backoff && other.expiryMs <= filter.expiryMs;
      if (covered && resources.contains(other.resources)) this.#end(other);
    }
    const kept = this.#bySlot[slot]?.clients.get(client) ?? [];
    if (kept.length >= FILTERS_PER_CLIENT_MAX) {
      this.#end(kept.reduce((a, b) => (b.expiryMs < a.expiryMs ? b : a)));
    }
    this.#enter(filter, nowMs);
  }

  /** Takes over the refusals of another list, in its order, for those whom `here` knows. */
  adopt(
    other: Filters<Client>,
    here: (
      filter: Filter<Client>,
    ) => { readonly client: Client; readonly slot: number } | undefined,
  ): void {
    this.#batches = other.#batches;
    for (const filter of other.all()) {
      const place = here(filter);
      if (place !== undefined) this.#enter({ ...{}, ...filter, ...place }, other.#wheel.nowMs);
    }
  }

  /** Those in force, in no order that means anything. */
  *all(): Iterable<Filter<Client>> {
    for (const refused of this.#bySlot) {
      for (const filters of refused?.clients.values() ?? []) yield* filters;
    }
  }

  /** How many each client has in force, those for no time left out. */
  *counts(): Iterable<readonly [client: Client, active: number]> {
    for (const [client, { active }] of this.#refusing) if (active > 0) yield [client, active];
  }

  /** The refusal that contains all of `resources`, if there is one. */
  match(client: Client, slot: number, resources: Resources): Filter<Client> | undefined {
    // Who refused nothing anywhere is looked up where it is always at hand.
    if (!this.#refusing.has(client)) return undefined;
    const list = this.#bySlot[slot]?.clients.get(client);
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
  marks(slot: number, role: object): Marks | undefined {
    if (this.#size === 0) return undefined;
    const refused = this.#bySlot[slot];
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
    const agents: AgentId[] = [];
    for (const slot of [...(this.#refusing.get(client)?.slots ?? [])]) {
      const filters = [...(this.#bySlot[slot]?.clients.get(client) ?? [])];
      for (const filter of filters) this.#end(filter);
      if (filters[0] !== undefined) agents.push(filters[0].agentId);
    }
    return agents;
  }

  dropAgent(slot: number): void {
    for (const list of [...(this.#bySlot[slot]?.clients.values() ?? [])]) {
      for (const filter of [...list]) this.#end(filter);
    }
  }

  #enter(filter: Filter<Client>, nowMs: number): void {
    const { slot, client } = filter;
    let refused = this.#bySlot[slot];
    if (refused === undefined) {
      refused = { clients: new Map(), marks: new Map() };
      this.#bySlot[slot] = refused;
    }
    const list = refused.clients.get(client);
    if (list === undefined) refused.clients.set(client, [filter]);
    else list.push(filter);
    let refusing = this.#refusing.get(client);
    if (refusing === undefined) {
      refusing = { slots: new Set(), active: 0 };
      this.#refusing.set(client, refusing);
    }
    refusing.slots.add(slot);
    if (!filter.backoff) refusing.active += 1;
    this.#size += 1;
    if (filter.backoff) this.#backoffs.add(filter);
    else this.#wheel.add(filter, nowMs);
  }

  #end(filter: Filter<Client>): void {
    const { slot, client } = filter;
    const refused = this.#bySlot[slot];
    const list = refused?.clients.get(client);
    const at = list?.indexOf(filter) ?? -1;
    if (refused === undefined || list === undefined || at < 0) return;
    list.splice(at, 1);
    this.#unmark(refused.marks, client);
    this.#size -= 1;
    this.#backoffs.delete(filter);
    this.#waiting.delete(filter);
    this.#wheel.remove(filter);
    const refusing = this.#refusing.get(client);
    if (refusing !== undefined && !filter.backoff) refusing.active -= 1;
    if (list.length > 0) return;
    refused.clients.delete(client);
    if (refused.clients.size === 0) this.#bySlot[slot] = undefined;
    refusing?.slots.delete(slot);
    if (refusing?.slots.size === 0) this.#refusing.delete(client);
  }
}
