/**
 * Records as a log for ShiViz (https://bestchai.bitbucket.io/shiviz/): each with its node's
 * vector clock, so that happens-before is drawn without any time. Its default expression reads
 * the lines: node and clock, then the event.
 */
import type { TraceRecord } from "#runtime";
import type { Records } from "./select.ts";
import { gist, shortened } from "./words.ts";

type Clock = Map<string, number>;

function merge(into: Clock, from: Clock): void {
  for (const [node, count] of from) into.set(node, Math.max(into.get(node) ?? 0, count));
}

/** @param chosen in the order of their numbers. What is left out passes its causes on. */
export function shiviz(records: Records, chosen: readonly TraceRecord[]): string {
  const clocks = new Map<number, Clock>();
  const latest = new Map<string, Clock>();
  const nearest = (record: TraceRecord): Clock | undefined => {
    for (let each = records.cause(record); each; each = records.cause(each)) {
      const clock = clocks.get(each.n);
      if (clock !== undefined) return clock;
    }
    return undefined;
  };
  const lines = chosen.flatMap((record) => {
    const clock: Clock = new Map(latest.get(record.node));
    const before = nearest(record);
    if (before !== undefined) merge(clock, before);
    clock.set(record.node, (latest.get(record.node)?.get(record.node) ?? 0) + 1);
    clocks.set(record.n, clock);
    latest.set(record.node, clock);
    const text = `${record.n} ${record.t.toFixed(3)} ${record.kind} ${gist(records, record)}`;
    const host = shortened(record.node).replaceAll(/\s/g, "_");
    const told = Object.fromEntries([...clock].map(([node, count]) => [shortened(node), count]));
    return [`${host} ${JSON.stringify(told)}`, text.replaceAll(/[\n\r]+/g, " ")];
  });
  return lines.join("\n");
}
