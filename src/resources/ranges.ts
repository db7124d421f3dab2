/**
 * Ranges of non-negative integers: closed intervals, kept canonical (sorted, adjacent ones joined).
 * Mesos has unsigned 64-bit bounds; here bounds are safe integers, since the wire carries numbers.
 */

export type Range = { begin: number; end: number };
export type RangeList = readonly Range[];

/** The largest bound of a range. */
export const RANGE_BOUND_MAX = Number.MAX_SAFE_INTEGER;

/** Sorts and joins overlapping and adjacent intervals. Expects begin ≤ end in each. */
export function coalesceRanges(ranges: RangeList): Range[] {
  if (isCanonical(ranges)) return ranges.slice();
  const sorted = [...ranges].sort((a, b) => a.begin - b.begin || a.end - b.end);
  const joined: Range[] = [];
  for (const { begin, end } of sorted) append(joined, begin, end);
  return joined;
}

function append(joined: Range[], begin: number, end: number): void {
  const last = joined[joined.length - 1];
  if (last === undefined || begin > last.end + 1) joined.push({ begin, end });
  else if (end > last.end) joined[joined.length - 1] = { begin: last.begin, end };
}

function isCanonical(ranges: RangeList): boolean {
  let previousEnd = -2;
  for (const { begin, end } of ranges) {
    if (begin <= previousEnd + 1 || end < begin) return false;
    previousEnd = end;
  }
  return true;
}

/** Union of two canonical lists; linear. */
export function addRanges(left: RangeList, right: RangeList): Range[] {
  const joined: Range[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const a = left[i];
    const b = right[j];
    if (a !== undefined && (b === undefined || a.begin <= b.begin)) {
      append(joined, a.begin, a.end);
      i += 1;
    } else if (b !== undefined) {
      append(joined, b.begin, b.end);
      j += 1;
    } else return joined;
  }
}

/** What is in `left` and not in `right`; both canonical; linear. */
export function subtractRanges(left: RangeList, right: RangeList): Range[] {
  const rest: Range[] = [];
  let j = 0;
  for (const { begin, end } of left) {
    let from = begin;
    while (from <= end) {
      const cut = right[j];
      if (cut === undefined || cut.begin > end) {
        rest.push({ begin: from, end });
        break;
      }
      if (cut.end < from) {
        j += 1;
        continue;
      }
      if (cut.begin > from) rest.push({ begin: from, end: cut.begin - 1 });
      from = cut.end + 1;
    }
  }
  return rest;
}

/** Whether every integer of `right` is in `left`; both canonical; linear. */
export function containsRanges(left: RangeList, right: RangeList): boolean {
  let i = 0;
  for (const { begin, end } of right) {
    let cover = left[i];
    while (cover !== undefined && cover.end < begin) {
      i += 1;
      cover = left[i];
    }
    if (cover === undefined || cover.begin > begin || cover.end < end) return false;
  }
  return true;
}

export function equalRanges(left: RangeList, right: RangeList): boolean {
  return (
    left.length === right.length &&
    left.every((a, i) => a.begin === right[i]?.begin && a.end === right[i]?.end)
  );
}

/** How many integers the ranges hold. */
export function countRanges(ranges: RangeList): number {
  let count = 0;
  for (const { begin, end } of ranges) count += end - begin + 1;
  return count;
}

/** `[1-4, 7-9]`, empty `[]`. */
export function formatRanges(ranges: RangeList): string {
  return `[${ranges.map(({ begin, end }) => `${begin}-${end}`).join(", ")}]`;
}

/** Why a list from outside is no list of ranges, or undefined. Order does not matter. */
export function invalidRanges(ranges: RangeList): string | undefined {
  for (const { begin, end } of ranges) {
    if (!isBound(begin) || !isBound(end)) {
      return `range ${begin}-${end}: bounds must be integers from 0 to ${RANGE_BOUND_MAX}`;
    }
    if (begin > end) return `range ${begin}-${end}: the begin is above the end`;
  }
  const sorted = [...ranges].sort((a, b) => a.begin - b.begin);
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1];
    const after = sorted[i];
    if (before !== undefined && after !== undefined && after.begin <= before.end) {
      return `ranges ${before.begin}-${before.end} and ${after.begin}-${after.end} overlap`;
    }
  }
  return undefined;
}

function isBound(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
