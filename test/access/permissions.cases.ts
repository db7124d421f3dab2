/** Who may say and hear what, by pattern; the broker and the in-process bus run them elsewhere. */
import fc from "fast-check";
import t from "tap";
import {
  covers,
  credentialName,
  type Identity,
  identityFault,
  inboxOf,
  mayPublish,
  maySubscribe,
  permissionsOf,
  ROLES,
  templateOf,
} from "#access";
import { asId, type ClusterId, type Principal, subjectsOf } from "#protocol";

const subjects = subjectsOf(asId<ClusterId>("c1"));

t.test("a pattern covers exactly what it matches", async (test) => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["a.b", "a.b", true],
    ["a.b", "a.c", false],
    ["a.b", "a", false],
    ["a.b", "a.b.c", false],
    ["a.*", "a.b", true],
    ["a.*", "a.b.c", false],
    ["a.*", "a.*", true],
    ["a.*", "a.>", false],
    ["a.*.c", "a.b.c", true],
    ["a.*.c", "a.*.*", false],
    ["a.>", "a.b.c", true],
    ["a.>", "a", false],
    ["a.>", "a.>", true],
    ["a.>", "a.*.c", true],
    [">", "a", true],
    ["*", ">", false],
    ["a.b", "a.*", false],
  ];
  for (const [allowed, pattern, expected] of rows) {
    test.equal(covers(allowed, pattern), expected, `${allowed} covers ${pattern}`);
  }
});

t.test("a wildcard that is covered matches nothing that is not covered", async () => {
  const token = fc.constantFrom("a", "b", "c");
  const patternToken = fc.constantFrom("a", "b", "*");
  const pattern = fc
    .tuple(fc.array(patternToken, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([tokens, open]) => [...tokens, ...(open ? [">"] : [])].join("."));
  const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((all) => all.join("."));
  fc.assert(
    fc.property(pattern, pattern, subject, (wide, narrow, plain) => {
      fc.pre(covers(wide, narrow) && covers(narrow, plain));
      return covers(wide, plain);
    }),
    { numRuns: 500 },
  );
});

const IDENTITIES: readonly Identity[] = [
  { role: "master", masterId: asId("m1") },
  { role: "agent", principal: asId("p1") },
  { role: "framework", principal: asId("p1"), instance: asId("i1") },
  { role: "executor", principal: asId("p1"), containerId: asId("k1") },
  { role: "operator", principal: asId("p1") },
  { role: "joiner", tokenId: asId("t1") },
  { role: "registrar" },
];

t.test("the template with a name filled in is what the name itself is allowed", async (test) => {
  for (const identity of IDENTITIES) {
    const template = templateOf(subjects, identity.role);
    const fill = (patterns: readonly string[]): string[] =>
      patterns.map((pattern) => pattern.replaceAll("{{name()}}", credentialName(identity)));
    const own = permissionsOf(subjects, identity);
    test.same(fill(template.publish), own.publish, identity.role);
    test.same(fill(template.subscribe), own.subscribe, identity.role);
    const all = [...template.publish, ...template.subscribe].join(" ");
    test.notMatch(all, /second/, "no placeholder that the broker does not know");
  }
  test.same(
    IDENTITIES.map(({ role }) => role),
    ROLES,
  );
});

t.test(
  "two identities share no subject to speak on, masters, registrar and people apart",
  async (test) => {
    const speakers: readonly Identity[] = [
      ...IDENTITIES.filter(({ role }) => role !== "master" && role !== "registrar"),
      { role: "joiner", tokenId: asId("t2") },
      { role: "agent", principal: asId("p2") },
      { role: "framework", principal: asId("p1"), instance: asId("i2") },
      { role: "framework", principal: asId("p2"), instance: asId("i1") },
      { role: "executor", principal: asId("p1"), containerId: asId("k2") },
      { role: "executor", principal: asId("p2"), containerId: asId("k1") },
      { role: "operator", principal: asId("p2") },
    ];
    for (const one of speakers) {
      for (const other of speakers) {
        if (one === other) continue;
        const theirs = permissionsOf(subjects, other);
        for (const subject of permissionsOf(subjects, one).publish) {
          const plain = subject.replaceAll("*", "x1");
          test.notOk(mayPublish(theirs, plain), `${credentialName(other)} says ${plain}`);
        }
        test.notOk(maySubscribe(theirs, `${inboxOf(one)}.>`), `${credentialName(other)} hears`);
        test.notOk(mayPublish(theirs, `${inboxOf(one)}.x`), `${credentialName(other)} answers`);
      }
    }
  },
);

t.test("a name that would be a wildcard or a path names nobody", async (test) => {
  for (const bad of ["*", ">", "a.b", "", "a b", "../x", "-x", "{{name()}}", "x".repeat(201)]) {
    const identity: Identity = { role: "agent", principal: bad as Principal };
    test.match(identityFault(identity), /^principal: /, JSON.stringify(bad));
  }
  for (const identity of IDENTITIES) test.equal(identityFault(identity), undefined);
});
