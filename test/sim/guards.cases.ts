/** That `npm run sim:mutants` can take each of its guards out: each stands once in the compiled code. */
import { readFileSync } from "node:fs";
import t from "tap";
import { MUTANTS } from "../../sim/mutants/index.ts";

t.test("each guard that a mutant takes out stands once in the code", async (t) => {
  for (const { name, edits } of MUTANTS) {
    for (const { file, find } of edits) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
      t.equal(text.split(find).length - 1, 1, `${name}: ${find}`);
    }
  }
  t.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});
