/**
 * Loaded before the simulator by a test: a wall clock and a Math.random that answer differently
 * in every run. Counts who reads them, by the package or the folder of the caller, and tells it
 * on stderr when the process ends.
 */
import { randomBytes } from "node:crypto";

const RealDate = Date;
const realNow = performance.now.bind(performance);
const readers = new Map<string, number>();
/** Another in every process, so no two runs see the same. */
const strange = randomBytes(4).readUInt32LE(0);
let reads = 0;

/** The package, or the folder of the project, whose code called the function that was replaced. */
function callerOf(stack: string): string {
  const frame = stack.split("\n")[3] ?? "";
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(frame)?.[1];
  // As compiled, or as source maps show it.
  return library ?? /.*\/((?:src|sim)\/[\w-]+)/.exec(frame)?.[1] ?? "node";
}

function odd(): number {
  reads += 1;
  const caller = callerOf(new Error("who reads").stack ?? "");
  readers.set(caller, (readers.get(caller) ?? 0) + 1);
  return ((strange + Math.imul(reads, 0x9e3779b1)) >>> 0) / 2 ** 32;
}

function oddMs(): number {
  return Math.floor(odd() * 4e12);
}

class OtherDate extends RealDate {
  constructor(...args: [] | [number | string]) {
    super(args[0] ?? oddMs());
  }

  static override now(): number {
    return oddMs();
  }
}

globalThis.Date = OtherDate as DateConstructor;
Math.random = () => odd();
performance.now = () => realNow() + odd();

process.on("exit", () => {
  process.stderr.write(`read by ${JSON.stringify(Object.fromEntries(readers))}\n`);
});
