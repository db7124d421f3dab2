/** Rows of the table: cpu shares and quotas, cpus of one's own. */
import { collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { Resources } from "#resources";
import { task, TestNode } from "../agent/a-node.ts";
import { cannotShow, show } from "./acceptance.ts";
import { isVm, launch, output, planned, planOf, row, usageNow } from "./planned.ts";
import { machine, until } from "./rig.ts";

const SPIN = "while :; do :; done";
/** How much processor time is watched; an emulated machine gets there more slowly. */
const WATCH_US = isVm ? 3_000_000 : 2_000_000;

row("cpu shares of 4:1 give 4:1 work on one cpu", async (t, rig) => {
  // Both on the same cpu: otherwise each would have one for itself.
  const cpu = machine.hardware?.nodes[0]?.cpus[0] ?? 0;
  const of = (cpuMilli: number) =>
    planOf(rig, { run: `exec taskset -c ${cpu} sh -c '${SPIN}'`, resources: { cpuMilli } });
  const [heavy, light] = [of(800), of(200)];
  await launch(rig, heavy);
  await launch(rig, light);
  const cpu0 = [heavy, light].map((plan) => usageNow(rig, plan).cpuUsageUs ?? 0);
  const used = (): readonly [number, number] => {
    const [a = 0, b = 0] = [heavy, light].map((plan) => usageNow(rig, plan).cpuUsageUs ?? 0);
    return [a - (cpu0[0] ?? 0), b - (cpu0[1] ?? 0)];
  };
  await until("both have worked", () => used()[0] + used()[1] > WATCH_US);
  const sums = used();
  const ratio = sums[0] / sums[1];
  t.ok(ratio > 3.2 && ratio < 4.8, `ratio ${ratio.toFixed(2)}`);
  const times = sums.map((us) => `${(us / 1e6).toFixed(2)} s`).join(" : ");
  show("4:1 shares give 4:1 work on one cpu", `${times} = ${ratio.toFixed(2)}`);
  await destroyAndForget(rig, heavy.containerId);
  await destroyAndForget(rig, light.containerId);
});

row("a cpu quota of 20 % gives 20 % and throttles", async (t, rig) => {
  const plan = planOf(rig, { run: SPIN, resources: { cpuMilli: 100 }, limits: { cpuMilli: 200 } });
  await launch(rig, plan);
  const before = usageNow(rig, plan);
  // Thirty periods of a tenth of a second each.
  const periods = (): number => (usageNow(rig, plan).cpuPeriods ?? 0) - (before.cpuPeriods ?? 0);
  await until("thirty periods are over", () => periods() >= 30);
  const after = usageNow(rig, plan);
  const share =
    ((after.cpuUsageUs ?? 0) - (before.cpuUsageUs ?? 0)) / ((after.atMs - before.atMs) * 10);
  t.ok(share > 17 && share < 23, `${share.toFixed(1)} %`);
  t.ok((after.cpuPeriodsThrottled ?? 0) > 0, "throttled");
  const throttled = `${after.cpuPeriodsThrottled} of ${after.cpuPeriods} periods throttled`;
  show("a quota of 20 % gives 20 % ± 3", `${share.toFixed(1)} %, ${throttled}`);
  await destroyAndForget(rig, plan.containerId);
});

row("more cpus than the agent has are refused", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  const resources = Resources.of("cpus:100;mem:32").toWire();
  node.runTask(task("a", "true", { resources }));
  node.until(() => node.leader.updates.length > 0, "is refused");
  const { state, message = "" } = node.leader.updates[0]?.status ?? { state: "none" };
  t.equal(state, "TASK_LOST", "dropped, for a framework that is not partition-aware");
  t.match(message, /cpus:100.* is asked for, cpus:16.* is free on this agent/);
  show("more cpus than the agent has", message);
});

row("cpus below the minimum are refused", async (t, rig) => {
  const less = planned(rig, { run: "true", resources: { cpuMilli: 5 } });
  t.match(less, { ok: false, message: "cgroups/cpu: cpus: 0.005 is below 0.01" });
  if (!less.ok) show("cpus below the minimum", less.message);
});

row("a pinned task sees its cpus alone, and no other pinned one has them", async (t, rig) => {
  const { exitOf } = collectExits(rig);
  const pinned = (held: Parameters<typeof planned>[1]["held"] = []) =>
    planned(rig, {
      run: "nproc; grep Cpus_allowed_list /proc/self/status",
      resources: { cpuMilli: 1_000 },
      limits: { exclusiveCpus: true },
      held,
    });
  const first = pinned();
  if (!first.ok || first.assigned === undefined) throw new Error("nothing was assigned");
  await launch(rig, first.plan);
  t.equal((await exitOf(first.plan.containerId)).code, 0);
  const [count, allowed] = output(first.plan).trim().split("\n");
  t.equal(count, "1");
  t.equal(allowed?.split(/\s+/)[1], first.assigned.cpus.join(","));
  show("a pinned task sees only its cpus", `nproc ${count}, allowed ${allowed?.split(/\s+/)[1]}`);
  const second = pinned([first.assigned]);
  if (machine.cpus < 2) cannotShow("two exclusive tasks never overlap", "one cpu alone");
  else if (!second.ok || second.assigned === undefined) t.fail("the second got none");
  else {
    await launch(rig, second.plan);
    await exitOf(second.plan.containerId);
    const theirs = output(second.plan).split(/\s+/)[2];
    t.not(theirs, first.assigned.cpus.join(","));
    show("two exclusive tasks never overlap", `${first.assigned.cpus} and ${theirs}`);
    await destroyAndForget(rig, second.plan.containerId);
  }
  const all = machine.hardware?.nodes.flatMap(({ cpus }) => cpus) ?? [];
  const none = pinned([{ cpus: all, mems: [0], gpus: [] }]);
  t.match(none, { ok: false, message: "cpus: 1 are to be exclusive, 0 of this agent" });
  if (!none.ok) show("no cpu left to pin", none.message);
  await destroyAndForget(rig, first.plan.containerId);
});
