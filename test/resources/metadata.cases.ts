/** Reservations, disks, shared and allocated objects, and the extended print (mesos.md §12.3). */
import { type Disk, type Reservation, type Resource, Resources } from "#resources";
import t from "tap";

type Said = Partial<Omit<Resource, "name" | "type">>;
const disk = (mib: number, said: Said = {}): Resources =>
  Resources.fromWire([{ name: "disk", type: "SCALAR", scalar: { milli: mib * 1000 }, ...said }]);
const source = (type: "PATH" | "MOUNT" | "BLOCK" | "RAW", more: object = {}): Disk => ({
  source: { type, ...more },
});
const persistent = (id: string, containerPath: string): Disk => ({
  persistence: { id },
  volume: { containerPath, mode: "RW" },
});
const alice: Reservation = { type: "STATIC", role: "alice" };

t.test("the extended print says everything in a fixed order", async (t) => {
  const refined: Reservation = {
    type: "DYNAMIC",
    role: "alice/refined",
    principal: "hdfs-p",
    labels: [{ key: "foo", value: "bar" }, { key: "foo" }],
  };
  const hosted: Disk = {
    persistence: { id: "hadoop" },
    volume: { hostPath: "/hdfs", containerPath: "/data", mode: "RW" },
  };
  const rows: [Resources, string][] = [
    [
      disk(1, { allocationInfo: { role: "role" }, reservations: [alice] }),
      "disk(allocated: role)(reservations: [(STATIC,alice)]):1",
    ],
    [
      disk(1, { reservations: [alice], disk: persistent("hadoop", "/data"), revocable: {} }),
      "disk(reservations: [(STATIC,alice)])[hadoop:/data]{REV}:1",
    ],
    [
      disk(1, { disk: { ...source("MOUNT", { root: "/mnt1" }), ...hosted } }),
      "disk[MOUNT:/mnt1,hadoop:/hdfs:/data:rw]:1",
    ],
    [disk(1, { disk: source("PATH", { root: "/mnt2" }) }), "disk[PATH:/mnt2]:1"],
    [
      disk(1, { disk: source("MOUNT", { root: "/m", vendor: "v", id: "i", profile: "p" }) }),
      "disk[MOUNT(v,i,p)]:1",
    ],
    [
      disk(1, { reservations: [alice, refined], disk: hosted }),
      "disk(reservations: [(STATIC,alice),(DYNAMIC,alice/refined,hdfs-p,{foo: bar, foo})])" +
        "[hadoop:/hdfs:/data:rw]:1",
    ],
  ];
  for (const [resources, text] of rows) t.equal(resources.toString(), text);
  const volume = disk(64, {
    reservations: [{ type: "STATIC", role: "role1" }],
    disk: persistent("id1", "path1"),
    shared: {},
  });
  t.equal(
    volume.add(volume).toString(),
    "disk(reservations: [(STATIC,role1)])[id1:path1]<SHARED>:64<2>",
  );
});

t.test("reservations with other labels or another principal do not merge", async (t) => {
  const dynamic = (more: Partial<Reservation>): Resources =>
    disk(1, { reservations: [{ type: "DYNAMIC", role: "a", ...more }] });
  const labelled = (value: string): Resources => dynamic({ labels: [{ key: "k", value }] });
  t.equal(labelled("1").add(labelled("2")).length, 2);
  t.equal(labelled("1").add(labelled("1")).length, 1);
  t.equal(dynamic({ principal: "p" }).add(dynamic({ principal: "q" })).length, 2);
  t.equal(dynamic({}).add(disk(1, { reservations: [{ type: "STATIC", role: "a" }] })).length, 2);
  const ab = dynamic({ labels: [{ key: "a" }, { key: "b" }] });
  t.ok(ab.equals(dynamic({ labels: [{ key: "b" }, { key: "a" }] })), "labels are a bag");
  t.notOk(ab.contains(dynamic({})));
});

t.test("disks are told apart by source and persistence, not by their path", async (t) => {
  const volume = (containerPath: string): Disk => ({ volume: { containerPath, mode: "RW" } });
  t.equal(disk(1, { disk: volume("path1") }).add(disk(2, { disk: volume("path2") })).length, 1);
  t.equal(disk(1, { disk: volume("path1") }).add(disk(2)).length, 2);
  const path = (root: string): Resources => disk(10, { disk: source("PATH", { root }) });
  t.equal(path("/a").add(path("/a")).toString(), "disk[PATH:/a]:20");
  t.equal(path("/a").add(path("/b")).length, 2);
  t.equal(disk(10, { disk: source("RAW") }).add(disk(10, { disk: source("RAW") })).length, 1);
  const raw = disk(10, { disk: source("RAW", { id: "i" }) });
  t.equal(raw.add(raw).length, 2);
});

t.test("revocable resources and those of another provider are kinds of their own", async (t) => {
  const plain = disk(1);
  for (const other of [disk(1, { revocable: {} }), disk(1, { providerId: "p" })]) {
    t.equal(plain.add(other).length, 2);
    t.notOk(plain.equals(other));
    t.ok(plain.subtract(other).equals(plain));
  }
  t.notOk(disk(1, { providerId: "p" }).contains(disk(1, { providerId: "q" })));
});

t.test("indivisible disks are taken whole and used up", async (t) => {
  const mount = (mib: number): Resources => disk(mib, { disk: source("MOUNT", { root: "/m" }) });
  const two = mount(10).add(mount(10));
  t.equal(two.length, 2);
  t.notOk(two.contains(mount(20)));
  t.notOk(mount(20).contains(two));
  t.ok(mount(20).subtract(mount(10)).equals(mount(20)));
  t.notOk(mount(10).contains(two), "one disk is not two");
  t.notOk(mount(10).equals(two));
  t.ok(two.subtract(mount(10)).equals(mount(10)));
  const one = disk(1, { disk: persistent("1", "p") });
  const other = disk(2, { disk: persistent("2", "p") });
  const both = one.add(other);
  t.ok(both.contains(one) && both.contains(other));
  t.notOk(both.contains(disk(20, { disk: persistent("1", "p") })));
});

t.test("shared volumes are counted in copies", async (t) => {
  const v = disk(100, { disk: persistent("id", "p"), shared: {} });
  const sum = Resources.of("cpus:1;mem:5").add(v).add(Resources.of("cpus:2;mem:10").add(v));
  t.equal(sum.cpusMilli, 3000);
  t.equal(sum.memMilli, 15_000);
  t.equal(sum.diskMilli, 100_000);
  const two = v.add(v);
  t.equal(two.length, 1);
  t.equal(two.toWire().length, 2);
  t.ok(Resources.fromWire(two.toWire()).equals(two));
  t.ok(two.subtract(v).equals(v));
  t.ok(v.subtract(two).isEmpty);
  t.ok(two.contains(v));
  t.notOk(v.contains(two));
  const unshared = disk(100, { disk: persistent("id", "p") });
  t.ok(v.subtract(unshared).equals(v));
  t.ok(unshared.subtract(v).equals(unshared));
  t.equal(v.add(unshared).diskMilli, 200_000);
});

t.test("allocation is part of the kind", async (t) => {
  const both = Resources.of("cpus:1").allocate("a").add(Resources.of("cpus:2").allocate("b"));
  t.equal(both.length, 2);
  t.equal(both.cpusMilli, 3000);
  t.notOk(both.contains(Resources.of("cpus:1")));
  t.equal(both.unallocate().toString(), "cpus:3");
  t.same(
    [...both.allocations()].map(([role, part]) => `${role} ${part.cpusMilli}`),
    ["a 1000", "b 2000"],
  );
});

t.test("reservations are pushed and popped", async (t) => {
  const plain = Resources.of("cpus:1;mem:5");
  const step: Reservation = { type: "DYNAMIC", role: "alice/b" };
  const reserved = plain.pushReservation(alice).pushReservation(step);
  t.equal(reserved.reserved("alice/b").length, 2);
  t.ok(reserved.traits.refined);
  t.ok(reserved.popReservation().equals(plain.pushReservation(alice)));
  t.ok(reserved.popReservation().popReservation().equals(plain));
  t.throws(() => plain.popReservation(), /cpus is not reserved/);
  t.match(reserved.reservable({ type: "DYNAMIC", role: "bob" }), /no strict sub-role/);
  t.throws(() => reserved.pushReservation({ type: "DYNAMIC", role: "bob" }), /strict sub-role/);
});
