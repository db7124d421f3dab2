/** Pages and short ids. */
import t from "tap";
import { findOne, pageOfItems } from "#views";

const items = ["c", "a", "b", "e", "d"].map((id) => ({ id: `task-${id}`, name: "web" }));

t.test("pages follow each other without loss or repetition", async (t) => {
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const request = after === undefined ? { limit: 2 } : { limit: 2, after };
    const page = pageOfItems(items, request, ["id", "name"], "1.1");
    seen.push(...page.items.map((item) => (item as { id: string }).id));
    after = page.next;
  } while (after !== undefined);
  t.same(seen, ["task-a", "task-b", "task-c", "task-d", "task-e"]);
});

t.test("an id, a name, or the unambiguous beginning of an id finds one object", async (t) => {
  t.equal(findOne("task", "task-a", items).id, "task-a");
  t.throws(() => findOne("task", "web", items), { code: "invalid", hint: /task-c, task-a/ });
  t.throws(() => findOne("task", "task", items), /names 5 tasks/);
  t.throws(() => findOne("task", "tas", items), { code: "not-found" });
});
