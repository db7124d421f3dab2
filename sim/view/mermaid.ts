/**
 * A few records as a Mermaid sequence diagram, for a report of a bug: messages as arrows, lost
 * ones crossed, everything else as notes. Chooses nothing; the caller has.
 */
import type { TraceRecord } from "#runtime";
import type { Records } from "./select.ts";
import { gist, shortened } from "./words.ts";

/** Arrows of one diagram; more cannot be read. */
export const MERMAID_ARROWS_MAX = 59;

const TEXT_LENGTH_MAX = 90;

/** Text without what Mermaid reads as its own signs. */
function plain(text: string): string {
  const flat = text.replaceAll(/[\n\r]+/g, " ").replaceAll(/[;#<>"]/g, (sign) => {
    return `#${sign.charCodeAt(0)};`;
  });
  return flat.length > TEXT_LENGTH_MAX ? `${flat.slice(0, TEXT_LENGTH_MAX - 1)}…` : flat;
}

function isArrow({ kind }: TraceRecord): boolean {
  return kind === "mail" || kind === "lost";
}

/** The records that fit: arrows are those of messages that arrived or are lost. */
function fitting(records: readonly TraceRecord[]): readonly TraceRecord[] {
  const shown = records.filter(({ kind }) => kind !== "send");
  let arrows = 0;
  let from = shown.length;
  while (from > 0) {
    const record = shown[from - 1];
    if (record !== undefined && isArrow(record)) arrows += 1;
    if (arrows > MERMAID_ARROWS_MAX) break;
    from -= 1;
  }
  return shown.slice(from);
}

/** @param chosen in the order of their numbers; the last that fit are drawn. */
export function mermaid(records: Records, chosen: readonly TraceRecord[]): string {
  const shown = fitting(chosen);
  const names = new Map<string, string>();
  const alias = (name: string): string => {
    const known = names.get(name) ?? `p${names.size + 1}`;
    names.set(name, known);
    return known;
  };
  const body = shown.map((record) => {
    const { t, node, from, kind } = record;
    const text = plain(`${(t / 1000).toFixed(3)} ${gist(records, record)}`);
    if (kind === "mail" && from !== "") return `${alias(from)}->>${alias(node)}: ${text}`;
    if (kind === "lost" && from !== "") return `${alias(from)}--x${alias(node)}: ${text}`;
    const sign = kind === "violation" ? "✗ " : "";
    return `Note over ${alias(node)}: ${sign}${plain(`${(t / 1000).toFixed(3)} ${kind}`)} ${plain(gist(records, record))}`;
  });
  const participants = [...names].map(([name, known]) => {
    return `participant ${known} as ${plain(shortened(name))}`;
  });
  return ["sequenceDiagram", ...participants, ...body].join("\n  ");
}
