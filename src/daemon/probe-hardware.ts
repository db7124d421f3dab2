/**
 * What a machine is made of, as the kernel shows it in /sys and /dev: memory nodes with their
 * cpus, sizes of huge pages, block devices, GPUs, and the devices that tasks may be granted.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { CpusetRoot, Gpu, GrantableDevice, Hardware, Hierarchies } from "#isolation";

const KIB_PER_MIB = 1_024;
const KIB_PER_GIB = 1_024 * 1_024;

/** Null where it is absent or not for us. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

/** `0-2,5` as 0, 1, 2, 5. */
export function parseCpuList(text: string): number[] {
  return text
    .split(",")
    .filter((part) => /^\d+(-\d+)?$/.test(part))
    .flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
    });
}

/** `hugepages-2048kB` as the cgroup files have it: `2MB`. */
export function hugePageSize(name: string): string | null {
  const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? Number.NaN);
  if (!(kib > 0)) return null;
  if (kib % KIB_PER_GIB === 0) return `${kib / KIB_PER_GIB}GB`;
  return kib % KIB_PER_MIB === 0 ? `${kib / KIB_PER_MIB}MB` : `${kib}KB`;
}

/** @param usable the cpus that containers may have at all */
function nodesOf(usable: readonly number[]): Hardware["nodes"] {
  const nodes = namesIn("/sys/devices/system/node").flatMap((name) => {
    const node = /^node(\d+)$/.exec(name)?.[1];
    if (node === undefined) return [];
    const list = parseCpuList(textOf(`/sys/devices/system/node/${name}/cpulist`) ?? "");
    return [{ node: Number(node), cpus: list.filter((cpu) => usable.includes(cpu)) }];
  });
  return nodes.length > 0 ? nodes : [{ node: 0, cpus: usable }];
}

/** `c 195:0` of a device node; null where there is none. */
function nodeOf(path: string): string | null {
  try {
    const about = statSync(path);
    const kind = about.isCharacterDevice() ? "c" : about.isBlockDevice() ? "b" : null;
    return kind === null ? null : `${kind} ${major(about.rdev)}:${minor(about.rdev)}`;
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}

/** As makedev(3) packs them: twelve bits of major, twenty of minor, interleaved. */
const major = (device: number): number => Math.floor(device / 256) % 4_096;
const minor = (device: number): number => (device % 256) + Math.floor(device / 2 ** 20) * 256;

/** What every GPU of this kind needs beside its own node. */
const GPU_SHARED = ["/dev/nvidiactl", "/dev/nvidia-uvm"];

function gpusOf(): Gpu[] {
  const shared = GPU_SHARED.flatMap((path) => nodeOf(path) ?? []);
  return namesIn("/dev").flatMap((name) => {
    const index = /^nvidia(\d+)$/.exec(name)?.[1];
    const node = index === undefined ? null : nodeOf(`/dev/${name}`);
    return node === null ? [] : [{ index: Number(index), nodes: [node, ...shared] }];
  });
}

function blockDevices(): Record<string, string> {
  const entries = namesIn("/sys/block").flatMap((name) => {
    const number = textOf(`/sys/block/${name}/dev`);
    return number === null ? [] : [[name, number] as const];
  });
  return Object.fromEntries(entries);
}

/** Every cpu and memory node that a cpuset of this machine may hold; null where none is mounted. */
export function probeCpuset({ v1, v2 }: Hierarchies): CpusetRoot | null {
  const mount = v1.get("cpuset");
  const at = mount ?? v2;
  if (at === undefined || at === null) return null;
  const read = (...names: string[]): string | null =>
    names.map((name) => textOf(`${at}/${name}`)).find((text) => text !== null && text !== "") ??
    null;
  const cpus = read("cpuset.effective_cpus", "cpuset.cpus.effective", "cpuset.cpus");
  const mems = read("cpuset.effective_mems", "cpuset.mems.effective", "cpuset.mems");
  return cpus === null || mems === null ? null : { cpus, mems };
}

/**
 * @param cpuset what `probeCpuset` found
 * @param granted paths of the devices that tasks may ask for; one that is absent is left out
 */
export function probeHardware(cpuset: CpusetRoot | null, granted: readonly string[]): Hardware {
  const online = textOf("/sys/devices/system/cpu/online") ?? "";
  const devices = granted.flatMap((path): GrantableDevice[] => {
    const node = nodeOf(path);
    return node === null ? [] : [{ path, node }];
  });
  return {
    nodes: nodesOf(parseCpuList(cpuset?.cpus ?? online)),
    hugePages: namesIn("/sys/kernel/mm/hugepages").flatMap((name) => hugePageSize(name) ?? []),
    blockDevices: blockDevices(),
    devices,
    gpus: gpusOf(),
  };
}
