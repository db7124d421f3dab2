/** Whether the file system of a directory keeps project quotas, by what the kernel says of its mount. */
import { readFileSync, realpathSync } from "node:fs";

interface Mount {
  readonly point: string;
  readonly kind: string;
  readonly options: readonly string[];
}

/** Blanks and the like stand as three octal digits in the kernel's text. */
const plain = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

/** The mount that holds a path: the last of the deepest, as later ones cover earlier ones. */
export function mountOf(mountinfo: string, path: string): Mount | null {
  let found: Mount | null = null;
  for (const line of mountinfo.split("\n")) {
    const [head = "", tail = ""] = line.split(" - ");
    const point = plain(head.split(" ")[4] ?? "");
    const [kind = "", , options = ""] = tail.split(" ");
    const within = point === "/" || path === point || path.startsWith(`${point}/`);
    if (point === "" || !within || point.length < (found?.point.length ?? 0)) continue;
    found = { point, kind, options: options.split(",") };
  }
  return found;
}

/** A sentence; null where project quotas are kept and enforced. */
export function whyNoProjectQuota(directory: string): string | null {
  const path = realpathSync(directory);
  const mount = mountOf(readFileSync("/proc/self/mountinfo", "utf8"), path);
  if (mount === null) return `no mount holds ${path}`;
  if (mount.kind !== "xfs")
    return `${mount.point} is ${mount.kind}, and only xfs is known to do so`;
  if (mount.options.some((option) => option === "prjquota" || option === "pquota")) return null;
  return `${mount.point} is mounted without prjquota`;
}
