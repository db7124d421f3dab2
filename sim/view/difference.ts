/**
 * Where two traces part. Marks say by bisection between which thousand records it is; only
 * those are compared one by one.
 */
import { canonicalRecord, type TraceRecord } from "#runtime";
import type { TraceDocument } from "../trace-file.ts";

export interface Difference {
  /** Number of the first record that is not the same in both. */
  readonly n: number;
  readonly one: TraceRecord | undefined;
  readonly other: TraceRecord | undefined;
}

/** How many of the first marks are equal in both. */
function equalMarks({ marks: one }: TraceDocument, { marks: other }: TraceDocument): number {
  let low = 0;
  let high = Math.min(one.length, other.length);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (one[middle]?.sha256 === other[middle]?.sha256) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Undefined: they are the same, record by record. */
export function differenceOf(one: TraceDocument, other: TraceDocument): Difference | undefined {
  const equal = equalMarks(one, other);
  const begin = equal === 0 ? 0 : (one.marks[equal - 1]?.n ?? 0);
  const length = Math.max(one.records.length, other.records.length);
  for (let index = begin; index < length; index++) {
    const [here, there] = [one.records[index], other.records[index]];
    if (here !== undefined && there !== undefined) {
      if (canonicalRecord(here) === canonicalRecord(there)) continue;
    }
    return { n: index + 1, one: here, other: there };
  }
  return undefined;
}
