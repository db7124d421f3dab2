/**
 * Decides, when an agent comes back, what became of each container: from the checkpoints, what
 * the shims left, and the boot id. Pure; reads nothing, ends nothing.
 */
import type { ContainerExit, PidFacts, RecoveredFacts } from "#runtime";
import { type Checkpoint, CHECKPOINT_VERSION, decodeCheckpoint } from "./container.ts";

export type Recovered =
  /** Its shim lives: go on watching. */
  | { readonly kind: "running"; readonly checkpoint: Checkpoint; readonly pids: PidFacts }
  /** It ended while nobody looked; the status tells how. */
  | { readonly kind: "ended"; readonly checkpoint: Checkpoint; readonly exit: ContainerExit }
  /** Nobody knows how it ended. What is left of it must be destroyed. */
  | {
      readonly kind: "lost";
      readonly checkpoint: Checkpoint;
      readonly why: "rebooted" | "neverStarted" | "shimGone";
    }
  /** No checkpoint that can be read: destroy and forget; nobody waits for an update. */
  | { readonly kind: "orphan"; readonly containerId: string; readonly message: string };

/**
 * @param facts what `Launcher.recover` found
 * @param agentId checkpoints of another agent in the same directory are orphans
 */
export function recoverContainers(facts: RecoveredFacts, agentId: string): readonly Recovered[] {
  const verdicts: Recovered[] = [];
  const known = new Set<string>();
  for (const container of facts.containers) {
    const { containerId } = container;
    known.add(containerId);
    const orphan = (message: string): void =>
      void verdicts.push({ kind: "orphan", containerId, message });
    if (container.config === null) {
      orphan("there is no config.json: the launch was cut short");
      continue;
    }
    const decoded = decodeCheckpoint(container.config);
    if (!decoded.ok) {
      orphan(decoded.message);
      continue;
    }
    const { checkpoint } = decoded;
    if (checkpoint.containerId !== containerId || checkpoint.agentId !== agentId) {
      orphan(`config.json belongs to ${checkpoint.agentId}/${checkpoint.containerId}`);
      continue;
    }
    verdicts.push(verdictOf(container, checkpoint, facts.bootId));
  }
  for (const { containerId, paths } of facts.cgroups) {
    if (known.has(containerId)) continue;
    const message = `a cgroup without a checkpoint: ${paths.join(" ")}`;
    verdicts.push({ kind: "orphan", containerId, message });
  }
  return verdicts;
}

/**
 * Why this build must touch nothing of what was found, as a sentence: a newer agent keeps it in a
 * shape that this one would take for an orphan's, and end. Undefined where all can be read.
 */
export function newerFault({ containers }: RecoveredFacts): string | undefined {
  for (const { containerId, config } of containers) {
    const decoded = config === null ? undefined : decodeCheckpoint(config);
    if (decoded === undefined || decoded.ok || decoded.newerVersion === undefined) continue;
    return (
      `container ${containerId} has a checkpoint of version ${decoded.newerVersion} and this build reads up to ` +
      `${CHECKPOINT_VERSION}: a newer agent wrote it; start that one again, nothing was touched`
    );
  }
  return undefined;
}

/** A status counts first: it was synced before anything else could happen, a reboot included. */
function verdictOf(
  container: RecoveredFacts["containers"][number],
  checkpoint: Checkpoint,
  bootId: string,
): Recovered {
  const { exit, pids, alive } = container;
  if (exit !== null) return { kind: "ended", checkpoint, exit };
  if (checkpoint.bootId !== bootId) return { kind: "lost", checkpoint, why: "rebooted" };
  if (pids === null) return { kind: "lost", checkpoint, why: "neverStarted" };
  return alive
    ? { kind: "running", checkpoint, pids }
    : { kind: "lost", checkpoint, why: "shimGone" };
}
