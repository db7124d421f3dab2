/**
 * The recorder of an experiment: keeps no trace, counts what happens by kind, and stops the run
 * at the first actor that dies, because a figure from a broken cluster is none.
 */
import type { Happening, Recorder } from "../kernel/world.ts";
import type { Observation } from "../observation.ts";

export class Counting implements Recorder {
  readonly keeps = false;
  readonly reads = false;
  readonly kinds = new Map<string, number>();
  #count = 0;

  record(_nowMs: number, { kind }: Happening): number {
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    this.#count += 1;
    return this.#count;
  }

  reserve(): number {
    this.#count += 1;
    return this.#count;
  }

  fill(_nowMs: number, happening: Happening | undefined): void {
    if (happening === undefined) this.#count -= 1;
    else this.kinds.set(happening.kind, (this.kinds.get(happening.kind) ?? 0) + 1);
  }

  /** Effects explain records, and none are kept. */
  effect(): void {
    return;
  }

  observe(observation: Observation): void {
    if (observation.what !== "actor-ended" || observation.kind !== "died") return;
    throw new Error(`${observation.node.name}: its actor died: ${observation.why}`);
  }
}
