/**
 * `sim view`: shows a trace, or the run of a failure file, as lines, a grid, a page, or a diagram
 * for a report. Reads and draws; runs nothing but the failure that it is given.
 */
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { readFailure, rerun } from "../failure.ts";
import { duration, parsed } from "../options.ts";
import { readTraceFile, type TraceDocument } from "../trace-file.ts";
import { tracedOf } from "../traced.ts";
import { pageData } from "../view/data.ts";
import { differenceOf } from "../view/difference.ts";
import { gridOf } from "../view/grid.ts";
import { pageOf } from "../view/html.ts";
import { MERMAID_ARROWS_MAX, mermaid } from "../view/mermaid.ts";
import { EVERYTHING, Records, type Selection, select, storyOf } from "../view/select.ts";
import { shiviz } from "../view/shiviz.ts";
import { lineOf } from "../view/words.ts";
import { EXIT, type ExitCode, onlyFile, type SimCommand, say, UsageError } from "./command.ts";

const FLAGS = {
  html: { type: "string" },
  mermaid: { type: "boolean", default: false },
  shiviz: { type: "boolean", default: false },
  grid: { type: "boolean", default: false },
  against: { type: "string" },
  node: { type: "string" },
  task: { type: "string" },
  kind: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  output: { type: "string", short: "o" },
} as const;

type Values = ReturnType<typeof parsed<typeof FLAGS>>["values"];
const WAYS = ["html", "mermaid", "shiviz", "grid", "against"] as const;

const TRACE_BEGINS = '{"trace":';
/** Records of a diagram when nothing is chosen: arrows, and what stands between them. */
const STORY_RECORDS_MAX = 3 * MERMAID_ARROWS_MAX;

/** A trace says so at once. @throws UsageError when the file cannot be read. */
function beginningOf(file: string): string {
  try {
    const handle = openSync(file, "r");
    try {
      const bytes = new Uint8Array(TRACE_BEGINS.length);
      readSync(handle, bytes);
      return new TextDecoder().decode(bytes);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A trace is read; a failure is run again with its trace kept. */
function documentOf(file: string): TraceDocument {
  if (beginningOf(file).startsWith(TRACE_BEGINS)) return readTraceFile(file);
  const { scenario, faults, violation } = readFailure(file);
  return tracedOf(rerun({ ...{}, ...scenario, keepTrace: true }, faults, [violation.id]));
}

function selectionOf(values: Values, { header, records }: TraceDocument): Selection {
  const names = new Set([
    ...header.nodes.map(({ name }) => name),
    ...records.map(({ node }) => node),
  ]);
  const nodes = values.node?.split(",") ?? [];
  const unknown = nodes.find((name) => !names.has(name));
  if (unknown !== undefined) {
    const known = header.nodes.map(({ name }) => name).join(", ");
    throw new UsageError(`--node: there is no ${unknown} in this trace; there are ${known}`);
  }
  return {
    ...{},
    ...EVERYTHING,
    nodes,
    kinds: values.kind?.split(",") ?? [],
    ...(values.task === undefined ? {} : { id: values.task }),
    ...(values.from === undefined ? {} : { fromMs: duration(values.from, "from") }),
    ...(values.to === undefined ? {} : { toMs: duration(values.to, "to") }),
  };
}

function isChosen({ node, task, kind, from, to }: Values): boolean {
  return [node, task, kind, from, to].some((value) => value !== undefined);
}

function textOf(values: Values, document: TraceDocument): string {
  const records = new Records(document);
  const chosen = select(document, selectionOf(values, document));
  if (values.grid) return gridOf(document, chosen);
  if (values.shiviz) return `${shiviz(records, chosen)}\n`;
  if (values.mermaid) {
    const story = isChosen(values) ? chosen : storyOf(document, STORY_RECORDS_MAX);
    return `${mermaid(records, story)}\n`;
  }
  const width = Math.max(8, ...document.header.nodes.map(({ name }) => name.length));
  return chosen.map((record) => `${lineOf(records, record, width)}\n`).join("");
}

/** 3 when two traces are not the same. */
function compare(document: TraceDocument, file: string): ExitCode {
  const other = documentOf(file);
  const difference = differenceOf(document, other);
  if (difference === undefined) {
    say(`the same: ${document.records.length} records`);
    return EXIT.pass;
  }
  say(`they part at record ${difference.n}`);
  const told = [
    [document, difference.one],
    [other, difference.other],
  ] as const;
  for (const [each, record] of told) {
    say(record === undefined ? "  ends" : `  ${lineOf(new Records(each), record, 10)}`);
  }
  return EXIT.nondeterminism;
}

function view(file: string, values: Values): ExitCode {
  const ways = WAYS.filter((way) => values[way] !== undefined && values[way] !== false);
  if (ways.length > 1) throw new UsageError(`--${ways.join(" and --")}: one at a time`);
  const document = documentOf(file);
  if (values.against !== undefined) return compare(document, values.against);
  if (values.html !== undefined) {
    writeFileSync(values.html, pageOf(pageData(document, selectionOf(values, document))));
    say(`${values.html}: ${document.records.length} records`);
    return EXIT.pass;
  }
  const text = textOf(values, document);
  if (values.output === undefined) process.stdout.write(text);
  else writeFileSync(values.output, text);
  return EXIT.pass;
}

export const VIEW: SimCommand = {
  name: "view",
  usage: [
    "view TRACE|FAILURE [what] [how]   shows a run; a failure is run again for it",
    "  --node agent-3 --task ID --kind send,mail --from 10s --to 20s   what of it",
    "  --html FILE              one page: lanes, messages, states, causes; opens anywhere",
    "  --grid                   a line for each change, a character for each node",
    "  --mermaid                a sequence diagram of what led to the violation",
    "  --shiviz                 a log with vector clocks for ShiViz",
    "  --against OTHER          where two traces part; 3 when they do",
    "  -o FILE                  instead of the terminal",
  ],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    return view(onlyFile(positionals, "a trace or a failure"), values);
  },
};
