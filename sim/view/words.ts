/** How a record is said in a few words, for every way of showing a trace. */
import type { TraceRecord } from "#runtime";
import type { Records } from "./select.ts";

/** Most messages of a frame that are named; the others are counted. */
const NAMED_MAX = 3;
const UUID = /\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;

/** UUIDs by their first eight digits: enough to tell them apart, short enough to read. */
export function shortened(text: string): string {
  return text.replaceAll(UUID, "$1");
}

/** The first words of a message: its kind and the ids that matter most. */
function brief(message: string): string {
  return message.split(" ").slice(0, 4).join(" ");
}

/** What a record is about: of a frame, its messages; of anything else, its summary. */
export function gist(records: Records, record: TraceRecord): string {
  const messages = records.messages(record);
  const { kind, summary } = record;
  if (messages.length === 0) return shortened(summary);
  const named = messages.slice(0, NAMED_MAX).map(brief).join(", ");
  const more = messages.length > NAMED_MAX ? ` and ${messages.length - NAMED_MAX} more` : "";
  const why = kind === "lost" ? `: ${summary.slice(summary.indexOf(" ") + 1)}` : "";
  return shortened(`${named}${more}${why}`);
}

/** One record as a line for people. */
export function lineOf(records: Records, record: TraceRecord, width: number): string {
  const { n, t, node, kind, from, cause } = record;
  const because = cause === 0 ? "" : ` ←${cause}`;
  const source = from === "" || from === node ? "" : ` from ${from}`;
  const head = `${String(n).padStart(6)} ${(t / 1000).toFixed(3).padStart(9)}`;
  const where = shortened(node).padEnd(width);
  return `${head} ${where} ${kind.padEnd(10)} ${gist(records, record)}${source}${because}`;
}
