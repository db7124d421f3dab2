/** Filters and fields: read, refused with a sentence, applied. */
import t from "tap";
import { matches, parseFilter, pick } from "#api";

const FIELDS = ["id", "state", "role", "roles"];

t.test("all conditions must hold, and a list holds one of its items", async (t) => {
  const items = [
    { id: "a", state: "UP", roles: ["x", "y"] },
    { id: "b", state: "DOWN", roles: ["x"] },
  ];
  const found = (filter: string): string[] =>
    items.filter((item) => matches(item, parseFilter(filter, FIELDS))).map(({ id }) => id);
  t.same(found(""), ["a", "b"]);
  t.same(found("state=UP"), ["a"]);
  t.same(found("state!=UP"), ["b"]);
  t.same(found("roles=y,state=UP"), ["a"]);
  t.same(found("roles=y,state=DOWN"), []);
  t.same(found("role="), ["a", "b"], "an absent field equals nothing");
});

t.test("what cannot be read or does not exist is named with what would be right", async (t) => {
  t.throws(() => parseFilter("state", FIELDS), { code: "invalid", hint: /field=value/ });
  t.throws(() => parseFilter("stat=UP", FIELDS), {
    code: "invalid",
    hint: /id, state, role, roles/,
  });
  t.throws(() => parseFilter("id=1,".repeat(17), FIELDS), /17 conditions; at most 16/);
  t.throws(() => pick({ id: "a" }, "id,colour", FIELDS), /there is no field "colour"/);
});

t.test("only the fields asked for are shown", async (t) => {
  t.same(pick({ id: "a", state: "UP", role: undefined }, "id,role", FIELDS), { id: "a" });
});
