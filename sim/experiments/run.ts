/**
 * Runs the experiment that a document describes: reads it whole first, prints its tables, and
 * writes charts and figures where it is told to.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { getHeapStatistics } from "node:v8";
import { parse } from "yaml";
import { say, UsageError } from "../commands/command.ts";
import { type Experiment, type Outcome, tableText } from "./experiment.ts";
import { Fields } from "./fields.ts";
import { LOCALITY_EXPERIMENT } from "./nsdi11/locality.ts";
import { MIX } from "./nsdi11/mix.ts";
import { SCALE } from "./nsdi11/scale.ts";
import { RETURN } from "./return/leader.ts";

/** Documents of another version may mean something else by the same words. */
export const EXPERIMENT_VERSION = 1;

/** Largest heap that a document may ask for. */
export const HEAP_MIB_MAX = 65_536;
/** Space for the young, where a document asks for none: what a process of the product has. */
const YOUNG_MIB = 16;
/** More is faster, since less is kept for long that is not wanted for long; and holds up longer. */
export const YOUNG_MIB_MAX = 256;
const MIB = 1024 * 1024;

export const EXPERIMENTS: readonly Experiment[] = [MIX, LOCALITY_EXPERIMENT, SCALE, RETURN];

interface Heap {
  readonly allMib: number;
  readonly youngMib: number;
}

export interface Prepared {
  readonly experiment: Experiment;
  readonly seed: string;
  /** Heap that it needs, where that is more than a process gets by itself. */
  readonly heap: Heap | undefined;
  run(say: (line: string) => void): Outcome;
}

/** What the document asks for. @throws UsageError when a field is wrong. */
export function prepared(document: unknown, path: string): Prepared {
  const fields = new Fields(document, path);
  const kind = fields.text("kind");
  if (kind !== "experiment") throw new UsageError(`${path}.kind: ${kind} is not "experiment"`);
  fields.whole("version", EXPERIMENT_VERSION, EXPERIMENT_VERSION);
  const name = fields.text("experiment");
  const experiment = EXPERIMENTS.find((one) => one.name === name);
  if (experiment === undefined) {
    const names = EXPERIMENTS.map((one) => one.name).join(", ");
    throw new UsageError(`${path}.experiment: there is no ${name}; there are ${names}`);
  }
  const seed = fields.text("seed");
  const heap = fields.has("heapMib")
    ? {
        allMib: fields.whole("heapMib", 512, HEAP_MIB_MAX),
        youngMib: fields.has("youngMib") ? fields.whole("youngMib", 1, YOUNG_MIB_MAX) : YOUNG_MIB,
      }
    : undefined;
  const run = experiment.prepare(fields.child("inputs"), seed);
  fields.end();
  return { experiment, seed, heap, run };
}

/** The document in `file`. @throws UsageError when it cannot be read. */
export function readDocument(file: string): unknown {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Runs it and says what came of it; in a process of its own when it needs a larger heap.
 * @param folder for charts and figures; undefined: none.
 */
export function runExperiment(file: string, folder: string | undefined): void {
  const { experiment, seed, heap, run } = prepared(readDocument(file), basename(file));
  if (heap !== undefined && getHeapStatistics().heap_size_limit < heap.allMib * MIB) {
    return again(heap);
  }
  say(`${experiment.name}, seed ${seed}`);
  const before = process.cpuUsage();
  const outcome = run(say);
  const { user, system } = process.cpuUsage(before);
  say("");
  for (const table of outcome.tables) say(tableText(table));
  for (const [name, value] of Object.entries(outcome.machine)) say(`${name}: ${value}`);
  say(`processor: ${((user + system) / 1_000_000).toFixed(1)} s`);
  if (folder !== undefined) write(folder, experiment.name, outcome);
}

/** This very command once more with so much heap; its outcome becomes ours. */
function again({ allMib, youngMib }: Heap): void {
  const limits = [
    `--max-old-space-size=${allMib}`,
    `--max-semi-space-size=${youngMib}`,
    // A heap that is hardly larger than the last time is not worth looking through again.
    "--heap-growing-percent=100",
    // The young are collected by this thread alone: what that costs is what a meter takes off.
    "--no-parallel-scavenge",
  ];
  const [, ...args] = process.argv;
  const child = spawnSync(process.execPath, [...limits, ...args], { stdio: "inherit" });
  if (child.status !== 0) {
    const how = child.signal ?? `code ${child.status}`;
    throw new Error(`the process with ${allMib} MiB of heap ended by ${how}`);
  }
}

function write(folder: string, name: string, { charts, data, tables }: Outcome): void {
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, string>();
  for (const [chart, svg] of charts) files.set(`${chart}.svg`, svg);
  const figures = JSON.stringify({ experiment: name, data, tables }, undefined, 1);
  files.set(`${basename(name)}.json`, `${figures}\n`);
  for (const [file, text] of files) {
    writeFileSync(join(folder, file), text);
    say(`wrote ${join(folder, file)}`);
  }
}
