/**
 * Ends everything of one agent on its machine: every container with all its processes, then the
 * cgroups. Used by an agent that is to leave nothing behind, and after one that was killed.
 */
import { existsSync, rmdirSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findLauncherPrograms, openLauncher } from "#adapters";
import { CGROUP_ROOT_DEFAULT, type CgroupDriver } from "#isolation";
import type { Launcher, Logger } from "#runtime";
import { nativeDir } from "./build.ts";
import { driverOf, probeMachine } from "./probe-machine.ts";

/** Between SIGTERM and SIGKILL for tasks whose cluster is being ended. */
const GRACE_MS = 1_000;
/** Times that a destroy or a removal is asked for again. */
const TRIES_MAX = 20;
const RETRY_MS = 100;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** SIGTERM, then SIGKILL, to all containers side by side; returns when no process is left. */
export async function endContainers(launcher: Launcher, logger: Logger): Promise<number> {
  const facts = await recover(launcher);
  const ids = new Set([
    ...facts.containers.filter(({ alive }) => alive).map(({ containerId }) => containerId),
    ...facts.cgroups.map(({ containerId }) => containerId),
  ]);
  await Promise.all([...ids].map((id) => destroy(launcher, id, logger)));
  return ids.size;
}

async function recover(launcher: Launcher) {
  for (let tries = 1; ; tries += 1) {
    const answer = await new Promise<Parameters<Parameters<Launcher["recover"]>[0]>[0]>((resolve) =>
      launcher.recover(resolve),
    );
    if (answer.ok) return answer.facts;
    if (tries >= TRIES_MAX) throw new Error(`the containers cannot be listed: ${answer.message}`);
    await pause(RETRY_MS);
  }
}

async function destroy(launcher: Launcher, id: string, logger: Logger): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const answer = await new Promise<Parameters<Parameters<Launcher["destroy"]>[2]>[0]>((resolve) =>
      launcher.destroy(id, GRACE_MS, resolve),
    );
    if (answer.ok || answer.reason === "unknown") return;
    if (tries >= TRIES_MAX) {
      return logger.log("error", `container ${id} is still there: ${answer.message}`);
    }
    await pause(RETRY_MS);
  }
}

/** Removes the agent's own directories, and the common one above when it is empty. */
export async function removeCgroups(driver: CgroupDriver, logger: Logger): Promise<void> {
  const own = ownDirectories(driver);
  const above = own.map((path) => dirname(path)).filter((path) => !own.includes(path));
  for (let tries = 1; ; tries += 1) {
    const left = own.filter((path) => !removeOne(path));
    if (left.length === 0) break;
    if (tries >= TRIES_MAX) {
      logger.log("warn", `cgroups that cannot be removed: ${left.join(", ")}`);
      return;
    }
    await pause(RETRY_MS);
  }
  // Another agent of this machine may have it; then it stays.
  for (const path of above) removeOne(path);
}

/** Children first. The launcher may have a home in a hierarchy without containers. */
function ownDirectories(driver: CgroupDriver): string[] {
  const homes = driver.launcherJoin().map((file) => dirname(file));
  const agents = [...driver.directories, ...homes.map((path) => dirname(path))];
  return [...new Set([...homes, ...agents])];
}

function removeOne(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code === "EBUSY" || code === "ENOTEMPTY") return false;
    throw error;
  }
}

/** Ends what an agent left in its work directory; nothing where it left nothing. */
export async function endLeftNode(workDir: string, logger: Logger): Promise<number> {
  const id = await readFile(join(workDir, "agent-id"), "utf8").catch(() => undefined);
  const runtimeDir = join(workDir, "run");
  if (id === undefined || !existsSync(runtimeDir)) return 0;
  const driver = driverOf(probeMachine(workDir), {
    root: CGROUP_ROOT_DEFAULT,
    agentId: id.trim(),
  });
  const names = await readdir(runtimeDir);
  if (names.length === 0 && !ownDirectories(driver).some((path) => existsSync(path))) return 0;
  const launcher = openLauncher({
    programs: findLauncherPrograms(nativeDir()),
    runtimeDir,
    driver,
    onMessage: (line) => logger.log("warn", `launcher: ${line}`),
  });
  try {
    return await endContainers(launcher, logger);
  } finally {
    launcher.close();
    await pause(RETRY_MS);
    await removeCgroups(driver, logger);
  }
}
