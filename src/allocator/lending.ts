/**
 * Unused guarantees on loan. A role that lends lets others have, as revocable resources, what its
 * guarantee keeps free and nobody uses. Owns which roles lend and what is out; the books turn the
 * plain resources of an agent into revocable ones while they are. Judges no offer (`loans.ts`).
 */
import type { AgentId, FrameworkId } from "#protocol";
import {
  addInto,
  at,
  type ReadonlyVector,
  type Resource,
  type ResourceNames,
  Resources,
  subtractFrom,
  type Vector,
} from "#resources";
import type { RoleNode, RoleTree } from "./role-tree.ts";

/** What one framework got on loan of one agent at one time. */
export type Lot = {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  /** Of who holds it. */
  readonly role: string;
  /** As it was lent: revocable, without allocation role. */
  resources: Resources;
  readonly sinceMs: number;
};

export class Lending {
  readonly #names: ResourceNames;
  readonly #lenders = new Set<string>();
  /** Oldest first. */
  readonly #lots = new Map<AgentId, Lot[]>();
  /** What agents with lots have without them; their account shows the lots as revocable. */
  readonly #totals = new Map<AgentId, Resources>();
  readonly #out: Vector = [];
  #kept: { readonly changes: number; readonly vector: ReadonlyVector } | undefined;

  constructor(names: ResourceNames) {
    this.#names = names;
  }

  /** Whether anything may be lent at all. */
  get isOn(): boolean {
    return this.#lenders.size > 0;
  }

  get isOut(): boolean {
    return this.#lots.size > 0;
  }

  /** All that is out, as scalars. */
  get out(): ReadonlyVector {
    return this.#out;
  }

  has(role: string): boolean {
    return this.#lenders.has(role);
  }

  lenders(): Iterable<string> {
    return this.#lenders;
  }

  set(role: string, lends: boolean): void {
    if (lends) this.#lenders.add(role);
    else this.#lenders.delete(role);
    this.#kept = undefined;
  }

  *lots(): Iterable<Lot> {
    for (const lots of this.#lots.values()) yield* lots;
  }

  /** Takes over what is out in another one. */
  adopt(other: Lending): void {
    for (const [agentId, lots] of other.#lots)
      this.#keep(
        agentId,
        lots.map((lot) => ({ ...lot })),
      );
    for (const [agentId, total] of other.#totals) this.#totals.set(agentId, total);
    // Each numbers the names of resources in the order in which it met them.
    addInto(this.#out, this.#names.vectorOf(other.#names.quantitiesOf(other.#out)));
  }

  /** What the agent has itself, loans undone; undefined where it has none. */
  totalOf(agentId: AgentId): Resources | undefined {
    return this.#totals.get(agentId);
  }

  /** What the account of an agent must show where the agent itself has `total`. */
  shown(agentId: AgentId, total: Resources): Resources {
    const lots = this.#lots.get(agentId);
    if (lots === undefined) return total;
    this.#totals.set(agentId, total);
    let shown = total;
    for (const { resources } of lots) shown = shown.subtract(asPlain(resources)).add(resources);
    return shown;
  }

  lend(lot: Lot, total: Resources): void {
    const lots = this.#lots.get(lot.agentId) ?? [];
    lots.push(lot);
    this.#lots.set(lot.agentId, lots);
    this.#totals.set(lot.agentId, this.#totals.get(lot.agentId) ?? total);
    addInto(this.#out, this.#names.vectorOf(lot.resources.quantities()));
  }

  /**
   * The framework gives `resources` back, of which loans go first, the youngest before. Gives what
   * the agent itself has where that changed what its account must show.
   */
  giveBack(
    holder: Pick<Lot, "frameworkId" | "agentId" | "role">,
    resources: Resources,
  ): Resources | undefined {
    const lots = this.#lots.get(holder.agentId);
    if (lots === undefined || !resources.traits.revocable) return undefined;
    let rest = resources.revocable();
    for (const lot of [...lots].reverse()) {
      if (lot.frameworkId !== holder.frameworkId || lot.role !== holder.role) continue;
      const back = lot.resources.shrink(rest.quantities());
      rest = rest.subtract(back);
      lot.resources = lot.resources.subtract(back);
      subtractFrom(this.#out, this.#names.vectorOf(back.quantities()));
    }
    const total = this.#totals.get(holder.agentId);
    this.#keep(
      holder.agentId,
      lots.filter((lot) => !lot.resources.isEmpty),
    );
    return total;
  }

  /** Expects that nothing is held there any more. */
  dropAgent(agentId: AgentId): void {
    this.#keep(agentId, []);
  }

  #keep(agentId: AgentId, lots: Lot[]): void {
    if (lots.length > 0) this.#lots.set(agentId, lots);
    else {
      this.#lots.delete(agentId);
      this.#totals.delete(agentId);
    }
  }

  /** What of the required headroom roles that lend account for. */
  lendable(tree: RoleTree): Vector {
    const kept = this.kept(tree);
    return tree.requiredHeadroom.map((milli, i) => Math.max(0, milli - at(kept, i)));
  }

  /** The headroom that would be required if roles that lend had no guarantee. */
  kept(tree: RoleTree): ReadonlyVector {
    if (this.#kept?.changes !== tree.changes) {
      const vector: Vector = [];
      for (const node of tree.top()) addInto(vector, this.#keptBy(node));
      this.#kept = { changes: tree.changes, vector };
    }
    return this.#kept?.vector ?? [];
  }

  #keptBy(node: RoleNode): ReadonlyVector {
    if (node.need.every((milli) => milli === 0)) return [];
    const below: Vector = [];
    for (const child of node.children.values()) addInto(below, this.#keptBy(child));
    const own = this.#lenders.has(node.path) ? [] : node.guarantee;
    return node.need.map((need, i) => {
      const lack = at(own, i) - at(node.reserved, i) - at(node.used, i);
      return Math.min(need, Math.max(0, lack, at(below, i)));
    });
  }
}

/** The same scalars, to be taken back at any time. */
export function asRevocable(resources: Resources): Resources {
  return Resources.fromWire([...resources].map((each) => ({ ...{}, ...each, revocable: {} })));
}

export function asPlain(resources: Resources): Resources {
  return Resources.fromWire([...resources].map(plain));
}

function plain({ revocable, ...rest }: Resource): Resource {
  return rest;
}
