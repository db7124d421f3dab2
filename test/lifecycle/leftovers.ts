/**
 * What of one agent is left on the machine: its cgroups, the processes in them or with its
 * directory in their command line, mounts, namespaces, FIFOs, runtime directories, loop devices.
 * Looks only; sees nothing that belongs to others.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type CgroupDriver, LAUNCHER_CGROUP } from "#isolation";

export interface Place {
  readonly dir: string;
  readonly driver: CgroupDriver;
}

/** Each thing that is left, as a sentence; empty where there is nothing. */
export function leftovers({ dir, driver }: Place): string[] {
  const found: string[] = [];
  for (const path of driver.directories) {
    for (const name of namesIn(path)) {
      if (name === LAUNCHER_CGROUP || !isDirectory(join(path, name))) continue;
      found.push(`cgroup ${join(path, name)}`);
    }
  }
  found.push(...processesOf(dir, driver));
  for (const line of textOf("/proc/self/mountinfo").split("\n")) {
    if (line.includes(dir)) found.push(`mount ${line}`);
  }
  const runtime = join(dir, "work", "run");
  for (const name of namesIn(runtime)) {
    // The launcher's socket, and directories that are kept, empty, for the next containers.
    if (name === "launcher.sock" || name.startsWith(".spare-")) continue;
    found.push(`runtime directory ${join(runtime, name)}`);
  }
  found.push(...fullSpares(runtime));
  for (const name of namesIn(join(dir, "work", "sandboxes"))) found.push(`sandbox ${name}`);
  for (const name of namesIn("/sys/block").filter((block) => block.startsWith("loop"))) {
    const backing = textOf(`/sys/block/${name}/loop/backing_file`);
    if (backing.startsWith(dir)) found.push(`loop device ${name} on ${backing.trim()}`);
  }
  return found;
}

/** A spare directory holds a FIFO and empty files; nothing of an earlier container. */
function fullSpares(runtime: string): string[] {
  return namesIn(runtime)
    .filter((name) => name.startsWith(".spare-"))
    .flatMap((spare) =>
      namesIn(join(runtime, spare)).flatMap((name) => {
        const path = join(runtime, spare, name);
        return statSync(path).size === 0 ? [] : [`words of a container in ${path}`];
      }),
    );
}

/** Who is in its cgroups, names its directory, carries its mark, or has a namespace of such. */
function processesOf(dir: string, driver: CgroupDriver): string[] {
  const found: string[] = [];
  const sandboxes = join(dir, "work", "sandboxes", "/");
  const cgroups = driver.directories.map((path) => `/${path.split("/").slice(-2).join("/")}`);
  for (const pid of namesIn("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const command = textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    const isMember = cgroups.some((path) => textOf(`/proc/${pid}/cgroup`).includes(`${path}/`));
    const isNamed = command.includes(dir) || linkOf(`/proc/${pid}/cwd`).startsWith(dir);
    const isMounted = textOf(`/proc/${pid}/mountinfo`).includes(sandboxes);
    if (!isMember && !isNamed && !isMounted) continue;
    const name = textOf(`/proc/${pid}/comm`).trim();
    if (name !== "") found.push(`process ${pid} (${name}) ${command}`);
  }
  return found;
}

function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Processes end while they are looked at: then there is nothing to read. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return absent(error, path);
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    return absent(error, path);
  }
}

function absent(error: unknown, path: string): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (["ENOENT", "ESRCH", "EACCES", "EINVAL", "ENOTDIR"].includes(code)) return "";
  throw new Error(`${basename(path)}: ${error}`);
}
