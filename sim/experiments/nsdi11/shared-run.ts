/**
 * Runs some frameworks on one cluster until all their work is done, and writes down each second
 * what they hold. Owns the phases of such a run; the frameworks own their work.
 */
import type { MachineSize } from "../../machine-size.ts";
import { Testbed } from "../testbed.ts";
import type { Scheduler } from "./scheduler.ts";

/** Agents register before frameworks come, and frameworks subscribe before the work does. */
const FRAMEWORKS_AT_MS = 10_000;
export const WORK_AT_MS = 20_000;
const SAMPLE_MS = 1_000;
/** A run that has not ended by then never will. */
const RUN_MS_MAX = 4 * 3_600_000;

/** One framework: its scheduler, what it does when the work begins, whether it is through. */
export interface Participant {
  readonly name: string;
  readonly scheduler: Scheduler;
  begin(): void;
  done(): boolean;
}

/** What one framework held at each second from the beginning of the work. */
export interface Held {
  readonly cpusMilli: number[];
  readonly memMib: number[];
}

export interface RunResult {
  readonly held: ReadonlyMap<string, Held>;
  /** When the last framework was through, from the beginning of the work. */
  readonly endedAtMs: number;
  readonly events: number;
}

export interface RunOptions {
  readonly seed: string;
  readonly agents: number;
  readonly machine: MachineSize;
}

/** @param make builds the participants on a clock that shows the time since the work began. */
export function runShared(
  options: RunOptions,
  make: (nowMs: () => number, bed: Testbed) => readonly Participant[],
): RunResult {
  const bed = new Testbed({ ...{}, ...options, masters: 3, brokers: 3 });
  const { world } = bed;
  const participants = make(() => world.nowMs - WORK_AT_MS, bed);
  const held = new Map<string, Held>();
  for (const { name } of participants) held.set(name, { cpusMilli: [], memMib: [] });
  bed.start();
  world.at(FRAMEWORKS_AT_MS, () => {
    for (const { name, scheduler } of participants) bed.addFramework(name, scheduler);
  });
  world.at(WORK_AT_MS, () => {
    for (const participant of participants) participant.begin();
  });
  world.runUntil(WORK_AT_MS);
  let endedAtMs = 0;
  for (let atMs = 0; atMs < RUN_MS_MAX; atMs += SAMPLE_MS) {
    for (const { name, scheduler } of participants) {
      held.get(name)?.cpusMilli.push(scheduler.cpusMilli);
      held.get(name)?.memMib.push(scheduler.memMib);
    }
    world.runUntil(WORK_AT_MS + atMs + SAMPLE_MS);
    endedAtMs = atMs + SAMPLE_MS;
    if (participants.every((one) => one.done())) return { held, endedAtMs, events: world.events };
  }
  const late = participants.filter((one) => !one.done()).map(({ name }) => name);
  throw new Error(`after ${RUN_MS_MAX / 60_000} minutes ${late.join(", ")} had still work to do`);
}
