/**
 * Choosing objects of a bag for an amount, whatever their reservations: part of the machinery behind
 * `resources.ts`.
 */
import { Builder, containsEntries, type Entry, entryOf } from "./entries.ts";
import { without } from "./resource.ts";
import { DEFAULT_ROLE } from "./roles.ts";

/**
 * The same role first, then unreserved, then any other, taking at most one object that lies wholly
 * inside the rest per step. Undefined when that is not enough.
 */
export function findOne(entries: readonly Entry[], target: Entry): Entry[] | undefined {
  const { role } = target.kind;
  const steps: ((entry: Entry) => boolean)[] = [
    ({ kind }) => role !== DEFAULT_ROLE && kind.role === role,
    ({ kind }) => kind.role === DEFAULT_ROLE,
    () => true,
  ];
  const found = new Builder([]);
  let left = entries;
  let remaining = bareOf(target);
  for (const step of steps) {
    for (const entry of left.filter(step)) {
      const bare = bareOf(entry);
      if (containsEntries([bare], [remaining])) {
        const { reservations } = entry.resource;
        const rest = remaining.resource;
        found.add(
          reservations === undefined ? remaining : entryOf({ ...{}, ...rest, reservations }),
        );
        return found.entries();
      }
      if (containsEntries([remaining], [bare])) {
        found.add(entry);
        left = less(left, entry);
        remaining = less([remaining], bare)[0] ?? remaining;
        break;
      }
    }
  }
  return undefined;
}

function bareOf(entry: Entry): Entry {
  return entryOf(without(entry.resource, "reservations"), entry.copies);
}

function less(entries: readonly Entry[], entry: Entry): Entry[] {
  const builder = new Builder(entries);
  builder.subtract(entry);
  return builder.entries();
}
