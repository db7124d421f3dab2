/** Rows of the table: what is told of a container's use, against loads that are known. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { destroyAndForget } from "../contracts/launcher.cases.ts";
import { probeMachine } from "#daemon";
import { cannotShow, show } from "./acceptance.ts";
import { loopDevice, mounted } from "./loop.ts";
import { launch, MIB, planOf, row, usageNow, usageOf } from "./planned.ts";
import { machine, until } from "./rig.ts";

/** Seconds of which one must be told whole. */
const SECONDS_MAX = 30;

const near = (seen: number, known: number): boolean => Math.abs(seen - known) <= known / 20;

row("processor time is told within 5 % of what a process has used", async (t, rig) => {
  const plan = planOf(rig, { run: "while :; do :; done", resources: { cpuMilli: 1_000 } });
  const { pid } = await launch(rig, plan);
  await until("a second is used", () => (usageNow(rig, plan).cpuUsageUs ?? 0) > 1_500_000);
  // The process' own book of it: fields 14 and 15, in hundredths of a second.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const known = (Number(fields[11]) + Number(fields[12])) / 100;
  const told = ((await usageOf(rig, plan)).cpuUsageUs ?? 0) / 1e6;
  t.ok(near(told, known), `${told} of ${known}`);
  show("cpu within 5 % of a known load", `${told.toFixed(2)} s told of ${known.toFixed(2)} s`);
  await destroyAndForget(rig, plan.containerId);
});

row("memory and processes are told as they are", async (t, rig) => {
  const held = 60;
  const run = `mkfifo in; { head -c ${held * MIB} /dev/zero; exec sleep 1000; } >in &
    sleep 1000 & sleep 1000 & exec tail -c 2G <in`;
  const plan = planOf(rig, { run, resources: { memMib: 128 } });
  const { pid } = await launch(rig, plan);
  const rss = (): number => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024;
  };
  await until("it is held", () => rss() > held);
  await until("the four others are there", () => (usageNow(rig, plan).pids ?? 0) === 4);
  const usage = await usageOf(rig, plan);
  const told = (usage.memoryAnonBytes ?? 0) / MIB;
  t.ok(near(told, rss()), `${told} of ${rss()}`);
  show("memory within 5 % of a known load", `${told.toFixed(1)} MiB of ${rss().toFixed(1)} MiB`);
  t.equal(usage.pids, 4);
  show("pids of a known load", `${usage.pids} of 4`);
  await destroyAndForget(rig, plan.containerId);
});

row("bytes that go to a device are told within 5 %", async (t, rig) => {
  const what = "io within 5 % of a known load";
  const written = 16;
  const point = join(rig.directory, "volume");
  const loop = loopDevice(t, join(rig.directory, "image"), 64);
  mounted(t, loop, point, { kind: "ext4" });
  const dd = `dd if=/dev/zero of=${point}/file bs=1M count=${written} oflag=direct`;
  // v1 counts a device's bytes from the first limit on: one that holds nothing back.
  const io = [{ device: loop.name, writeBps: 1_000 * MIB }];
  const hardware = probeMachine("/").hardware;
  const on = hardware === undefined ? machine : { ...machine, hardware };
  const plan = planOf(rig, { run: `${dd}; exec sleep 1000`, limits: { io }, machine: on });
  await launch(rig, plan);
  const told = (): number => (usageNow(rig, plan).ioWriteBytes ?? 0) / MIB;
  await until("it is written", () => told() >= written * 0.95);
  t.ok(near(told(), written), `${told()}`);
  const where = machine.cgroupMode === "v2" ? "" : ", counted because it has an io limit";
  show(what, `${told().toFixed(2)} MiB of ${written} MiB${where}`);
  await destroyAndForget(rig, plan.containerId);
});

row("waiting for the processor is told as pressure", async (t, rig) => {
  const cpu = machine.hardware?.nodes[0]?.cpus[0] ?? 0;
  // Two on one cpu: at every moment one of them waits.
  const spin = "while :; do :; done";
  const run = `exec taskset -c ${cpu} sh -c '(${spin}) & ${spin}'`;
  const plan = planOf(rig, { run, resources: { cpuMilli: 100_000 } });
  await launch(rig, plan);
  await until("both run", () => (usageNow(rig, plan).pids ?? 0) === 2);
  if (usageNow(rig, plan).cpuPressureUs === null) {
    return cannotShow("pressure of a known load", "this kernel tells no pressure");
  }
  // While one of them works the other waits; while others have the cpu, both do. The kernel leaves
  // some of that out where a machine is crowded, so one second of several has to be told whole.
  let seen = "";
  let isNear = false;
  for (let second = 0; second < SECONDS_MAX && !isNear; second++) {
    const before = usageNow(rig, plan);
    await until("a second has passed", () => Date.now() - before.atMs > 1_000);
    const after = usageNow(rig, plan);
    const waited = (after.cpuPressureUs ?? 0) - (before.cpuPressureUs ?? 0);
    const worked = (after.cpuUsageUs ?? 0) - (before.cpuUsageUs ?? 0);
    const elapsed = (after.atMs - before.atMs) * 1_000;
    isNear = near(waited, elapsed);
    const [did, stood, of] = [worked, waited, elapsed].map((us) => `${(us / 1e6).toFixed(2)} s`);
    seen = `two on one cpu: ${did} worked, ${stood} waited of ${of}`;
  }
  t.ok(isNear, seen);
  show("pressure of a known load", seen);
  await destroyAndForget(rig, plan.containerId);
});
