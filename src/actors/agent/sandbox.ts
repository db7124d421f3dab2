/**
 * The sandboxes below the work directory: where they are, and when they go. A sandbox is kept
 * after its container's end for a time that shrinks as the disk fills (Mesos: gc_delay × max(0, 1
 * − headroom − used)); the oldest go first. Removes nothing that a live container uses.
 *
 * The work directory is the root of the agent's disk: `agent/meta` and `agent/journal` are the
 * agent's own, `sandboxes/<containerId>` belongs to each container and holds its logs.
 */
import type { ContainerId } from "#protocol";
import type { Effect, Env } from "#runtime";
import type { EndedSandbox, Task } from "./checkpoint.ts";
import { type AgentState, commit, count, type DiskUsage } from "./state.ts";

/** Most sandboxes of ended containers; beyond it the oldest go whatever their age. */
export const SANDBOXES_ENDED_MAX = 10_000;
/** Most sandboxes removed at one look, so that the disk has other things to do. */
export const SANDBOX_REMOVALS_MAX = 64;

/** Path below the root of the agent's disk. */
export function sandboxBelow(containerId: ContainerId): string {
  return `sandboxes/${containerId}`;
}

export function sandboxPath(workDir: string, containerId: ContainerId): string {
  return `${workDir}/${sandboxBelow(containerId)}`;
}

/** From here on the sandbox waits for its collection; its logs can be read until then. */
export function keepSandbox(
  state: AgentState,
  containerId: ContainerId,
  tasks: readonly Task[],
  env: Env,
): void {
  if (state.model.sandboxes.has(containerId)) return;
  const keys = tasks.map(({ key }) => key);
  commit(state, { k: "sandbox", sandbox: { containerId, keys, endedAtMs: env.wallMs } });
}

/** How long a sandbox is kept now. */
export function sandboxAgeMsMax(
  settings: { readonly gcDelayMs: number; readonly gcDiskHeadroom: number },
  diskUsed: number,
): number {
  return settings.gcDelayMs * Math.max(0, 1 - settings.gcDiskHeadroom - diskUsed);
}

/** Those that must go at this look: too old, or too many; oldest first. */
export function outdatedSandboxes(state: AgentState, wallMs: number): EndedSandbox[] {
  const ageMsMax = sandboxAgeMsMax(state.config, state.diskUsed);
  const surplus = state.model.sandboxes.size - SANDBOXES_ENDED_MAX;
  // The order of the map is the order of their ends, across restarts too.
  return [...state.model.sandboxes.values()]
    .filter(({ endedAtMs }, at) => at < surplus || wallMs - endedAtMs > ageMsMax)
    .slice(0, SANDBOX_REMOVALS_MAX);
}

export function collectSandboxes(state: AgentState, env: Env, out: Effect[]): void {
  for (const { containerId } of outdatedSandboxes(state, env.wallMs)) {
    // Its last update may still wait for the framework, which may want to read the log then.
    if (state.model.containers.has(containerId)) continue;
    const path = sandboxBelow(containerId);
    const token = `sandbox/${containerId}`;
    out.push({ kind: "write", token, mode: "remove", path, bytes: new Uint8Array(0) });
  }
  out.push({ kind: "timer", name: "sandboxes", inMs: state.config.gcIntervalMs });
}

/** How full the disk is. Without headroom sandboxes go at once, not at the next look. */
export function diskUsed(state: AgentState, { used }: DiskUsage, env: Env, out: Effect[]): void {
  const before = state.diskUsed;
  state.diskUsed = used;
  const { launchDiskUsedMax, gcDiskHeadroom } = state.config;
  if (used >= launchDiskUsedMax && before < launchDiskUsedMax) {
    const sentence = "The disk of the work directory is full: launches are refused, tasks go on";
    out.push({ kind: "log", level: "warn", sentence, fields: { used, launchDiskUsedMax } });
  }
  if (used >= 1 - gcDiskHeadroom && state.model.sandboxes.size > 0) {
    collectSandboxes(state, env, out);
  }
}

/** Why nothing can be launched on this disk; undefined where it has room. */
export function diskFault({ diskUsed: used, config }: AgentState): string | undefined {
  const { launchDiskUsedMax: most } = config;
  if (used < most) return undefined;
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;
  return (
    `disk: that of the agent's work directory is ${percent(used)} full, nothing is launched from ` +
    `${percent(most)} on; remove files there, or let sandboxes go sooner (--gc-delay)`
  );
}

/** The folder is gone: so is what is known of it. A failure is tried again at the next look. */
export function sandboxRemoved(
  state: AgentState,
  containerId: ContainerId,
  removed: boolean,
  out: Effect[],
): void {
  count(out, "sandbox-removed", removed ? "ok" : "failed");
  if (removed) commit(state, { k: "sandbox-gone", containerId });
}
