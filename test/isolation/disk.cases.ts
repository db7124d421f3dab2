/** Rows of the table: bounds of the disk that the file system itself keeps. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import t, { type Test as Tap } from "tap";
import { BOUND_SETTINGS_DEFAULT, boundsOf, mountOf } from "#daemon";
import { type DiskOptions, diskIsolator, insideIsolators, planLaunch } from "#isolation";
import type { LaunchPlan } from "#runtime";
import { collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { cannotShow, show } from "./acceptance.ts";
import { insideOptions, insideSpec } from "./inside-rig.ts";
import { loopDevice, mounted } from "./loop.ts";
import { isVm, launch, output, row } from "./planned.ts";
import { machine, NO_LIMITS, type RealRig } from "./rig.ts";

interface DiskWanted {
  readonly run: string;
  readonly diskMib: number;
  readonly volumeMib?: number;
}

/** As the agent plans it, in work directories below `place`. */
function diskPlan(
  rig: RealRig,
  isolator: DiskOptions["isolator"],
  place: string,
  { run, diskMib, volumeMib }: DiskWanted,
): LaunchPlan {
  const volumesDir = join(place, "volumes");
  mkdirSync(volumesDir, { recursive: true });
  const base = insideSpec(rig, run);
  const volume = { role: "r", id: "data", containerPath: "data", mode: "RW" } as const;
  const spec = {
    ...base,
    sandbox: join(place, "sandboxes", base.containerId),
    resources: { ...base.resources, diskMib },
    ...(volumeMib === undefined ? {} : { persistentVolumes: [{ ...volume, mib: volumeMib }] }),
  };
  const isolators = [
    diskIsolator({ isolator, volumesDir, projects: [5_000, 5_003] }),
    ...insideIsolators(insideOptions(rig, { volumesDir })),
  ];
  const result = planLaunch({ spec, machine, driver: rig.driver, isolators });
  if (!result.ok) throw new Error(result.message);
  return { ...result.plan, cgroups: rig.driver.plan(spec.containerId, NO_LIMITS) };
}

const write = (mib: number, path: string): string =>
  `head -c ${mib}M /dev/zero > ${path} && echo ${path} ${mib}`;

function attached(rig: RealRig): string[] {
  const { stdout } = spawnSync("losetup", ["--list", "--noheadings"], { encoding: "utf8" });
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  return `${stdout}${mounts}`.split("\n").filter((line) => line.includes(rig.directory));
}

row("a sandbox in an image takes what it has, and goes without a trace", async (t, rig) => {
  const what = "loop image: a write past the limit fails";
  if (!machine.isRoot || rig.driver.mode === "none") return cannotShow(what, "needs root");
  spawnSync("modprobe", ["loop"]);
  spawnSync("modprobe", ["ext4"]);
  const { exitOf } = collectExits(rig);
  const run = `${write(5, "a")}; ${write(5, "b")}; ${write(1, "/tmp/c")}; cat a > /dev/null && echo on`;
  const plan = diskPlan(rig, "loop", rig.directory, { run, diskMib: 8 });
  await launch(rig, plan);
  const { code } = await exitOf(plan.containerId);
  t.match(output(plan, "stderr"), /No space left on device/);
  t.equal(output(plan), "a 5\non\n", "and /tmp lies in it");
  t.equal(code, 0);
  const refused = /.*No space left on device/.exec(output(plan, "stderr"))?.[0] ?? "";
  show(what, `5 MiB of 8 were written, the next 5 not: ${refused}`);
  await destroyAndForget(rig, plan.containerId);
  t.same(attached(rig), []);
  // The end that nobody prepares: shim and task are killed, nothing is asked for.
  const killed = diskPlan(rig, "loop", rig.directory, { run: "exec sleep 1000", diskMib: 8 });
  const { shimPid } = await launch(rig, killed);
  t.not(attached(rig).length, 0, "while it runs there is a loop device");
  process.kill(shimPid, "SIGKILL");
  await exitOf(killed.containerId);
  await destroyAndForget(rig, killed.containerId);
  t.same(attached(rig), []);
});

/** A file system with project quotas; null where the kernel has none. */
function quotaPlace(t: Tap, rig: RealRig): string | null {
  spawnSync("modprobe", ["xfs"]);
  if (!/\bxfs$/m.test(readFileSync("/proc/filesystems", "utf8"))) return null;
  const place = join(rig.directory, "xfs");
  const device = loopDevice(t, join(rig.directory, "image"), 320);
  try {
    mounted(t, device, place, { kind: "xfs", options: "prjquota" });
  } catch (error) {
    // Where the table is to be shown in full, nothing may be wrong with it.
    if (isVm) throw error;
    return null;
  }
  return place;
}

row("a project quota lets the write past it fail", async (t, rig) => {
  const what = "XFS project quota: a write past the limit fails";
  const place = quotaPlace(t, rig);
  if (place === null) return cannotShow(what, "this kernel has no XFS with quotas");
  t.doesNotThrow(() => boundsOf({ ...BOUND_SETTINGS_DEFAULT, ...STRICT }, facts(place)));
  const { exitOf } = collectExits(rig);
  // The logs count too: what is said when all is taken needs a block that is there already.
  const rest = `${write(3, "b")}; ${write(3, "data/c")}; ${write(3, "data/d")}`;
  const run = `echo begin >&2; ${write(3, "a")}; ${rest}`;
  const wanted = { run, diskMib: 4, volumeMib: 5 };
  const plans = [1, 2].map(() => diskPlan(rig, "xfs", place, wanted));
  for (const plan of plans) {
    await launch(rig, plan);
    await exitOf(plan.containerId);
    rmSync(join(place, "volumes", "roles"), { recursive: true });
    t.equal(output(plan), "a 3\ndata/c 3\n", output(plan, "stderr"));
    t.match(output(plan, "stderr"), /^begin\n.*No space left.*\n.*No space left/);
    await destroyAndForget(rig, plan.containerId);
  }
  // Four projects: two are the old sandboxes', a third the volume's. What is gone is free again.
  for (const { sandbox } of plans) rmSync(sandbox, { recursive: true });
  for (let round = 0; round < 5; round += 1) {
    const plan = diskPlan(rig, "xfs", place, { run: write(1, "a"), diskMib: 4 });
    await launch(rig, plan);
    await exitOf(plan.containerId);
    t.equal(output(plan), "a 1\n");
    await destroyAndForget(rig, plan.containerId);
    rmSync(plan.sandbox, { recursive: true });
  }
  show(
    what,
    "3 MiB of 4 in the sandbox and 3 of 5 in its volume were written, the next 3 in neither",
  );
});

const STRICT = { isDiskEnforced: true, diskIsolator: "xfs" } as const;

const facts = (workDir: string) => ({
  workDir,
  inside: { volumesDir: join(workDir, "volumes"), unavailable: null },
});

void t.test("strict quota where there is none ends the agent with a sentence", async (t) => {
  const told = ((): string => {
    try {
      boundsOf({ ...BOUND_SETTINGS_DEFAULT, ...STRICT }, facts("/proc"));
      return "nothing";
    } catch (error) {
      return (error as Error).message;
    }
  })();
  t.match(told, "--disk-isolator: xfs cannot bound /proc: /proc is proc, and only xfs");
  show("strict quota where there is none", told);
  const table = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /d\\040b rw - xfs /dev/b rw,prjquota";
  t.match(mountOf(table, "/d b/work"), { kind: "xfs", point: "/d b" });
  t.match(mountOf(table, "/d"), { kind: "ext4", point: "/" });
});
