/** That `npm run allocator:mutants` can break each of its rules: each stands once in the code. */
import { readFileSync } from "node:fs";
import t from "tap";
import { STANDS_ONCE } from "../../tools/allocator-mutants/mutant.ts";
import { RULES } from "../../tools/allocator-mutants/rules.ts";

t.test(STANDS_ONCE, async (t) => {
  for (const { name, edits } of RULES) {
    for (const { file, find } of edits) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
      t.equal(text.split(find).length - 1, 1, `${name}: ${find}`);
    }
  }
  t.equal(new Set(RULES.map(({ name }) => name)).size, RULES.length);
});
