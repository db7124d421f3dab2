/**
 * What a run has left behind: in its own process namespace every process but itself and what brought
 * it up is one too many, and on the machine the cgroups of its agents.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { cgroupsNamed } from "../../test/support/cluster.ts";

/** Beside the containers: where launcher and shims are. */
const LAUNCHER = "=launcher";

/** Whether the first process of this process namespace is the one that began the run. */
export function isOwnNamespace(): boolean {
  return readFileSync("/proc/1/cmdline", "utf8").includes("/chaos/inside.js");
}

/** Processes of this namespace that do not belong to the run itself. */
export function processesLeft(): { readonly pid: number; readonly about: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== "1" && Number(name) !== process.pid)
    .flatMap((pid) => {
      const about = aboutProcess(pid);
      return about === undefined ? [] : [{ pid: Number(pid), about }];
    });
}

/** Its command; undefined for one that has gone meanwhile, or is dead and not yet collected. */
function aboutProcess(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    if (/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return command === "" ? stat.slice(0, stat.lastIndexOf(")") + 1) : command;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

export function cgroupsLeft(agentIds: readonly string[]): string[] {
  return cgroupsNamed(agentIds).map((path) => `cgroup ${path}`);
}

/** Takes away the cgroups of agents that could not do it any more, once nothing runs in them. */
export function removeCgroups(agentIds: readonly string[]): void {
  for (const path of cgroupsNamed(agentIds)) {
    const below = execFileSync("find", [path, "-depth", "-type", "d"], { encoding: "utf8" });
    for (const one of below.trim().split("\n")) rmdirSync(one);
  }
}

/** Containers of each agent that have a cgroup still, by the agent's id. */
export function containersOf(agentId: string): string[] {
  const [root] = cgroupsNamed([agentId]);
  if (root === undefined) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== LAUNCHER)
    .map(({ name }) => name);
}

/** Mounts below a directory. */
export function mountsLeft(dir: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => (line.split(" ")[1] ?? "").startsWith(`${dir}/`))
    .map((line) => `mount ${line}`);
}
