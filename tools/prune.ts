/**
 * Removes compiled files whose source is gone, so that a renamed test or machine does not live on below dist/. It touches
 * nothing that the compiler did not write.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const COMPILED = ["src", "sim", "test", "bench", "tools", "examples"];
const OUTPUT = /\.js(?:\.map)?$/;

function prune(folder: string): void {
  const compiled = join("dist", folder);
  if (!existsSync(compiled)) return;
  for (const entry of readdirSync(compiled, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) prune(path);
    else if (OUTPUT.test(path) && !existsSync(path.replace(OUTPUT, ".ts")))
      rmSync(join("dist", path));
  }
}

COMPILED.forEach(prune);
