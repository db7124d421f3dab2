/**
 * A slow, clear model of the flat allocator: everything is recomputed from lists each time. It
 * shares no code with the allocator but the algebra of resources.
 */
import { Limits, Quantities, Resources } from "#resources";
import { isCounted, ModelQuota } from "./model-quota.ts";

type Held = { framework: string; role: string; resources: Resources };
type ModelAgent = { id: string; total: Resources; active: boolean; held: Held[] };
type ModelFramework = { id: string; roles: string[]; suppressed: Set<string>; active: boolean };
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
  readonly quota = new ModelQuota(this.agents, (agent) => this.free(agent));
  readonly weights = new Map<string, number>();
  filters: ModelFilter[] = [];
  readonly #roleCounts = new Map<string, number>();
  readonly #frameworkCounts = new Map<string, number>();
  readonly #intervalMs: number;
  readonly #random: () => number;
  #batches = 0;
  #nodes = new Set<string>();
  /** Those of them that have others below. */
  #inner = new Set<string>();

  constructor(intervalMs: number, random: () => number) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  free({ total, held }: Pick<ModelAgent, "total"> & { held: readonly Pick<Held, "resources">[] }) {
    let free = total;
    for (const { resources } of held) free = free.subtract(resources.unallocate());
    return free;
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
    this.forget();
  }

  refuse(
    filter: Omit<ModelFilter, "expiryMs" | "batch" | "backoff">,
    refuseMs: number,
    nowMs: number,
  ): void {
    const backoff = refuseMs <= 0;
    const expiryMs = backoff ? Infinity : nowMs + Math.max(refuseMs, this.#intervalMs);
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
    const shuffled = (): ModelAgent[] => {
      for (let i = candidates.length - 1; i > 0; i--) {
        const j = Math.floor(this.#random() * (i + 1));
        [candidates[i], candidates[j]] = [candidates[j] as ModelAgent, candidates[i] as ModelAgent];
      }
      return candidates;
    };
    const owing = [...this.quota.required().values()].some((milli) => milli > 0);
    const first = owing ? shuffled().flatMap((agent) => this.#serve(agent, "owed")) : [];
    const offers = [...first, ...shuffled().flatMap((agent) => this.#serve(agent, "fair"))];
    if (only === undefined) {
      this.#batches += 1;
      this.filters = this.filters.filter((f) => f.expiryMs > nowMs);
    }
    return offers;
  }

  #serve(agent: ModelAgent, stage: "owed" | "fair"): string[] {
    const offers: string[] = [];
    const subscribed = (role: string): ModelFramework[] =>
      this.frameworks.filter((f) => f.active && f.roles.includes(role) && !f.suppressed.has(role));
    const roles = [...new Set(this.frameworks.flatMap((f) => f.roles))].filter(
      (role) => subscribed(role).length > 0,
    );
    const roleOrder = this.#treeOrder("", new Set(roles));
    // The order of each role's frameworks is read when the role's turn comes.
    for (const role of roleOrder) {
      const ids = subscribed(role).map(({ id }) => id);
      const frameworkOrder = this.#sort(ids, (id) => ({
        share: this.#share((h) => h.role === role && h.framework === id),
        count: this.#frameworkCounts.get(`${id} ${role}`) ?? 0,
      }));
      for (const framework of frameworkOrder) {
        const open = this.free(agent).allocatableTo(role);
        const offered = stage === "fair" ? this.#fairPart(open, role) : this.#owedPart(open, role);
        if (offered.get("cpus") < 10 && offered.get("mem") < 32_000) continue;
        if (stage === "fair" && lost(open, offered, "cpus", 10)) continue;
        if (stage === "fair" && lost(open, offered, "mem", 32_000)) continue;
        const filtered = this.filters.some(
          (f) =>
            f.framework === framework &&
            f.role === role &&
            f.agent === agent.id &&
            f.resources.contains(offered),
        );
        if (filtered) continue;
        this.take(agent, framework, role, offered);
        offers.push(`${agent.id}→${framework}@${role} ${sortedText(offered)}`);
      }
    }
    return offers;
  }

  /** What is owed, as much more as may be, and all that quota does not count. */
  #owedPart(open: Resources, role: string): Resources {
    const counted = open.filter(isCounted);
    const room = this.quota.room(role);
    const owed = [...this.quota.owed(role)].map(([name, milli]): [string, number] => {
      return [name, Math.min(milli, room.get(name) ?? 0)];
    });
    const given = counted.shrink(Quantities.of(owed));
    if (given.isEmpty) return given;
    const left = [...room].map(([name, milli]): [string, number] => [
      name,
      milli - given.get(name),
    ]);
    const surplus = this.quota.surplus();
    let more = counted
      .subtract(given)
      .shrink(Limits.of(left.filter(([, milli]) => milli !== Infinity)));
    if (surplus !== undefined) more = more.shrink(Limits.of(surplus));
    const rest = open.subtract(counted);
    const own = rest.filter(({ reservations }) =>
      reservations === undefined ? true : reservations.at(-1)?.role === role,
    );
    return portsInProportion(open, own.add(given).add(more));
  }

  #fairPart(open: Resources, role: string): Resources {
    const counted = open.filter(isCounted);
    const room = [...this.quota.room(role)].filter(([, milli]) => milli !== Infinity);
    const surplus = this.quota.surplus();
    let part = counted.shrink(Limits.of(room));
    if (surplus !== undefined) part = part.shrink(Limits.of(surplus));
    return portsInProportion(open, open.subtract(counted).add(part));
  }

  #sort(names: string[], keys: (name: string) => { share: number; count: number }): string[] {
    const keyed = names.map((name) => ({ name, ...keys(name) }));
    keyed.sort((a, b) => a.share - b.share || a.count - b.count || (a.name < b.name ? -1 : 1));
    return keyed.map(({ name }) => name);
  }

  #share(of: (held: Held) => boolean): number {
    let total = Quantities.EMPTY;
    let part = Quantities.EMPTY;
    for (const agent of this.agents) {
      total = total.add(agent.total.quantities());
      for (const held of agent.held.filter(of)) part = part.add(held.resources.quantities());
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

/** Of ports as much as of the scalar of which there is most, the lowest ones, rounded up. */
function portsInProportion(open: Resources, piece: Resources): Resources {
  const parts = [...open.quantities()].map(([name, milli]) => piece.get(name) / milli);
  const ports = piece.filter(({ type }) => type === "RANGES");
  const numbers: number[] = [];
  for (const { begin, end } of ports.ports()) for (let i = begin; i <= end; i++) numbers.push(i);
  const kept = numbers.slice(0, Math.ceil(Math.max(0, ...parts) * numbers.length));
  const text = kept.map((port) => `${port}-${port}`).join(", ");
  return piece.subtract(ports).add(text === "" ? Resources.EMPTY : Resources.of(`ports:[${text}]`));
}

/** Whether quota cut off so much that too little is left, of a resource of which there was enough. */
function lost(open: Resources, offered: Resources, name: string, enoughMilli: number): boolean {
  return open.get(name) >= enoughMilli && offered.get(name) < enoughMilli;
}

/** `a/b/c` ⇒ `a/b`, `a`. */
function ancestors(role: string): string[] {
  const parts = role.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, parts.length - 1 - i).join("/"));
}

/** The same text for equal bags, whatever order their objects came in. */
export function sortedText(bag: Resources): string {
  return bag.toText().split("; ").sort().join("; ");
}
