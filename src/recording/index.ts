/** Door of recordings: actors from plain data, ports over a tape, the form of the file. */
export * from "./facts.ts";
export * from "./format.ts";
export * from "./hash.ts";
export * from "./lives.ts";
export * from "./record.ts";
export * from "./record-tape.ts";
export * from "./redact.ts";
export * from "./tape.ts";
export * from "./taped-ports.ts";
export * from "./writer.ts";
