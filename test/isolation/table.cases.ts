/** The last test: prints the acceptance table and fails where a row has not been shown. */
import t from "tap";
import { verdict } from "./acceptance.ts";

t.test("every row of the table is shown by a figure or a sentence", async (t) => {
  const { lines, missing, stale } = verdict();
  for (const line of lines) t.comment(line);
  t.same(missing, [], "no row is missing");
  t.same(stale, [], "what is shown stands no more in the list of what is missing");
});
