/** Containers as plain data: plans merged, checkpoints read back, recovery and usage decided. */
import fc from "fast-check";
import t from "tap";
import {
  afterDestroyAnswer,
  type Checkpoint,
  type ContainerSpec,
  checkpointOf,
  cpuIsolator,
  cpuMilliBetween,
  DESTROY_BEGIN,
  DESTROY_RETRY_MS_MAX,
  decodeCheckpoint,
  destroyRetryMs,
  emptyUsage,
  encodeCheckpoint,
  type Isolator,
  type Machine,
  memIsolator,
  mergeFragments,
  oomVerdict,
  parseCpuStat,
  parseCpuStatV1,
  parseMemoryStat,
  parseNumber,
  parseOomControl,
  parsePidsEvents,
  parsePressureTotal,
  pidsIsolator,
  planFault,
  planLaunch,
  pressureShare,
  printPlan,
  recoverContainers,
  v2Driver,
} from "#isolation";
import type { ContainerExit, ContainerFacts } from "#runtime";

const MIB = 1024 * 1024;
const machine: Machine = {
  cpus: 4,
  memoryBytes: 1_024 * MIB,
  cgroupMode: "v2",
  isRoot: true,
};
const spec: ContainerSpec = {
  v: 1,
  containerId: "c1",
  nonce: "n1",
  agentId: "a1",
  bootId: "boot",
  createdAtMs: 1,
  sandbox: "/data/sandboxes/c1",
  user: null,
  resources: { cpuMilli: 500, cpuMilliRevocable: 0, memMib: 64 },
  limits: { cpuMilli: null, memMib: null, pids: null },
  cgroupMode: "v2",
  graceMs: 3_000,
  owner: { task: "t1" },
  argv: ["/bin/sh", "-c", "true"],
  env: { TOKEN: "secret" },
  logs: { bytes: 1_000_000, files: 2 },
};
const isolators = [
  cpuIsolator({ isQuotaForAll: false }),
  memIsolator({ swapMib: 0 }),
  pidsIsolator({ max: 512 }),
];
const driver = v2Driver({
  root: "meseta",
  agentId: "a1",
  mount: "/cg",
  controllers: ["cpu", "memory", "pids"],
});
const checkpoint = checkpointOf(spec);

t.test("isolators turn resources into the kernel's values", async (t) => {
  const result = planLaunch({ spec, machine, driver, isolators });
  if (!result.ok) throw new Error(result.message);
  t.same(result.values, {
    cpu: { cpuMilli: 500, revocable: false, limitMilli: null },
    memory: {
      softBytes: 64 * MIB,
      hardBytes: 64 * MIB,
      swap: { bytes: 0, optional: true },
    },
    pids: { max: 512 },
  });
  t.equal(result.plan.oomScoreAdj, null, "soft is hard: not burstable");
  t.equal(planFault(result.plan), null);
  const limits = { cpuMilli: "infinite", memMib: 128, pids: 9 } as const;
  const burst = planLaunch({ spec: { ...spec, limits }, machine, driver, isolators });
  t.match(burst, { values: { cpu: { limitMilli: "infinite" }, pids: { max: 9 } } });
  t.equal(burst.ok && burst.plan.oomScoreAdj, 938);
  const all = [cpuIsolator({ isQuotaForAll: true })];
  t.match(planLaunch({ spec, machine, driver, isolators: all }), {
    values: { cpu: { limitMilli: 500 } },
  });
});

t.test("contradictions are named with who said what, without secrets", async (t) => {
  const rival = (name: string, TOKEN: string): Isolator => ({
    name,
    fragment: () => ({ env: { TOKEN }, oomScoreAdj: TOKEN.length }),
  });
  const result = planLaunch({
    spec,
    machine,
    driver,
    isolators: [rival("x", "other"), rival("y", "another")],
  });
  t.match(result, { ok: false, contradictions: [{ what: "env.TOKEN" }, { what: "oomScoreAdj" }] });
  t.equal(
    !result.ok && result.message,
    "env.TOKEN: task wants (hidden), x wants (hidden), y wants (hidden); oomScoreAdj: x wants 5, y wants 7",
  );
  t.ok(
    mergeFragments([
      { by: "x", fragment: { env: { A: "1" } } },
      { by: "y", fragment: { env: { A: "1" } } },
    ]).ok,
  );
});

t.test("a plan is printed for people without the environment's values", async (t) => {
  const result = planLaunch({ spec, machine, driver, isolators });
  const text = result.ok ? printPlan(result.plan) : "";
  t.notMatch(text, "secret");
  t.match(text, 'run "/bin/sh" "-c" "true"');
  t.match(text, "kill by /cg/meseta/a1/c1/cgroup.kill");
});

t.test("a checkpoint holds no environment and is read back as it was", async (t) => {
  t.notMatch(encodeCheckpoint(checkpoint), "secret");
  t.same(decodeCheckpoint(encodeCheckpoint(checkpoint)), { ok: true, checkpoint });
  const extra = { ...checkpoint, addedLater: 1 };
  t.ok(decodeCheckpoint(JSON.stringify(extra)).ok, "fields are added, never changed");
  for (const text of ["", "{", "{}", JSON.stringify({ ...checkpoint, v: 2 })]) {
    t.notOk(decodeCheckpoint(text).ok, text);
  }
  t.match(decodeCheckpoint(JSON.stringify({ ...checkpoint, v: 2 })), { newerVersion: 2 });
  t.match(decodeCheckpoint(JSON.stringify({ ...checkpoint, graceMs: -1 })), {
    message: "/graceMs",
  });
});

t.test("no text makes the reader of checkpoints throw", async () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => !decodeCheckpoint(text).ok));
});

const exit: ContainerExit = {
  containerId: "c1",
  outcome: "exited",
  code: 3,
  signal: null,
  atMs: 9,
  userMs: 1,
  systemMs: 1,
  maxRssKb: 1,
  oomKills: 0,
  memoryPeakBytes: null,
  logBytesDropped: 0,
};
const pids = { shimPid: 5, shimStartTicks: 50, pid: 6, startTicks: 51 };

t.test("recovery tells running, ended, lost and orphan apart", async (t) => {
  const config = (change: Partial<Checkpoint>): string =>
    encodeCheckpoint({ ...checkpoint, ...change });
  const facts = (change: Partial<ContainerFacts>): ContainerFacts => ({
    containerId: "c1",
    config: config({}),
    pids,
    exit: null,
    alive: true,
    ...change,
  });
  const cases: [Partial<ContainerFacts>, object][] = [
    [{}, { kind: "running", pids }],
    [{ alive: false }, { kind: "lost", why: "shimGone" }],
    [
      { alive: false, pids: null },
      { kind: "lost", why: "neverStarted" },
    ],
    [
      { exit, alive: false },
      { kind: "ended", exit },
    ],
    [
      { exit, alive: true },
      { kind: "ended", exit },
    ],
    // A pid that is alive after a reboot belongs to somebody else, whatever its start time says.
    [{ config: config({ bootId: "other" }) }, { kind: "lost", why: "rebooted" }],
    [{ config: config({ bootId: "other" }), exit }, { kind: "ended" }],
    [{ config: null }, { kind: "orphan" }],
    [{ config: "{" }, { kind: "orphan" }],
    [{ config: config({ agentId: "a2" }) }, { kind: "orphan" }],
  ];
  for (const [change, expected] of cases) {
    const found = { bootId: "boot", containers: [facts(change)], cgroups: [] };
    t.match(recoverContainers(found, "a1"), [expected]);
  }
  const cgroups = [
    { containerId: "c1", paths: ["/x/c1"] },
    { containerId: "c2", paths: ["/x/c2"] },
  ];
  const verdicts = recoverContainers({ bootId: "boot", containers: [facts({})], cgroups }, "a1");
  t.match(verdicts, [{ kind: "running" }, { kind: "orphan", containerId: "c2" }]);
});

t.test("a destroy that fails is tried again, more slowly, and never forgotten", async (t) => {
  const no = { ok: false, reason: "notEmpty", message: "still there" } as const;
  const first = afterDestroyAnswer(DESTROY_BEGIN, no);
  t.same(first, {
    do: "destroy",
    inMs: 500,
    progress: { step: "destroying", failures: 1, message: "still there" },
  });
  t.same([0, 1, 2, 20, 1_000].map(destroyRetryMs), [
    500,
    1_000,
    2_000,
    60_000,
    DESTROY_RETRY_MS_MAX,
  ]);
  const done = afterDestroyAnswer(first.progress, { ok: true });
  t.same(done.progress, { step: "forgetting", failures: 0, message: null });
  t.match(afterDestroyAnswer(done.progress, no), { do: "forget" });
  t.match(afterDestroyAnswer(done.progress, { ok: true }), { progress: { step: "gone" } });
  const gone = { ok: false, reason: "unknown", message: "" } as const;
  t.match(afterDestroyAnswer(DESTROY_BEGIN, gone), { progress: { step: "forgetting" } });
});

t.test("only the kernel's counter says that memory ran out", async (t) => {
  t.equal(oomVerdict({ ...exit, outcome: "signaled", signal: 9, code: null }, 48 * MIB), null);
  const killed = { ...exit, oomKills: 2, memoryPeakBytes: 48 * MIB };
  t.equal(
    oomVerdict(killed, 48 * MIB)?.message,
    "Memory limit exceeded: limit 48.0 MiB, peak 48.0 MiB, 2 processes killed by the kernel",
  );
});

t.test("counter files are read as the kernel writes them", async (t) => {
  t.match(
    parseCpuStat("usage_usec 12\nuser_usec 3\nnr_periods 4\nnr_throttled 2\nthrottled_usec 9\n"),
    {
      cpuUsageUs: 12,
      cpuPeriods: 4,
      cpuPeriodsThrottled: 2,
      cpuThrottledUs: 9,
    },
  );
  t.match(parseCpuStatV1("nr_periods 4\nnr_throttled 2\nthrottled_time 9000\n"), {
    cpuThrottledUs: 9,
  });
  t.same(parseOomControl("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), { oomKills: 3 });
  t.same(parsePidsEvents("max 7\n"), { pidsRefused: 7 });
  t.same(parseMemoryStat("cache 1\nrss 2\ntotal_cache 3\ntotal_rss 4\n", "v1"), {
    memoryAnonBytes: 4,
    memoryFileBytes: 3,
  });
  t.same(["12\n", "max\n", "", "-1"].map(parseNumber), [12, null, null, null]);
  const psi = "some avg10=0.00 avg60=1.00 avg300=0.10 total=123\nfull avg10=0.00 total=45\n";
  t.same([parsePressureTotal(psi, "some"), parsePressureTotal(psi, "full")], [123, 45]);
  t.equal(parsePressureTotal("some avg10=0.00\n", "some"), null);
  t.equal(pressureShare({ beforeUs: 0, afterUs: 250_000, elapsedMs: 1_000 }), 0.25);
  t.equal(pressureShare({ beforeUs: 0, afterUs: 1, elapsedMs: 0 }), null);
  const at = (atMs: number, cpuUsageUs: number) => ({ ...emptyUsage("c1", atMs), cpuUsageUs });
  t.equal(cpuMilliBetween(at(0, 0), at(1_000, 500_000)), 500);
});
