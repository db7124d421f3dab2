/** For the slow model: what is on loan, as a list, and what may still be lent. */
import { Quantities, Resources } from "#resources";
import type { ModelQuota } from "./model-quota.ts";

export type ModelLot = {
  agent: string;
  framework: string;
  role: string;
  /** Revocable. */
  resources: Resources;
  sinceMs: number;
};

const NAMES = ["cpus", "mem", "disk"];

export class ModelLoans {
  readonly lenders = new Set<string>();
  /** Oldest first. */
  lots: ModelLot[] = [];
  readonly #quota: ModelQuota;

  constructor(quota: ModelQuota) {
    this.#quota = quota;
  }

  out(name: string): number {
    return this.lots.reduce((milli, { resources }) => milli + resources.get(name), 0);
  }

  /** What of the required headroom lenders account for. */
  #lendable(name: string): number {
    const required = this.#quota.required().get(name) ?? 0;
    return required - this.#quota.requiredWithout(this.lenders, name);
  }

  /** What of the loans counts as free for guarantees. */
  covered(name: string): number {
    const out = this.out(name);
    return out === 0 ? 0 : Math.min(out, this.#lendable(name));
  }

  left(): Quantities {
    return Quantities.of(
      NAMES.map((name): [string, number] => {
        const spare = this.#quota.free(name) - this.#quota.requiredWithout(this.lenders, name);
        return [name, Math.max(0, Math.min(this.#lendable(name) - this.out(name), spare))];
      }),
    );
  }

  /** What the agent shows while it has these loans out. */
  shown(agent: string, total: Resources): Resources {
    let shown = total;
    for (const { resources } of this.lots.filter((lot) => lot.agent === agent)) {
      shown = shown.subtract(withRevocable(resources, false)).add(resources);
    }
    return shown;
  }

  /** The youngest first. */
  giveBack(agent: string, framework: string, role: string, resources: Resources): void {
    let rest = resources.revocable();
    for (const lot of [...this.lots].reverse()) {
      if (lot.agent !== agent || lot.framework !== framework || lot.role !== role) continue;
      const back = lot.resources.shrink(rest.quantities());
      lot.resources = lot.resources.subtract(back);
      rest = rest.subtract(back);
    }
    this.lots = this.lots.filter((lot) => !lot.resources.isEmpty);
  }
}

export function withRevocable(resources: Resources, wanted: boolean): Resources {
  return Resources.fromWire(
    [...resources].map(({ revocable, ...rest }) => (wanted ? { ...rest, revocable: {} } : rest)),
  );
}
