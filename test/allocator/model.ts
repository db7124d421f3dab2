/**
 * A slow, clear model of the flat allocator: everything is recomputed from lists each time. It
 * shares no code with the allocator but the algebra of resources.
 */
import { Quantities, type Resources } from "#resources";

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
  readonly weights = new Map<string, number>();
  filters: ModelFilter[] = [];
  readonly #roleCounts = new Map<string, number>();
  readonly #frameworkCounts = new Map<string, number>();
  readonly #intervalMs: number;
  readonly #random: () => number;
  #batches = 0;

  constructor(intervalMs: number, random: () => number) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  free({ total, held }: ModelAgent): Resources {
    let free = total;
    for (const { resources } of held) free = free.subtract(resources.unallocate());
    return free;
  }

  take(agent: ModelAgent, framework: string, role: string, resources: Resources): void {
    const there = agent.held.find((each) => each.framework === framework && each.role === role);
    if (there) there.resources = there.resources.add(resources);
    else agent.held.push({ framework, role, resources });
    this.#bump(this.#roleCounts, role);
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
    const holds = (role: string, framework?: string): boolean =>
      this.agents.some(({ held }) =>
        held.some((h) => h.role === role && (framework === undefined || h.framework === framework)),
      );
    for (const role of [...this.#roleCounts.keys()]) {
      if (!holds(role) && !this.frameworks.some(({ roles }) => roles.includes(role))) {
        this.#roleCounts.delete(role);
      }
    }
    for (const key of [...this.#frameworkCounts.keys()]) {
      const [id = "", role = ""] = key.split(" ");
      const framework = this.frameworks.find((each) => each.id === id);
      if (!framework || (!framework.roles.includes(role) && !holds(role, id))) {
        this.#frameworkCounts.delete(key);
      }
    }
  }

  allocate(nowMs: number, only?: readonly string[]): string[] {
    this.expire(nowMs);
    if (only === undefined) this.filters = this.filters.filter(({ backoff }) => !backoff);
    const names = only ?? this.agents.map(({ id }) => id);
    const candidates = names
      .map((id) => this.agents.find((agent) => agent.id === id))
      .filter((agent) => agent !== undefined)
      .filter((agent) => agent.active && !this.free(agent).isEmpty);
    for (let i = candidates.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [candidates[i], candidates[j]] = [candidates[j] as ModelAgent, candidates[i] as ModelAgent];
    }
    const offers = candidates.flatMap((agent) => this.#serve(agent));
    if (only === undefined) {
      this.#batches += 1;
      this.filters = this.filters.filter((f) => f.expiryMs > nowMs);
    }
    return offers;
  }

  #serve(agent: ModelAgent): string[] {
    const offers: string[] = [];
    const subscribed = (role: string): ModelFramework[] =>
      this.frameworks.filter((f) => f.active && f.roles.includes(role) && !f.suppressed.has(role));
    const roles = [...new Set(this.frameworks.flatMap((f) => f.roles))].filter(
      (role) => subscribed(role).length > 0,
    );
    const roleOrder = this.#sort(roles, (role) => ({
      share: this.#share((h) => h.role === role) / (this.weights.get(role) ?? 1),
      count: this.#roleCounts.get(role) ?? 0,
    }));
    // The order of each role's frameworks is read when the role's turn comes.
    for (const role of roleOrder) {
      const ids = subscribed(role).map(({ id }) => id);
      const frameworkOrder = this.#sort(ids, (id) => ({
        share: this.#share((h) => h.role === role && h.framework === id),
        count: this.#frameworkCounts.get(`${id} ${role}`) ?? 0,
      }));
      for (const framework of frameworkOrder) {
        const offered = this.free(agent).allocatableTo(role);
        if (offered.get("cpus") < 10 && offered.get("mem") < 32_000) continue;
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

/** The same text for equal bags, whatever order their objects came in. */
export function sortedText(bag: Resources): string {
  return bag.toText().split("; ").sort().join("; ");
}
