/** The trace of a cluster that has run, with what its reader needs to know of the run. */
import { readFileSync } from "node:fs";
import { TRACE_VERSION, type TraceHeader, type TraceNode } from "#runtime";
import { CHECKERS_NODE, type SimCluster } from "./cluster.ts";
import { FAULTS_NODE } from "./faults/index.ts";
import type { TraceDocument } from "./trace-file.ts";

function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}

function nodesOf(cluster: SimCluster): TraceNode[] {
  return [
    { name: FAULTS_NODE, role: "faults" },
    ...cluster.members().map(({ name, role }) => ({ name, role })),
    ...cluster.brokers.map((name) => ({ name, role: "broker" })),
    { name: CHECKERS_NODE, role: "checkers" },
  ];
}

function headerOf(cluster: SimCluster): TraceHeader {
  const { seed, masters, agents, frameworks, items, profile, untilMs, faultEveryMs } =
    cluster.options;
  const [first] = cluster.violations;
  const violation = first === undefined ? "none" : `${first.id} ${first.message}`;
  return {
    trace: TRACE_VERSION,
    of: "simulation",
    version: packageVersion(),
    nodes: nodesOf(cluster),
    about: {
      seed,
      masters,
      agents,
      frameworks,
      items,
      profile,
      untilMs,
      faultEveryMs,
      violation,
    },
  };
}

/** The records up to now, when they were kept. */
export function tracedOf(cluster: SimCluster): TraceDocument {
  const { trace } = cluster;
  return {
    header: headerOf(cluster),
    records: trace.records(),
    states: trace.states(),
    marks: trace.marks,
    end: { n: trace.count, sha256: trace.digest() },
  };
}
