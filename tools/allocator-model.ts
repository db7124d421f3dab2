/**
 * Runs the allocator against the slow model over many seeds and prints the first difference, cut down
 * to the steps that it takes: `npm run allocator:model -- [--seeds N] [--from N] [--operations N]`.
 */
import { parseArgs } from "node:util";
import { history, type Step } from "../test/allocator/histories.ts";
import { differenceOf } from "../test/allocator/pair.ts";
import { countFrom, runCommand } from "./command.ts";

/** Fewer steps that still differ: ever smaller parts are left out. */
function shrunk(seed: number, steps: readonly Step[]): readonly Step[] {
  let best = steps;
  for (let size = best.length >> 1; size >= 1; ) {
    const before = best.length;
    for (let from = 0; from < best.length; ) {
      const fewer = [...best.slice(0, from), ...best.slice(from + size)];
      const difference = differenceOf(seed, fewer);
      if (difference === undefined) from += size;
      else best = fewer.slice(0, difference.at + 1);
    }
    if (size > 1 || best.length === before) size >>= 1;
  }
  return best;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "200" },
      from: { type: "string", default: "1" },
      operations: { type: "string", default: "500" },
    },
  });
  const seeds = countFrom("seeds", values.seeds);
  const from = countFrom("from", values.from);
  const operations = countFrom("operations", values.operations);
  for (let seed = from; seed < from + seeds; seed++) {
    const steps = history(seed, operations);
    const difference = differenceOf(seed, steps);
    if (difference === undefined) continue;
    process.stdout.write(`seed ${seed} differs at operation ${difference.at}: ${difference.why}\n`);
    const few = shrunk(seed, steps.slice(0, difference.at + 1));
    process.stdout.write(`${few.length} steps show it:\n${JSON.stringify(few)}\n`);
    process.stdout.write(`${differenceOf(seed, few)?.why}\n`);
    return 1;
  }
  const seconds = (process.cpuUsage().user / 1e6).toFixed(0);
  const all = (seeds * operations).toLocaleString("en");
  process.stdout.write(
    `${all} operations over ${seeds} seeds: no difference (${seconds} s of CPU)\n`,
  );
  return 0;
}

await runCommand("npm run allocator:model -- [--seeds N] [--from N] [--operations N]", main);
