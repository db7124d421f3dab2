/** What isolators want inside of a container: put together, contradicted, said to the launcher. */
import t from "tap";
import { mergeFragments, printInside } from "#isolation";
import { type Inside, NOTHING_INSIDE } from "#runtime";

const merged = (...parts: Partial<Inside>[]) =>
  mergeFragments(parts.map((inside, index) => ({ by: `i${index}`, fragment: { inside } })));

t.test("lists are put together in order, and what is said alike is said once", async (t) => {
  const proc = { kind: "proc", target: "/proc", flags: ["nosuid"] } as const;
  const ro = { kind: "attr", target: "/proc", flags: ["ro"] } as const;
  const result = merged(
    { namespaces: ["mount", "pid"], mounts: [proc], noNewPrivileges: true },
    { namespaces: ["pid", "ipc"], mounts: [proc, ro], hostname: "a" },
  );
  t.match(result, {
    ok: true,
    merged: {
      inside: {
        ...NOTHING_INSIDE,
        namespaces: ["mount", "pid", "ipc"],
        mounts: [proc, ro],
        noNewPrivileges: true,
        hostname: "a",
      },
    },
  });
  t.notOk(JSON.stringify(mergeFragments([])).includes("inside"), "nobody wants anything");
});

t.test("two that want different things are told apart by name", async (t) => {
  const secret = (source: string) =>
    ({ kind: "secret", target: "/secret", flags: [], source, within: "/s" }) as const;
  const limit = (soft: number) => [{ resource: 7, soft, hard: 9 }];
  const result = merged(
    { hostname: "a", mounts: [secret("/s/a")], rlimits: limit(1) },
    { hostname: "b", mounts: [secret("/s/b")], rlimits: limit(2) },
  );
  t.match(result, {
    ok: false,
    contradictions: [
      { what: "inside.hostname", said: [{ value: '"a"' }, { value: '"b"' }] },
      { what: "inside.mounts./secret", said: [{ value: /s.a/ }, { value: /s.b/ }] },
      { what: "inside.rlimits.7" },
    ],
  });
  const lines = printInside({ ...NOTHING_INSIDE, mounts: [secret("/s/a")] });
  t.same(lines, ["inside: secret /s/a on /secret"]);
});
