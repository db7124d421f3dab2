/** What a run says of itself at its end. */
import type { SimCluster } from "./cluster.ts";

function counted(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([name, count]) => `${name} ${count}`).join(", ") || "none";
}

function merged(maps: Iterable<ReadonlyMap<string, number>>): Map<string, number> {
  const sum = new Map<string, number>();
  for (const map of maps) {
    for (const [name, count] of map) sum.set(name, (sum.get(name) ?? 0) + count);
  }
  return sum;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** How long a run took: by the clock on the wall, and of the processor. */
export interface Took {
  readonly realMs: number;
  readonly cpuMs: number;
}

export function summaryOf(cluster: SimCluster, { realMs, cpuMs }: Took): string {
  const { options, world, works, leaders, violations, trace, log } = cluster;
  const all = [...works.values()];
  const items = all.reduce((sum, work) => sum + work.size, 0);
  const open = all.reduce((sum, work) => sum + [...work.unfinished()].length, 0);
  const lines = [
    `seed ${options.seed}: ${options.masters} masters, ${options.agents} agents, ` +
      `${options.frameworks} frameworks, ${options.brokers} brokers, profile ${options.profile}`,
    `leaders   ${leaders.map(({ node, atMs }) => `${node} at ${seconds(atMs)}`).join(", ")}`,
    `work      ${items - open} of ${items} items done`,
    `tasks     ${counted(merged(all.map(({ ended }) => ended)))}`,
    `updates   ${counted(merged(all.map(({ updates }) => updates)))}`,
    `log       ${log.end} records, ${log.elections} elections of its own`,
    `faults    ${counted(cluster.swarm.counts)}`,
    `events    ${world.events} in ${seconds(realMs)}, of the processor ${seconds(cpuMs)}: ` +
      `${Math.round((world.events * 1000) / cpuMs)} a second, ` +
      `${Math.round(world.nowMs / cpuMs)} times real time, ${trace.count} records`,
  ];
  for (const { id, message, event, atMs } of violations) {
    lines.push(`VIOLATION ${id} at ${seconds(atMs)} (event ${event}): ${message}`);
  }
  for (const [id, count] of cluster.violationCounts) {
    const shown = violations.filter((one) => one.id === id).length;
    if (count > shown) lines.push(`VIOLATION ${id}: ${count - shown} more`);
  }
  lines.push(`digest ${trace.digest()}`);
  return lines.join("\n");
}
