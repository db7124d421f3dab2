/** Cgroups as plain data: hierarchies found, numbers, and the ordered writes of the drivers. */
import fc from "fast-check";
import t from "tap";
import {
  type CgroupValues,
  cgroupMode,
  cpuQuotaUs,
  cpuShares,
  cpuWeight,
  findHierarchies,
  hybridDriver,
  isRaised,
  MEMORY_BYTES_MIN,
  memoryBytes,
  noneDriver,
  oomScoreAdj,
  pickDriver,
  standing,
  v1Driver,
  v2Driver,
} from "#isolation";
import type { CgroupStep } from "#runtime";

const MIB = 1024 * 1024;
const line = (point: string, type: string, options: string): string =>
  `31 23 0:28 / ${point} rw,relatime shared:9 - ${type} ${type} ${options}`;

const PURE_V2 = line("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate");
const V1 = [
  line("/sys/fs/cgroup", "tmpfs", "rw,mode=755"),
  line("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
  line("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
  line("/sys/fs/cgroup/pids", "cgroup", "rw,pids"),
  line("/sys/fs/cgroup/freezer", "cgroup", "rw,freezer"),
  line("/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,name=systemd"),
].join("\n");

t.test("hierarchies are found where they are mounted, not where one expects them", async (t) => {
  const odd = findHierarchies(line("/mnt/with\\040blank\\134", "cgroup2", "rw"));
  t.equal(odd.v2, "/mnt/with blank\\");
  const v1 = findHierarchies(V1);
  t.equal(v1.v1.get("cpu"), "/sys/fs/cgroup/cpu,cpuacct");
  t.equal(v1.v1.get("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
  t.equal(v1.v1.get("name=systemd"), "/sys/fs/cgroup/systemd");
  t.notOk(v1.v1.has("rw"));
  const twice = findHierarchies(`${V1}\n${line("/elsewhere", "cgroup", "rw,memory")}`);
  t.equal(twice.v1.get("memory"), "/sys/fs/cgroup/memory", "the first mount wins");
});

t.test("the mode follows from where the limiting controllers live", async (t) => {
  const controllers = ["cpuset", "cpu", "io", "memory", "pids"];
  const hybrid = `${V1}\n${line("/sys/fs/cgroup/unified", "cgroup2", "rw")}`;
  const cases: [string, string[], string][] = [
    [PURE_V2, controllers, "v2"],
    [PURE_V2, [], "none"],
    [V1, [], "v1"],
    [hybrid, ["hugetlb"], "hybrid"],
    ["", [], "none"],
    [line("/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd"), [], "none"],
  ];
  for (const [text, words, mode] of cases) t.equal(cgroupMode(findHierarchies(text), words), mode);
});

t.test("numbers are Mesos', within the kernel's ranges", async (t) => {
  t.same(
    [0, 1, 100, 1_000, 1_500, 300_000].map((cpu) => cpuShares(cpu, false)),
    [2, 2, 102, 1_024, 1_536, 262_144],
  );
  t.same(
    [1, 1_000, 4_000].map((cpu) => cpuShares(cpu, true)),
    [2, 10, 40],
  );
  t.same(
    [1, 500, 1_000, 100_010, 500_000].map((cpu) => cpuWeight(cpu, false)),
    [1, 50, 100, 10_000, 10_000],
  );
  t.same(
    [1, 1_000, 4_000].map((cpu) => cpuWeight(cpu, true)),
    [1, 1, 4],
  );
  t.same([1, 100, 1_000, 2_500].map(cpuQuotaUs), [1_000, 10_000, 100_000, 250_000]);
  t.equal(cpuQuotaUs("infinite"), "infinite");
  t.same([1, 32, 33].map(memoryBytes), [MEMORY_BYTES_MIN, MEMORY_BYTES_MIN, 33 * MIB]);
  t.equal(memoryBytes("infinite"), "infinite");
  t.same(
    [0, 512, 1_024, 2_048].map((mib) => oomScoreAdj(mib * MIB, 1_024 * MIB)),
    [1_000, 500, 0, 0],
  );
  t.same(
    [
      isRaised(1, 2),
      isRaised(2, 1),
      isRaised(1, 1),
      isRaised(1, "infinite"),
      isRaised("infinite", 1),
    ],
    [true, false, false, true, false],
  );
});

t.test("shares, weights and quotas grow with the request and stay within range", async () => {
  const cpu = fc.integer({ min: 0, max: 10_000_000 });
  fc.assert(
    fc.property(cpu, cpu, fc.boolean(), (a, b, revocable) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      for (const [of, min, max] of [
        [cpuShares, 2, 262_144],
        [cpuWeight, 1, 10_000],
      ] as const) {
        const [x, y] = [of(low, revocable), of(high, revocable)];
        if (x > y || x < min || y > max || !Number.isInteger(x)) return false;
      }
      return (
        Number(cpuQuotaUs(low)) >= 1_000 && Number(cpuQuotaUs(low)) <= Number(cpuQuotaUs(high))
      );
    }),
  );
});

const place = { root: "meseta", agentId: "a1" };
const values: CgroupValues = {
  cpu: { cpuMilli: 500, revocable: false, limitMilli: 2_000 },
  memory: { softBytes: 64 * MIB, hardBytes: "infinite" },
  pids: { max: 100 },
};
const show = (steps: readonly CgroupStep[]): string[] =>
  steps.map((step) => {
    if (step.kind === "make") return `+ ${step.path}`;
    return `${step.path} = ${step.kind === "write" ? step.value : step.rules.join(", ")}`;
  });

t.test("v2 enables top down, limits the container, runs in its leaf", async (t) => {
  const driver = v2Driver({ ...place, mount: "/cg", controllers: ["cpu", "memory", "pids"] });
  t.same(show(driver.agentSteps()), [
    "/cg/cgroup.subtree_control = +cpu +memory +pids",
    "+ /cg/meseta",
    "/cg/meseta/cgroup.subtree_control = +cpu +memory +pids",
    "+ /cg/meseta/a1",
    "/cg/meseta/a1/cgroup.subtree_control = +cpu +memory +pids",
    "+ /cg/meseta/a1/=launcher",
  ]);
  const plan = driver.plan("c1", values);
  t.same(show(plan.steps), [
    "+ /cg/meseta/a1/c1",
    "/cg/meseta/a1/c1/cpu.weight = 50",
    "/cg/meseta/a1/c1/cpu.max = 200000 100000",
    `/cg/meseta/a1/c1/memory.low = ${64 * MIB}`,
    "/cg/meseta/a1/c1/memory.max = max",
    "/cg/meseta/a1/c1/pids.max = 100",
    "+ /cg/meseta/a1/c1/leaf",
  ]);
  t.same(plan.join, ["/cg/meseta/a1/c1/leaf/cgroup.procs"]);
  t.same(plan.kill, { kind: "kill", path: "/cg/meseta/a1/c1/cgroup.kill" });
  const few = v2Driver({ ...place, mount: "/cg", controllers: ["cpu"] }).plan("c1", values);
  t.notOk(
    show(few.steps).some((step) => /memory|pids/.test(step)),
    "only what the machine has",
  );
});

t.test("v1 makes a directory once per mount and kills through the freezer", async (t) => {
  const driver = v1Driver({ ...place, v1: findHierarchies(V1).v1 });
  const plan = driver.plan("c1", values);
  const at = (name: string): string => `/sys/fs/cgroup/${name}/meseta/a1/c1`;
  t.same(show(plan.steps), [
    `+ ${at("cpu,cpuacct")}`,
    `+ ${at("memory")}`,
    `+ ${at("pids")}`,
    `+ ${at("freezer")}`,
    `${at("cpu,cpuacct")}/cpu.shares = 512`,
    `${at("cpu,cpuacct")}/cpu.cfs_period_us = 100000`,
    `${at("cpu,cpuacct")}/cpu.cfs_quota_us = 200000`,
    `${at("memory")}/memory.soft_limit_in_bytes = ${64 * MIB}`,
    `${at("memory")}/memory.limit_in_bytes = -1`,
    `${at("pids")}/pids.max = 100`,
  ]);
  t.same(plan.kill, { kind: "freezer", path: at("freezer") });
  t.same(plan.remove.length, 4);
});

t.test("hybrid limits by v1 and kills by v2", async (t) => {
  const { v1 } = findHierarchies(V1);
  const driver = hybridDriver({ ...place, v1, mount: "/u" });
  const plan = driver.plan("c1", values);
  t.same(plan.kill, { kind: "kill", path: "/u/meseta/a1/c1/cgroup.kill" });
  t.ok(plan.join.includes("/u/meseta/a1/c1/cgroup.procs"));
  t.same(plan.counters.oomPath, "/sys/fs/cgroup/memory/meseta/a1/c1/memory.oom_control");
  t.ok(driver.usageFiles("c1").some(({ path }) => path === "/u/meseta/a1/c1/memory.pressure"));
});

t.test("an update never lowers a hard limit, and lifts a quota that is gone", async (t) => {
  const memory = (mib: number): CgroupValues => ({
    cpu: null,
    memory: { softBytes: mib * MIB, hardBytes: mib * MIB },
    pids: null,
  });
  const drivers = [
    v2Driver({ ...place, mount: "/cg", controllers: ["cpu", "memory", "pids"] }),
    v1Driver({ ...place, v1: findHierarchies(V1).v1 }),
  ];
  for (const driver of drivers) {
    const hard = (before: number, next: number): boolean =>
      show(driver.update("c1", memory(before), memory(next))).some((step) =>
        /memory\.(max|limit_in_bytes) /.test(step),
      );
    t.same([hard(64, 96), hard(96, 64), hard(64, 64)], [true, false, false], driver.mode);
    const cpu = { cpuMilli: 500, revocable: false };
    const before = { ...values, cpu: { ...cpu, limitMilli: 1_000 } };
    const steps = driver.update("c1", before, { ...values, cpu: { ...cpu, limitMilli: null } });
    t.ok(show(steps).some((step) => /cpu\.max = max 100000|cfs_quota_us = -1/.test(step)));
  }
});

t.test("a request that grows again stays below the hard limit that still stands", async (t) => {
  const of = (mib: number): CgroupValues => ({
    cpu: null,
    memory: { softBytes: mib * MIB, hardBytes: mib * MIB },
    pids: null,
  });
  const driver = v2Driver({ ...place, mount: "/cg", controllers: ["memory"] });
  let values = of(256);
  const written: string[] = [];
  for (const mib of [64, 96, 300]) {
    written.push(...show(driver.update("c1", values, of(mib))));
    values = standing(values, of(mib));
  }
  t.same(
    written.filter((line) => line.includes("memory.max")),
    [`/cg/meseta/a1/c1/memory.max = ${300 * MIB}`],
  );
});

t.test("a driver is picked by what is there and may be written", async (t) => {
  const hierarchies = findHierarchies(PURE_V2);
  const inputs = { ...place, hierarchies, v2Controllers: ["cpu", "memory", "pids"] };
  t.equal(pickDriver({ ...inputs, isWritable: true }).mode, "v2");
  t.equal(pickDriver({ ...inputs, isWritable: false }), noneDriver);
  t.same(noneDriver.plan("c1", values).kill, { kind: "descendants" });
});
