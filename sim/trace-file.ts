/**
 * A trace as a file: lines of JSON, written in the order in which things happened and checked
 * line by line when it is read, so that whoever shows it need not doubt it. The lines
 * themselves are described in `#runtime` (`trace.ts`).
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import {
  canonicalRecord,
  TRACE_VERSION,
  type TraceHeader,
  type TraceLine,
  type TraceMark,
  type TraceRecord,
  type TraceState,
} from "#runtime";
import { Digest } from "./kernel/digest.ts";
import { type Fields, fieldFault, FIELDS } from "./trace-fields.ts";

/** Text that is collected before it is written. */
const WRITE_LENGTH_MAX = 256 * 1024;

/** A whole trace. */
export interface TraceDocument {
  readonly header: TraceHeader;
  readonly records: readonly TraceRecord[];
  readonly states: readonly TraceState[];
  readonly marks: readonly TraceMark[];
  /** Undefined: the writer was cut off. */
  readonly end: TraceMark | undefined;
}

/** A file that is no trace: the message names the file, the line and the field. */
export class TraceFileError extends Error {}

/** The lines of a trace in their order: a state comes after the record it follows. */
function* linesOf(document: TraceDocument): Generator<TraceLine> {
  const { header, records, states, marks, end } = document;
  yield header;
  let state = 0;
  let mark = 0;
  const until = function* (n: number): Generator<TraceLine> {
    for (let next = states[state]; next && next.after <= n; next = states[++state]) {
      yield { state: next };
    }
  };
  yield* until(0);
  for (const record of records) {
    yield record;
    const next = marks[mark];
    if (next?.n === record.n) {
      mark += 1;
      yield { mark: next };
    }
    yield* until(record.n);
  }
  yield* until(Number.POSITIVE_INFINITY);
  if (end !== undefined) yield { end };
}

/** @throws what the file system throws. */
export function writeTraceFile(file: string, document: TraceDocument): void {
  const handle = openSync(file, "w");
  try {
    let text = "";
    for (const line of linesOf(document)) {
      text += `${JSON.stringify(line)}\n`;
      if (text.length < WRITE_LENGTH_MAX) continue;
      writeSync(handle, text);
      text = "";
    }
    writeSync(handle, text);
  } finally {
    closeSync(handle);
  }
}

/** Takes lines one by one; each is checked against what came before. */
class Reader {
  header: TraceHeader | undefined;
  readonly records: TraceRecord[] = [];
  readonly states: TraceState[] = [];
  readonly marks: TraceMark[] = [];
  end: TraceMark | undefined;
  readonly #digest = new Digest();

  /** What is wrong with the line, beginning with the field. */
  fault(line: unknown): string | undefined {
    if (typeof line !== "object" || line === null || Array.isArray(line)) return "no object";
    if (this.end !== undefined) return "something comes after the end";
    if (this.header === undefined) return this.#header(line);
    if ("state" in line) return this.#state(line.state);
    if ("mark" in line) return this.#mark("mark", line.mark);
    if ("end" in line) return this.#mark("end", line.end);
    return this.#record(line);
  }

  #header(line: object): string | undefined {
    if (!("trace" in line)) return "trace: missing, so this is no trace";
    if (line.trace !== TRACE_VERSION) {
      return `trace: version ${String(line.trace)} is not ${TRACE_VERSION}, the one read here`;
    }
    if (!matches<TraceHeader>(line, FIELDS.header)) return fieldFault(line, FIELDS.header, "");
    this.header = line;
    return undefined;
  }

  #record(line: object): string | undefined {
    if (!matches<TraceRecord>(line, FIELDS.record)) return fieldFault(line, FIELDS.record, "");
    const last = this.records.at(-1);
    const begins = this.header?.of === "simulation" ? 1 : line.n;
    const n = last === undefined ? begins : last.n + 1;
    if (line.n !== n) return `n: ${line.n} where ${n} comes next`;
    if (line.t < (last?.t ?? 0)) return `t: ${line.t} is before ${last?.t}, the record before it`;
    if (line.cause >= line.n) return `cause: ${line.cause} is no earlier record than ${line.n}`;
    this.#digest.add(canonicalRecord(line));
    this.records.push(line);
    return undefined;
  }

  #state(state: unknown): string | undefined {
    if (!matches<TraceState>(state, FIELDS.state)) {
      return fieldFault(state, FIELDS.state, "state.");
    }
    const last = this.records.at(-1)?.n ?? 0;
    if (state.after > last) return `state.after: record ${state.after} has not come yet`;
    this.states.push(state);
    return undefined;
  }

  #mark(name: "mark" | "end", mark: unknown): string | undefined {
    if (!matches<TraceMark>(mark, FIELDS.mark)) return fieldFault(mark, FIELDS.mark, `${name}.`);
    const last = this.records.at(-1)?.n ?? 0;
    if (mark.n !== last) return `${name}.n: ${mark.n} where record ${last} was the last`;
    if (mark.sha256 !== this.#digest.value()) {
      const since = (this.marks.at(-1)?.n ?? 0) + 1;
      return `${name}.sha256: a record from ${since} to ${last} is not the one that was written`;
    }
    if (name === "end") this.end = mark;
    else this.marks.push(mark);
    return undefined;
  }
}

function matches<Shape>(value: unknown, fields: Fields): value is Shape {
  return fieldFault(value, fields, "") === undefined;
}

/** @throws TraceFileError naming line and field when the file is no trace of this version. */
export function readTraceFile(file: string): TraceDocument {
  const bytes = bytesOf(file);
  const reader = new Reader();
  const decoder = new TextDecoder();
  let number = 0;
  for (let from = 0; from < bytes.length; ) {
    const feed = bytes.indexOf(0x0a, from);
    const to = feed < 0 ? bytes.length : feed;
    number += 1;
    const fault = faultOf(reader, decoder.decode(bytes.subarray(from, to)), feed < 0);
    if (fault !== undefined) throw new TraceFileError(`${file}:${number}: ${fault}`);
    from = to + 1;
  }
  const { header, records, states, marks, end } = reader;
  if (header === undefined) throw new TraceFileError(`${file}: empty, so this is no trace`);
  return { header, records, states, marks, end };
}

/** @param torn the file ends within the line: the writer was cut off, which is no fault. */
function faultOf(reader: Reader, text: string, torn: boolean): string | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch (error) {
    if (torn && reader.header !== undefined) return undefined;
    return error instanceof Error ? error.message : String(error);
  }
  return reader.fault(line);
}

function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new TraceFileError(error instanceof Error ? error.message : String(error));
  }
}
