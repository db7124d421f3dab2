/**
 * Clients in the order in which they are served: a tree by the components of their names, and on
 * each level lowest dominant share ÷ weight first, then fewest allocations so far, then name
 * (mesos.md §11.2). What a client holds counts for every node above it. The order is repaired where
 * nodes moved and rebuilt only when the totals of the cluster changed. Roles stand in one such
 * tree; the frameworks of each role stand in another that has one level.
 */
import { dominantShare } from "#resources";
import type { Marks } from "./marks.ts";
import { ListWalk, weightedShuffle } from "./random-order.ts";
import { type Charge, Holding, type Totals } from "./shares.ts";
import { type Keys, SortedList } from "./sorted.ts";

/** Above this part of moved nodes a whole sort of a level is cheaper than single repairs. */
const REPAIRED_PART_MAX = 0.125;

/** The component of a client that also has clients below it: such a leaf has weight 1. */
const VIRTUAL_LEAF = ".";

class OrderNode<Owner> {
  component: string;
  parent: Branch<Owner> | undefined;
  readonly holding: Holding;
  weight: number;
  /** Grows with each allocation here or below, never falls. */
  allocations = 0;
  /** Its number in its parent's sorted list (-1: not there). */
  slot = -1;
  /** Noted for repair. */
  moved = false;

  constructor(component: string, parent: Branch<Owner> | undefined, of: NodeParts) {
    this.component = component;
    this.parent = parent;
    this.holding = of.holding;
    this.weight = of.weight;
  }
}

type NodeParts = { readonly holding: Holding; readonly weight: number };

/** A leaf: somebody who can be served. */
export class Client<Owner> extends OrderNode<Owner> {
  readonly name: string;
  readonly owner: Owner;
  active = false;

  constructor(
    name: string,
    owner: Owner,
    place: NodeParts & { component: string; parent: Branch<Owner> },
  ) {
    super(place.component, place.parent, place);
    this.name = name;
    this.owner = owner;
  }
}

/** An inner node: clients stand below it. */
class Branch<Owner> extends OrderNode<Owner> {
  readonly path: string;
  readonly children = new Map<string, Place<Owner>>();
  /** The children under which something is active. */
  readonly sorted = new SortedList<Place<Owner>>();
  readonly repairs: Place<Owner>[] = [];
  seenVersion = -1;

  constructor(path: string, component: string, parent: Branch<Owner> | undefined, of: NodeParts) {
    super(component, parent, of);
    this.path = path;
  }
}

type Place<Owner> = Client<Owner> | Branch<Owner>;

/** Gives the active clients one by one; what is booked meanwhile does not change this walk. */
export interface Walk<Owner> {
  next(): Client<Owner> | undefined;
  /** How many were passed over because they were marked. */
  readonly passed: number;
}

export type OrderOptions = {
  /** Whether names are paths; else all clients stand on one level. */
  readonly tree?: boolean;
  /** The weight of a path when a node for it is made; 1 where not given. */
  readonly weightOf?: (path: string) => number;
  /** Draws the order by weight instead of sorting it by share; a fresh draw for each walk. */
  readonly random?: () => number;
};

export class FairOrder<Owner> {
  readonly #totals: Totals;
  readonly #options: OrderOptions;
  readonly #clients = new Map<string, Client<Owner>>();
  readonly #branches = new Map<string, Branch<Owner>>();
  readonly #root: Branch<Owner>;

  constructor(totals: Totals, options: OrderOptions = {}) {
    this.#totals = totals;
    this.#options = options;
    this.#root = new Branch<Owner>("", "", undefined, {
      holding: new Holding(totals.names),
      weight: 1,
    });
  }

  get size(): number {
    return this.#clients.size;
  }

  /** Whether somebody can be served. */
  get isActive(): boolean {
    return this.#root.sorted.length > 0;
  }

  get(name: string): Client<Owner> | undefined {
    return this.#clients.get(name);
  }

  clients(): Iterable<Client<Owner>> {
    return this.#clients.values();
  }

  /** A new client, not active yet. */
  add(name: string, owner: Owner): Client<Owner> {
    if (this.#clients.has(name)) throw new Error(`client ${name} is there already`);
    const client = new Client(name, owner, this.#placeFor(name));
    client.parent?.children.set(client.component, client);
    this.#clients.set(name, client);
    return client;
  }

  /** What it holds is taken from all above it; their allocation counts stay. */
  remove(client: Client<Owner>): void {
    this.deactivate(client);
    this.#clients.delete(client.name);
    for (const node of this.#above(client)) {
      node.holding.giveAll(client.holding);
      this.#move(node);
    }
    client.parent?.children.delete(client.component);
    this.#prune(client.parent);
  }

  activate(client: Client<Owner>): void {
    if (client.active) return;
    client.active = true;
    this.#place(client);
  }

  /** Not served any more; what it holds and its allocation count stay. */
  deactivate(client: Client<Owner>): void {
    if (!client.active) return;
    client.active = false;
    this.#unplace(client);
  }

  /** Takes effect at once, on inner nodes too: Mesos forgets those (mesos.md §11.2). */
  setWeight(path: string, weight: number): void {
    const node = this.#branches.get(path) ?? this.#clients.get(path);
    if (node === undefined) return;
    node.weight = weight;
    this.#move(node);
  }

  /** One allocation more. */
  allocated(client: Client<Owner>, charge: Charge): void {
    for (let node: Place<Owner> = client; ; node = node.parent) {
      node.holding.take(charge);
      node.allocations += 1;
      this.#move(node);
      if (node.parent === undefined || node.parent === this.#root) return;
    }
  }

  unallocated(client: Client<Owner>, charge: Charge): void {
    for (let node: Place<Owner> = client; ; node = node.parent) {
      node.holding.give(charge);
      this.#move(node);
      if (node.parent === undefined || node.parent === this.#root) return;
    }
  }

  /** What a client holds was converted: no allocation more. */
  updated(client: Client<Owner>, gone: Charge, come: Charge): void {
    for (let node: Place<Owner> = client; ; node = node.parent) {
      node.holding.give(gone);
      node.holding.take(come);
      this.#move(node);
      if (node.parent === undefined || node.parent === this.#root) return;
    }
  }

  /** The dominant share, before the weight divides it. */
  shareOf({ holding }: Client<Owner>): number {
    return dominantShare(holding.vector, this.#totals.vector, this.#totals.excluded);
  }

  weightedShareOf(client: Client<Owner>): number {
    return this.shareOf(client) / client.weight;
  }

  /** Takes over how often each was served in another order of the same clients. */
  adoptCounts(other: FairOrder<Owner>): void {
    for (const [name, { allocations }] of other.#clients) {
      const client = this.#clients.get(name);
      if (client !== undefined) this.#setCount(client, allocations);
    }
    for (const [path, { allocations }] of other.#branches) {
      const branch = this.#branches.get(path);
      if (branch !== undefined) this.#setCount(branch, allocations);
    }
  }

  #setCount(node: Place<Owner>, allocations: number): void {
    node.allocations = allocations;
    this.#move(node);
  }

  /** The active clients, first served first. */
  sort(): readonly Client<Owner>[] {
    const list: Client<Owner>[] = [];
    const walk = this.walk();
    for (let client = walk.next(); client !== undefined; client = walk.next()) list.push(client);
    return list;
  }

  /**
   * The active clients one by one, for a run to read once per agent. What is booked during the
   * walk moves nodes in later walks only: a level is repaired when the walk enters it, and all that
   * can be booked until then lies on levels that the walk has entered before. Marked clients are
   * passed over; marks are for orders of one level.
   */
  walk(marks?: Marks): Walk<Owner> {
    const { random } = this.#options;
    if (random !== undefined) return new ListWalk(this.#drawn(random), marks);
    this.#repair(this.#root);
    return new TreeWalk(this.#root, this.#repair, marks);
  }

  /** How many clients may be served. */
  get activeLength(): number {
    return this.#root.sorted.length;
  }

  /** Changes when a client's number may stand for another one. */
  get arrivals(): number {
    return this.#root.sorted.arrivals;
  }

  arrivedAt(n: number): number | undefined {
    return this.#root.sorted.arrivedAt(n);
  }

  #drawn(random: () => number): Client<Owner>[] {
    const clients: Client<Owner>[] = [];
    const weights: number[] = [];
    const enter = (branch: Branch<Owner>, part: number): void => {
      let sum = 0;
      for (let i = 0; i < branch.sorted.length; i++) sum += branch.sorted.at(i)?.weight ?? 0;
      for (let i = 0; i < branch.sorted.length; i++) {
        const node = branch.sorted.at(i);
        if (node === undefined) continue;
        const relative = (part * node.weight) / sum;
        if (node instanceof Branch) enter(node, relative);
        else {
          clients.push(node);
          weights.push(relative);
        }
      }
    };
    enter(this.#root, 1);
    return weightedShuffle(clients, weights, random);
  }

  // ---- the tree

  /** Where a client of this name stands; makes the inner nodes on the way. */
  #placeFor(name: string): NodeParts & { component: string; parent: Branch<Owner> } {
    const holding = new Holding(this.#totals.names);
    const weight = this.#weightOf(name);
    if (this.#options.tree !== true) {
      return { component: name, parent: this.#root, holding, weight };
    }
    const branch = this.#branches.get(name);
    if (branch !== undefined) {
      return { component: VIRTUAL_LEAF, parent: branch, holding, weight: 1 };
    }
    const slash = name.lastIndexOf("/");
    const parent = slash > 0 ? this.#branchAt(name.slice(0, slash)) : this.#root;
    return { component: name.slice(slash + 1), parent, holding, weight };
  }

  #branchAt(path: string): Branch<Owner> {
    const known = this.#branches.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf("/");
    const parent = slash > 0 ? this.#branchAt(path.slice(0, slash)) : this.#root;
    const component = path.slice(slash + 1);
    const holding = new Holding(this.#totals.names);
    const branch = new Branch(path, component, parent, { holding, weight: this.#weightOf(path) });
    this.#branches.set(path, branch);
    const leaf = this.#clients.get(path);
    if (leaf !== undefined) this.#sink(leaf, branch);
    parent.children.set(component, branch);
    if (leaf?.active) this.#place(leaf);
    return branch;
  }

  /** A client that gets others below it becomes the virtual leaf of its own node. */
  #sink(leaf: Client<Owner>, branch: Branch<Owner>): void {
    if (leaf.slot >= 0) this.#unplace(leaf);
    branch.holding.takeAll(leaf.holding);
    branch.allocations = leaf.allocations;
    leaf.parent = branch;
    leaf.component = VIRTUAL_LEAF;
    leaf.weight = 1;
    branch.children.set(VIRTUAL_LEAF, leaf);
  }

  /** Drops inner nodes without children; one that has only its virtual leaf collapses into it. */
  #prune(from: Branch<Owner> | undefined): void {
    let branch = from;
    while (branch !== undefined && branch !== this.#root) {
      const { parent } = branch;
      const leaf = branch.children.get(VIRTUAL_LEAF);
      if (branch.children.size > 1 || (branch.children.size === 1 && leaf === undefined)) return;
      this.#branches.delete(branch.path);
      parent?.children.delete(branch.component);
      if (leaf instanceof Client) {
        if (leaf.slot >= 0) this.#unplace(leaf);
        leaf.parent = parent;
        leaf.component = branch.component;
        leaf.weight = branch.weight;
        leaf.allocations = branch.allocations;
        parent?.children.set(leaf.component, leaf);
        if (leaf.active) this.#place(leaf);
        return;
      }
      branch = parent;
    }
  }

  #weightOf(path: string): number {
    return this.#options.weightOf?.(path) ?? 1;
  }

  *#above(client: Client<Owner>): Iterable<Branch<Owner>> {
    for (let node = client.parent; node !== undefined && node !== this.#root; node = node.parent) {
      yield node;
    }
  }

  // ---- the sorted lists

  #place(node: Place<Owner>): void {
    const { parent } = node;
    if (parent === undefined || node.slot >= 0) return;
    parent.sorted.insert(node, this.#keysOf(node));
    if (parent.sorted.length === 1) this.#place(parent);
  }

  #unplace(node: Place<Owner>): void {
    const { parent } = node;
    if (parent === undefined || node.slot < 0) return;
    parent.sorted.remove(node);
    // A note in its level's list of repairs, if there is one, is passed over there.
    node.moved = false;
    if (parent.sorted.length === 0) this.#unplace(parent);
  }

  #move(node: Place<Owner>): void {
    if (node.slot < 0 || node.moved) return;
    node.moved = true;
    node.parent?.repairs.push(node);
  }

  readonly #repair = (branch: Branch<Owner>): void => {
    const { repairs, sorted } = branch;
    const stale = branch.seenVersion !== this.#totals.version;
    if (repairs.length === 0 && !stale) return;
    if (stale || repairs.length > sorted.length * REPAIRED_PART_MAX + 1) {
      branch.seenVersion = this.#totals.version;
      sorted.resort(this.#keysOf);
      for (const node of repairs) node.moved = false;
    } else {
      for (const node of repairs) {
        node.moved = false;
        if (node.slot >= 0 && node.parent === branch) sorted.move(node, this.#keysOf(node));
      }
    }
    repairs.length = 0;
  };

  readonly #keysOf = (node: Place<Owner>): Keys => {
    const { vector, excluded } = this.#totals;
    const share = dominantShare(node.holding.vector, vector, excluded) / node.weight;
    return { share, allocations: node.allocations };
  };
}

/** Before each other: what stands below a node is walked when its turn comes. */
class TreeWalk<Owner> implements Walk<Owner> {
  readonly #enter: (branch: Branch<Owner>) => void;
  #branch: Branch<Owner>;
  readonly #marks: Marks | undefined;
  #at = 0;
  passed = 0;
  #above: { branch: Branch<Owner>; at: number }[] | undefined;

  constructor(
    root: Branch<Owner>,
    enter: (branch: Branch<Owner>) => void,
    marks: Marks | undefined,
  ) {
    this.#branch = root;
    this.#enter = enter;
    this.#marks = marks;
  }

  next(): Client<Owner> | undefined {
    for (;;) {
      const { sorted } = this.#branch;
      if (this.#marks !== undefined) {
        const at = sorted.firstUnmarked(this.#at, this.#marks);
        this.passed += at - this.#at;
        this.#at = at;
      }
      const node = sorted.at(this.#at);
      if (node === undefined) {
        const up = this.#above?.pop();
        if (up === undefined) return undefined;
        this.#branch = up.branch;
        this.#at = up.at;
        continue;
      }
      this.#at += 1;
      if (node instanceof Client) return node;
      this.#above ??= [];
      this.#above.push({ branch: this.#branch, at: this.#at });
      this.#enter(node);
      this.#branch = node;
      this.#at = 0;
    }
  }
}
