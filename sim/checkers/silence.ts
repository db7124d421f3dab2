/**
 * A3: silence is evidence only for one who could hear (P-6.1). A master that stood still gives up
 * no agent for silence before all of them had their whole time again.
 */
import type { LogRecord } from "#replication";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedRecords } from "./committed.ts";

/** Who stands still for less is only slow. */
const STOOD_STILL_MS = 5_000;
/** The product's time of silence, less what recounts and a fast clock may be off. */
const SILENCE_MS = 73_000;
const PAUSES: ReadonlySet<string> = new Set(["pause", "leader-pause"]);

/**
 * Agents that are given up for silence: not because another one has come in their place, nor
 * because an operator has their machine down.
 */
function silentOnes({ operations }: LogRecord): string[] {
  const came = operations.some(({ kind }) => {
    return kind === "AgentAdmitted" || kind === "AgentMarkedReachable" || kind === "MachinesDown";
  });
  if (came) return [];
  return operations.flatMap((operation) =>
    operation.kind === "AgentMarkedUnreachable" ? [operation.agentId] : [],
  );
}

export function silenceChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedRecords(world);
  /** Since when a process stands still. */
  const stands = new Map<string, number>();
  /** Until when a process may give up nobody. */
  const deafUntil = new Map<string, number>();
  return {
    id: "A3",
    statement: "who stood still gives up nobody for having been silent meanwhile",
    sees: { fault: "all" },
    on(observation: Observation): void {
      if (observation.what !== "fault" || !PAUSES.has(observation.name)) return;
      for (const name of observation.on) stands.set(name, world.nowMs);
    },
    recount(): void {
      const paused = new Set(world.paused());
      for (const [name, sinceMs] of stands) {
        if (paused.has(name)) continue;
        stands.delete(name);
        if (world.nowMs - sinceMs < STOOD_STILL_MS) continue;
        deafUntil.set(name, world.nowMs + SILENCE_MS);
      }
      for (const record of committed.fresh()) {
        if (world.nowMs >= (deafUntil.get(record.writer) ?? 0)) continue;
        for (const agentId of silentOnes(record)) {
          violate("A3", `${record.writer} gives up ${agentId} soon after it stood still itself`);
        }
      }
    },
  };
}
