/**
 * Clients in the order in which they are served: lowest dominant share ÷ weight, then fewest
 * allocations so far, then name (mesos.md §11.2, one level of it). The order is repaired where
 * clients moved and rebuilt only when the totals of the cluster changed. Roles stand in one such
 * order, the frameworks of each role in another.
 */
import { compareText, dominantShare } from "#resources";
import { type Charge, Holding, type Totals } from "./shares.ts";

export type Client<Owner> = {
  readonly name: string;
  readonly owner: Owner;
  readonly holding: Holding;
  weight: number;
  active: boolean;
  /** Grows with each allocation, never falls. */
  allocations: number;
  /** The keys under which the client stands in the sorted list. */
  placedShare: number;
  placedAllocations: number;
};

/** Above this part of moved clients a whole sort is cheaper than single repairs. */
const REPAIRED_PART_MAX = 0.125;

export class FairOrder<Owner> {
  readonly #totals: Totals;
  readonly #clients = new Map<string, Client<Owner>>();
  #sorted: Client<Owner>[] = [];
  readonly #moved = new Set<Client<Owner>>();
  #seenVersion = -1;

  constructor(totals: Totals) {
    this.#totals = totals;
  }

  get size(): number {
    return this.#clients.size;
  }

  get activeCount(): number {
    return this.#sorted.length;
  }

  get(name: string): Client<Owner> | undefined {
    return this.#clients.get(name);
  }

  clients(): Iterable<Client<Owner>> {
    return this.#clients.values();
  }

  /** A new client, not active yet. */
  add(name: string, owner: Owner, weight = 1): Client<Owner> {
    if (this.#clients.has(name)) throw new Error(`client ${name} is there already`);
    const client: Client<Owner> = {
      name,
      owner,
      holding: new Holding(this.#totals.names),
      weight,
      active: false,
      allocations: 0,
      placedShare: 0,
      placedAllocations: 0,
    };
    this.#clients.set(name, client);
    return client;
  }

  remove(client: Client<Owner>): void {
    this.deactivate(client);
    this.#clients.delete(client.name);
  }

  activate(client: Client<Owner>): void {
    if (client.active) return;
    client.active = true;
    this.#place(client);
  }

  /** Not served any more; what it holds and its allocation count stay. */
  deactivate(client: Client<Owner>): void {
    if (!client.active) return;
    this.#sorted.splice(this.#indexOf(client), 1);
    this.#moved.delete(client);
    client.active = false;
  }

  setWeight(client: Client<Owner>, weight: number): void {
    client.weight = weight;
    this.#move(client);
  }

  /** One allocation more. */
  allocated(client: Client<Owner>, charge: Charge): void {
    client.holding.take(charge);
    client.allocations += 1;
    this.#move(client);
  }

  unallocated(client: Client<Owner>, charge: Charge): void {
    client.holding.give(charge);
    this.#move(client);
  }

  /** What a client holds was converted: no allocation more. */
  updated(client: Client<Owner>, gone: Charge, come: Charge): void {
    client.holding.give(gone);
    client.holding.take(come);
    this.#move(client);
  }

  /** The dominant share, before the weight divides it. */
  shareOf(client: Client<Owner>): number {
    return dominantShare(client.holding.vector, this.#totals.vector, this.#totals.excluded);
  }

  weightedShareOf(client: Client<Owner>): number {
    return this.shareOf(client) / client.weight;
  }

  /**
   * The active clients, first served first. The list stays as it is, whatever is booked meanwhile,
   * until the next call: a run reads it once per agent.
   */
  sort(): readonly Client<Owner>[] {
    if (this.#seenVersion !== this.#totals.version) this.#resort();
    else if (this.#moved.size > this.#sorted.length * REPAIRED_PART_MAX + 1) this.#resort();
    else for (const client of this.#moved) this.#repair(client);
    this.#moved.clear();
    return this.#sorted;
  }

  #move(client: Client<Owner>): void {
    if (client.active) this.#moved.add(client);
  }

  #resort(): void {
    this.#seenVersion = this.#totals.version;
    for (const client of this.#sorted) this.#setKeys(client);
    this.#sorted.sort(compareClients);
  }

  #repair(client: Client<Owner>): void {
    this.#sorted.splice(this.#indexOf(client), 1);
    this.#place(client);
  }

  #place(client: Client<Owner>): void {
    this.#setKeys(client);
    this.#sorted.splice(this.#search(client), 0, client);
  }

  #setKeys(client: Client<Owner>): void {
    client.placedShare = this.weightedShareOf(client);
    client.placedAllocations = client.allocations;
  }

  #indexOf(client: Client<Owner>): number {
    const index = this.#search(client);
    if (this.#sorted[index] !== client) throw new Error(`client ${client.name} is out of order`);
    return index;
  }

  /** The first index whose client does not stand before this one, by the keys both are under. */
  #search(client: Client<Owner>): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#sorted[middle];
      if (other !== undefined && compareClients(other, client) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** By code units of the name, which for the characters of roles and ids is byte order. */
function compareClients<Owner>(left: Client<Owner>, right: Client<Owner>): number {
  return (
    left.placedShare - right.placedShare ||
    left.placedAllocations - right.placedAllocations ||
    compareText(left.name, right.name)
  );
}
