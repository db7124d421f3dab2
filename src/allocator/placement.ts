/**
 * In which order a run goes over the agents: drawn, fullest first, or emptiest first. The draw comes
 * first in each case, so that equals change places from run to run. Judges no offer.
 */
import type { Agents, Slot } from "./agents.ts";
import type { Placement } from "./contract.ts";

export type Arrangement = {
  readonly placement: Placement;
  readonly random: () => number;
};

/** Fisher and Yates, from the end. */
export function shuffle<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const a = list[i];
    const b = list[j];
    if (a === undefined || b === undefined) continue;
    list[i] = b;
    list[j] = a;
  }
  return list;
}

/** The agents in the order of one stage of a run; may change the list it is given. */
export function arranged(slots: Slot[], agents: Agents, by: Arrangement): Slot[] {
  const drawn = shuffle(slots, by.random);
  if (by.placement === "random") return drawn;
  const sign = by.placement === "pack" ? -1 : 1;
  const keyed = drawn.map((slot) => ({ slot, taken: takenPart(agents, slot) }));
  keyed.sort((left, right) => sign * (left.taken - right.taken));
  return keyed.map(({ slot }) => slot);
}

/** The greatest part of any scalar of the agent that is not free, 0 to 1. */
function takenPart(agents: Agents, slot: Slot): number {
  const free = agents.free(slot).quantities();
  let taken = 0;
  for (const [name, milli] of agents.total(slot).quantities()) {
    taken = Math.max(taken, (milli - free.get(name)) / milli);
  }
  return taken;
}
