/** The broker's index of subscriptions finds what reading each of them would find. */
import fc from "fast-check";
import t from "tap";
import { SubjectIndex } from "../../sim/ports/interest.ts";

/** The rule, one subscription at a time. */
function wants(pattern: string, subject: string): boolean {
  const tokens = subject.split(".");
  const wanted = pattern.split(".");
  for (const [index, token] of wanted.entries()) {
    if (token === ">") return tokens.length > index;
    if (index >= tokens.length || (token !== "*" && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}

const token = fc.constantFrom("a", "b", "c");
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((all) => all.join("."));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([all, rest]) => [...all, ...(rest ? [">"] : [])].join("."));

t.test("matches are those of the rule, in the order of subscription, also after ends", async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), pattern), { maxLength: 30 }),
      fc.array(fc.nat(29), { maxLength: 10 }),
      fc.nat(3),
      subject,
      (subscriptions, ended, leaver, asked) => {
        const index = new SubjectIndex<string>();
        const live = new Map<number, readonly [string, string]>();
        subscriptions.forEach(([number, text], sid) => {
          const client = `c${number}`;
          index.add(client, sid, text);
          live.set(sid, [client, text]);
        });
        for (const sid of ended) {
          const [client = ""] = live.get(sid) ?? [];
          index.remove(client, sid);
          live.delete(sid);
        }
        index.removeAll(`c${leaver}`);
        const expected = [...live]
          .filter(([, [client, text]]) => client !== `c${leaver}` && wants(text, asked))
          .map(([sid]) => sid);
        t.same(
          index.matches(asked).map(({ sid }) => sid),
          expected,
        );
      },
    ),
  );
});

t.test("what was found before is forgotten when somebody comes or goes", async (t) => {
  const index = new SubjectIndex<string>();
  const found = (): string[] => index.matches("a.b").map(({ client }) => client);
  t.same(found(), []);
  index.add("one", 1, "a.b");
  t.same(found(), ["one"]);
  index.add("two", 1, "a.*");
  t.same(found(), ["one", "two"]);
  index.add("three", 1, "a.c");
  index.remove("one", 1);
  t.same(found(), ["two"]);
  index.removeAll("two");
  t.same(found(), []);
});
