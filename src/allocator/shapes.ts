/**
 * What quota may cut off an offer without making it, or what remains, useless (wishes.md 10): ports
 * are split in proportion to the scalars instead of all going with the first piece, and by fairness
 * nobody is offered a piece that lost a resource without which it is of no use. A guarantee is given
 * in whatever shape it was written. Computes; remembers nothing.
 */
import {
  countRanges,
  DEFAULT_ROLE,
  isRevocable,
  isShared,
  type Quantities,
  type Range,
  type RangeList,
  type Resource,
  Resources,
  reservationRole,
} from "#resources";

/**
 * The piece with that part of its unreserved ranges and sets (rounded up) which it has of the
 * scalar of which it has most. The same bag where nothing was cut off.
 */
export function proportioned(open: Resources, piece: Resources): Resources {
  if (piece === open) return piece;
  const objects = [...piece];
  if (!objects.some(isDivided)) return piece;
  const part = greatestPart(open.quantities(), piece.quantities());
  if (part.milli >= part.ofMilli) return piece;
  return Resources.fromWire(objects.map((each) => (isDivided(each) ? cut(each, part) : each)));
}

/**
 * Whether the piece still has enough of each resource that a minimum names, where the whole had.
 * Without a minimum any piece will do.
 */
export function isUsable(
  minimum: readonly Quantities[],
  open: Quantities,
  piece: Quantities,
): boolean {
  for (const set of minimum) {
    for (const [name, milli] of set) {
      if (open.get(name) >= milli && piece.get(name) < milli) return false;
    }
  }
  return true;
}

type Part = { readonly milli: number; readonly ofMilli: number };

function greatestPart(open: Quantities, piece: Quantities): Part {
  let greatest: Part = { milli: 0, ofMilli: 1 };
  for (const [name, ofMilli] of open) {
    const milli = piece.get(name);
    if (milli / ofMilli > greatest.milli / greatest.ofMilli) greatest = { milli, ofMilli };
  }
  return greatest;
}

/** One division, so that a whole number of parts is not rounded up. */
function countOf(part: Part, of: number): number {
  return Math.ceil((of * part.milli) / part.ofMilli);
}

function isDivided(resource: Resource): boolean {
  return (
    resource.type !== "SCALAR" &&
    reservationRole(resource.reservations) === DEFAULT_ROLE &&
    !isRevocable(resource) &&
    !isShared(resource)
  );
}

/** The lowest numbers, the first items. */
function cut(resource: Resource, part: Part): Resource {
  if (resource.ranges !== undefined) {
    return { ...{}, ...resource, ranges: { range: lowest(resource.ranges.range, part) } };
  }
  const items = resource.set?.item ?? [];
  return { ...{}, ...resource, set: { item: items.slice(0, countOf(part, items.length)) } };
}

function lowest(ranges: RangeList, part: Part): Range[] {
  let left = countOf(part, countRanges(ranges));
  const kept: Range[] = [];
  for (const { begin, end } of ranges) {
    if (left <= 0) break;
    kept.push({ begin, end: Math.min(end, begin + left - 1) });
    left -= end - begin + 1;
  }
  return kept;
}
