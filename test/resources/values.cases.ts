/** Values alone: thousandths, ranges, sets, roles (mesos.md §10.1, §10.4, §12.3). */
import {
  addRanges,
  ancestorsOf,
  coalesceRanges,
  formatScalar,
  invalidRole,
  isStrictSubrole,
  parentOf,
  type RangeList,
  readScalar,
  readScalarNumber,
  Resources,
  subtractRanges,
} from "#resources";
import t from "tap";

const milli = (text: string): number => {
  const reading = readScalar(text);
  return reading.kind === "milli" ? reading.milli : Number.NaN;
};

t.test("scalars have three decimals, rounded half away from zero", async (t) => {
  const rows: [text: string, shown: string][] = [
    ["1.234", "1.234"],
    ["1.2345", "1.235"],
    ["1.2344", "1.234"],
    ["1.1", "1.1"],
    ["1000001", "1000001"],
    ["99999999999.9994", "99999999999.999"],
    ["1.5011", "1.501"],
    ["1.5015", "1.502"],
    ["1.0005", "1.001"],
    ["0.0005", "0.001"],
    ["5e-4", "0.001"],
    ["1.5e2", "150"],
    ["0", "0"],
    ["0e999999", "0"],
    ["007.10", "7.1"],
  ];
  for (const [text, shown] of rows) t.equal(formatScalar(milli(text)), shown, text);
  for (const text of ["0.0004", "1e-300", "7.63918e-313", "1e17", "1e999999"]) {
    t.equal(readScalar(text).kind, "invalid", text);
  }
  for (const text of ["", ".", "e5", "1e", "0x10", "1_000", "-0"]) {
    t.equal(readScalar(text).kind, "text", text);
  }
  t.same(readScalarNumber(0.1), { kind: "milli", milli: 100 });
  t.equal(readScalarNumber(Number.NaN).kind, "invalid");
  t.equal(readScalarNumber(-1).kind, "invalid");
  t.equal(formatScalar(-1500), "-1.5");
});

t.test("sums of thousandths come back to where they began", async (t) => {
  const r = Resources.of("cpus:1.001");
  t.equal(r.add(r).add(r).subtract(r).subtract(r).toString(), "cpus:1.001");
  let sum = r;
  for (let i = 0; i < 100_000; i++) sum = sum.add(r).subtract(r);
  t.equal(sum.toString(), "cpus:1.001");
});

function ranges(text: string): RangeList {
  return Resources.of(`x:${text}`).ranges("x");
}

t.test("ranges are united, coalesced and cut as the table says", async (t) => {
  const sums: [string, string, string][] = [
    ["[20000-40000]", "[30000-50000,10000-20000]", "[10000-50000]"],
    ["[1-10,5-30,50-60]", "[1-65,70-80]", "[1-65,70-80]"],
    ["[1-2]", "[3-4]", "[1-4]"],
    ["[7-8]", "[5-6]", "[5-8]"],
    ["[5-8]", "[1-4]", "[1-8]"],
    ["[3-5,7-8]", "[6-6]", "[3-8]"],
    ["[1-4,9-10,20-22,26-30]", "[5-8,23-25]", "[1-10,20-30]"],
  ];
  for (const [a, b, sum] of sums) t.same(addRanges(ranges(a), ranges(b)), ranges(sum), `${a}+${b}`);
  t.same(ranges("[4-6,6-8,5-9,3-4,2-5,4-6,1-1,10-10,4-6]"), ranges("[1-10]"));
  t.same(
    coalesceRanges([
      { begin: 4, end: 6 },
      { begin: 7, end: 7 },
      { begin: 9, end: 10 },
      { begin: 9, end: 11 },
    ]),
    ranges("[4-7,9-11]"),
  );
  const rests: [string, string, string][] = [
    ["[3-8]", "[5-6]", "[3-4,7-8]"],
    ["[]", "[1-9]", "[]"],
    ["[20000-40000]", "[10000-20000,30000-50000]", "[20001-29999]"],
    ["[50000-60000]", "[50000-50001]", "[50002-60000]"],
    ["[1-10,20-30,40-50]", "[2-9,15-45,48-50]", "[1-1,10-10,46-47]"],
    ["[1-10]", "[11-20]", "[1-10]"],
    ["[1-10]", "[1-10]", "[]"],
  ];
  for (const [a, b, rest] of rests) {
    t.same(subtractRanges(ranges(a), ranges(b)), ranges(rest), `${a}-${b}`);
  }
  t.ok(Resources.of("x:[20-40]").equals(Resources.of("x:[20-30,31-39,40-40]")));
});

t.test("containment of ranges and sets", async (t) => {
  const rows: [string, string, boolean][] = [
    ["x:[1-10]", "x:[2-2,4-5]", true],
    ["x:[2-3]", "x:[2-2,4-5]", false],
    ["x:[1-2,4-6]", "x:[2-2,4-5]", true],
    ["x:[1-4,5-5]", "x:[2-2,4-5]", true],
    ["x:{sda1,sda3,sda4,sda2}", "x:{sda1,sda2}", true],
    ["x:{sda1}", "x:{sda1,sda2}", false],
    ["cpus(role1):3", "cpus(role1):1", true],
    ["cpus(role1):3", "cpus(role2):1", false],
  ];
  for (const [a, b, contains] of rows) {
    t.equal(Resources.of(a).contains(Resources.of(b)), contains, `${a} ⊇ ${b}`);
  }
  const four = Resources.of("x:{sda1,sda2,sda3,sda4}");
  t.equal(Resources.of("x:{sda1,sda2,sda3}").add(four).items("x").length, 4);
  t.same(four.subtract(Resources.of("x:{sda2,sda3,sda4}")).items("x"), ["sda1"]);
  t.ok(Resources.of("x:{a,b}").equals(Resources.of("x:{b,a}")), "order of a set is no difference");
});

t.test("roles are paths", async (t) => {
  for (const role of ["*", "a", "a/b/c", "eng.web", "a-b", "ä", ".a", "a/..b"]) {
    t.equal(invalidRole(role), undefined, role);
  }
  const wrong = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/.",
    "a/..",
    "a/*",
    "*/a",
    "-a",
    "a b",
    "a\tb",
    "a\bb",
  ];
  for (const role of [...wrong, "a\u000b", "a\u00a0b", "x".repeat(300)]) {
    t.type(invalidRole(role), "string", JSON.stringify(role));
  }
  t.ok(isStrictSubrole("b/c", "b"));
  t.notOk(isStrictSubrole("bx", "b"));
  t.notOk(isStrictSubrole("b", "b"));
  t.same(ancestorsOf("a/b/c"), ["a/b", "a"]);
  t.same(ancestorsOf("a"), []);
  t.equal(parentOf("a/b/c"), "a/b");
});
