/**
 * The rows of a trace in the order in which processes said them. What a process wrote to a connection that it
 * has given up since may pass the wire when it already speaks on another one, or when another
 * process has taken its place: a cut way or a stopped broker holds the bytes back. Nobody who
 * counts numbers and epochs obeys them then, but it was said before.
 */
import type { Peer } from "#protocol";
import { FrameEyes } from "#sim";
import { SUBJECTS } from "./cluster.ts";
import { readTrace, type Row } from "./trace.ts";

type Said = Extract<Row, { readonly what: "said" | "heard" }>;

/** The first row of a connection on which somebody spoke, or of a process. */
interface First {
  readonly of: number;
  readonly index: number;
}

/** Finds rows that passed late, and the row before which each was said. */
class Lateness {
  readonly #eyes = new FrameEyes(SUBJECTS);
  /** Starts of processes, by node; `of` is the life. */
  readonly #starts = new Map<string, First[]>();
  /** The life in which a connection was opened. */
  readonly #lives = new Map<number, number>();
  /** Connections on which somebody spoke, by node and speaker: a process has several that speak. */
  readonly #spoken = new Map<string, First[]>();

  /** Index of the row before which this one was said; undefined: it passed in its turn. */
  saidBefore(row: Row, index: number): number | undefined {
    if (row.what === "start") {
      entry(this.#starts, row.node).push({ of: row.life, index });
      return undefined;
    }
    if (row.what === "dial") {
      this.#lives.set(row.link, this.#starts.get(row.node)?.at(-1)?.of ?? 0);
      return undefined;
    }
    if (row.what !== "said" || row.link === undefined) return undefined;
    const { link, node } = row;
    const speaker = this.#speaker(row);
    if (speaker === undefined) return undefined;
    const spoken = entry(this.#spoken, `${node} ${speaker}`);
    const life = this.#lives.get(link) ?? Number.POSITIVE_INFINITY;
    const starts = this.#starts.get(node) ?? [];
    const later = [spoken.find(({ of }) => of > link), starts.find(({ of }) => of > life)];
    const indices = later.flatMap((first) => first?.index ?? []);
    if (indices.length > 0) return Math.min(...indices);
    if (spoken.at(-1)?.of !== link) spoken.push({ of: link, index });
    return undefined;
  }

  #speaker({ subject, data }: Said): Peer | undefined {
    return this.#eyes.frame(subject, Buffer.from(data, "base64"))?.speaker;
  }
}

function entry(map: Map<string, First[]>, key: string): First[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

/** Reads the file twice; what passed late is kept in memory meanwhile. */
export async function* readInOrder(path: string): AsyncIterableIterator<Row> {
  const lateness = new Lateness();
  const before = new Map<number, Said[]>();
  const moved = new Set<number>();
  let index = 0;
  for await (const row of readTrace(path)) {
    const place = lateness.saidBefore(row, index);
    if (place !== undefined && row.what === "said") {
      before.set(place, [...(before.get(place) ?? []), row]);
      moved.add(index);
    }
    index += 1;
  }
  index = 0;
  for await (const row of readTrace(path)) {
    for (const late of before.get(index) ?? []) yield { ...late, atMs: row.atMs };
    if (!moved.has(index)) yield row;
    index += 1;
  }
}
