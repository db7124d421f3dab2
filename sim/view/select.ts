/**
 * Which records of a trace are looked at: of one node, of one task, of some kinds, of a time.
 * Also finds the story of a violation: what led to it and what speaks of the same things.
 */
import type { TraceRecord } from "#runtime";
import type { TraceDocument } from "../trace-file.ts";

export interface Selection {
  /** Names of nodes; a record counts where it happened and where it came from. */
  readonly nodes: readonly string[];
  /** A task, offer, executor or any other id: what speaks of it. */
  readonly id?: string;
  readonly kinds: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
}

export const EVERYTHING: Selection = {
  nodes: [],
  kinds: [],
  fromMs: 0,
  toMs: Number.POSITIVE_INFINITY,
};

/** Finds records by their numbers, and who sent what arrives. */
export class Records {
  readonly all: readonly TraceRecord[];
  readonly #first: number;

  constructor({ records }: TraceDocument) {
    this.all = records;
    this.#first = records[0]?.n ?? 1;
  }

  get(n: number): TraceRecord | undefined {
    return this.all[n - this.#first];
  }

  cause({ cause }: TraceRecord): TraceRecord | undefined {
    return cause === 0 ? undefined : this.get(cause);
  }

  /** The messages of the frame that a record is about, whoever of both sides it is. */
  messages(record: TraceRecord): readonly string[] {
    if (record.messages !== undefined) return record.messages;
    if (record.kind !== "mail" && record.kind !== "lost") return [];
    return this.cause(record)?.messages ?? [];
  }

  /** Everything that is said in a record. */
  text(record: TraceRecord): string {
    const { summary, effects = [] } = record;
    return [summary, ...this.messages(record), ...effects].join("\n");
  }
}

/** Ids are made of letters, digits, - and _; a shorter one within is another one. */
function saying(id: string): RegExp {
  return new RegExp(`(?<![\\w-])${id.replaceAll(/[^\w-]/g, "\\$&")}(?![\\w-])`);
}

export function select(document: TraceDocument, selection: Selection): readonly TraceRecord[] {
  const { nodes, id, kinds, fromMs, toMs } = selection;
  const records = new Records(document);
  const says = id === undefined ? undefined : saying(id);
  return records.all.filter((record) => {
    const { t, node, from, kind } = record;
    if (t < fromMs || t > toMs) return false;
    if (kinds.length > 0 && !kinds.includes(kind)) return false;
    if (nodes.length > 0 && !nodes.includes(node) && !nodes.includes(from)) return false;
    return says === undefined || kind === "violation" || says.test(records.text(record));
  });
}

/** Words of a text that look like ids and that frames speak of; nodes are none. */
function idsIn(text: string, document: TraceDocument): string[] {
  const nodes = new Set(document.header.nodes.map(({ name }) => name));
  const words = text.match(/[\w-]*\d[\w-]*/g) ?? [];
  const ids = words.filter((word) => word.length > 3 && !nodes.has(word) && !/^\d+$/.test(word));
  return [...new Set(ids)].filter((id) => {
    const says = saying(id);
    return document.records.some(({ messages }) => messages?.some((each) => says.test(each)));
  });
}

/** Kinds that are news by themselves, whatever they speak of. */
const NEWS: ReadonlySet<string> = new Set([
  "fault",
  "heal",
  "down",
  "up",
  "actor-died",
  "actor-ended",
  "uncaught",
]);

/**
 * The story of the first violation, or of the end: its causes back to the beginning, whatever
 * speaks of the ids in it, faults and ends of processes, the latest first until there are `most`.
 */
export function storyOf(document: TraceDocument, most: number): readonly TraceRecord[] {
  const records = new Records(document);
  const last = records.all.find(({ kind }) => kind === "violation") ?? records.all.at(-1);
  if (last === undefined) return [];
  const story = new Set<TraceRecord>([last]);
  const patterns = idsIn(last.summary, document).map(saying);
  const add = (record: TraceRecord | undefined): void => {
    if (record !== undefined && story.size < most) story.add(record);
  };
  for (let each = records.cause(last); each && story.size < most / 2; each = records.cause(each)) {
    add(each);
  }
  for (let n = last.n - 1; n > 0 && story.size < most; n--) {
    const record = records.get(n);
    if (record === undefined) break;
    const text = records.text(record);
    const told = patterns.some((says) => says.test(text)) && !isEvent(record);
    if (told || NEWS.has(record.kind)) add(record);
  }
  if (patterns.length === 0) for (let n = last.n - 1; n > 0; n--) add(records.get(n));
  return [...story].sort((one, other) => one.n - other.n);
}

/** What is said to whoever listens explains nothing. */
function isEvent({ kind, summary }: TraceRecord): boolean {
  return kind === "send" && summary.includes(".event.");
}
