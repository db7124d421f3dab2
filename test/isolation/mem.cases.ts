/** Rows of the table: memory limits, soft, hard, high, swap and burstable. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { oomVerdict } from "#isolation";
import type { LaunchPlan } from "#runtime";
import { ask, collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { cannotShow, show } from "./acceptance.ts";
import { isVm, launch, MIB, planned, planOf, row, usageNow } from "./planned.ts";
import { machine, type RealRig, until } from "./rig.ts";

/** Holds `mib` of memory and waits. `tail` keeps all that it is given; it is the task itself. */
const hold = (mib: number): string =>
  `mkfifo in; { head -c ${mib * MIB} /dev/zero; exec sleep 1000; } >in & exec tail -c 2G <in`;

/** The same, five MiB at a time: a kernel that cannot swap as fast as that is asked of it kills. */
const holdSlowly = (mib: number): string => {
  const slices = `for each in $(seq ${mib / 5}); do head -c ${5 * MIB} /dev/zero; sleep 0.05; done`;
  return `mkfifo in; { ${slices}; exec sleep 1000; } >in & exec tail -c 2G <in`;
};

const fileOf = (plan: LaunchPlan, name: RegExp): string => {
  const step = plan.cgroups.steps.find((one) => one.kind === "write" && name.test(one.path));
  if (step === undefined) throw new Error(`the plan writes no ${name}`);
  return step.path;
};

const used = (rig: RealRig, plan: LaunchPlan): number => usageNow(rig, plan).memoryAnonBytes ?? 0;

/** Waits until a container holds that much. */
const untilHolds = (rig: RealRig, plan: LaunchPlan, bytes: number): Promise<void> =>
  until(`it holds ${bytes} bytes`, () => used(rig, plan) >= bytes);

row("a hog ends at its limit, and the report says limit, peak and memory.stat", async (t, rig) => {
  const { exitOf } = collectExits(rig);
  const dirty = "dd if=/dev/zero of=file bs=1M count=8 2>/dev/null; head -c 300M /dev/zero | tail";
  const plan = planOf(rig, { run: dirty, resources: { memMib: 48 } });
  await launch(rig, plan);
  const exit = await exitOf(plan.containerId);
  t.ok(exit.oomKills >= 1);
  const message = oomVerdict(exit, 48 * MIB)?.message ?? "";
  t.match(message, /limit 48\.0 MiB, peak 4[0-8]\.\d MiB, .*left at its end: /);
  show("out of memory at the limit, with reason, peak and memory.stat", message);
  await destroyAndForget(rig, plan.containerId);
});

row("a task whose request shrinks below what it holds lives on", async (t, rig) => {
  const plan = planOf(rig, { run: hold(70), resources: { memMib: 128 } });
  const { pid } = await launch(rig, plan);
  await untilHolds(rig, plan, 68 * MIB);
  const values = (mib: number) => ({
    cpu: null,
    memory: { softBytes: mib * MIB, hardBytes: mib * MIB },
    pids: null,
  });
  const steps = rig.driver.update(plan.containerId, values(128), values(40));
  t.ok((await ask(rig, (done) => rig.launcher.update(plan.containerId, steps, done))).ok);
  const soft = Number(readFileSync(fileOf(plan, /memory\.(soft_limit_in_bytes|low)$/), "utf8"));
  const hard = Number(readFileSync(fileOf(plan, /memory\.(limit_in_bytes|max)$/), "utf8"));
  t.same([soft / MIB, hard / MIB], [40, 128]);
  t.ok(existsSync(`/proc/${pid}`));
  const held = used(rig, plan) / MIB;
  show("shrinking never kills", `holds ${held.toFixed(0)} MiB at a request of 40, hard stays 128`);
  await destroyAndForget(rig, plan.containerId);
});

row("memory.high slows a hog down and kills nobody", async (t, rig) => {
  const what = "memory.high slows and never kills";
  const wanted = { run: hold(100), resources: { memMib: 128 }, limits: { memHighMib: 40 } };
  if (machine.cgroupMode !== "v2") {
    const refused = planned(rig, wanted);
    t.match(refused, { ok: false, message: "only cgroup v2 slows down" });
    if (!refused.ok) cannotShow(what, `refused with "${refused.message}"`);
    return;
  }
  const plan = planOf(rig, wanted);
  await launch(rig, plan);
  const events = fileOf(plan, /memory\.high$/).replace(/high$/, "events");
  const highs = (): number => Number(/^high (\d+)$/m.exec(readFileSync(events, "utf8"))?.[1]);
  await until("it is slowed down", () => highs() > 20);
  const held = used(rig, plan) / MIB;
  t.ok(held < 60, `holds ${held}`);
  t.equal(usageNow(rig, plan).oomKills, 0);
  show(what, `100 MiB wanted, ${held.toFixed(0)} MiB held at high 40, slowed ${highs()} times`);
  await destroyAndForget(rig, plan.containerId);
});

// Swap in compressed memory is written at once. Behind a loop device it lags, and the kernel kills instead.
row("swap is bounded", async (t, rig) => {
  const what = "swap is bounded";
  if (!isVm) return cannotShow(what, "this machine has no swap; its own is not ours to make");
  const device = "/dev/zram0";
  if (spawnSync("modprobe", ["zram"]).status !== 0) return cannotShow(what, "there is no zram");
  writeFileSync("/sys/block/zram0/disksize", "128M");
  t.equal(spawnSync("mkswap", [device]).status, 0);
  const on = spawnSync("swapon", [device], { encoding: "utf8" });
  if (on.status !== 0) return cannotShow(what, `swapon: ${on.stderr.trim()}`);
  t.teardown(() => spawnSync("swapoff", [device]));
  const { exitOf } = collectExits(rig);
  const of = (swapMib: number) =>
    planOf(rig, { run: holdSlowly(70), resources: { memMib: 40 }, limits: { swapMib } });
  const [none, enough] = [of(0), of(60)];
  await launch(rig, enough);
  const swapped = (): number =>
    Number(readFileSync(fileOf(enough, /swap\.max$/).replace("max", "current"), "utf8")) / MIB;
  await until(
    "it has swapped, or was killed",
    () => swapped() > 20 || (usageNow(rig, enough).oomKills ?? 0) > 0,
  );
  t.ok(swapped() > 20, `${swapped()} MiB swapped, ${usageNow(rig, enough).oomKills} killed`);
  await launch(rig, none);
  const exit = await exitOf(none.containerId);
  t.ok(exit.oomKills > 0);
  t.ok(swapped() <= 60);
  show(what, `70 MiB in 40: ${swapped().toFixed(0)} MiB swapped of 60; killed where swap is 0`);
  for (const { containerId } of [none, enough]) await destroyAndForget(rig, containerId);
});

row("of two burstable tasks the one of the lower request dies first", async (t, rig) => {
  const { exitOf } = collectExits(rig);
  // The machine is short: here its part that these containers are in, and no more of it.
  const room = 160 * MIB;
  const limits = { memMib: "infinite" } as const;
  const low = planOf(rig, { run: hold(50), resources: { memMib: 32 }, limits });
  const most = Math.floor((machine.memoryBytes / MIB) * 0.8);
  const high = planOf(rig, { run: hold(70), resources: { memMib: most }, limits });
  const above = fileOf(low, /memory\.(limit_in_bytes|max)$/).split("/");
  const file = [...above.slice(0, -2), above.at(-1)].join("/");
  writeFileSync(file, String(room));
  await launch(rig, low);
  await untilHolds(rig, low, 48 * MIB);
  const { pid } = await launch(rig, high);
  await untilHolds(rig, high, 68 * MIB);
  const third = planOf(rig, {
    run: hold(60),
    resources: { memMib: most },
    limits,
  });
  await launch(rig, third);
  const exit = await exitOf(low.containerId);
  t.ok(exit.oomKills > 0, "the kernel took it");
  t.ok(existsSync(`/proc/${pid}`), "the larger one of the higher request lives");
  const scores = `oom_score_adj ${low.oomScoreAdj} against ${high.oomScoreAdj}`;
  show("the task of the lower request dies first", `${scores}: 50 MiB went, 70 MiB stayed`);
  for (const { containerId } of [low, high, third]) await destroyAndForget(rig, containerId);
});

row("memory limits below the request and requests below 32 MB are refused", async (t, rig) => {
  const below = planned(rig, { run: "true", resources: { memMib: 64 }, limits: { memMib: 48 } });
  t.match(below, { ok: false, message: "cgroups/mem: limits: mem 48 MiB is below" });
  if (!below.ok) show("a memory limit below the request", below.message);
  const less = planned(rig, { run: "true", resources: { memMib: 16 } });
  t.match(less, { ok: false, message: "cgroups/mem: mem: 16 MiB is below 32 MiB" });
  if (!less.ok) show("memory below 32 MB", less.message);
});
