/**
 * A slow, clear model of the allocator: everything is recomputed from lists each time. It shares no
 * code with the allocator but the algebra of resources.
 */
import { FILTERS_PER_CLIENT_MAX, type Placement } from "#allocator";
import { Limits, Quantities, Resources } from "#resources";
import {
  type AgentKind,
  type FrameworkKind,
  handled,
  hasLost,
  isEnough,
  isHidden,
  portsInProportion,
} from "./model-eligibility.ts";
import { ModelLoans, withRevocable } from "./model-loans.ts";
import { isCounted, ModelQuota } from "./model-quota.ts";

type Held = { framework: string; role: string; resources: Resources };
export type ModelAgent = {
  id: string;
  total: Resources;
  active: boolean;
  held: Held[];
  kind: AgentKind;
};
export type ModelFramework = {
  id: string;
  roles: string[];
  suppressed: Set<string>;
  active: boolean;
  kind: FrameworkKind;
  /** One offer at a time; and that offer. */
  hoards: boolean;
  offer: { agent: string; role: string; resources: Resources } | undefined;
};
type ModelFilter = {
  framework: string;
  role: string;
  agent: string;
  resources: Resources;
  expiryMs: number;
  batch: number;
  backoff: boolean;
};

export class Model {
  readonly agents: ModelAgent[] = [];
  readonly frameworks: ModelFramework[] = [];
  readonly quota: ModelQuota = new ModelQuota(this.agents, (agent) => this.free(agent));
  readonly loans: ModelLoans = new ModelLoans(this.quota);
  readonly weights = new Map<string, number>();
  filters: ModelFilter[] = [];
  readonly #roleCounts = new Map<string, number>();
  readonly #frameworkCounts = new Map<string, number>();
  readonly #intervalMs: number;
  readonly #random: () => number;
  readonly #placement: Placement;
  /** Shared resources offered in this run, by agent. */
  #sharedOut = new Map<string, Resources>();
  #batches = 0;
  #nodes = new Set<string>();
  /** Those of them that have others below. */
  #inner = new Set<string>();

  constructor(intervalMs: number, random: () => number, placement: Placement = "random") {
    this.#intervalMs = intervalMs;
    this.#random = random;
    this.#placement = placement;
  }

  shown({ id, total }: { readonly id: string; readonly total: Resources }): Resources {
    return this.loans.shown(id, total);
  }

  /** Of shared resources one copy is always free. */
  free(agent: Pick<ModelAgent, "id" | "total"> & { held: readonly Pick<Held, "resources">[] }) {
    const shown = this.shown(agent);
    let free = shown.nonShared();
    for (const { resources } of agent.held) free = free.subtract(resources.nonShared());
    return free.add(shown.shared().singleCopies());
  }

  take(agent: ModelAgent, framework: string, role: string, resources: Resources): void {
    const there = agent.held.find((each) => each.framework === framework && each.role === role);
    if (there) there.resources = there.resources.add(resources);
    else agent.held.push({ framework, role, resources });
    this.#restructure();
    for (const node of [...ancestors(role), this.#leafOf(role)]) this.#bump(this.#roleCounts, node);
    if (this.#nodes.has(`${role}/.`)) this.#bump(this.#roleCounts, role);
    if (this.frameworks.some(({ id }) => id === framework)) {
      this.#bump(this.#frameworkCounts, `${framework} ${role}`);
    }
  }

  give(agentId: string, framework: string, role: string, resources: Resources): void {
    const agent = this.agents.find(({ id }) => id === agentId);
    const there = agent?.held.find((each) => each.framework === framework && each.role === role);
    if (!agent || !there) return;
    there.resources = there.resources.subtract(resources);
    if (there.resources.isEmpty) agent.held.splice(agent.held.indexOf(there), 1);
    this.loans.giveBack(agentId, framework, role, resources);
    this.forget();
  }

  refuse(
    filter: Omit<ModelFilter, "expiryMs" | "batch" | "backoff">,
    refuseMs: number,
    nowMs: number,
  ): void {
    const backoff = refuseMs <= 0;
    const expiryMs = backoff ? Infinity : nowMs + Math.max(refuseMs, this.#intervalMs);
    const same = (f: ModelFilter): boolean =>
      f.framework === filter.framework && f.role === filter.role && f.agent === filter.agent;
    this.filters = this.filters.filter(
      (f) =>
        !same(f) ||
        f.backoff !== backoff ||
        f.expiryMs > expiryMs ||
        !filter.resources.contains(f.resources),
    );
    const others = this.filters.filter(same).sort((a, b) => (a.expiryMs < b.expiryMs ? -1 : 1));
    if (others.length >= FILTERS_PER_CLIENT_MAX) {
      this.filters = this.filters.filter((f) => f !== others[0]);
    }
    this.filters.push({ ...filter, expiryMs, batch: this.#batches, backoff });
  }

  expire(nowMs: number): void {
    this.filters = this.filters.filter((f) => f.expiryMs > nowMs || f.batch === this.#batches);
  }

  /** Counts of clients that are gone begin anew. */
  forget(): void {
    this.#restructure();
    for (const key of [...this.#frameworkCounts.keys()]) {
      const [id = "", role = ""] = key.split(" ");
      const framework = this.frameworks.find((each) => each.id === id);
      if (!framework || (!framework.roles.includes(role) && !this.#holds(role, id))) {
        this.#frameworkCounts.delete(key);
      }
    }
  }

  #holds(role: string, framework?: string): boolean {
    return this.agents.some(({ held }) =>
      held.some((h) => h.role === role && (framework === undefined || h.framework === framework)),
    );
  }

  /**
   * The nodes of the role tree: roles that somebody is or holds something in, all above them, and
   * `x/.` for a role x that has others below it. A role that becomes such a node hands its count to
   * both; one that ceases to be keeps the larger count.
   */
  #restructure(): void {
    const subscribed = this.frameworks.flatMap(({ roles }) => roles);
    const holding = this.agents.flatMap(({ held }) => held.map(({ role }) => role));
    const roles = new Set([...subscribed, ...holding]);
    const inner = new Set([...roles].flatMap((role) => ancestors(role)));
    const nodes = new Set([...inner, ...[...roles].filter((role) => !inner.has(role))]);
    for (const role of roles) if (inner.has(role)) nodes.add(`${role}/.`);
    for (const role of inner) {
      const leaf = `${role}/.`;
      if (!roles.has(role) || this.#nodes.has(leaf) || !this.#nodes.has(role)) continue;
      if (this.#inner.has(role)) continue;
      this.#roleCounts.set(leaf, this.#roleCounts.get(role) ?? 0);
    }
    for (const node of this.#roleCounts.keys()) if (!nodes.has(node)) this.#roleCounts.delete(node);
    this.#nodes = nodes;
    this.#inner = inner;
  }

  #leafOf(role: string): string {
    return this.#nodes.has(`${role}/.`) ? `${role}/.` : role;
  }

  /** The roles to serve in the order of a walk: level by level, what is above before what is below. */
  #treeOrder(path: string, roles: ReadonlySet<string>): string[] {
    this.#restructure();
    const prefix = path === "" ? "" : `${path}/`;
    const children = [...this.#nodes].filter(
      (node) =>
        node.startsWith(prefix) && node !== path && !node.slice(prefix.length).includes("/"),
    );
    const order = this.#sort(children, (node) => {
      const role = node.endsWith("/.") ? path : node;
      const own = node.endsWith("/.") || !this.#inner.has(node);
      const part = this.#share((h) => h.role === role || (!own && h.role.startsWith(`${role}/`)));
      const weight = node.endsWith("/.") ? 1 : (this.weights.get(node) ?? 1);
      return { share: part / weight, count: this.#roleCounts.get(node) ?? 0 };
    });
    return order.flatMap((node) => {
      if (node.endsWith("/.")) return roles.has(path) ? [path] : [];
      if (this.#inner.has(node)) return this.#treeOrder(node, roles);
      return roles.has(node) ? [node] : [];
    });
  }

  allocate(nowMs: number, only?: readonly string[]): string[] {
    this.expire(nowMs);
    if (only === undefined) this.filters = this.filters.filter(({ backoff }) => !backoff);
    const names = only ?? this.agents.map(({ id }) => id);
    const candidates = names
      .map((id) => this.agents.find((agent) => agent.id === id))
      .filter((agent) => agent !== undefined)
      .filter((agent) => agent.active && !this.free(agent).isEmpty);
    this.#sharedOut = new Map();
    const owing = [...this.quota.required().values()].some((milli) => milli > 0);
    const offers: string[] = [];
    if (owing) {
      for (const agent of this.#arranged(candidates)) offers.push(...this.#serve(agent, "owed"));
    }
    for (const agent of this.#arranged(candidates)) offers.push(...this.#serve(agent, "fair"));
    const guarantees = [...this.quota.quotas.values()].some(({ guarantee }) => !guarantee.isEmpty);
    if (this.loans.lenders.size > 0 && guarantees) {
      for (const agent of this.#arranged(candidates)) {
        offers.push(...this.#serve(agent, "lent", nowMs));
      }
    }
    if (only === undefined) {
      this.#batches += 1;
      this.filters = this.filters.filter((f) => f.expiryMs > nowMs);
    }
    return offers;
  }

  /** Drawn, then by what is taken of each; the list is left as it was drawn. */
  #arranged(candidates: ModelAgent[]): ModelAgent[] {
    for (let i = candidates.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [candidates[i], candidates[j]] = [candidates[j] as ModelAgent, candidates[i] as ModelAgent];
    }
    if (this.#placement === "random") return candidates;
    const taken = candidates.map((agent) => {
      const free = this.free(agent).quantities();
      const parts = [...this.shown(agent).quantities()].map(([name, milli]) => {
        return (milli - free.get(name)) / milli;
      });
      return { agent, part: Math.max(0, ...parts) };
    });
    const packed = taken.sort((a, b) => b.part - a.part);
    if (this.#placement === "pack") return packed.map(({ agent }) => agent);
    return taken.sort((a, b) => a.part - b.part).map(({ agent }) => agent);
  }

  #serve(agent: ModelAgent, stage: "owed" | "fair" | "lent", nowMs = 0): string[] {
    const offers: string[] = [];
    const subscribed = (role: string): ModelFramework[] =>
      this.frameworks.filter((f) => f.active && f.roles.includes(role) && !f.suppressed.has(role));
    const roles = [...new Set(this.frameworks.flatMap((f) => f.roles))].filter(
      (role) => subscribed(role).length > 0,
    );
    const roleOrder = this.#treeOrder("", new Set(roles));
    // The order of each role's frameworks is read when the role's turn comes.
    for (const role of roleOrder) {
      if (stage === "lent" && [...this.quota.owed(role).values()].some((n) => n > 0)) continue;
      const ids = subscribed(role).map(({ id }) => id);
      const frameworkOrder = this.#sort(ids, (id) => ({
        share: this.#share((h) => h.role === role && h.framework === id),
        count: this.#frameworkCounts.get(`${id} ${role}`) ?? 0,
      }));
      for (const id of frameworkOrder) {
        const framework = this.frameworks.find((each) => each.id === id);
        if (framework === undefined) continue;
        const offered = this.#offered(agent, framework, role, stage);
        if (offered === undefined) continue;
        const { resources, lent } = offered;
        if (!lent.isEmpty) {
          const lot = { agent: agent.id, framework: id, role, resources: lent, sinceMs: nowMs };
          this.loans.lots.push(lot);
        }
        const out = this.#sharedOut.get(agent.id) ?? Resources.EMPTY;
        this.#sharedOut.set(agent.id, out.add(resources.shared()));
        this.take(agent, id, role, resources);
        if (framework.hoards) framework.offer = { agent: agent.id, role, resources };
        offers.push(`${agent.id}→${id}@${role} ${sortedText(resources)}`);
      }
    }
    return offers;
  }

  /** The framework has its one offer still. */
  #waits({ id, hoards, offer }: ModelFramework): boolean {
    if (!hoards || offer === undefined) return false;
    const agent = this.agents.find((each) => each.id === offer.agent);
    const held = agent?.held.find((h) => h.framework === id && h.role === offer.role);
    return held?.resources.contains(offer.resources) === true;
  }

  #offered(
    agent: ModelAgent,
    framework: ModelFramework,
    role: string,
    stage: "owed" | "fair" | "lent",
  ): { resources: Resources; lent: Resources } | undefined {
    const { kind } = framework;
    const shown = { ...agent, total: this.shown(agent) };
    if (isHidden(framework, role, shown) || this.#waits(framework)) return undefined;
    const out = this.#sharedOut.get(agent.id) ?? Resources.EMPTY;
    let open = handled(kind, this.free(agent).allocatableTo(role).subtract(out));
    let lent = Resources.EMPTY;
    let resources = stage === "owed" ? this.#owedPart(open, role) : this.#fairPart(open, role);
    if (stage === "lent") {
      if (!kind.capabilities.includes("REVOCABLE_RESOURCES")) return undefined;
      open = open.unreserved().nonShared();
      const fair = this.#fairPart(open, role);
      const kept = open.filter(isCounted).subtract(fair.filter(isCounted));
      lent = withRevocable(kept.shrink(this.loans.left()), true);
      if (lent.isEmpty) return undefined;
      resources = fair.add(lent);
    }
    if (!resources.equals(open)) resources = portsInProportion(open, resources);
    if (!isEnough(kind, resources)) return undefined;
    if (stage !== "owed" && hasLost(kind, open, resources)) return undefined;
    const filtered = this.filters.some(
      (f) =>
        f.framework === framework.id &&
        f.role === role &&
        f.agent === agent.id &&
        f.resources.contains(resources),
    );
    return filtered ? undefined : { resources, lent };
  }

  /** What is owed, as much more as may be, and all that quota does not count. */
  #owedPart(open: Resources, role: string): Resources {
    const counted = open.filter(isCounted);
    const room = this.quota.room(role);
    const ceiling = this.quota.ceiling(role);
    const owed = [...this.quota.owed(role)].map(([name, milli]): [string, number] => {
      return [name, Math.min(milli, ceiling.get(name) ?? 0)];
    });
    const given = counted.shrink(Quantities.of(owed));
    if (given.isEmpty) return given;
    const left = [...room].map(([name, milli]): [string, number] => [
      name,
      milli - given.get(name),
    ]);
    const surplus = this.quota.surplus((name) => this.loans.covered(name));
    let more = counted
      .subtract(given)
      .shrink(Limits.of(left.filter(([, milli]) => milli !== Infinity)));
    if (surplus !== undefined) more = more.shrink(Limits.of(surplus));
    const rest = open.subtract(counted);
    const own = rest.filter(({ reservations }) =>
      reservations === undefined ? true : reservations.at(-1)?.role === role,
    );
    return own.add(given).add(more);
  }

  #fairPart(open: Resources, role: string): Resources {
    const counted = open.filter(isCounted);
    const room = [...this.quota.room(role)].filter(([, milli]) => milli !== Infinity);
    const surplus = this.quota.surplus((name) => this.loans.covered(name));
    let part = counted.shrink(Limits.of(room));
    if (surplus !== undefined) part = part.shrink(Limits.of(surplus));
    return open.subtract(counted).add(part);
  }

  #sort(names: string[], keys: (name: string) => { share: number; count: number }): string[] {
    const keyed = names.map((name) => ({ name, ...keys(name) }));
    keyed.sort((a, b) => a.share - b.share || a.count - b.count || (a.name < b.name ? -1 : 1));
    return keyed.map(({ name }) => name);
  }

  /** Shared resources count once for each agent, however many copies are held. */
  #share(of: (held: Held) => boolean): number {
    let total = Quantities.EMPTY;
    let part = Quantities.EMPTY;
    for (const agent of this.agents) {
      total = total.add(this.shown(agent).quantities());
      let bag = Resources.EMPTY;
      for (const { resources } of agent.held.filter(of)) bag = bag.add(resources);
      part = part.add(bag.quantities());
    }
    return Math.max(0, ...[...part].map(([name, milli]) => milli / (total.get(name) || Infinity)));
  }

  countUsed(framework: string, role: string): void {
    this.#bump(this.#frameworkCounts, `${framework} ${role}`);
  }

  #bump(counts: Map<string, number>, key: string): void {
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}

/** `a/b/c` ⇒ `a/b`, `a`. */
function ancestors(role: string): string[] {
  const parts = role.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, parts.length - 1 - i).join("/"));
}

/** The same text for equal bags, whatever order their objects came in. */
export function sortedText(bag: Resources): string {
  return bag
    .toWire()
    .map((each) => JSON.stringify(each))
    .sort()
    .join();
}
