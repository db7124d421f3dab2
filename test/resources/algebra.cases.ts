/** Bags of resources: sums, parts, find and shrink (mesos.md §10.3, §12.3). */
import { Limits, Quantities, Resources } from "#resources";
import t from "tap";

const of = (text: string): Resources => Resources.of(text);
const mount = (root: string, gb: number): string =>
  `{"name":"disk","type":"SCALAR","scalar":{"value":${gb}},"disk":{"source":{"type":"MOUNT","mount":{"root":"${root}"}}}}`;

t.test("objects of one role merge, of different roles stand side by side", async (t) => {
  const sum = of("cpus(role1):1;cpus(role2):3").add(of("cpus(role1):5"));
  t.ok(sum.equals(of("cpus(role1):6;cpus(role2):3")));
  t.equal(sum.length, 2);
  t.equal(sum.cpusMilli, 9000);
});

t.test("a difference never goes below zero", async (t) => {
  t.equal(of("cpus:1;mem:5").subtract(of("cpus:2;mem:1;disk:9")).toString(), "mem:4");
  const some = of("cpus:1;ports:[1-9];disks:{a}");
  t.equal(some.subtract(some), Resources.EMPTY);
  t.equal(of("cpus:1").subtract(of("cpus:1")), Resources.EMPTY);
});

t.test("a role is given what is unreserved, its own and its ancestors'", async (t) => {
  const family = of("cpus:1;cpus(a):2;cpus(a/bx):4;cpus(a/b):8;cpus(a/bx/c):16");
  t.equal(family.allocatableTo("a/bx/c").cpusMilli, 23_000);
  t.equal(family.allocatableTo("a/bx").cpusMilli, 7000);
  t.equal(family.allocatableTo("a/b").cpusMilli, 11_000);
  t.equal(family.allocatableTo("a").cpusMilli, 3000);
  t.equal(family.allocatableTo("*").cpusMilli, 1000);
  t.ok(family.reserved("*").isEmpty);
  t.equal(family.reserved().cpusMilli, 30_000);
  t.equal(family.reserved("a").cpusMilli, 2000);
  t.equal(family.unreserved().cpusMilli, 1000);
  t.same([...family.reservations().keys()], ["a", "a/bx", "a/b", "a/bx/c"]);
  t.equal(family.toUnreserved().toString(), "cpus:31");
});

t.test("find prefers the same role, then unreserved, then any other", async (t) => {
  const rows: [total: string, targets: string, found: string | undefined][] = [
    [
      "cpus(role1):2;mem(role1):10;cpus:4;mem:20",
      "cpus(role1):3;mem(role1):15",
      "cpus(role1):2;mem(role1):10;cpus:1;mem:5",
    ],
    [
      "cpus(role1):1;mem(role1):5;cpus(role2):2;mem(role2):8;cpus:1;mem:7",
      "cpus(role1):3;mem(role1):15",
      "cpus(role1):1;mem(role1):5;cpus:1;mem:7;cpus(role2):1;mem(role2):3",
    ],
    [
      "cpus(role1):5;mem(role1):5;cpus:5;mem:5",
      "cpus:6;mem:6",
      "cpus:5;mem:5;cpus(role1):1;mem(role1):1",
    ],
    ["cpus(role1):1;mem(role1):1", "cpus(role1):2;mem(role1):2", undefined],
  ];
  for (const [total, targets, found] of rows) {
    const result = of(total).find(of(targets));
    if (found === undefined) t.equal(result, undefined, targets);
    else t.ok(result?.equals(of(found)), `${targets} in ${total}: ${result}`);
  }
});

t.test("shrink to quantities drops what is not named, to limits keeps it", async (t) => {
  const some = of("cpus:2;mem:20");
  const to = (text: string): string => some.shrink(Quantities.parse(text)).toString();
  t.equal(to("cpus:1;mem:10"), "cpus:1; mem:10");
  t.equal(to("cpus:1;mem:10;disk:10"), "cpus:1; mem:10");
  t.equal(to("cpus:1"), "cpus:1");
  t.equal(to(""), "");
  t.equal(some.shrink(Limits.parse("cpus:1")).toString(), "cpus:1; mem:20");
  t.equal(some.shrink(Limits.parse("cpus:0")).toString(), "mem:20");
  t.equal(some.shrink(Limits.NONE), some);
  const disk = of(`[${mount("/m", 20)}]`);
  t.ok(disk.shrink(Quantities.parse("disk:10")).isEmpty);
  t.ok(disk.shrink(Limits.parse("disk:10")).isEmpty);
  const two = of(`[${mount("/m", 10)},{"name":"disk","type":"SCALAR","scalar":{"value":10}}]`);
  for (const target of [Quantities.parse("disk:10"), Limits.parse("disk:10")]) {
    const picked = new Set([0, 1].map((first) => two.shrink(target, () => first).toString()));
    t.same([...picked].sort(), ["disk:10", "disk[MOUNT:/m]:10"], "the order drawn decides");
  }
});

t.test("many distinct objects are looked up, not searched", async (t) => {
  const list = Array.from({ length: 400 }, (_, i) => `cpus(role${i}):1;mem(role${i}):2`).join(";");
  const many = of(list);
  t.equal(many.length, 800);
  t.equal(of(`${list};${list}`).length, 800, "those added late are found again");
  t.equal(many.add(many).cpusMilli, 800_000);
  t.ok(many.add(many).subtract(many).equals(many));
  t.ok(many.add(many).contains(many));
  t.notOk(many.contains(many.add(of("cpus(role7):1"))));
  const half = many.filter(({ name }) => name === "cpus");
  const other = many.filter(({ name }) => name === "mem");
  t.ok(many.subtract(half).equals(other), "what is gone leaves the others where they were");
  t.ok(many.subtract(half.add(other)).isEmpty);
  t.ok(
    many
      .subtract(many.filter(({ name }) => name === "mem"))
      .add(other)
      .equals(many),
  );
});

t.test("wire objects that say something impossible are refused by name", async (t) => {
  const rows: [object: object, message: RegExp][] = [
    [{ name: "cpus", type: "SCALAR", scalar: { milli: 1.5 } }, /scalar\.milli 1\.5/],
    [{ name: "cpus", type: "SCALAR", scalar: { milli: -1 } }, /scalar\.milli -1/],
    [{ name: "cpus", type: "SCALAR" }, /exactly one value/],
    [{ name: "cpus", type: "RANGES", scalar: { milli: 1 } }, /needs the field ranges/],
    [{ name: "p", type: "RANGES", ranges: { range: [{ begin: 2, end: 1 }] } }, /begin is above/],
    [
      {
        name: "p",
        type: "RANGES",
        ranges: {
          range: [
            { begin: 5, end: 7 },
            { begin: 1, end: 5 },
          ],
        },
      },
      /overlap/,
    ],
    [{ name: "s", type: "SET", set: { item: ["a", "a"] } }, /occurs twice/],
    [{ name: "a b", type: "SCALAR", scalar: { milli: 1 } }, /name "a b"/],
    [{ name: "mem", type: "SCALAR", scalar: { milli: 1 }, disk: {} }, /only for the scalar/],
    [{ name: "disk", type: "SCALAR", scalar: { milli: 1 }, shared: {} }, /only persistent/],
    [
      {
        name: "disk",
        type: "SCALAR",
        scalar: { milli: 1 },
        disk: { source: { type: "RAW", root: "/" } },
      },
      /RAW disk has no root/,
    ],
    [
      {
        name: "cpus",
        type: "SCALAR",
        scalar: { milli: 1 },
        reservations: [{ type: "STATIC", role: "*" }],
      },
      /cannot be reserved/,
    ],
    [
      {
        name: "cpus",
        type: "SCALAR",
        scalar: { milli: 1 },
        reservations: [
          { type: "STATIC", role: "a" },
          { type: "DYNAMIC", role: "ab" },
        ],
      },
      /no strict sub-role/,
    ],
    [
      {
        name: "cpus",
        type: "SCALAR",
        scalar: { milli: 1 },
        reservations: [
          { type: "DYNAMIC", role: "a" },
          { type: "STATIC", role: "a/b" },
        ],
      },
      /only the first/,
    ],
  ];
  for (const [object, message] of rows) {
    const read = Resources.check([object as never]);
    t.match(read.ok ? "accepted" : read.error.message, message);
  }
});
