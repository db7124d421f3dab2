/**
 * Quota for the slow model, by name and from lists: what roles consume, are owed, and may still
 * have. Everything is computed anew from all agents for each question.
 */
import type { Quota } from "#allocator";
import type { Resource, Resources } from "#resources";

type Held = { role: string; resources: Resources };
type Agent = { id: string; total: Resources; held: readonly Held[] };
type Amounts = Map<string, number>;

const isBelow = (role: string, path: string): boolean =>
  role === path || role.startsWith(`${path}/`);

export const isCounted = ({ reservations, revocable, type }: Resource): boolean =>
  reservations === undefined && revocable === undefined && type === "SCALAR";

export class ModelQuota {
  readonly quotas = new Map<string, Quota>();
  readonly #names = ["cpus", "mem", "disk"];
  readonly #agents: readonly Agent[];
  readonly #free: (agent: Agent) => Resources;
  /** Answers to one question only: each public method forgets what came before. */
  readonly #known = new Map<string, number>();

  constructor(agents: readonly Agent[], free: (agent: Agent) => Resources) {
    this.#agents = agents;
    this.#free = free;
  }

  consumed(path: string, name: string): number {
    this.#known.clear();
    return this.#consumed(path, name);
  }

  #consumed(path: string, name: string): number {
    return this.#once(`consumed ${path} ${name}`, () => this.#sumOfUse(path, name));
  }

  #sumOfUse(path: string, name: string): number {
    let milli = 0;
    for (const { total, held } of this.#agents) {
      for (const [role, part] of total.reservations())
        if (isBelow(role, path)) milli += part.get(name);
      for (const { role, resources } of held) {
        if (isBelow(role, path)) milli += resources.filter(isCounted).get(name);
      }
    }
    return milli;
  }

  /** All that must stay free, by name. */
  required(): Amounts {
    return this.#each((name) => this.#sum("", name));
  }

  /** What guarantees leave to others; of what is on loan, `onLoan` counts as free for them. */
  surplus(onLoan: (name: string) => number): Amounts | undefined {
    const required = this.required();
    if ([...required.values()].every((milli) => milli === 0)) return undefined;
    return this.#each((name) => {
      return Math.max(0, this.free(name) + onLoan(name) - (required.get(name) ?? 0));
    });
  }

  /** What is counted of all that is free. */
  free(name: string): number {
    let free = 0;
    for (const agent of this.#agents) free += this.#free(agent).filter(isCounted).get(name);
    return free;
  }

  /** What would have to stay free if these roles had no guarantee. */
  requiredWithout(lenders: ReadonlySet<string>, name: string): number {
    this.#known.clear();
    return this.#sum("", name, lenders);
  }

  owed(role: string): Amounts {
    return this.#each((name) => {
      let owed = 0;
      for (const [i, path] of pathsTo(role).entries()) {
        const need = this.#need(path, name);
        const above = path.slice(0, path.lastIndexOf("/"));
        owed = i === 0 ? need : Math.max(need, owed - (this.#sum(above, name) - need));
      }
      return Math.max(0, owed - this.#sum(role, name));
    });
  }

  room(role: string): Amounts {
    return this.#each((name) => {
      let room = Number.POSITIVE_INFINITY;
      for (const [i, path] of pathsTo(role).entries()) {
        const above = path.slice(0, path.lastIndexOf("/"));
        if (i > 0) room -= this.#sum(above, name) - this.#need(path, name);
        const limit = this.quotas.get(path)?.limit.get(name) ?? Number.POSITIVE_INFINITY;
        room = Math.min(room, limit - this.#consumed(path, name));
      }
      return Math.max(0, room - this.#sum(role, name));
    });
  }

  /** What limits alone leave, for who is owed something. */
  ceiling(role: string): Amounts {
    return this.#each((name) => {
      const rooms = pathsTo(role).map((path) => {
        const limit = this.quotas.get(path)?.limit.get(name) ?? Number.POSITIVE_INFINITY;
        return limit - this.#consumed(path, name);
      });
      return Math.max(0, Math.min(...rooms));
    });
  }

  #once(what: string, answer: () => number): number {
    const known = this.#known.get(what) ?? answer();
    this.#known.set(what, known);
    return known;
  }

  #need(path: string, name: string, without: ReadonlySet<string> = new Set()): number {
    const what = `need ${path} ${name} ${[...without].join()}`;
    return this.#once(what, () => this.#computedNeed(path, name, without));
  }

  #computedNeed(path: string, name: string, without: ReadonlySet<string>): number {
    const quota = this.quotas.get(path);
    const consumed = this.#consumed(path, name);
    const own = without.has(path) ? 0 : (quota?.guarantee.get(name) ?? 0) - consumed;
    const left = (quota?.limit.get(name) ?? Number.POSITIVE_INFINITY) - consumed;
    return Math.min(Math.max(0, left), Math.max(0, own, this.#sum(path, name, without)));
  }

  /** What is needed directly below a role, or on top of the tree. */
  #sum(path: string, name: string, without?: ReadonlySet<string>): number {
    const children = new Set<string>();
    for (const role of this.quotas.keys()) {
      const paths = pathsTo(role);
      const child = path === "" ? paths[0] : paths[paths.indexOf(path) + 1];
      if (child !== undefined && (path === "" || paths.includes(path))) children.add(child);
    }
    let milli = 0;
    for (const child of children) milli += this.#need(child, name, without);
    return milli;
  }

  #each(of: (name: string) => number): Amounts {
    this.#known.clear();
    return new Map(this.#names.map((name) => [name, of(name)]));
  }
}

const PATHS = new Map<string, string[]>();

/** `a/b/c` ⇒ `a`, `a/b`, `a/b/c`. */
function pathsTo(role: string): string[] {
  const known = PATHS.get(role);
  if (known !== undefined) return known;
  const parts = role.split("/");
  const paths = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  PATHS.set(role, paths);
  return paths;
}
