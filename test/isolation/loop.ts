/** Loop devices and file systems on them for tests; released whatever the test did. */
import { spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { Test as Tap } from "tap";

const MIB = 1024 * 1024;

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

export interface Loop {
  /** `/dev/loop3`. */
  readonly device: string;
  /** `loop3`, as in `/sys/block`. */
  readonly name: string;
}

/** A loop device on a new file of that size. @throws Error in one sentence: none is left */
export function loopDevice(t: Tap, file: string, mib: number): Loop {
  // In an emulated machine the driver may not be there yet.
  spawnSync("modprobe", ["loop"]);
  writeFileSync(file, "");
  truncateSync(file, mib * MIB);
  const device = run("losetup", "--find", "--show", file);
  t.teardown(() => run("losetup", "--detach", device));
  return { device, name: basename(device) };
}

/** A file system of its own, mounted at `point`. */
export function mounted(
  t: Tap,
  { device }: Loop,
  point: string,
  { kind, options = "" }: { readonly kind: "ext4" | "xfs"; readonly options?: string },
): void {
  spawnSync("modprobe", [kind]);
  run(`mkfs.${kind}`, ...(kind === "ext4" ? ["-q", "-F"] : ["-q"]), device);
  mkdirSync(point, { recursive: true });
  run("mount", "-t", kind, ...(options === "" ? [] : ["-o", options]), device, point);
  t.teardown(() => run("umount", "--lazy", point));
}
