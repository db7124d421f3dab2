/** Amounts by name, limits, vectors (mesos.md §10.3, §12.3). */
import { dominantShare, Limits, Quantities, ResourceNames, Resources } from "#resources";
import t from "tap";

t.test("a bag contains amounts whatever is said of its objects", async (t) => {
  const shared = Resources.fromWire([
    {
      name: "disk",
      type: "SCALAR",
      scalar: { milli: 64_000 },
      disk: { persistence: { id: "v" } },
      shared: {},
    },
  ]);
  const rows: [Resources, string, boolean][] = [
    [Resources.of("ports:[1-3]"), "ports:2", true],
    [Resources.of("ports:[1-2]"), "ports:2", true],
    [Resources.of("ports:[1-1]"), "ports:2", false],
    [Resources.of("s:{a,b}"), "s:2", true],
    [Resources.of("s:{a,b}"), "s:3", false],
    [Resources.of("cpus(role1):2;cpus:1"), "cpus:3", true],
    [Resources.of("ports(role):[1-10];ports:[20-25]"), "ports:12", true],
    [Resources.of("ports(role):[1-10];ports:[20-25]"), "ports:17", false],
    [shared.add(shared), "disk:128", false],
    [shared.add(Resources.of("disk:64")), "disk:128", true],
  ];
  for (const [bag, amounts, contained] of rows) {
    t.equal(bag.containsQuantities(Quantities.parse(amounts)), contained, `${bag} ${amounts}`);
  }
  t.equal(Resources.of("cpus:1;ports:[1-3]").quantities().toString(), "cpus:1");
  t.equal(Resources.of("cpus:1;ports:[1-3]").amounts().toString(), "cpus:1; ports:3");
});

t.test("what is absent is 0 in quantities and infinite in limits", async (t) => {
  const some = Quantities.parse("cpus:1;mem:5");
  t.ok(Quantities.parse("cpus:0").isEmpty);
  t.equal(some.subtract(Quantities.parse("cpus:1;disk:9")).toString(), "mem:5");
  t.equal(some.add(Quantities.parse("disk:9;mem:1")).toString(), "cpus:1; disk:9; mem:6");
  const limits = Limits.parse("cpus:1;mem:0");
  t.equal(limits.get("disk"), Number.POSITIVE_INFINITY);
  t.equal(limits.subtract(Quantities.parse("cpus:2")).toString(), "cpus:0; mem:0");
  t.ok(limits.contains(Quantities.parse("cpus:1;disk:7")));
  t.notOk(limits.contains(some));
  t.notOk(limits.equals(Limits.parse("cpus:1")), "a limit of 0 is a limit");
  t.throws(() => Quantities.parse("cpus"), /name:number/);
  t.throws(() => Limits.parse("cpus:[1-2]"), /name:number/);
});

t.test("the dominant share leaves out what is excluded or not there", async (t) => {
  const names = new ResourceNames();
  const totals = names.vectorOf(Quantities.parse("cpus:10;mem:100"));
  const held = names.vectorOf(Quantities.parse("cpus:2;mem:50;gpus:1"));
  t.equal(dominantShare(held, totals, new Set()), 0.5);
  t.equal(dominantShare(held, totals, new Set([names.intern("mem")])), 0.2);
  t.ok(names.quantitiesOf(held).equals(Quantities.parse("cpus:2;mem:50;gpus:1")));
  t.throws(() => names.nameOf(9), RangeError);
});
