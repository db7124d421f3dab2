/** Turns a trace into the columns of its page: lanes, and records without repetitions. */
import type { TraceRecord } from "#runtime";
import type { TraceDocument } from "../trace-file.ts";
import type { PageData, PageLane } from "./page/model.ts";
import { EVERYTHING, type Selection } from "./select.ts";

/** Gives each text a number, in the order in which they are first seen. */
class Names {
  readonly list: string[] = [];
  readonly #places = new Map<string, number>();

  place(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    this.#places.set(name, this.list.length);
    this.list.push(name);
    return this.list.length - 1;
  }
}

const EXECUTOR = /^executor-(.+)$/;

/** Executors come and go: they are drawn on the lane of the agent that runs their container. */
function agentsOf(records: readonly TraceRecord[]): Map<string, string> {
  const agents = new Map<string, string>();
  for (const { kind, node, summary } of records) {
    if (kind === "start") agents.set(summary.slice(0, `${summary} `.indexOf(" ")), node);
  }
  return agents;
}

/** Lanes in the order of the header; who has no records needs none. */
function lanesOf({ header, records }: TraceDocument, nodes: readonly string[]) {
  const seen = new Set(records.map(({ node }) => node));
  const lanes: PageLane[] = header.nodes.filter(({ name }) => seen.has(name));
  const places = new Map(lanes.map(({ name }, place) => [name, place]));
  const agents = agentsOf(records);
  const laneOfNode = nodes.map((name) => {
    const container = EXECUTOR.exec(name)?.[1] ?? "";
    const known = places.get(name) ?? places.get(agents.get(container) ?? "");
    if (known !== undefined) return known;
    lanes.push({ name, role: container === "" ? "other" : "executor" });
    places.set(name, lanes.length - 1);
    return lanes.length - 1;
  });
  return { lanes, laneOfNode };
}

/** Fields that only some records have, by index. */
function sparse<Value>(
  records: readonly TraceRecord[],
  of: (record: TraceRecord) => Value | undefined,
): Record<string, Value> {
  const found: Record<string, Value> = {};
  records.forEach((record, index) => {
    const value = of(record);
    if (value !== undefined) found[index] = value;
  });
  return found;
}

function beginOf({ nodes, id, kinds, fromMs, toMs }: Selection, names: Names, lanes: number[]) {
  return {
    ...{},
    ...(id === undefined ? {} : { text: id }),
    lanes: [...new Set(nodes.map((name) => lanes[names.place(name)] ?? 0))],
    ...(kinds.length === 0 ? {} : { kinds }),
    ...(fromMs === EVERYTHING.fromMs ? {} : { fromMs }),
    ...(toMs === EVERYTHING.toMs ? {} : { toMs }),
  };
}

/** @param selection what the page shows at first; everything is in it. */
export function pageData(document: TraceDocument, selection: Selection): PageData {
  const { header, records, states } = document;
  const nodes = new Names();
  const kinds = new Names();
  const node = records.map((record) => nodes.place(record.node));
  const from = records.map((record) => (record.from === "" ? -1 : nodes.place(record.from)));
  const kind = records.map((record) => kinds.place(record.kind));
  const { lanes, laneOfNode } = lanesOf(document, nodes.list);
  const { kinds: wanted, ...begin } = beginOf(selection, nodes, laneOfNode);
  const without = wanted === undefined ? [] : kinds.list.filter((each) => !wanted.includes(each));
  const cut = document.end === undefined ? ["written", "not to its end"] : [];
  const about = Object.entries(header.about).map(([name, value]) => [name, String(value)] as const);
  return {
    title: `${header.of} of Meseta ${header.version}`,
    about: cut.length === 0 ? about : [...about, [cut[0] ?? "", cut[1] ?? ""]],
    lanes,
    nodes: nodes.list,
    laneOfNode,
    kinds: kinds.list,
    first: records[0]?.n ?? 1,
    t: records.map(({ t }) => t),
    node,
    kind,
    from,
    cause: records.map(({ cause }) => cause),
    summary: records.map(({ summary }) => summary),
    messages: sparse(records, ({ messages }) => messages),
    effects: sparse(records, ({ effects }) => effects),
    msgIds: sparse(records, ({ msgId }) => msgId),
    states: states.map(({ node: name, t, after, cause, facts }) => {
      return { lane: laneOfNode[nodes.place(name)] ?? 0, t, after, cause, facts };
    }),
    begin: { ...{}, ...begin, without },
  };
}
