/**
 * How an agent comes back. Pure decisions: from the journal's bytes the model, and from what the
 * isolator found what becomes of each task. A task is started again only where it is certain
 * that it never ran; else what is not known is said to have failed.
 */
import { type ContainerId, decodeValue, isTerminal } from "#protocol";
import type { RecoveredContainer } from "#isolation";
import { type AgentRecord, apply, Checkpoint, type Task } from "./checkpoint.ts";
import { readRecords } from "./journal.ts";
import type { StatusFields } from "./updates.ts";

export type Replay =
  | {
      readonly ok: true;
      readonly model: Checkpoint;
      readonly records: number;
      /** Bytes at the end that a crash cut short; they were never said to anybody. */
      readonly tornBytes: number;
    }
  | { readonly ok: false; readonly message: string };

const KINDS: ReadonlySet<AgentRecord["k"]> = new Set([
  "framework",
  "framework-shutdown",
  "task",
  "container",
  "kill",
  "resized",
  "update",
  "ack",
  "task-gone",
  "progress",
  "executor",
  "executor-registered",
  "executor-shutdown",
  "executor-gone",
  "sandbox",
  "sandbox-gone",
  "operation",
  "operation-gone",
  "volume-gone",
  "resources",
] as const);

/** The records passed their checksums, so they are ours; a kind that is unknown is a newer one's. */
export function replay(bytes: Uint8Array): Replay {
  const { payloads, end, at } = readRecords(bytes);
  if (end === "corrupt") {
    return { ok: false, message: `the journal is damaged at byte ${at}, records follow it` };
  }
  const model = new Checkpoint();
  for (const [index, payload] of payloads.entries()) {
    const decoded = decodeValue(payload);
    if (decoded.fault !== undefined) {
      return { ok: false, message: `record ${index} of the journal: ${decoded.fault}` };
    }
    const { value } = decoded;
    if (!isRecord(value)) {
      return {
        ok: false,
        message: `record ${index} of the journal is of an unknown kind: a newer agent wrote it; start that one again`,
      };
    }
    apply(model, value);
  }
  return { ok: true, model, records: payloads.length, tornBytes: bytes.length - at };
}

function isRecord(value: unknown): value is AgentRecord {
  if (typeof value !== "object" || value === null || !("k" in value)) return false;
  return KINDS.has(value.k as AgentRecord["k"]);
}

/** What becomes of a task of the built-in executor. */
export type Fate =
  /** It runs on; RUNNING is said where it was not said before. */
  | { readonly do: "watch" }
  /** Its end is on the way, from the isolator; or it has ended and is only unacknowledged. */
  | { readonly do: "wait" }
  /** It never ran and nobody wants it dead: another container is asked for. */
  | { readonly do: "launch" }
  | { readonly do: "end"; readonly fields: StatusFields };

/**
 * @param bootId of now: in another boot whatever ran has gone, and what is absent proves nothing,
 * for a runtime directory does not outlive a boot.
 */
export function fateOf(task: Task, found: RecoveredContainer["found"], bootId: string): Fate {
  if (isTerminal(task.state)) return { do: "wait" };
  if (found === "running") return { do: "watch" };
  if (found === "ended") return { do: "wait" };
  const source = "SOURCE_AGENT" as const;
  if (task.kill !== null) {
    const message = "Killed; its container was gone when the agent came back";
    return { do: "end", fields: { state: "TASK_KILLED", source, message } };
  }
  const never = task.startedAtMs === null && task.state === "TASK_STAGING";
  if (never && task.bootId === bootId) return { do: "launch" };
  const reason = "REASON_EXECUTOR_TERMINATED" as const;
  const rebooted = task.bootId !== bootId;
  const message = rebooted
    ? "The machine was restarted while the task was on it"
    : "Its container was gone when the agent came back; nobody knows how it ended";
  return { do: "end", fields: { state: "TASK_FAILED", source, reason, message } };
}

/** Containers that the isolator must not take for orphans. */
export function knownContainers(model: Checkpoint): ContainerId[] {
  const ids = new Set<ContainerId>(model.executors.keys());
  for (const task of model.tasks.values()) {
    if (task.manner === "command" || task.manner === "group") ids.add(task.containerId);
  }
  return [...ids];
}
