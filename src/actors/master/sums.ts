/**
 * Sums of scalar amounts by name, for what people are told of frameworks: cheap enough to be kept
 * with every task and offer. Ports and other things of different machines have no sum.
 */
import type { Resource } from "#protocol";
import type { Resources } from "#resources";

export class Sums {
  readonly #milli = new Map<string, number>();

  add(resources: Resources): void {
    this.#change(resources, 1);
  }

  subtract(resources: Resources): void {
    this.#change(resources, -1);
  }

  #change(resources: Resources, sign: 1 | -1): void {
    for (const { name, scalar } of resources) {
      if (scalar === undefined) continue;
      const milli = (this.#milli.get(name) ?? 0) + sign * scalar.milli;
      if (milli === 0) this.#milli.delete(name);
      else this.#milli.set(name, milli);
    }
  }

  get(name: string): number {
    return this.#milli.get(name) ?? 0;
  }

  /** As resources without role, reservation or anything else that is said of them. */
  toWire(): Resource[] {
    return [...this.#milli].map(([name, milli]) => ({ name, type: "SCALAR", scalar: { milli } }));
  }
}
