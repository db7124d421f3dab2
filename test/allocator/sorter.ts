/**
 * One order under its own total, in the notation of Mesos' sorter tests: clients are added and
 * activated where they are first named.
 */
import type { AgentId } from "#protocol";
import { ResourceNames, Resources } from "#resources";
import { FairOrder } from "../../src/allocator/order.ts";
import { chargeOf, Totals } from "../../src/allocator/shares.ts";

export class Sorter {
  readonly #names = new ResourceNames();
  readonly #totals = new Totals(this.#names, []);
  readonly #order: FairOrder<string>;
  readonly #agents = new Map<string, Resources>();
  readonly #weights = new Map<string, number>();

  constructor(total?: string, random?: () => number) {
    this.#order = new FairOrder<string>(this.#totals, {
      tree: true,
      weightOf: (path) => this.#weights.get(path) ?? 1,
      ...(random === undefined ? {} : { random }),
    });
    if (total !== undefined) this.total(total);
  }

  total(text: string, agent = "A"): void {
    const before = this.#agents.get(agent) ?? Resources.EMPTY;
    const after = Resources.of(text);
    this.#agents.set(agent, after);
    const vector = (bag: Resources) => this.#names.vectorOf(bag.quantities());
    this.#totals.change(vector(before), vector(after));
  }

  weight(name: string, weight: number): void {
    this.#weights.set(name, weight);
    this.#order.setWeight(name, weight);
  }

  add(name: string) {
    const known = this.#order.get(name);
    if (known !== undefined) return known;
    return this.#order.add(name, name);
  }

  /** Added and activated, with nothing allocated. */
  join(...names: string[]): void {
    for (const name of names) {
      if (this.contains(name)) continue;
      this.#order.activate(this.add(name));
    }
  }

  plus(name: string, resources: string | Resources, agent = "A"): void {
    this.join(name);
    this.#order.allocated(this.add(name), this.#charge(resources, agent));
  }

  minus(name: string, resources: string | Resources, agent = "A"): void {
    this.#order.unallocated(this.add(name), this.#charge(resources, agent));
  }

  update(name: string, gone: string, come: string): void {
    this.#order.updated(this.add(name), this.#charge(gone, "A"), this.#charge(come, "A"));
  }

  remove(name: string): void {
    this.#order.remove(this.add(name));
  }

  deactivate(name: string): void {
    this.#order.deactivate(this.add(name));
  }

  activate(name: string): void {
    this.#order.activate(this.add(name));
  }

  contains(name: string): boolean {
    return this.#order.get(name) !== undefined;
  }

  get count(): number {
    return this.#order.size;
  }

  held(name: string): string {
    return this.#names.quantitiesOf(this.add(name).holding.vector).toString();
  }

  toString(): string {
    return this.#order
      .sort()
      .map(({ name }) => name)
      .join();
  }

  #charge(resources: string | Resources, agent: string) {
    const bag = typeof resources === "string" ? Resources.of(resources) : resources;
    return chargeOf(this.#names, agent as AgentId, bag);
  }
}

/** cpus and mem */
export const r = (cpus: number, mem: number): string => `cpus:${cpus};mem:${mem}`;
export const sharedVolume = (mib: number): Resources =>
  Resources.fromWire([
    {
      name: "disk",
      type: "SCALAR",
      scalar: { milli: mib * 1000 },
      reservations: [{ type: "STATIC", role: "role1" }],
      disk: { persistence: { id: "id1" } },
      shared: {},
    },
  ]);
