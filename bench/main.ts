/**
 * `npm run bench -- NAME …`: finds the benchmark of that name beside this file and runs it. A
 * benchmark is a file that exports `run(args)` and tells by its answer whether its targets hold.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { endWhenUnread } from "./harness.ts";

/** Files here that are no benchmarks: this one, what all share, and parts of one. */
const OTHERS = /^(main|harness|allocator-.*|.*-(load|process|meter|time))\.js$/;

const here = fileURLToPath(new URL(".", import.meta.url));
const names = readdirSync(here)
  .filter((file) => file.endsWith(".js") && !OTHERS.test(file))
  .map((file) => file.slice(0, -".js".length));

endWhenUnread();
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`npm run bench -- NAME, where NAME is one of: ${names.join(", ")}\n`);
  process.exitCode = 2;
} else {
  const benchmark: { run(args: readonly string[]): Promise<boolean> | boolean } = await import(
    `./${name}.js`
  );
  if (!(await benchmark.run(args))) process.exitCode = 1;
}
