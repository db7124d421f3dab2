/**
 * Finds the cgroup hierarchies of a machine in the text of `/proc/self/mountinfo`, never by a
 * fixed path. Decides the mode; reads nothing itself.
 */

export type CgroupMode = "v2" | "v1" | "hybrid" | "none";

export interface Hierarchies {
  /** Mount point of the cgroup2 tree, null when there is none. */
  readonly v2: string | null;
  /** Controller (or `name=systemd`) to the mount point of its v1 hierarchy. */
  readonly v1: ReadonlyMap<string, string>;
}

/** The controllers whose limits the first isolators write. */
const LIMITING = ["cpu", "memory", "pids"] as const;

const V1_CONTROLLERS: ReadonlySet<string> = new Set([
  "cpu",
  "cpuacct",
  "cpuset",
  "memory",
  "devices",
  "freezer",
  "blkio",
  "pids",
  "hugetlb",
  "net_cls",
  "net_prio",
  "perf_event",
  "rdma",
  "misc",
]);

/** The kernel writes blanks, tabs, newlines and backslashes of a path as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * Reads the lines `id parent major:minor root mountpoint options [optional]* - type source super`.
 * The first mount of a hierarchy wins; bind mounts of it elsewhere are left alone.
 */
export function findHierarchies(mountinfo: string): Hierarchies {
  let v2: string | null = null;
  const v1 = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    const [left, right] = line.split(" - ");
    if (left === undefined || right === undefined) continue;
    const mountPoint = unescapeOctal(left.split(" ")[4] ?? "");
    const [type, , superOptions] = right.split(" ");
    if (mountPoint === "") continue;
    if (type === "cgroup2") v2 ??= mountPoint;
    if (type !== "cgroup") continue;
    for (const option of (superOptions ?? "").split(",")) {
      const known = V1_CONTROLLERS.has(option) || option.startsWith("name=");
      if (known && !v1.has(option)) v1.set(option, mountPoint);
    }
  }
  return { v2, v1 };
}

/**
 * v2: the unified tree has the controllers. v1: only v1 mounts. hybrid: v1 limits, and a unified
 * tree that still kills, freezes and tells pressure. A controller lives in one of them, never both.
 *
 * @param v2Controllers the words of `cgroup.controllers` at the v2 mount, empty without one
 */
export function cgroupMode(hierarchies: Hierarchies, v2Controllers: readonly string[]): CgroupMode {
  const v1 = LIMITING.some((controller) => hierarchies.v1.has(controller));
  if (hierarchies.v2 === null) return v1 ? "v1" : "none";
  if (v1) return "hybrid";
  return LIMITING.some((controller) => v2Controllers.includes(controller)) ? "v2" : "none";
}
