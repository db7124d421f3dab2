/** Rows of the table: block io and huge pages. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test as Tap } from "tap";
import { probeMachine } from "#daemon";
import { collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { cannotShow, show } from "./acceptance.ts";
import { loopDevice, mounted } from "./loop.ts";
import { launch, MIB, output, planned, planOf, row } from "./planned.ts";
import { machine, type RealRig } from "./rig.ts";

const RATE_MIB = 4;
const WRITE_MIB = 12;

/** A file system on a device of its own, and that device's name. */
function volume(t: Tap, rig: RealRig): { readonly path: string; readonly name: string } {
  const path = join(rig.directory, "volume");
  const loop = loopDevice(t, join(rig.directory, "image"), 64);
  mounted(t, loop, path, { kind: "ext4" });
  return { path, name: loop.name };
}

/** MiB in a second that a limited container writes with these flags of dd. */
async function rateOf(rig: RealRig, { path, name }: ReturnType<typeof volume>, flags: string) {
  const { exitOf } = collectExits(rig);
  const plan = planOf(rig, {
    run: `dd if=/dev/zero of=${path}/file bs=256k count=${WRITE_MIB * 4} ${flags}`,
    limits: { io: [{ device: name, writeBps: RATE_MIB * MIB }] },
    // The device was not there when the machine was looked at.
    machine: { ...machine, ...hardwareNow() },
  });
  await launch(rig, plan);
  const { code } = await exitOf(plan.containerId);
  const said = output(plan, "stderr");
  if (code !== 0) throw new Error(`dd: ${said}`);
  await destroyAndForget(rig, plan.containerId);
  return WRITE_MIB / Number(/copied, ([\d.]+) s/.exec(said)?.[1]);
}

const hardwareNow = () => {
  const { hardware } = probeMachine("/");
  return hardware === undefined ? {} : { hardware };
};

for (const [what, flags] of [
  ["direct writes are held to ± 10 %", "oflag=direct"],
  ["buffered writes are held to ± 10 %", "conv=fsync"],
] as const) {
  row(what, async (t, rig) => {
    if (flags === "conv=fsync" && machine.cgroupMode !== "v2") {
      return cannotShow(what, "v1 does not see what goes through the page cache");
    }
    const rate = await rateOf(rig, volume(t, rig), flags);
    t.ok(Math.abs(rate - RATE_MIB) <= RATE_MIB / 10, `${rate} MiB/s`);
    show(what, `${rate.toFixed(2)} MiB/s of ${RATE_MIB}`);
  });
}

row("a limit for a device that is not there is refused", async (t, rig) => {
  const wanted = { run: "true", limits: { io: [{ device: "nosuch", writeBps: 1 }] } };
  const refused = planned(rig, wanted);
  t.match(refused, { ok: false, message: "cgroups/blkio: io: nosuch is no block device" });
  if (!refused.ok) show("a device that is not there", `${refused.message.slice(0, 90)}…`);
});

const HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages";

row("huge pages past the limit are refused by the kernel", async (t, rig) => {
  const what = "an allocation past the limit fails";
  if (!existsSync(HUGE)) return cannotShow(what, "this kernel has no huge pages of 2 MB");
  const before = readFileSync(HUGE, "utf8").trim();
  writeFileSync(HUGE, "8");
  t.teardown(() => writeFileSync(HUGE, before));
  const { exitOf } = collectExits(rig);
  const fill = "mount -t hugetlbfs -o pagesize=2M none $PWD/huge && cd huge";
  const plan = planOf(rig, {
    run: `mkdir huge; exec unshare -m sh -c '${fill} && fallocate -l 4M a && echo 4 MiB &&
      fallocate -l 4M b && echo 8 MiB; cat /proc/self/cgroup >&2'`,
    limits: { hugetlbMib: { "2MB": 6 } },
  });
  await launch(rig, plan);
  await exitOf(plan.containerId);
  const refused = /fallocate: (.*)/.exec(output(plan, "stderr"))?.[1] ?? "";
  t.equal(output(plan), "4 MiB\n", output(plan, "stderr"));
  t.not(refused, "");
  show(what, `4 of 6 MiB were given, 8 were not: ${refused}`);
  await destroyAndForget(rig, plan.containerId);
});

row("a size of huge pages that the kernel does not have is refused", async (t, rig) => {
  const refused = planned(rig, { run: "true", limits: { hugetlbMib: { "3MB": 6 } } });
  t.match(refused, { ok: false, message: "cgroups/hugetlb: hugetlb: this kernel has no pages" });
  if (!refused.ok) show("a page size that the kernel does not offer", refused.message);
});

/** Only what was mounted here may be gone afterwards. */
row("no loop device is left", async (t, rig) => {
  const { stdout } = spawnSync("losetup", ["--list", "--noheadings"], { encoding: "utf8" });
  t.notMatch(stdout, rig.directory);
});
